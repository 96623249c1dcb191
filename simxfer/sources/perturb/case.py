"""Capitals where there were none, and none where there were."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, each_word


def change_case(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Swap the case of each chosen word; scripts without case have nothing to change."""
    return each_word(words, how, rng, lambda word, _: word.swapcase())
