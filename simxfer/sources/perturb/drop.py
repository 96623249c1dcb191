"""A letter of a word is left out."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, clusters, each_word


def drop(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Leave a cluster out of each chosen word; a word of one cluster stays."""
    return each_word(words, how, rng, _shortened)


def _shortened(word: str, rng: np.random.Generator) -> str:
    units = clusters(word)
    if len(units) < 2:
        return word
    del units[rng.integers(len(units))]
    return "".join(units)
