"""Text for masked language modelling: short documents, comparable across languages but not parallel.

A document has 2 to 4 clauses about one event: a restatement or an inference (30 %), a question and its answer
(30 %), the same agent going on (25 %), or a hypernym of the patient and another event (15 %). Half of the
documents are written as two segments, the first clause and the rest. A quarter of the clauses take a random
basic order, in every language: free word order is what lets an encoder of this size align languages of
different orders. The planted attributes of `simxfer.world.attributes` are told nowhere.

Documents come in blocks of `BLOCK`, each with its own random stream, so that the same seed gives the same bytes
whatever the chunks or the number of workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simxfer.common.errors import InputError
from simxfer.common.streams import stream
from simxfer.tasks.examples import TextExample
from simxfer.world.languages import get_language
from simxfer.world.lexicon import lexicon
from simxfer.world.meanings import (
    AGENT,
    ANSWER,
    CLAUSE,
    NONE,
    PATIENT,
    PLACE,
    QUESTION,
    World,
    clauses,
    draw_events,
    draw_states,
    get_world,
)
from simxfer.world.nli import entailed, paraphrased
from simxfer.world.ontology import ANTONYM, COPULA, HYPERNYM
from simxfer.world.render import ORDERS, Rendered, render

BLOCK = 4096
"""Documents a block."""
MAX_CLAUSES = 4
FREE_ORDER = 0.25
"""Share of clauses with a random basic order."""
KIND_SHARES = {"restatement": 0.30, "question": 0.30, "continuation": 0.25, "hypernym": 0.15}
"""Kinds of documents and their shares."""
_CUMULATIVE = np.cumsum(list(KIND_SHARES.values()))


@dataclass(frozen=True, eq=False)
class Documents:
    """Documents as word ids.

    `sentences` holds the clauses of all documents end to end; document i is the clauses `first[i]` to
    `first[i + 1]`, and is written as two segments, its first clause and the rest, where `in_two[i]`.
    """

    sentences: Rendered
    first: np.ndarray
    in_two: np.ndarray

    def __len__(self) -> int:
        """The number of documents."""
        return len(self.in_two)


def corpus(
    world: int, language: str, n: int, seed: int = 0, *, free_order: float = FREE_ORDER
) -> Iterator[TextExample]:
    """Yield n documents of a language as texts.

    Args:
        world: number of the world.
        language: code of the language.
        n: number of documents.
        seed: seed of the corpus; each language has its own stream.
        free_order: share of clauses with a random basic order, 0 to 1.

    Raises:
        InputError: an argument is out of its range, or the language is unknown.
    """
    words = lexicon(world, language)
    number = 0
    for documents in corpus_words(world, language, n, seed, free_order=free_order):
        texts = documents.sentences.texts(words)
        bounds = documents.first.tolist()
        for i, in_two in enumerate(documents.in_two.tolist()):
            a, b = bounds[i], bounds[i + 1]
            text, pair = (texts[a], " ".join(texts[a + 1 : b])) if in_two else (" ".join(texts[a:b]), None)
            yield TextExample(id=f"{language}-{seed}-{number}", text=text, text_pair=pair)
            number += 1


def corpus_words(
    world: int, language: str, n: int, seed: int = 0, *, free_order: float = FREE_ORDER
) -> Iterator[Documents]:
    """Yield the same documents as `corpus` in blocks of word ids (`simxfer.world.lexicon`), without strings."""
    spoken = get_language(language)
    if n < 0 or not 0.0 <= free_order <= 1.0:
        raise InputError(
            f"corpus: got n={n}, free_order={free_order}; expected n >= 0 and a share from 0 to 1"
        )
    lexicon(world, language)
    for block in range(-(-n // BLOCK)):
        rng = stream("world", world, "corpus", language, seed, block)
        rows, there = _draw_documents(get_world(world), rng, BLOCK)
        free = rng.random(rows.shape) < free_order
        rows["order"] = np.where(free, rng.integers(0, len(ORDERS), rows.shape), NONE)
        in_two = rng.random(BLOCK) < 0.5
        yield _documents(rows, there, in_two, spoken, min(BLOCK, n - block * BLOCK))


def _documents(rows, there, in_two, language, n: int) -> Documents:
    """Render the first n documents of a block; `rows` and `there` have shape (BLOCK, MAX_CLAUSES)."""
    first = np.concatenate([[0], np.cumsum(there[:n].sum(axis=1))])
    return Documents(render(rows[:n][there[:n]], language), first, in_two[:n])


def _draw_documents(world: World, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return clauses, shape (n, MAX_CLAUSES), and which of them there are."""
    rows = np.full((n, MAX_CLAUSES), NONE, dtype=np.int16).astype(CLAUSE)
    there = np.zeros((n, MAX_CLAUSES), dtype=bool)
    events = draw_events(world, rng, n)
    kind = np.searchsorted(_CUMULATIVE, rng.random(n), side="right")
    for k, write in enumerate((_restatement, _question, _continuation, _hypernym)):
        at = np.flatnonzero(kind == k)
        rows[at], there[at] = write(world, rng, events[at])
    return rows, there


_Written = tuple[np.ndarray, np.ndarray]


def _document(n: int, *parts: tuple[np.ndarray, np.ndarray | bool]) -> _Written:
    """Put (clauses, where they are) side by side."""
    rows = np.zeros((n, MAX_CLAUSES), dtype=CLAUSE)
    there = np.zeros((n, MAX_CLAUSES), dtype=bool)
    for i, (clause, present) in enumerate(parts):
        rows[:, i], there[:, i] = clause, present
    return rows, there


def _restatement(world: World, rng: np.random.Generator, events: np.ndarray) -> _Written:
    n = len(events)
    infer = rng.random(n) < 0.6
    again = np.where(infer, entailed(rng, events), paraphrased(rng, events))
    again["fronted"] = rng.random(n) < 0.3
    return _document(n, (events, True), (again, True))


def _question(world: World, rng: np.random.Generator, events: np.ndarray) -> _Written:
    n = len(events)
    other = draw_events(world, rng, n)
    where = rng.random(n)
    before, after = where < 0.25, (where >= 0.25) & (where < 0.5)
    questions = asked_about(events, draw_asked(rng, events))
    answers = questions.copy()
    answers["form"] = ANSWER
    opening, second = np.where(before, other, events), np.where(before, events, other)
    return _document(n, (opening, True), (second, before | after), (questions, True), (answers, True))


def _continuation(world: World, rng: np.random.Generator, events: np.ndarray) -> _Written:
    n, agent = len(events), events["agent"]
    job = world.job_of[agent]
    tells_job = (job != NONE) & (rng.random(n) < 0.4)
    has_state = tells_job | world.has_adjective[agent]
    states = draw_states(world, rng, agent)
    states["patient"] = np.where(tells_job, job, states["patient"])
    states["negated"] = np.where(tells_job, 0, states["negated"])
    opposite = states.copy()
    opposite["patient"] = ANTONYM[states["patient"]]
    opposite["negated"] = 1 - states["negated"]
    twice = has_state & ~tells_job & (rng.random(n) < 0.5)
    next_event = draw_events(world, rng, n, verb=world.verb_of_agent.draw(rng, agent), agent=agent)
    return _document(n, (events, True), (states, has_state), (opposite, twice), (next_event, True))


def _hypernym(world: World, rng: np.random.Generator, events: np.ndarray) -> _Written:
    n, patient = len(events), events["patient"]
    states = clauses(n)
    states["verb"], states["agent"], states["patient"] = COPULA, patient, HYPERNYM[patient]
    other = draw_events(world, rng, n)
    return _document(n, (events, True), (states, HYPERNYM[patient] != NONE), (other, True))


def draw_asked(rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    """Return which part of each event is asked for: agent, patient, or the place where there is one."""
    parts = np.where(events["place"] != NONE, 3, 2)
    return np.array([AGENT, PATIENT, PLACE])[(rng.random(len(events)) * parts).astype(np.int64)]


def asked_about(events: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the questions about events."""
    questions = events.copy()
    questions["form"], questions["asked"], questions["fronted"] = QUESTION, asked, 0
    return questions
