"""Meanings: clauses as rows of a structured array, drawn from sparse selectional weights.

A clause is an event (agent, verb, patient, and optionally place and time), a state (the verb is the copula and
the patient the predicate), a question about one part of it, or the short answer to that question. Fields hold
concept numbers, `NONE` where there is nothing.

Training and test are apart by meaning: the core (verb, agent, patient) of a clause decides where it may be used
(`in_test`), for all tasks of a world. The rule is a Latin square over the ranks of agent and patient in their
classes: a fifth of the cores is for testing, every noun has test cores with every verb that takes it, and a
sentence whose agent and patient change places stays on its side.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from simxfer.common.streams import stream
from simxfer.world.ontology import (
    CANONICAL,
    CLASSES,
    COPULA,
    GROUP_OF,
    GROUPS,
    HOMONYMS,
    IS_COMMON,
    IS_COUNTABLE,
    IS_NAME,
    N_CONCEPTS,
    RANK,
    VERB_FRAMES,
)

NONE = -1
STATEMENT, QUESTION, ANSWER = 0, 1, 2
AGENT, PATIENT, PLACE = 1, 2, 3
TEST_SHARE = 5
"""One core in this many is for testing."""

MEANING_FIELDS = (
    "form",
    "asked",
    "verb",
    "agent",
    "agent_adjective",
    "agent_number",
    "patient",
    "patient_adjective",
    "patient_number",
    "relation",
    "place",
    "time",
    "negated",
)
CLAUSE = np.dtype([(name, np.int16) for name in (*MEANING_FIELDS, "fronted", "order")])
"""One clause. `form` is STATEMENT, QUESTION or ANSWER; `asked` AGENT, PATIENT or PLACE in the last two; `fronted`
and `order` (number of a basic order, NONE for the language's own) say how it is put and are no part of what it
means."""


@dataclass(frozen=True, eq=False)
class Choices:
    """Rows of weights over the concepts, as cumulative shares in one ascending array."""

    cumulative: np.ndarray

    @staticmethod
    def of(weights: np.ndarray) -> "Choices":
        """Return the choices of a matrix of weights, shape (rows, N_CONCEPTS); an empty row is never drawn."""
        totals = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        shares = np.minimum(np.cumsum(weights, axis=1) / totals, 1.0)
        shares[:, -1] = 1.0
        return Choices((shares + np.arange(len(shares))[:, None]).ravel())

    def draw(self, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        """Return one concept for each row number, shape (len(rows),)."""
        at = np.searchsorted(self.cumulative, rows + rng.random(len(rows)), side="right")
        return np.minimum(at - np.asarray(rows, dtype=np.int64) * N_CONCEPTS, N_CONCEPTS - 1).astype(np.int16)


@dataclass(frozen=True, eq=False)
class World:
    """The selectional weights of a world: who does what to whom, where, when. The languages share them."""

    number: int
    verb: Choices
    """One row: Zipfian."""
    agent: Choices
    """By verb."""
    patient: Choices
    """By verb."""
    agent_name: Choices
    """By verb: agents that are proper names."""
    patient_name: Choices
    """By verb: patients that are proper names."""
    adjective: Choices
    """By person, organisation or noun."""
    place: Choices
    """By agent."""
    relation: Choices
    """By place."""
    time: Choices
    """By verb."""
    verb_of_agent: Choices
    """By agent: the verbs that take it, alike."""
    frame: Choices
    """By common noun: its frames, alike; a frame is a verb that takes it and as what (`split_frame`)."""
    name_frame: Choices
    """By common noun: the frames whose other argument can be a proper name, alike."""
    named_verb: Choices
    """One row: the verbs whose agent and patient can both be names, alike."""
    job_of: np.ndarray
    """The job of each person."""
    has_adjective: np.ndarray
    """Whether states can be said of a concept."""


_PATIENT_FRAME = len(VERB_FRAMES)
"""A frame is a verb's rank for its agent, plus this for its patient."""


@cache
def get_world(number: int) -> World:
    """Return the selectional weights of a world, u^3 + .02 with u uniform: sparse, and never zero."""
    rng = stream("world", number, "weights")
    agent = _arguments(rng, [frame.agents for frame in VERB_FRAMES])
    patient = _arguments(rng, [frame.patients for frame in VERB_FRAMES])
    _decide_homonyms(agent)
    _decide_homonyms(patient)
    adjective = _adjectives(rng)
    names = np.where(IS_NAME, 1.0, 0.0)
    agent_name, patient_name = agent * names, patient * names
    zipf = np.zeros((1, N_CONCEPTS))
    zipf[0, GROUPS["verb"]] = 1.0 / (np.arange(len(VERB_FRAMES)) + 2.0) ** 0.7
    named = ((agent_name.sum(axis=1) > 0) & (patient_name.sum(axis=1) > 0)).astype(float)[None]
    return World(
        number=number,
        verb=Choices.of(zipf),
        agent=Choices.of(agent),
        patient=Choices.of(patient),
        agent_name=Choices.of(agent_name),
        patient_name=Choices.of(patient_name),
        adjective=Choices.of(adjective),
        place=Choices.of(_sparse(rng, range(GROUPS["hypernym"].start), (*GROUPS["city"], *GROUPS["place"]))),
        relation=Choices.of(_sparse(rng, (*GROUPS["city"], *GROUPS["place"]), GROUPS["relation"])),
        time=Choices.of(_sparse(rng, GROUPS["verb"], GROUPS["time"])),
        verb_of_agent=Choices.of((agent > 0).T.astype(float)),
        frame=Choices.of(_frames(agent, patient)),
        name_frame=Choices.of(
            _frames(
                agent * (patient_name.sum(axis=1) > 0)[:, None],
                patient * (agent_name.sum(axis=1) > 0)[:, None],
            )
        ),
        named_verb=Choices.of(named),
        job_of=_jobs(rng),
        has_adjective=adjective.sum(axis=1) > 0,
    )


def core_in_test(verb: np.ndarray, agent: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Tell whether clauses with these cores are for testing, elementwise."""
    total = RANK[CANONICAL[verb]] + RANK[agent] + RANK[patient]
    return total % TEST_SHARE == 0


def in_test(clauses: np.ndarray) -> np.ndarray:
    """Tell whether clauses are for testing, elementwise; hypernyms are judged as if they were entities."""
    return core_in_test(clauses["verb"], clauses["agent"], clauses["patient"])


def same_meaning_key(clauses: np.ndarray) -> np.ndarray:
    """Return the meaning of clauses, shape (..., number of meaning fields): equal rows mean the same."""
    columns = [clauses[name] for name in MEANING_FIELDS]
    columns[MEANING_FIELDS.index("verb")] = CANONICAL[clauses["verb"]]
    return np.stack(columns, axis=-1)


def clauses(n: int) -> np.ndarray:
    """Return n empty clauses, to be filled in."""
    rows = np.full(n, NONE, dtype=np.int16).astype(CLAUSE)
    for name in ("form", "asked", "negated", "fronted"):
        rows[name] = 0
    return rows


def draw_events(
    world: World,
    rng: np.random.Generator,
    n: int,
    *,
    verb: np.ndarray | None = None,
    agent: np.ndarray | None = None,
    patient: np.ndarray | None = None,
    place: float = 0.5,
    time: float = 0.25,
    negated: float = 0.12,
    fronted: float = 0.3,
) -> np.ndarray:
    """Draw n events, with the given verb, agent or patient where they are given.

    Args:
        world: the selectional weights.
        rng: source of all randomness.
        n: number of events.
        verb: concept numbers, shape (n,), NONE where it is to be drawn.
        agent: likewise.
        patient: likewise.
        place: probability of a place.
        time: probability of a time.
        negated: probability of negation.
        fronted: probability that place or time are moved from their usual position.

    Returns:
        Clauses, shape (n,); agent and patient differ.
    """
    out = clauses(n)
    out["verb"] = _given(verb, world.verb.draw(rng, np.zeros(n, dtype=np.int64)))
    out["agent"] = _given(agent, world.agent.draw(rng, out["verb"]))
    out["patient"] = _given(patient, world.patient.draw(rng, out["verb"]))
    part_arguments(rng, out, world.agent, world.patient, patient)
    add_modifiers(rng, world, out)
    out["place"] = np.where(rng.random(n) < place, world.place.draw(rng, out["agent"]), NONE)
    somewhere = np.where(out["place"] == NONE, GROUPS["city"].start, out["place"])
    out["relation"] = np.where(out["place"] == NONE, NONE, world.relation.draw(rng, somewhere))
    out["time"] = np.where(rng.random(n) < time, world.time.draw(rng, out["verb"]), NONE)
    out["negated"] = rng.random(n) < negated
    out["fronted"] = rng.random(n) < fronted
    return out


def add_modifiers(rng: np.random.Generator, world: World, events: np.ndarray) -> None:
    """Give common nouns an adjective (30 %) and countable ones a number from 2 to 9 (15 %), in place."""
    n = len(events)
    for role in ("agent", "patient"):
        noun = events[role]
        adjective = world.adjective.draw(rng, noun)
        events[f"{role}_adjective"] = np.where(IS_COMMON[noun] & (rng.random(n) < 0.3), adjective, NONE)
        number = GROUPS["digit"].start + rng.integers(0, len(GROUPS["digit"]), n)
        events[f"{role}_number"] = np.where(IS_COUNTABLE[noun] & (rng.random(n) < 0.15), number, NONE)


def draw_states(
    world: World, rng: np.random.Generator, subjects: np.ndarray, negated: float = 0.2
) -> np.ndarray:
    """Return states `subject is adjective`, one a subject; subjects must have adjectives."""
    out = clauses(len(subjects))
    out["verb"], out["agent"] = COPULA, subjects
    out["patient"] = world.adjective.draw(rng, subjects)
    out["negated"] = rng.random(len(subjects)) < negated
    return out


def split_frame(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (verb, whether the noun is its agent) of drawn frames."""
    rank, as_agent = frame % _PATIENT_FRAME, frame < _PATIENT_FRAME
    return (GROUPS["verb"].start + rank).astype(np.int16), as_agent


def part_arguments(
    rng: np.random.Generator,
    events: np.ndarray,
    agents: Choices,
    patients: Choices,
    patient: np.ndarray | None = None,
) -> None:
    """Where agent and patient are the same, draw the patient again, or the agent if the patient is given."""
    given = np.zeros(len(events), dtype=bool) if patient is None else patient != NONE
    while len(same := np.flatnonzero(events["agent"] == events["patient"])):
        verb, fixed = events["verb"][same], given[same]
        events["agent"][same] = np.where(fixed, agents.draw(rng, verb), events["agent"][same])
        events["patient"][same] = np.where(fixed, events["patient"][same], patients.draw(rng, verb))


def _given(given: np.ndarray | None, drawn: np.ndarray) -> np.ndarray:
    return drawn if given is None else np.where(given == NONE, drawn, given)


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.random(shape) ** 3 + 0.02


def _sparse(rng: np.random.Generator, rows, columns) -> np.ndarray:
    """Return a matrix over the concepts with weights at rows x columns."""
    out = np.zeros((N_CONCEPTS, N_CONCEPTS))
    out[np.ix_(list(rows), list(columns))] = _weights(rng, (len(rows), len(columns)))
    return out


def _arguments(rng: np.random.Generator, groups: list[tuple[str, ...]]) -> np.ndarray:
    """Return weights of the members of each verb's groups."""
    out = np.zeros((N_CONCEPTS, N_CONCEPTS))
    for verb, taken in zip(GROUPS["verb"], groups, strict=True):
        members = [concept for group in taken for concept in GROUPS[group]]
        out[verb, members] = _weights(rng, (len(members),))
    return out


def _decide_homonyms(arguments: np.ndarray) -> None:
    """Take from homonymous organisations their weight with verbs that take the person of that name, in place."""
    for concept, person in HOMONYMS.items():
        arguments[arguments[:, person] > 0, concept] = 0.0


def _adjectives(rng: np.random.Generator) -> np.ndarray:
    """Return weights of 4 of the 5 pairs of adjectives for each class; homonymous organisations have none."""
    out = np.zeros((N_CONCEPTS, N_CONCEPTS))
    first = GROUPS["adjective"].start
    for group in ("person", "org", *CLASSES):
        pairs = np.sort(rng.permutation(5)[:4])
        columns = [int(first + 2 * pair + side) for pair in pairs for side in (0, 1)]
        out[np.ix_(list(GROUPS[group]), columns)] = _weights(rng, (len(GROUPS[group]), 8))
    out[list(_homonymous("org"))] = 0.0
    return out


def _frames(agent: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return for each noun which frames take it, shape (N_CONCEPTS, N_CONCEPTS), verbs' ranks as columns."""
    out = np.zeros((N_CONCEPTS, N_CONCEPTS))
    verbs = list(GROUPS["verb"])
    out[:, :_PATIENT_FRAME] = (agent[verbs] > 0).T
    out[:, _PATIENT_FRAME : 2 * _PATIENT_FRAME] = (patient[verbs] > 0).T
    return out


def _jobs(rng: np.random.Generator) -> np.ndarray:
    out = np.full(N_CONCEPTS, NONE, dtype=np.int16)
    out[list(GROUPS["person"])] = rng.choice(list(GROUPS["job"]), len(GROUPS["person"]))
    return out


def _homonymous(group: str) -> list[int]:
    return [concept for concept in HOMONYMS if GROUP_OF[concept] == group]
