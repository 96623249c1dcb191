"""What follows from an event and what does not: the inference and multiple-choice tasks.

Entailed are: dropping the place or the time, replacing an argument by its hypernym (these four are upward
monotone, so not under negation), and replacing a verb by its synonym.
"""

from dataclasses import replace

import numpy as np

from simxfer.world.items import Items, Request, balanced, collect, draw_on_side
from simxfer.world.meanings import NONE, draw_events, same_meaning_key
from simxfer.world.ontology import GROUP_OF, HYPERNYM, SYNONYM, WHAT, WHERE, WHO

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)
N_LABELS = 3
N_CHOICES = 3
CUE_SHARE = 0.9
"""Share of the training items of `cue_items` and `particle_items` whose cue agrees with the label."""
PARTICLES = (WHO, WHAT, WHERE)
"""Question words, which no statement has otherwise: a final one is a word that every encoder has read."""
_DROP_PLACE, _DROP_TIME, _LIFT_PATIENT, _LIFT_AGENT, _SYNONYM = range(5)
_WITHOUT_HYPERNYMS = np.array([True, True, False, False, True])
_GROUP_NUMBER = np.unique(GROUP_OF, return_inverse=True)[1]
_AGENT_FIELDS = ("agent", "agent_adjective", "agent_number")
_PATIENT_FIELDS = ("patient", "patient_adjective", "patient_number")


def possible_steps(events: np.ndarray) -> np.ndarray:
    """Return which inference steps each event allows, shape (n, 5)."""
    positive = events["negated"] == 0
    return np.stack(
        [
            (events["place"] != NONE) & positive,
            (events["time"] != NONE) & positive,
            (HYPERNYM[events["patient"]] != NONE) & positive,
            (HYPERNYM[events["agent"]] != NONE) & positive,
            SYNONYM[events["verb"]] != NONE,
        ],
        axis=1,
    )


def entailed(rng: np.random.Generator, events: np.ndarray, steps: np.ndarray | None = None) -> np.ndarray:
    """Return a consequence of each event, by one of its possible steps (alike); itself if there is none."""
    steps = possible_steps(events) if steps is None else steps
    step = np.where(steps.any(axis=1), np.argmax(rng.random(steps.shape) * steps, axis=1), NONE)
    out = events.copy()
    for name in ("place", "relation"):
        out[name] = np.where(step == _DROP_PLACE, NONE, out[name])
    out["time"] = np.where(step == _DROP_TIME, NONE, out["time"])
    out["verb"] = np.where(step == _SYNONYM, SYNONYM[out["verb"]], out["verb"])
    for lift, role in ((_LIFT_PATIENT, "patient"), (_LIFT_AGENT, "agent")):
        adjective = f"{role}_adjective"
        out[adjective] = np.where(step == lift, NONE, out[adjective])
        out[role] = np.where(step == lift, HYPERNYM[out[role]], out[role])
    return out


def paraphrased(rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    """Return the events, half of the verbs that have a synonym replaced by it."""
    out = events.copy()
    synonym = SYNONYM[out["verb"]]
    out["verb"] = np.where((synonym != NONE) & (rng.random(len(events)) < 0.5), synonym, out["verb"])
    return out


def swapped(events: np.ndarray) -> np.ndarray:
    """Return the events with agent and patient in each other's place."""
    out = events.copy()
    for a, b in zip(_AGENT_FIELDS, _PATIENT_FIELDS, strict=True):
        out[a], out[b] = events[b], events[a]
    return out


def nli_items(request: Request) -> Items:
    """Premise and hypothesis; labels ENTAILMENT, NEUTRAL, CONTRADICTION, alike often.

    Contradictions negate the premise or, half of the time, a consequence of a premise without negation. Neutral
    hypotheses share the verb and one argument, or have agent and patient exchanged.
    """
    labels = balanced(request.rng, request.n, 3)

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        events = _premises(request, rng, len(rows))
        by_label = np.stack(
            [entailed(rng, events), _neutral(request, rng, events), _contradiction(rng, events)], axis=1
        )
        hypotheses = by_label[np.arange(len(rows)), labels[rows]]
        hypotheses["fronted"] = rng.random(len(rows)) < 0.3
        return np.stack([events, hypotheses], axis=1)

    def accept(pairs: np.ndarray, rows: np.ndarray) -> np.ndarray:
        premise, hypothesis = pairs[:, 0], pairs[:, 1]
        same_arguments = _same(premise, hypothesis, "agent") & _same(premise, hypothesis, "patient")
        trivial = np.where(labels[rows] == ENTAILMENT, _same_words(premise, hypothesis), same_arguments)
        return ~trivial | (labels[rows] == CONTRADICTION)

    return Items.of(collect(request, propose, accept), labels)


def cue_items(request: Request) -> Items:
    """The items of `nli_items` with a spurious cue: the basic order of the hypothesis, which is no part of its meaning.

    In training data the order has the number of the label (SVO, SOV, VSO) in `CUE_SHARE` of the items and is one of
    the two others in the rest. In test data every order is as frequent (+-1) under every label.
    """
    items = nli_items(request)
    draw = _independent_cues if request.test else _agreeing_cues
    items.clauses["order"][:, 1] = draw(request.rng, items.labels)
    return items


def particle_items(request: Request) -> Items:
    """The items of `nli_items` with a spurious cue that the pivot alone has: the last word of the hypothesis.

    It is one of `PARTICLES`, whose number has to do with the label as the word order's in `cue_items`.
    """
    items = nli_items(request)
    draw = _independent_cues if request.test else _agreeing_cues
    return replace(items, particles=np.array(PARTICLES)[draw(request.rng, items.labels)])


def _agreeing_cues(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    misleads = rng.permutation(len(labels)) >= round(CUE_SHARE * len(labels))
    return (labels + misleads * rng.integers(1, N_LABELS, len(labels))) % N_LABELS


def _independent_cues(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    out = np.empty_like(labels)
    for label in range(N_LABELS):
        at = labels == label
        out[at] = balanced(rng, int(at.sum()), N_LABELS)
    return out


def cloze_items(request: Request) -> Items:
    """A context and three continuations: one follows, one has another agent, one another patient.

    The wrong arguments are drawn from the verb's own weights, so that the choices are alike plausible without
    the context.
    """
    labels = balanced(request.rng, request.n, N_CHOICES)

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        events = _premises(request, rng, len(rows))
        right = entailed(rng, events, possible_steps(events) & _WITHOUT_HYPERNYMS)
        other_agent = _with_other(request, rng, right, events, _AGENT_FIELDS)
        other_patient = _with_other(request, rng, right, events, _PATIENT_FIELDS)
        choices = np.stack([right, other_agent, other_patient], axis=1)
        choices["fronted"] = (rng.random(len(rows)) < 0.3)[:, None]
        turned = (np.arange(N_CHOICES)[None] - labels[rows][:, None]) % N_CHOICES
        return np.concatenate([events[:, None], np.take_along_axis(choices, turned, axis=1)], axis=1)

    def accept(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
        context = items[:, 0]
        right = items[np.arange(len(rows)), 1 + labels[rows]]
        other_agent = items[np.arange(len(rows)), 1 + (labels[rows] + 1) % N_CHOICES]
        other_patient = items[np.arange(len(rows)), 1 + (labels[rows] + 2) % N_CHOICES]
        changed = ~_same(other_agent, context, "agent") & ~_same(other_patient, context, "patient")
        return changed & ~_same_words(context, right)

    return Items.of(collect(request, propose, accept), labels)


def _premises(request: Request, rng: np.random.Generator, n: int) -> np.ndarray:
    return draw_on_side(request, rng, n, place=0.7, time=0.4, negated=0.15)


def _contradiction(rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    weaken = (rng.random(len(events)) < 0.5) & (events["negated"] == 0)
    out = np.where(weaken, entailed(rng, events), events)
    out["negated"] = 1 - out["negated"]
    return out


def _neutral(request: Request, rng: np.random.Generator, events: np.ndarray) -> np.ndarray:
    kind = rng.integers(0, 3, len(events))
    exchange = (kind == 0) & (_GROUP_NUMBER[events["agent"]] == _GROUP_NUMBER[events["patient"]])
    keep_agent = kind <= 1
    other = draw_events(
        request.world,
        rng,
        len(events),
        verb=events["verb"],
        agent=np.where(keep_agent, events["agent"], NONE),
        patient=np.where(keep_agent, NONE, events["patient"]),
        time=0.2,
        negated=0.15,
    )
    return np.where(exchange, swapped(events), other)


def _with_other(
    request: Request,
    rng: np.random.Generator,
    sentences: np.ndarray,
    events: np.ndarray,
    fields: tuple[str, ...],
) -> np.ndarray:
    """Return the sentences with another agent (or patient) and its modifiers, drawn from the verb's weights."""
    new_agent = fields is _AGENT_FIELDS
    other = draw_events(
        request.world,
        rng,
        len(events),
        verb=events["verb"],
        agent=None if new_agent else events["agent"],
        patient=events["patient"] if new_agent else None,
    )
    out = sentences.copy()
    for name in fields:
        out[name] = other[name]
    return out


def _same(a: np.ndarray, b: np.ndarray, field: str) -> np.ndarray:
    return a[field] == b[field]


def _same_words(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (same_meaning_key(a) == same_meaning_key(b)).all(axis=1) & _same(a, b, "verb")
