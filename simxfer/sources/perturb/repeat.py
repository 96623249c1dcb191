"""A letter of a word is typed twice."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, clusters, each_word


def repeat(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Repeat a cluster of each chosen word."""
    return each_word(words, how, rng, _stuttered)


def _stuttered(word: str, rng: np.random.Generator) -> str:
    units = clusters(word)
    i = rng.integers(len(units))
    return "".join([*units[: i + 1], *units[i:]])
