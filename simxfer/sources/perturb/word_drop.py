"""Words are left out."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words


def drop_words(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Leave each word out with the probability of the strength; one always stays."""
    draws = rng.random(len(words))
    kept = [(i, word) for i, word in enumerate(words) if draws[i] >= how.strength]
    last = int(draws.argmax())
    return kept or [(last, words[last])]
