"""What varies by pair of tasks: regression, permutation of whole tasks, many measures as one family."""
