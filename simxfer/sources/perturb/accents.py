"""Accents are left out, as where a keyboard has none."""

import unicodedata

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, each_word


def strip_accents(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Strip the marks of Latin, Greek and Cyrillic letters of each chosen word; those of other scripts are letters."""
    return each_word(words, how, rng, lambda word, _: _bare(word))


def _bare(word: str) -> str:
    parts, keep, apart = [], True, unicodedata.normalize("NFD", word)
    for character in apart:
        if unicodedata.category(character) == "Mn":
            parts += [character] * keep
            continue
        keep = not unicodedata.name(character, "").startswith(("LATIN", "GREEK", "CYRILLIC"))
        parts.append(character)
    # Some letters with a dot below never come together again: without an accent the word stays as it is spelled.
    return unicodedata.normalize("NFC", "".join(parts)) if len(parts) < len(apart) else word
