"""Blanks are left out between words and put into them."""

import numpy as np
import regex

from simxfer.sources.perturb import Perturbation, Words, clusters

_UNSPACED = regex.compile(r"[\p{LB=SA}\p{LB=ID}\p{LB=CJ}]")
"""Letters of scripts without blanks (Thai, Chinese, Japanese, ...) by the line breaks that Unicode allows."""


def respace(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Cut each chosen word in two by a blank, or join it with the next one.

    Where there are no blanks words are cut only; a word of one cluster is joined only, and the last one cut only.
    """
    chosen, cuts = rng.random(len(words)) < how.strength, rng.random(len(words)) < 0.5
    draws = rng.random(len(words))
    new, before = [], ""
    for i, word in enumerate(words):
        units = clusters(word)
        joined = i + 1 < len(words) and not (_UNSPACED.search(word) or _UNSPACED.match(words[i + 1]))
        if chosen[i] and joined and (not cuts[i] or len(units) == 1):
            before += word
            continue
        if chosen[i] and len(units) > 1:
            cut = 1 + int(draws[i] * (len(units) - 1))
            word = "".join([*units[:cut], " ", *units[cut:]])
        new.append((i, before + word))
        before = ""
    return new
