"""What varies by language: kinship, permutation, distance matrices."""
