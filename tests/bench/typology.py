"""Typological distances: 50 languages in all kinds, all 7,970 of URIEL in one, against a plain loop."""

from collections import deque
from functools import partial

import numpy as np

from analyses.similarity import distance_blocks, language_distances, language_features
from analyses.similarity.uriel import KINDS

from .measure import Row, Timer, alone, compared

LANGUAGES = (
    *("af", "ar", "az", "bg", "bn", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "gu", "he", "hi"),
    *("ht", "hu", "id", "it", "ja", "jv", "ka", "kk", "ko", "lt", "ml", "mr", "ms", "my", "nl", "pa", "pl"),
    *("pt", "quz", "ro", "ru", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "wo", "yo", "zh"),
)
"""The 50 languages of XTREME-R (Ruder et al. 2021); its Quechua is that of Cusco."""
KIND = "syntactic"


def run(timer: Timer) -> list[Row]:
    """Measure both sizes; reading the feature table is part of the first call and not counted."""
    features = language_features(LANGUAGES, KIND).to_numpy()
    subjects = {
        "all kinds": partial(language_distances, LANGUAGES),
        "one kind": partial(language_distances, LANGUAGES, [KIND]),
        "a plain loop over pairs": partial(_plain, features),
    }
    seconds = timer.interleave(subjects)
    everything = timer.interleave({"all": _everything}, most=3, warm=False)["all"]
    some, loop = f"{len(LANGUAGES)} languages", "a plain loop over pairs"
    return [
        alone("typology", f"{some}, {len(KINDS)} kinds", seconds["all kinds"], at_most=1.0),
        compared("typology", f"{some}, {KIND}", seconds["one kind"], loop, seconds[loop]),
        alone("typology", f"all 7,970 languages, {KIND}", everything),
    ]


def _everything() -> None:
    deque(distance_blocks(KIND), maxlen=0)


def _plain(features: np.ndarray) -> list[tuple[float, float]]:
    """Angular distance and observed share of every ordered pair, one at a time."""
    found = []
    for x in features:
        for y in features:
            both = ~np.isnan(x) & ~np.isnan(y)
            u, v = x[both], y[both]
            cosine = u @ v / (np.linalg.norm(u) * np.linalg.norm(v))
            found.append((2 / np.pi * np.arccos(min(cosine, 1.0)), both.mean()))
    return found
