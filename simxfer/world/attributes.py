"""The planted knowledge: attributes A and B of the 48 common nouns, and the tasks that teach it and ask for it.

A and B are drawn anew for every draw, independently of every selectional weight, and told in no text: only the
labels of `w-tag-*` and `w-which-*` carry them. Inside each class the 8 nouns fill the 2 x 2 x 2 of A, B and
seen/unseen once; loans are half of the nouns at every value of A, B and seen, and over the classes they are
balanced against all of these. A* is A flipped for half of the nouns, balanced against A, B and seen. In doses, A is
flipped for 1, 2, 3 and 4 of the 8 nouns of each class, the same ones and more, balanced against A, B, seen and loans.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from simxfer.common.streams import stream
from simxfer.tasks.planted import CLASS_MIX
from simxfer.world.items import Items, Request, balanced, collect
from simxfer.world.meanings import (
    NONE,
    World,
    add_modifiers,
    clauses,
    draw_events,
    part_arguments,
    split_frame,
)
from simxfer.world.ontology import CLASS_SIZE, CLASSES, GROUPS, IS_LOAN, N_NOUNS

Attribute = Literal["a", "b", "a-1of8", "a-2of8", "a-3of8", "a-4of8", "a-star", "0"]
"""`0` is the placebo: a value drawn anew at each occurrence. `a-1of8` is A flipped for an eighth of the nouns."""

# Loans stand where A xor B xor this is 1: three classes each way, so that loans are balanced against A xor B.
_LOAN_PATTERN = (0, 0, 1, 1, 0, 1)

# Cells 4 unseen + 2 A + B in the order in which A is flipped, for classes 0, 2, 4. The class behind each flips the
# complements (7 - cell), so that any number of flips is balanced against A, B and seen. A class flips at one value of B
# only: the half then is A xor B (or not B), which tells neither A nor B among the nouns of a class that are seen, nor
# among those that are not. A* tells B there, the other way round where nouns are not seen. Cells with A xor B take
# turns with the others, because loans follow it.
_FLIPPED_CELLS = ((2, 4, 6, 0), (1, 7, 5, 3), (4, 6, 0, 2))


@dataclass(frozen=True, eq=False)
class Attributes:
    """The assignment of one draw: values 0 and 1 of the nouns, and which of them are seen; shape (N_NOUNS,)."""

    a: np.ndarray
    b: np.ndarray
    a_star: np.ndarray
    seen: np.ndarray
    flip: np.ndarray
    """The place of a noun in the order in which A is flipped in its class: 1 to 4, and 8 for those that never are."""

    def of(self, attribute: Attribute) -> np.ndarray:
        """Return the values of any attribute but the placebo."""
        if attribute.endswith("of8"):
            return self.a ^ (self.flip <= int(attribute[2]))
        return {"a": self.a, "b": self.b, "a-star": self.a_star}[attribute]


@cache
def attributes(world: int, draw: int) -> Attributes:
    """Return the assignment of a draw."""
    rng = stream("world", world, "attributes", draw)
    a, b, a_star, seen, flip = (np.zeros(N_NOUNS, dtype=np.int64) for _ in range(5))
    cell = np.arange(CLASS_SIZE)
    in_a, in_b, unseen = cell // 2 % 2, cell % 2, cell // 4
    for c in range(len(CLASSES)):
        members = c * CLASS_SIZE + rng.permutation(CLASS_SIZE)
        loan_cell = (in_a + in_b + _LOAN_PATTERN[c]) % 2 == 1
        nouns = np.empty(CLASS_SIZE, dtype=np.int64)
        nouns[loan_cell] = members[IS_LOAN[members]]
        nouns[~loan_cell] = members[~IS_LOAN[members]]
        a[nouns], b[nouns], seen[nouns] = in_a, in_b, 1 - unseen
        a_star[nouns] = in_a ^ ((c + in_a + in_b + unseen) % 2)
        flip[nouns] = _flip_order(c)
    return Attributes(a, b, a_star, seen.astype(bool), flip)


def _flip_order(c: int) -> np.ndarray:
    """Return the place of every cell of a class in the order of flips, 8 for those that are never flipped."""
    cells = np.array(_FLIPPED_CELLS[c // 2])
    order = np.full(CLASS_SIZE, CLASS_SIZE)
    order[7 - cells if c % 2 else cells] = 1 + np.arange(len(cells))
    return order


def tag_items(attribute: Attribute, synonyms: Attribute | None = None) -> Callable[[Request], Items]:
    """Return the generator of sentences whose common nouns are tagged; the sentences are those of every other.

    With `synonyms`, half of the sentences have synonyms for their nouns, and those have that attribute.
    """

    def generate(request: Request) -> Items:
        nouns = balanced(request.rng, request.n, N_NOUNS)
        events = collect(request, lambda rng, rows: _natural(request.world, rng, nouns[rows])[:, None])
        return _tagged(request, events, attribute, synonyms)

    return generate


def tag_class_items(attribute: Attribute, n_classes: int) -> Callable[[Request], Items]:
    """Return the generator of sentences whose one common noun, of the first classes, is tagged.

    No noun of another class occurs: all other arguments are proper names.
    """

    def generate(request: Request) -> Items:
        nouns = balanced(request.rng, request.n, n_classes * CLASS_SIZE)
        return _tagged(request, _named_items(request, nouns[:, None]), attribute)

    return generate


def _tagged(
    request: Request, events: np.ndarray, attribute: Attribute, synonyms: Attribute | None = None
) -> Items:
    """Return events, (n, 1), with the values of the attribute that their common nouns have."""
    told = np.stack([events[name][:, 0] for name in ("agent", "patient", "place")], axis=1)
    common = (told >= 0) & (told < N_NOUNS)
    chance = request.rng.integers(0, 2, told.shape)
    planted = attributes(request.world.number, request.draw)

    def values(name: Attribute) -> np.ndarray:
        return chance if name == "0" else planted.of(name)[np.where(common, told, 0)]

    if synonyms is None:
        return Items.of(events, values=np.where(common, values(attribute), NONE))
    second = balanced(request.rng, request.n, 2).astype(bool)
    replaced = second[:, None] & ~IS_LOAN[np.where(common, told, 0)]  # loans have no synonym
    value = np.where(replaced, values(synonyms), values(attribute))
    return Items.of(events, values=np.where(common, value, NONE), synonyms=second)


def which_items(attribute: Attribute) -> Callable[[Request], Items]:
    """Return the generator of pairs of sentences of which one is about a noun with value 1; label 0: the first."""

    def generate(request: Request) -> Items:
        value = attributes(request.world.number, request.draw).of(attribute)
        first = balanced(request.rng, request.n, N_NOUNS)
        second = _partners(request.rng, first, value, np.ones(N_NOUNS, dtype=bool), 1 - value[first])
        pairs = np.stack([first, second], axis=1)
        return Items.of(_named_items(request, pairs), 1 - value[first], nouns=pairs)

    return generate


def is_items(attribute: Attribute) -> Callable[[Request], Items]:
    """Return the generator of sentences with one common noun; label: its value."""

    def generate(request: Request) -> Items:
        planted = attributes(request.world.number, request.draw)
        nouns, seen = _nouns_asked(request, planted)
        return Items.of(
            _named_items(request, nouns[:, None]),
            planted.of(attribute)[nouns],
            nouns=nouns[:, None],
            seen=seen,
        )

    return generate


def class_mix(items: Items, language: str, n: int) -> np.ndarray:
    """Return which of the items, in their order, make up a test set of n in a language, as `CLASS_MIX` has it.

    Each two classes have their share of the seen nouns' items and of the unseen nouns'.
    """
    two_classes = items.nouns[:, 0] // (2 * CLASS_SIZE)
    held = [
        np.flatnonzero((two_classes == k) & (items.seen == seen))[: round(share * n / 2)]
        for k, share in enumerate(CLASS_MIX[language])
        for seen in (True, False)
    ]
    return np.sort(np.concatenate(held))


def share_items(attribute: Attribute) -> Callable[[Request], Items]:
    """Return the generator of pairs of such sentences; label 1: their nouns have the same value."""

    def generate(request: Request) -> Items:
        planted = attributes(request.world.number, request.draw)
        value = planted.of(attribute)
        first, seen = _nouns_asked(request, planted)
        labels = np.empty(request.n, dtype=np.int64)
        second = np.empty(request.n, dtype=np.int64)
        for part in (True, False):
            at = np.flatnonzero(seen == part)
            labels[at] = balanced(request.rng, len(at), 2)
            wanted = np.where(labels[at] == 1, value[first[at]], 1 - value[first[at]])
            second[at] = _partners(request.rng, first[at], value, planted.seen == part, wanted)
        pairs = np.stack([first, second], axis=1)
        return Items.of(_named_items(request, pairs), labels, nouns=pairs, seen=seen)

    return generate


def _nouns_asked(request: Request, planted: Attributes) -> tuple[np.ndarray, np.ndarray]:
    """Return the nouns of the items and whether they are seen: all in training, half of them in the test."""
    n_seen = request.n - request.n // 2 if request.test else request.n
    nouns = np.concatenate(
        [
            balanced(request.rng, n_seen, np.flatnonzero(planted.seen)),
            balanced(request.rng, request.n - n_seen, np.flatnonzero(~planted.seen)),
        ]
    )
    nouns = nouns[request.rng.permutation(request.n)]
    return nouns, planted.seen[nouns]


def _partners(
    rng: np.random.Generator, nouns: np.ndarray, value: np.ndarray, pool: np.ndarray, wanted: np.ndarray
) -> np.ndarray:
    """Return for each noun another one of the pool that has the wanted value, all alike likely."""
    fits = pool[None] & (value[None] == wanted[:, None]) & (np.arange(N_NOUNS)[None] != nouns[:, None])
    return np.argmax(rng.random(fits.shape) * fits, axis=1)


def _natural(world: World, rng: np.random.Generator, nouns: np.ndarray) -> np.ndarray:
    """Return events in which each noun takes part, in one of its frames; the rest as usual."""
    verb, as_agent = split_frame(world.frame.draw(rng, nouns))
    is_place = nouns >= GROUPS["place"].start
    events = draw_events(
        world,
        rng,
        len(nouns),
        verb=np.where(is_place, NONE, verb),
        agent=np.where(~is_place & as_agent, nouns, NONE),
        patient=np.where(~is_place & ~as_agent, nouns, NONE),
    )
    _set_place(world, rng, events, is_place, nouns)
    return events


def _named_items(request: Request, nouns: np.ndarray) -> np.ndarray:
    """Return items of one sentence a noun, shape of `nouns` (n, k)."""
    k = nouns.shape[1]

    def propose(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
        return _named(request.world, rng, nouns[rows].ravel()).reshape(len(rows), k)

    return collect(request, propose)


def _named(world: World, rng: np.random.Generator, nouns: np.ndarray) -> np.ndarray:
    """Return events with exactly one common noun: all other arguments are proper names."""
    n = len(nouns)
    out = clauses(n)
    is_place = nouns >= GROUPS["place"].start
    verb, as_agent = split_frame(world.name_frame.draw(rng, nouns))
    out["verb"] = np.where(is_place, world.named_verb.draw(rng, np.zeros(n, dtype=np.int64)), verb)
    agent = np.where(~is_place & as_agent, nouns, world.agent_name.draw(rng, out["verb"]))
    patient = np.where(~is_place & ~as_agent, nouns, world.patient_name.draw(rng, out["verb"]))
    out["agent"], out["patient"] = agent, patient
    part_arguments(rng, out, world.agent_name, world.patient_name)
    add_modifiers(rng, world, out)
    cities = rng.choice(list(GROUPS["city"]), n)
    _set_place(world, rng, out, rng.random(n) < 0.4, cities)
    _set_place(world, rng, out, is_place, nouns)
    out["time"] = np.where(rng.random(n) < 0.25, world.time.draw(rng, out["verb"]), NONE)
    out["negated"] = rng.random(n) < 0.12
    out["fronted"] = rng.random(n) < 0.3
    return out


def _set_place(
    world: World, rng: np.random.Generator, events: np.ndarray, where: np.ndarray, places: np.ndarray
) -> None:
    """Put the events, where told, at the places, in place."""
    somewhere = np.where(where, places, GROUPS["city"].start)
    relation = world.relation.draw(rng, somewhere)
    events["place"] = np.where(where, places, events["place"])
    events["relation"] = np.where(where, relation, events["relation"])
