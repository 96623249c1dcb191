"""Do methods, seeds or languages rank tasks alike, and how reliably."""
