"""Tasks about single sentences and short texts: question answering, roles, parts of speech, names, retrieval."""

import numpy as np

from simxfer.world.corpus import asked_about, draw_asked
from simxfer.world.items import Items, Request, balanced, collect, draw_on_side
from simxfer.world.meanings import AGENT, NONE, PATIENT, PLACE, draw_states
from simxfer.world.ontology import HOMONYMS, N_CONCEPTS

_IS_HOMONYM = np.isin(np.arange(N_CONCEPTS), [*HOMONYMS, *HOMONYMS.values()])


def qa_items(request: Request) -> Items:
    """A text of two sentences and a question about one of them; labels: the sentence with the answer.

    The other sentence never answers the question as well.
    """
    labels = balanced(request.rng, request.n, 2)

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        n = len(rows)
        events, other = (draw_on_side(request, rng, n, place=0.8, time=0.2, negated=0.0) for _ in range(2))
        questions = _questions(rng, events)
        first = labels[rows] == 0
        text = [np.where(first, events, other), np.where(first, other, events)]
        return np.stack([*text, questions], axis=1)

    def accept(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
        other = items[np.arange(len(rows)), 1 - labels[rows]]
        return ~_answers(other, items[:, 2])

    return Items.of(collect(request, propose, accept), labels)


def roles_items(request: Request) -> Items:
    """Events (75 %), questions about agent or patient (10 %) and states (15 %)."""
    kind = balanced(request.rng, request.n, 20)

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        events = draw_on_side(request, rng, len(rows), place=0.7)
        questions = asked_about(events, np.where(rng.random(len(rows)) < 0.5, AGENT, PATIENT))
        subjects = np.flatnonzero(request.world.has_adjective).astype(np.int16)
        states = draw_states(request.world, rng, rng.choice(subjects, len(rows)))
        turned = kind[rows]
        return np.where(turned < 15, events, np.where(turned < 17, questions, states))[:, None]

    return Items.of(collect(request, propose))


def sentence_items(request: Request) -> Items:
    """Events, most of them with a place."""

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        return draw_on_side(request, rng, len(rows), place=0.7)[:, None]

    return Items.of(collect(request, propose))


def ner_items(request: Request) -> Items:
    """Events with a name; in half of them a name is ambiguous between types, and its place in the sentence decides."""
    ambiguous = balanced(request.rng, request.n, 2) == 1

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        return draw_on_side(request, rng, len(rows), place=0.7)[:, None]

    def accept(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
        event = items[:, 0]
        found = _IS_HOMONYM[event["agent"]] | _IS_HOMONYM[event["patient"]]
        found |= (event["place"] != NONE) & _IS_HOMONYM[event["place"]]
        return found == ambiguous[rows]

    return Items.of(collect(request, propose, accept))


def _questions(rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    """Return questions about events; the place is told in half of those that do not ask for it, the time never."""
    questions = asked_about(events, draw_asked(rng, events))
    drop = (questions["asked"] != PLACE) & (rng.random(len(events)) < 0.5)
    for name in ("place", "relation"):
        questions[name] = np.where(drop, NONE, questions[name])
    questions["time"] = NONE
    return questions


def _answers(events: np.ndarray, questions: np.ndarray) -> np.ndarray:
    """Tell whether an event answers a question as well: verb and the arguments not asked for are the same."""
    same_verb = events["verb"] == questions["verb"]
    agent = (questions["asked"] == AGENT) | (events["agent"] == questions["agent"])
    patient = (questions["asked"] == PATIENT) | (events["patient"] == questions["patient"])
    return same_verb & agent & patient
