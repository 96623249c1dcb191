"""Who does it: a run directory is opened, workers take its stages, and what they scored is gathered."""
