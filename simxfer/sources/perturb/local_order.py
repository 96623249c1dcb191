"""Neighbouring words change places."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words


def exchange(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Let pairs of neighbours change places, each with the probability of the strength."""
    places, hits = list(range(len(words))), rng.random(len(words)) < how.strength
    for i in range(0, len(words) - 1, 2):
        if hits[i]:
            places[i], places[i + 1] = places[i + 1], places[i]
    return [(i, words[i]) for i in places]
