"""Exact search for nearest neighbours and mining of sentence pairs, on arrays.

Vectors are compared by cosine, or by the ratio margin of Artetxe and Schwenk 2019 ("Margin-based parallel corpus
mining with multilingual sentence embeddings", equations 1 and 2): the cosine of x and y over the mean of the mean
cosines of x and of y to their k nearest neighbours on the other side. A vector that is near to everything (a hub)
loses its advantage.

Memory is bounded by the vectors and a few blocks of `BLOCK_ROWS` x `BLOCK_COLUMNS` scores; a matrix of all scores
(BUCC: 10^9 and more) is never made. Of candidates with equal scores the one with the higher cosine comes first, and
of those the one with the lowest index; the same vector in two places of a matrix product may differ by a rounding.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

Scoring = Literal["cosine", "margin"]
Direction = Literal["forward", "backward", "intersection", "max"]

NEIGHBOURS = 4
"""Nearest neighbours of margin scoring (Artetxe and Schwenk 2019, section 4.1; LASER's and XTREME's default)."""
BLOCK_ROWS = 1024
BLOCK_COLUMNS = 4096
"""Shape of the largest block of scores in memory: 16 MiB in single precision."""
_SMALLEST_MEAN = 1e-6
"""Stands for a mean cosine that is not positive, which the ratio has no meaning for."""


class Neighbours(NamedTuple):
    """What a search found, best first.

    Attributes:
        ids: (queries, k) int64, indices of candidates.
        scores: (queries, k), their scores.
    """

    ids: np.ndarray
    scores: np.ndarray


class Mined(NamedTuple):
    """Pairs of sentences that may be translations of each other, the best first where `mine` sorts them.

    Attributes:
        sources: (pairs,) int64.
        targets: (pairs,) int64.
        scores: (pairs,).
    """

    sources: np.ndarray
    targets: np.ndarray
    scores: np.ndarray


def nearest(
    queries: np.ndarray,
    candidates: np.ndarray,
    k: int = 1,
    scoring: Scoring = "cosine",
    neighbours: int = NEIGHBOURS,
) -> Neighbours:
    """Return the k best candidates of every query (all, if there are fewer).

    Args:
        queries: (queries, dimensions).
        candidates: (candidates, dimensions).
        k: how many.
        scoring: `cosine`, or `margin`: the max(k, neighbours) nearest by cosine are ordered by the ratio margin, as
            in LASER.
        neighbours: how many nearest neighbours the margin looks at, in both directions.
    """
    x, y = _unit(queries), _unit(candidates)
    if scoring == "cosine":
        return _search(x, y, k, 0)[0]
    forward, backward = _search(x, y, max(k, neighbours), neighbours)
    scores = _margin(forward, _mean(forward, neighbours), _mean(backward, neighbours))
    return _best(forward.ids, scores, k)


def mine(
    sources: np.ndarray,
    targets: np.ndarray,
    scoring: Scoring = "margin",
    neighbours: int = NEIGHBOURS,
    direction: Direction = "max",
) -> Mined:
    """Return candidate pairs with their scores, by the rules of LASER's `mine_bitexts`; no threshold is applied.

    Args:
        sources: (sources, dimensions).
        targets: (targets, dimensions).
        scoring: as in `nearest`.
        neighbours: as in `nearest`; also by cosine, the best of so many neighbours is taken.
        direction: `forward`: every source with its best target, in the order of the sources. `backward`: every
            target with its best source. `intersection`: the pairs that are both. `max`: the pairs of both, the
            best first; each source and each target is used once.
    """
    forward, backward = _search(_unit(sources), _unit(targets), neighbours, neighbours)
    if scoring == "margin":
        means = _mean(forward, neighbours), _mean(backward, neighbours)
        forward, backward = (
            _best(forward.ids, _margin(forward, *means), 1),
            _best(backward.ids, _margin(backward, *means[::-1]), 1),
        )
    onward = Mined(np.arange(len(sources)), forward.ids[:, 0], forward.scores[:, 0])
    back = Mined(backward.ids[:, 0], np.arange(len(targets)), backward.scores[:, 0])
    if direction == "forward":
        return onward
    if direction == "backward":
        return back
    if direction == "intersection":
        return _take(onward, np.flatnonzero(back.sources[onward.targets] == onward.sources))
    return _one_to_one(Mined(*(np.concatenate(pair) for pair in zip(onward, back, strict=True))))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(first, min(first + size, n)) for first in range(0, n, size))


def _search(x: np.ndarray, y: np.ndarray, k: int, k_back: int) -> tuple[Neighbours, Neighbours]:
    """Return the k nearest of y to each of x and the k_back nearest of x to each of y, every block made once."""
    forward, backward = (
        _nothing(len(x), min(k, len(y)), x.dtype),
        _nothing(len(y), min(k_back, len(x)), x.dtype),
    )
    for rows in _blocks(len(x), BLOCK_ROWS):
        for columns in _blocks(len(y), BLOCK_COLUMNS):
            scores = x[rows] @ y[columns].T
            if k_back:
                _merge(backward, columns, rows.start, scores.T.copy())
            _merge(forward, rows, columns.start, scores)
    return forward, backward


def _nothing(n: int, k: int, dtype: np.dtype) -> Neighbours:
    return Neighbours(np.zeros((n, k), np.int64), np.full((n, k), -np.inf, dtype))


def _merge(found: Neighbours, rows: slice, first: int, scores: np.ndarray) -> None:
    """Put the best of a block of scores, whose columns start at candidate `first`, beside what was found before.

    The block is used up.
    """
    k = min(found.ids.shape[1], scores.shape[1])
    index = np.arange(len(scores))
    picked, values = np.empty((len(scores), k), np.int64), np.empty((len(scores), k), scores.dtype)
    for place in range(k):  # the first of equal ones; a partial sort would take any
        picked[:, place] = scores.argmax(axis=1)
        values[:, place] = scores[index, picked[:, place]]
        scores[index, picked[:, place]] = -np.inf
    together = _best(
        np.concatenate([found.ids[rows], picked + first], axis=1),
        np.concatenate([found.scores[rows], values], axis=1),
        found.ids.shape[1],
    )
    found.ids[rows], found.scores[rows] = together


def _best(ids: np.ndarray, scores: np.ndarray, k: int) -> Neighbours:
    """Return the k best of every row; of equal ones those that stand first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return Neighbours(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def _mean(found: Neighbours, neighbours: int) -> np.ndarray:
    return found.scores[:, :neighbours].mean(axis=1)


def _margin(found: Neighbours, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the ratio margins of what was found: own (queries,), other (candidates,) mean cosines."""
    mean = (own[:, None] + other[found.ids]) / 2
    return found.scores / np.maximum(mean, _SMALLEST_MEAN)


def _take(pairs: Mined, chosen: np.ndarray) -> Mined:
    return Mined(*(array[chosen] for array in pairs))


def _one_to_one(pairs: Mined) -> Mined:
    """Keep the best pair of each source and target, going from the best pair downwards."""
    order = np.argsort(-pairs.scores, kind="stable")
    sources, targets = set(), set()
    chosen = []
    for at, source, target in zip(order, pairs.sources[order], pairs.targets[order], strict=True):
        if source not in sources and target not in targets:
            sources.add(source)
            targets.add(target)
            chosen.append(at)
    return _take(pairs, np.array(chosen, dtype=np.int64))
