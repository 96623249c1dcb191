"""From meanings to words: fixed slots, filled by concept, permuted by the language's order, compressed.

The slots of a clause, in the order of meaning: question word, time, agent (quantifier, adjective, noun,
adjective), verb (negation, verb), patient (as the agent), place (adposition, determiner, noun, adposition), end.

| order | usual | fronted |
|---|---|---|
| SVO | time S V O place | place S V O time |
| SOV | time S place O V | time place S O V |
| VSO | time V S O place | place V S O time |

A question word that is fronted comes first of all; questions are never fronted otherwise.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simxfer.world.languages import Language
from simxfer.world.lexicon import ACCUSATIVE, LOCATIVE, NEGATIVE, Lexicon
from simxfer.world.meanings import AGENT, ANSWER, NONE, PATIENT, PLACE, QUESTION
from simxfer.world.ontology import (
    COPULA,
    DETERMINER,
    FULL_STOP,
    GROUPS,
    IS_COMMON,
    N_CONCEPTS,
    NEGATION,
    QUESTION_MARK,
    WHAT,
    WHERE,
    WHO,
)

ORDERS = ("SVO", "SOV", "VSO")
_CONSTITUENTS = {
    "Q": (0,),
    "T": (1,),
    "S": (2, 3, 4, 5),
    "V": (6, 7),
    "O": (8, 9, 10, 11),
    "P": (12, 13, 14, 15),
    "E": (16,),
}
N_SLOTS = 17
_QUESTION_SLOT, _TIME_SLOT, _END_SLOT = 0, 1, 16
_NEGATION_SLOT, VERB_SLOT = _CONSTITUENTS["V"]
NOUN_SLOT = {AGENT: 4, PATIENT: 10, PLACE: 14}
"""The slot of the noun of each role."""

ROLE_OF_SLOT = [NONE] * 2 + [AGENT] * 4 + [NONE] * 2 + [PATIENT] * 4 + [PLACE] * 4 + [NONE]
"""The role that each slot belongs to, NONE outside of arguments."""
_SLOT_ROLES = np.array(ROLE_OF_SLOT)

_LINEAR = ("QTSVOPE", "QPSVOTE", "QTSPOVE", "QTPSOVE", "QTVSOPE", "QPVSOTE")
_PERMUTATIONS = np.array([[slot for part in line for slot in _CONSTITUENTS[part]] for line in _LINEAR])


@dataclass(frozen=True, eq=False)
class Rendered:
    """Sentences as word ids, end to end.

    `words` and `slots` have shape (n_words,); sentence i is `words[offsets[i]:offsets[i + 1]]`.
    """

    words: np.ndarray
    slots: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        """The number of sentences."""
        return len(self.offsets) - 1

    def strings(self, lexicon: Lexicon) -> list[list[str]]:
        """Return the words of every sentence as strings."""
        flat = lexicon.words[self.words].tolist()
        bounds = self.offsets.tolist()
        return [flat[a:b] for a, b in pairwise(bounds)]

    def texts(self, lexicon: Lexicon) -> list[str]:
        """Return every sentence as a text, words parted by a blank."""
        return [" ".join(words) for words in self.strings(lexicon)]


def render(clauses: np.ndarray, language: Language) -> Rendered:
    """Return clauses, shape (n,), as sentences of a language."""
    slots = fill_slots(clauses, language)
    own = ORDERS.index(language.order)
    order = np.where(clauses["order"] == NONE, own, clauses["order"])
    permutation = _PERMUTATIONS[order * 2 + clauses["fronted"]]
    arranged = np.take_along_axis(slots, permutation, axis=1)
    filled = arranged != NONE
    offsets = np.concatenate([[0], np.cumsum(filled.sum(axis=1))])
    return Rendered(arranged[filled], permutation[filled].astype(np.int8), offsets)


def fill_slots(clauses: np.ndarray, language: Language) -> np.ndarray:
    """Return the word ids of clauses in the order of meaning, shape (n, N_SLOTS), NONE where a slot is empty."""
    out = np.full((len(clauses), N_SLOTS), NONE, dtype=np.int16)
    out[:, _TIME_SLOT] = clauses["time"]
    _fill_argument(out[:, 2:6], clauses, "agent", language)
    _fill_argument(out[:, 8:12], clauses, "patient", language)
    if language.morphology != "isolating":
        out[:, NOUN_SLOT[PATIENT]] += np.where(clauses["verb"] == COPULA, 0, ACCUSATIVE * N_CONCEPTS)
    _fill_verb(out, clauses, language)
    _fill_place(out[:, 12:16], clauses, language)
    out[:, _END_SLOT] = np.where(clauses["form"] == QUESTION, QUESTION_MARK, FULL_STOP)
    _ask(out, clauses, language)
    _answer(out, clauses)
    return out


def _fill_argument(out: np.ndarray, clauses: np.ndarray, role: str, language: Language) -> None:
    noun, number = clauses[role], clauses[f"{role}_number"]
    article = np.where(IS_COMMON[noun], DETERMINER, NONE) if language.determiner else NONE
    out[:, 0] = np.where(number != NONE, number, article)
    out[:, 1 if language.adjective == "AN" else 3] = clauses[f"{role}_adjective"]
    out[:, 2] = noun


def _fill_verb(out: np.ndarray, clauses: np.ndarray, language: Language) -> None:
    negated = clauses["negated"] == 1
    if language.morphology == "agglutinative":
        out[:, VERB_SLOT] = clauses["verb"] + np.where(negated, NEGATIVE * N_CONCEPTS, 0)
    else:
        out[:, VERB_SLOT] = clauses["verb"]
        out[:, _NEGATION_SLOT] = np.where(negated, NEGATION, NONE)


def _fill_place(out: np.ndarray, clauses: np.ndarray, language: Language) -> None:
    place, relation = clauses["place"], clauses["relation"]
    there = place != NONE
    if language.determiner:
        out[:, 1] = np.where(there & IS_COMMON[place], DETERMINER, NONE)
    if language.morphology == "agglutinative":
        suffix = LOCATIVE + relation - GROUPS["relation"].start
        out[:, 2] = np.where(there, place + suffix * N_CONCEPTS, NONE)
    else:
        out[:, 2] = place
        out[:, 0 if language.adposition == "pre" else 3] = relation


def _ask(out: np.ndarray, clauses: np.ndarray, language: Language) -> None:
    """Replace what is asked for by its question word."""
    for role, word in ((AGENT, WHO), (PATIENT, WHAT), (PLACE, WHERE)):
        rows = (clauses["form"] == QUESTION) & (clauses["asked"] == role)
        out[rows[:, None] & (role == _SLOT_ROLES)] = NONE
        out[rows, _QUESTION_SLOT if language.wh_fronting else NOUN_SLOT[role]] = word


def _answer(out: np.ndarray, clauses: np.ndarray) -> None:
    """Leave only what was asked for."""
    kept = (clauses["asked"][:, None] == _SLOT_ROLES) | (np.arange(N_SLOTS) == _END_SLOT)
    out[(clauses["form"] == ANSWER)[:, None] & ~kept] = NONE
