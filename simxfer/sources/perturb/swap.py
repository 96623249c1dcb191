"""Two neighbouring letters of a word change places."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, clusters, each_word


def swap(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Swap two neighbouring clusters of each chosen word that differ; a word of one cluster stays."""
    return each_word(words, how, rng, _swapped)


def _swapped(word: str, rng: np.random.Generator) -> str:
    units = clusters(word)
    places = [i for i in range(len(units) - 1) if units[i] != units[i + 1]]
    if not places:
        return word
    i = places[rng.integers(len(places))]
    units[i], units[i + 1] = units[i + 1], units[i]
    return "".join(units)
