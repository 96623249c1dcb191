"""Linear mixed models with crossed random effects."""
