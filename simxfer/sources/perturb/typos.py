"""Typing errors: a neighbouring key, one more, one too few, two exchanged."""

import json
from collections import Counter
from functools import cache

import numpy as np

from simxfer.common.shipped import data_path
from simxfer.sources.perturb import Perturbation, Words, clusters, each_word, script_of

KINDS = {"delete": 28, "insert": 15, "replace": 28, "transpose": 28}
SAME_ROW = 0.9
"""How often each kind of error is made, and how often it stays in its row of keys (MulTypo, arXiv 2510.09536)."""

OFFSETS = {"AE": 0.0, "AD": 0.5, "AC": 0.75, "AB": 1.25}
"""Where the rows of a keyboard begin, in widths of a key, from the digits down."""
FARTHEST = 1.2
"""Two keys are neighbours whose centres are so many widths apart, or fewer."""

USUAL = ("us", "ru", "gr", "ara", "il", "in(deva)")
"""The layouts of letters that the language's own has not: foreign names, and languages without one of their own."""

Keys = dict[str, tuple[str, str]]
"""Letter -> its neighbours in the same row, and in the rows above and below."""


def mistype(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Mistype a letter of each chosen word on the keyboard of the language.

    The first cluster of a longer word is spared, as in MulTypo. A word without a letter of any keyboard (Chinese,
    Korean) stays: such text is typed otherwise.
    """
    keys = keys_of(how.request.language if how.request else "")
    return each_word(words, how, rng, lambda word, draw: _mistyped(word, keys, draw))


def _mistyped(word: str, keys: Keys, rng: np.random.Generator) -> str:
    units = clusters(word)
    places = [i for i, unit in enumerate(units) if unit[0] in keys and (i or len(units) == 1)]
    if not places:
        return word
    i = places[rng.integers(len(places))]
    follows = i + 1 in places and units[i] != units[i + 1]
    weights = np.array(list(KINDS.values()), float) * [len(units) > 1, True, True, follows]
    kind = rng.choice(list(KINDS), p=weights / weights.sum())
    if kind == "delete":
        units[i] = ""
    elif kind == "insert":
        units[i] += _neighbour(units[i][0], keys, rng)
    elif kind == "replace":
        typed = [j for j, letter in enumerate(units[i]) if letter in keys]
        j = typed[rng.integers(len(typed))]
        units[i] = units[i][:j] + _neighbour(units[i][j], keys, rng) + units[i][j + 1 :]
    else:
        units[i : i + 2] = units[i + 1], units[i]
    return "".join(units)


def _neighbour(letter: str, keys: Keys, rng: np.random.Generator) -> str:
    beside, other = keys[letter]
    near = beside if not other or (beside and rng.random() < SAME_ROW) else other
    return near[rng.integers(len(near))]


@cache
def keys_of(language: str) -> Keys:
    """Return what a letter of a language is mistaken for: letters for letters, marks for marks."""
    own = _shipped()["languages"].get(language)
    keys: Keys = {}
    for layout in filter(None, (*reversed(USUAL), own)):
        for letter, near in neighbours(layout).items():
            beside, other = ("".join(c for c in row if _joins(c) == _joins(letter)) for row in near)
            if beside or other:
                keys[letter] = beside, other
    return keys


@cache
def neighbours(layout: str) -> Keys:
    """Return the neighbours of every letter and mark of a layout's script: near keys, on the same level."""
    rows = _shipped()["layouts"][layout]
    [(script, _)] = Counter(script_of(c) for name in OFFSETS for c in "".join(rows[name])).most_common(1)
    found: Keys = {}
    for level in (0, 1):
        at = [
            (row, OFFSETS[name] + column, letter)
            for row, name in enumerate(OFFSETS)
            for column, letter in enumerate(rows[name][level])
            if script_of(letter) == script
        ]
        for row, x, letter in at:
            near = [
                (r == row, other)
                for r, y, other in at
                if other != letter and (row - r) ** 2 + (x - y) ** 2 <= FARTHEST**2
            ]
            beside, others = found.get(letter, ("", ""))
            # A letter may stand on two keys: it is a neighbour once.
            found[letter] = (
                "".join(dict.fromkeys([*beside, *(other for same, other in near if same)])),
                "".join(dict.fromkeys([*others, *(other for same, other in near if not same)])),
            )
    return found


@cache
def _joins(character: str) -> bool:
    """Tell whether a character is a mark, which joins the letter before it."""
    return len(clusters("a" + character)) == 1


@cache
def _shipped() -> dict:
    """Return layouts and the languages that are typed on them: xkeyboard-config's, see data/keyboards."""
    return json.loads(data_path("keyboards", "keyboards.json").read_text(encoding="utf-8"))
