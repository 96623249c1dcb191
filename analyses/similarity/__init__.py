"""Similarity of tasks and languages."""
