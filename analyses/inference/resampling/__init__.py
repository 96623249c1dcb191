"""Bootstrap, sign flips and cluster-robust errors."""
