"""Letters give way to others that look alike."""

import json
from functools import cache

import numpy as np

from simxfer.common.shipped import data_path
from simxfer.sources.perturb import Perturbation, Words, each_word


def disguise(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Replace a letter of each chosen word by one of its look-alikes, of its own or another script.

    Those that NFKC undoes, as XLM-R's tokenizer does, are none.
    """
    return each_word(words, how, rng, _disguised)


def _disguised(word: str, rng: np.random.Generator) -> str:
    known = lookalikes()
    places = [i for i, letter in enumerate(word) if letter in known]
    if not places:
        return word
    i = places[rng.integers(len(places))]
    others = known[word[i]]
    return word[:i] + others[rng.integers(len(others))] + word[i + 1 :]


@cache
def lookalikes() -> dict[str, str]:
    """Return the look-alikes of every letter that has some: Unicode's confusables, see data/lookalikes."""
    return json.loads(data_path("lookalikes", "lookalikes.json").read_text(encoding="utf-8"))["letters"]
