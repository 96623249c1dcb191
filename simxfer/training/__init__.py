"""Examples -> checkpoint: the one loop, its losses, recipes and methods, and pretraining for the embedded world."""
