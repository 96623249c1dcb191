"""A checkpoint -> predictions -> scores; files of predictions -> scores as the official scorers give them."""
