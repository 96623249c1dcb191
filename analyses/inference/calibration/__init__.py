"""Error rates under known truth."""
