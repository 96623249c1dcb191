"""Words are said twice."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words


def repeat_words(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Repeat each word with the probability of the strength."""
    hits = rng.random(len(words)) < how.strength
    return [(i, word) for i, word in enumerate(words) for _ in range(1 + hits[i])]
