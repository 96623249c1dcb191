"""What is asked: a grid file, its plan, what it costs and needs. No torch, and no stage is run here."""
