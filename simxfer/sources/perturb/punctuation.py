"""Punctuation is left out."""

import unicodedata

import numpy as np

from simxfer.sources.perturb import Perturbation, Words, each_word


def drop_punctuation(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Strip the punctuation off each chosen word; a word that is nothing else stays."""
    return each_word(words, how, rng, lambda word, _: _stripped(word) or word)


def _stripped(word: str) -> str:
    return "".join(character for character in word if unicodedata.category(character)[0] != "P")
