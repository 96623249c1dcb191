"""The run directory: names, atomic writes, claims."""
