"""Words change places anywhere in the text."""

import numpy as np

from simxfer.sources.perturb import Perturbation, Words


def shuffle(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Shuffle the chosen words among their places."""
    chosen = np.flatnonzero(rng.random(len(words)) < how.strength)
    places = np.arange(len(words))
    places[chosen] = rng.permutation(chosen)
    return [(int(i), words[i]) for i in places]
