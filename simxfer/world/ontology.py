"""What the languages talk about: the concepts, numbered once for all worlds and languages.

48 common nouns in 6 classes of 8, 25 proper names, 10 verbs (7 with a synonym), 5 pairs of antonymous
adjectives, 3 spatial relations, 4 times, function words, digits and punctuation. Half of the nouns of a class
are loans: written alike in every language. Some names are homonyms: one form for a person and for a city or an
organisation. Where both readings would be possible the person is meant (`simxfer.world.meanings` gives the
other one no weight there), so the context always decides.
"""

from dataclasses import dataclass

import numpy as np

CLASSES = ("animal", "food", "tool", "vehicle", "job", "place")
CLASS_SIZE = 8
LOANS_PER_CLASS = 4
N_NOUNS = len(CLASSES) * CLASS_SIZE


@dataclass(frozen=True)
class Frame:
    """What a verb takes: the groups of its agents and of its patients; and whether it has a synonym."""

    agents: tuple[str, ...]
    patients: tuple[str, ...]
    has_synonym: bool


VERB_FRAMES = (
    Frame(("person", "job", "animal"), ("food",), True),
    Frame(("person", "job"), ("tool",), True),
    Frame(("person", "job", "org"), ("vehicle",), True),
    Frame(("person", "job"), ("person", "job"), True),
    Frame(("person", "job"), ("animal",), False),
    Frame(("animal",), ("animal",), True),
    Frame(("animal",), ("person", "job"), False),
    Frame(("org",), ("person", "job"), True),
    Frame(("person", "job", "animal"), ("person", "job", "animal"), True),
    Frame(("person",), ("org",), False),
)
"""The verbs, by rank."""

_SIZES = {
    **dict.fromkeys(CLASSES, CLASS_SIZE),
    "person": 14,
    "city": 6,
    "org": 5,
    "hypernym": len(CLASSES),
    "adjective": 10,
    "verb": len(VERB_FRAMES),
    "synonym": sum(frame.has_synonym for frame in VERB_FRAMES),
    "relation": 3,
    "time": 4,
    "function": 6,
    "digit": 8,
    "mark": 2,
}

GROUPS: dict[str, range] = {}
"""The concepts of each group, by number; common nouns come first."""
_first = 0
for _group, _size in _SIZES.items():
    GROUPS[_group] = range(_first, _first + _size)
    _first += _size
N_CONCEPTS = _first

DETERMINER, NEGATION, COPULA, WHO, WHAT, WHERE = GROUPS["function"]
FULL_STOP, QUESTION_MARK = GROUPS["mark"]

GROUP_OF: list[str] = [group for group, members in GROUPS.items() for _ in members]
"""The group of each concept."""

HYPERNYM = np.full(N_CONCEPTS, -1, dtype=np.int16)
"""The hypernym of each common noun, -1 for other concepts."""
HYPERNYM[:N_NOUNS] = GROUPS["hypernym"].start + np.arange(N_NOUNS) // CLASS_SIZE

SYNONYM = np.full(N_CONCEPTS, -1, dtype=np.int16)
"""The synonym of each verb that has one, -1 for other concepts."""
SYNONYM[[v for v, frame in zip(GROUPS["verb"], VERB_FRAMES, strict=True) if frame.has_synonym]] = GROUPS[
    "synonym"
]

CANONICAL = np.arange(N_CONCEPTS, dtype=np.int16)
"""Each concept, a synonym replaced by its verb: concepts of one canonical number mean the same."""
CANONICAL[SYNONYM[SYNONYM >= 0]] = np.flatnonzero(SYNONYM >= 0)

RANK = np.array([concept - GROUPS[GROUP_OF[concept]].start for concept in range(N_CONCEPTS)], dtype=np.int16)
"""The number of each concept inside its group, from 0."""

IS_LOAN = np.zeros(N_CONCEPTS, dtype=bool)
"""Common nouns that are written alike in every language."""
IS_LOAN[:N_NOUNS] = RANK[:N_NOUNS] < LOANS_PER_CLASS

IS_NAME = np.array([group in ("person", "city", "org") for group in GROUP_OF])
IS_COMMON = np.array([group in (*CLASSES, "hypernym") for group in GROUP_OF])
IS_COUNTABLE = np.array([group in ("animal", "food", "tool") for group in GROUP_OF])

_persons, _cities, _orgs = GROUPS["person"], GROUPS["city"], GROUPS["org"]
HOMONYMS: dict[int, int] = dict(zip((*_cities[-2:], *_orgs[-2:]), _persons[-4:], strict=True))
"""City or organisation -> the person whose name it bears."""

ANTONYM = np.full(N_CONCEPTS, -1, dtype=np.int16)
ANTONYM[list(GROUPS["adjective"])] = GROUPS["adjective"].start + (np.arange(10) ^ 1)

_PARTS_OF_SPEECH = {
    **dict.fromkeys((*CLASSES, "hypernym"), "NOUN"),
    **dict.fromkeys(("person", "city", "org"), "PROPN"),
    **dict.fromkeys(("verb", "synonym"), "VERB"),
    "adjective": "ADJ",
    "relation": "ADP",
    "time": "ADV",
    "digit": "NUM",
    "mark": "PUNCT",
}
_FUNCTION_WORDS = {
    DETERMINER: "DET",
    NEGATION: "PART",
    COPULA: "AUX",
    WHO: "PRON",
    WHAT: "PRON",
    WHERE: "PRON",
}
PART_OF_SPEECH: list[str] = [
    _FUNCTION_WORDS.get(concept) or _PARTS_OF_SPEECH[GROUP_OF[concept]] for concept in range(N_CONCEPTS)
]
"""The part of speech of each concept (Universal Dependencies)."""

_NAMES = {DETERMINER: "the", NEGATION: "not", COPULA: "be", WHO: "who", WHAT: "what", WHERE: "where"}
_NAMES |= {digit: str(2 + i) for i, digit in enumerate(GROUPS["digit"])} | {
    FULL_STOP: ".",
    QUESTION_MARK: "?",
}
_NAMES |= {h: CLASSES[i].upper() for i, h in enumerate(GROUPS["hypernym"])}
GLOSS: list[str] = [
    _NAMES.get(concept, f"{GROUP_OF[concept]}{RANK[concept]}") for concept in range(N_CONCEPTS)
]
"""A readable name of each concept."""
