"""Who executes the plan. Workers meet in the run directory alone: claims say who works on what."""
