"""The items of a task before they are put into words: meanings, labels, and what subsets need."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from simxfer.common.errors import InputError
from simxfer.world.meanings import NONE, World, draw_events, in_test, same_meaning_key
from simxfer.world.ontology import GROUPS, N_CONCEPTS

_CANDIDATES = 4096
_ROUNDS = 500
_IS_HYPERNYM = np.isin(np.arange(N_CONCEPTS), list(GROUPS["hypernym"]))


@dataclass(frozen=True, eq=False)
class Items:
    """n items of k clauses each.

    Attributes:
        clauses: what is said, shape (n, k).
        labels: index of the label, of the right choice, or of the clause with the answer; shape (n,).
        values: tagging of planted attributes: value of the nouns that are agent, patient, place; shape (n, 3),
            NONE where there is no common noun.
        nouns: the common nouns that an item is about, shape (n, m); m is 0 where subsets do not apply.
        seen: whether these nouns occur in training, shape (n,).
        synonyms: whether common nouns give way to their synonyms, shape (n,).
        particles: the word that the pivot puts at the end of the last clause, shape (n,), NONE for none.
    """

    clauses: np.ndarray
    labels: np.ndarray
    values: np.ndarray
    nouns: np.ndarray
    seen: np.ndarray
    synonyms: np.ndarray
    particles: np.ndarray

    @staticmethod
    def of(
        clauses: np.ndarray,
        labels: np.ndarray | None = None,
        values: np.ndarray | None = None,
        nouns: np.ndarray | None = None,
        seen: np.ndarray | None = None,
        synonyms: np.ndarray | None = None,
        particles: np.ndarray | None = None,
    ) -> "Items":
        """Return items, with empty arrays for what the task has no use for."""
        n = len(clauses)
        return Items(
            clauses=clauses,
            labels=np.zeros(n, dtype=np.int64) if labels is None else labels,
            values=np.full((n, 3), NONE) if values is None else values,
            nouns=np.zeros((n, 0), dtype=np.int64) if nouns is None else nouns,
            seen=np.ones(n, dtype=bool) if seen is None else seen,
            synonyms=np.zeros(n, dtype=bool) if synonyms is None else synonyms,
            particles=np.full(n, NONE) if particles is None else particles,
        )

    def __len__(self) -> int:
        """The number of items."""
        return len(self.clauses)

    def take(self, numbers: np.ndarray) -> "Items":
        """Return the items with these numbers."""
        return Items(**{field.name: getattr(self, field.name)[numbers] for field in fields(self)})


@dataclass(frozen=True, eq=False)
class Request:
    """What a generator is asked for."""

    world: World
    rng: np.random.Generator
    n: int
    test: bool
    draw: int


def on_side(clauses: np.ndarray, test: bool) -> np.ndarray:
    """Tell whether items keep to their side of the division by meaning, shape (n,).

    Args:
        clauses: shape (n, k). A clause with a hypernym stands on the side of the clause it follows from.
        test: the side.
    """
    general = _IS_HYPERNYM[clauses["agent"]] | _IS_HYPERNYM[clauses["patient"]]
    return (general | (in_test(clauses) == test)).all(axis=1)


def collect(
    request: Request,
    propose: Callable[[np.random.Generator, np.ndarray], np.ndarray],
    accept: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda clauses, rows: np.ones(
        len(rows), dtype=bool
    ),
) -> np.ndarray:
    """Return n items of clauses, shape (n, k), that keep to their side and are accepted.

    The items of a test set all mean different things; training data may say a thing twice.

    Args:
        request: how many, on which side, from which random stream.
        propose: (rng, row numbers) -> clauses (m, k); what is fixed for a row (its label, its noun) stays so.
        accept: (clauses (m, k), row numbers) -> whether each proposal may stand.

    Raises:
        InputError: the world has not as many different test items.
    """
    out = propose(request.rng, np.arange(request.n))
    filled = np.zeros(request.n, dtype=bool)
    for _ in range(_ROUNDS):
        missing = np.flatnonzero(~filled)
        if not len(missing):
            return out
        rows = np.repeat(missing, max(1, _CANDIDATES // len(missing)))
        proposed = propose(request.rng, rows)
        good = np.flatnonzero(on_side(proposed, request.test) & accept(proposed, rows))
        found, first = np.unique(rows[good], return_index=True)
        out[found] = proposed[good[first]]
        filled[found] = True
        if request.test:
            filled[np.flatnonzero(filled)[_repeated(out[filled])]] = False
    raise InputError(f"{request.n} different items asked for, {filled.sum()} found; ask for fewer")


def draw_on_side(
    request: Request,
    rng: np.random.Generator,
    n: int,
    *,
    place: float,
    time: float = 0.25,
    negated: float = 0.12,
) -> np.ndarray:
    """Return n events on the side asked for; the probabilities are those of `draw_events`."""

    def draw(k: int) -> np.ndarray:
        return draw_events(request.world, rng, k, place=place, time=time, negated=negated)

    out = draw(n)
    while len(off := np.flatnonzero(in_test(out) != request.test)):
        out[off] = draw(len(off))
    return out


def balanced(rng: np.random.Generator, n: int, values: int | np.ndarray) -> np.ndarray:
    """Return n values in random order, each as often as the others (+-1): those given, or 0 to values - 1."""
    pool = np.arange(values) if isinstance(values, int) else values
    rounds = np.tile(pool, (-(-n // len(pool)), 1))
    return rng.permutation(rng.permuted(rounds, axis=1).ravel()[:n])


def _repeated(clauses: np.ndarray) -> np.ndarray:
    """Tell which items mean the same as an earlier one, shape (n,)."""
    keys = same_meaning_key(clauses).reshape(len(clauses), -1)
    rows = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.dtype.itemsize * keys.shape[1]))).ravel()
    _, first = np.unique(rows, return_index=True)
    again = np.ones(len(clauses), dtype=bool)
    again[first] = False
    return again
