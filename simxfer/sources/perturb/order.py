"""Words change places anywhere in the text."""

import numpy as np

from simxfer.sources.perturb import Words


def shuffle(words: Words, strength: float, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Shuffle the chosen words among their places."""
    chosen = np.flatnonzero(rng.random(len(words)) < strength)
    places = np.arange(len(words))
    places[chosen] = rng.permutation(chosen)
    return [(int(i), words[i]) for i in places]
