"""The artificial languages: typological switches, ancestry, and the true distances that follow from them.

`x-pivot` is the language of training. Ten languages differ from it in exactly one switch (minimal pairs); six
more combine switches, as families of real languages do. Everything here is declared, and fixed before any
encoder is trained on it.

Switches and what they do (`simxfer.world.render`):

- order: basic order of subject, verb and object; places follow the object, in SOV they precede it.
- adjective: before (AN) or after (NA) its noun. Determiners and numerals always precede.
- adposition: before or after the noun phrase of place. An agglutinative language has no free adposition: the
  relation is a case suffix of the noun, and the switch is without effect.
- determiner: whether a common noun without a numeral has one.
- wh_fronting: whether the question word opens the question or stays in its place.
- morphology: isolating; fusional (the patient has an accusative suffix); agglutinative (the accusative, the
  adposition and the negation are suffixes).
- script: of all words but proper names, loans, digits and punctuation, which are Latin everywhere.
- cognacy: share of the parent's roots that are inherited. Suffixes count as roots.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from simxfer.common.errors import InputError, unknown
from simxfer.schema.tables import LANGUAGES as LANGUAGES_TABLE
from simxfer.schema.tables import validate

Order = Literal["SVO", "SOV", "VSO"]
Morphology = Literal["isolating", "fusional", "agglutinative"]
Script = Literal["Latn", "Cyrl", "Hebr", "Deva"]

PIVOT = "x-pivot"
COMPONENTS = ("syntax", "morphology", "script", "lexicon")
SWITCHES = (
    "order",
    "adjective",
    "adposition",
    "determiner",
    "wh_fronting",
    "morphology",
    "script",
    "cognacy",
)
_SYNTAX_WEIGHTS = {"order": 2, "adjective": 1, "adposition": 1, "determiner": 1, "wh_fronting": 1}
_MORPHOLOGY_SCALE = {"isolating": 0.0, "fusional": 0.5, "agglutinative": 1.0}


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language: its switches, and the parent from which it inherits the share `cognacy` of its roots."""

    code: str
    family: str
    parent: str | None = PIVOT
    order: Order = "SVO"
    adjective: Literal["AN", "NA"] = "AN"
    adposition: Literal["pre", "post"] = "pre"
    determiner: bool = True
    wh_fronting: bool = True
    morphology: Morphology = "isolating"
    script: Script = "Latn"
    cognacy: float = 1.0


_ALL = (
    Language(code=PIVOT, family="A", parent=None),
    Language(code="x-sov", family="A", order="SOV"),
    Language(code="x-vso", family="A", order="VSO"),
    Language(code="x-na", family="A", adjective="NA"),
    Language(code="x-post", family="A", adposition="post"),
    Language(code="x-nodet", family="A", determiner=False),
    Language(code="x-insitu", family="A", wh_fronting=False),
    Language(code="x-fus", family="A", morphology="fusional"),
    Language(code="x-agg", family="A", morphology="agglutinative"),
    Language(code="x-cyrl", family="A", script="Cyrl"),
    Language(code="x-lex", family="L", cognacy=0.0),
    Language(code="x-a2", family="A", adjective="NA", cognacy=0.55),
    Language(
        code="x-b1",
        family="B",
        order="SOV",
        adposition="post",
        determiner=False,
        wh_fronting=False,
        morphology="agglutinative",
        cognacy=0.30,
    ),
    Language(
        code="x-b2",
        family="B",
        parent="x-b1",
        order="SOV",
        adposition="post",
        determiner=False,
        wh_fronting=False,
        morphology="agglutinative",
        cognacy=0.50,
    ),
    Language(code="x-c1", family="C", order="VSO", adjective="NA", cognacy=0.20),
    Language(
        code="x-c2",
        family="C",
        parent="x-c1",
        order="VSO",
        adjective="NA",
        morphology="fusional",
        script="Hebr",
        cognacy=0.60,
    ),
    Language(
        code="x-d1",
        family="D",
        order="SOV",
        adposition="post",
        determiner=False,
        wh_fronting=False,
        morphology="fusional",
        script="Deva",
        cognacy=0.15,
    ),
)

LANGUAGES: dict[str, Language] = {language.code: language for language in _ALL}
"""All languages, the pivot first, parents before their children."""

MINIMAL_PAIRS = (
    "x-sov",
    "x-vso",
    "x-na",
    "x-post",
    "x-nodet",
    "x-insitu",
    "x-fus",
    "x-agg",
    "x-cyrl",
    "x-lex",
)
"""Languages that differ from the pivot in exactly one switch."""


def get_language(code: str) -> Language:
    """Return the language with this code, or raise an InputError that suggests the nearest one."""
    if code not in LANGUAGES:
        raise InputError(unknown("world language", code, LANGUAGES))
    return LANGUAGES[code]


def true_distance(a: str, b: str = PIVOT) -> dict[str, float]:
    """Return the true distance of two languages by component, each in [0, 1], and their mean, `total`.

    - syntax: weighted share of the syntactic switches that differ: order counts 2, adjective, adposition,
      determiner and wh_fronting 1 each, over 6.
    - morphology: difference on the scale isolating 0, fusional 0.5, agglutinative 1.
    - script: 0 if equal, 1 if not.
    - lexicon: 1 - product of the declared cognacies on the path between the two in the tree of ancestry, which
      is the expected share of roots that they do not share. Names, loans and digits, alike everywhere, are
      not counted.
    - total: mean of the four.
    """
    x, y = get_language(a), get_language(b)
    differing = sum(w for switch, w in _SYNTAX_WEIGHTS.items() if getattr(x, switch) != getattr(y, switch))
    parts = {
        "syntax": differing / sum(_SYNTAX_WEIGHTS.values()),
        "morphology": abs(_MORPHOLOGY_SCALE[x.morphology] - _MORPHOLOGY_SCALE[y.morphology]),
        "script": float(x.script != y.script),
        "lexicon": 1.0 - _shared_roots(a, b),
    }
    return {"total": sum(parts.values()) / len(parts), **parts}


def differing_switches(a: str, b: str = PIVOT) -> tuple[str, ...]:
    """Return the names of the switches in which two languages differ (cognacy: they share not all roots)."""
    x, y = get_language(a), get_language(b)
    grammatical = [s for s in SWITCHES[:-1] if getattr(x, s) != getattr(y, s)]
    return (*grammatical, *(["cognacy"] if _shared_roots(a, b) < 1 else []))


def languages_table() -> pd.DataFrame:
    """Return every language's record in the schema LANGUAGES (language, kind, feature, value).

    Kinds: `syntactic` (URIEL's names of the features that the switches decide), `switch` (one row a value of a
    switch, 1 where it holds; wh-fronting has no URIEL feature), `genetic` (membership in a family), `script`,
    `lexical` (`cognacy`: share of the roots shared with the pivot) and `distance` (the true distance to the
    pivot: total, syntax, morphology, script, lexicon).
    """
    rows = [
        (language.code, kind, feature, float(value))
        for language in _ALL
        for kind, features in _features(language).items()
        for feature, value in features.items()
    ]
    return validate(pd.DataFrame(rows, columns=LANGUAGES_TABLE.column_names), LANGUAGES_TABLE)


def _features(language: Language) -> dict[str, Mapping[str, float]]:
    return {
        "syntactic": _uriel(language),
        "switch": {
            f"{switch}={value}": getattr(language, switch) == value
            for switch in SWITCHES[:-1]
            for value in dict.fromkeys(getattr(other, switch) for other in _ALL)
        },
        "genetic": {f"F_{f}": language.family == f for f in sorted({x.family for x in _ALL})},
        "script": {s: language.script == s for s in dict.fromkeys(x.script for x in _ALL)},
        "lexical": {"cognacy": _shared_roots(language.code, PIVOT)},
        "distance": true_distance(language.code),
    }


def _uriel(language: Language) -> dict[str, bool]:
    """Return the values of URIEL's syntactic features that the switches decide."""
    order, suffixing = language.order, language.morphology == "agglutinative"
    return {
        "S_SVO": order == "SVO",
        "S_SOV": order == "SOV",
        "S_VSO": order == "VSO",
        "S_SUBJECT_BEFORE_VERB": order != "VSO",
        "S_SUBJECT_AFTER_VERB": order == "VSO",
        "S_OBJECT_BEFORE_VERB": order == "SOV",
        "S_OBJECT_AFTER_VERB": order != "SOV",
        "S_OBLIQUE_BEFORE_VERB": order == "SOV",
        "S_OBLIQUE_AFTER_VERB": order != "SOV",
        "S_OBLIQUE_BEFORE_OBJECT": order == "SOV",
        "S_OBLIQUE_AFTER_OBJECT": order != "SOV",
        "S_ADJECTIVE_BEFORE_NOUN": language.adjective == "AN",
        "S_ADJECTIVE_AFTER_NOUN": language.adjective == "NA",
        "S_ADPOSITION_BEFORE_NOUN": language.adposition == "pre" and not suffixing,
        "S_ADPOSITION_AFTER_NOUN": language.adposition == "post" and not suffixing,
        "S_ARTICLE_WORD_BEFORE_NOUN": language.determiner,
        "S_CASE_SUFFIX": language.morphology != "isolating",
        "S_CASE_MARK": language.morphology != "isolating",
        "S_NEGATIVE_WORD": not suffixing,
        "S_NEGATIVE_WORD_BEFORE_VERB": not suffixing,
        "S_NEGATIVE_SUFFIX": suffixing,
        "S_NEGATIVE_AFFIX": suffixing,
    }


def _shared_roots(a: str, b: str) -> float:
    """Return the expected share of roots that two languages share: the cognacies on the path between them."""
    up_a, up_b = _lineage(a), _lineage(b)
    share = 1.0
    for code in set(up_a) ^ set(up_b):
        share *= LANGUAGES[code].cognacy
    return share


def _lineage(code: str) -> list[str]:
    """Return the language and its ancestors."""
    parent = LANGUAGES[code].parent
    return [code, *(_lineage(parent) if parent else [])]
