"""Exact search for nearest neighbours and mining of sentence pairs, on arrays, by the processor or a GPU.

Vectors are compared by cosine, or by the ratio margin of Artetxe and Schwenk 2019 ("Margin-based parallel corpus
mining with multilingual sentence embeddings", equations 1 and 2): the cosine of x and y over the mean of the mean
cosines of x and of y to their k nearest neighbours on the other side. A vector that is near to everything (a hub)
loses its advantage.

Memory is bounded by the vectors and a few blocks of `BLOCK_ROWS` x `BLOCK_COLUMNS` scores; a matrix of all scores
(BUCC: 10^9 and more) is never made. Scores are products in full single precision on every device, without TF32.
Of candidates with equal scores the one with the higher cosine comes first, and of those the one with the lowest index;
the same vector in two places of a matrix product may differ by a rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad as padded

Scoring = Literal["cosine", "margin"]
Direction = Literal["forward", "backward", "intersection", "max"]

NEIGHBOURS = 4
"""Nearest neighbours of margin scoring (Artetxe and Schwenk 2019, section 4.1; LASER's and XTREME's default)."""
BLOCK_ROWS = 1024
BLOCK_COLUMNS = 4096
"""Shape of the largest block of scores in memory: 16 MiB in single precision."""
GPU_TIMES = 4
"""How many times as many rows and columns a block has on a GPU, which smaller ones leave idle: 256 MiB."""
GROUP = 32
"""Candidates of a block of whose scores the largest is looked at first."""
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
    device: str | torch.device = "cpu",
) -> Neighbours:
    """Return the k best candidates of every query (all, if there are fewer).

    Args:
        queries: (queries, dimensions).
        candidates: (candidates, dimensions).
        k: how many.
        scoring: `cosine`, or `margin`: the max(k, neighbours) nearest by cosine are ordered by the ratio margin, as
            in LASER.
        neighbours: how many nearest neighbours the margin looks at, in both directions.
        device: what computes the scores; it has to hold the vectors.
    """
    x, y = _unit(queries), _unit(candidates)
    if scoring == "cosine":
        return _search(x, y, k, 0, device)[0]
    forward, backward = _search(x, y, max(k, neighbours), neighbours, device)
    scores = _margin(forward, _mean(forward, neighbours), _mean(backward, neighbours))
    return _best(forward.ids, scores, k)


def mine(
    sources: np.ndarray,
    targets: np.ndarray,
    scoring: Scoring = "margin",
    neighbours: int = NEIGHBOURS,
    direction: Direction = "max",
    device: str | torch.device = "cpu",
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
        device: as in `nearest`.
    """
    forward, backward = _search(_unit(sources), _unit(targets), neighbours, neighbours, device)
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


def _search(
    x: np.ndarray, y: np.ndarray, k: int, k_back: int, device: str | torch.device
) -> tuple[Neighbours, Neighbours]:
    """Return the k nearest of y to each of x and the k_back nearest of x to each of y, every block made once."""
    times = 1 if torch.device(device).type == "cpu" else GPU_TIMES
    left, right = (torch.from_numpy(np.ascontiguousarray(v)).to(device) for v in (x, y))
    forward, backward = _Best(left, min(k, len(y))), _Best(right, min(k_back, len(x)))
    with _full_precision():
        for rows in _blocks(len(x), BLOCK_ROWS * times):
            for columns in _blocks(len(y), BLOCK_COLUMNS * times):
                scores = _products(left[rows], right[columns])
                forward.take(rows, columns.start, scores)
                if k_back:
                    backward.take(columns, rows.start, scores.T)
    return forward.found(), backward.found()


@contextmanager
def _full_precision() -> Iterator[None]:
    """Multiply matrices without TF32 or autocast, whatever the process is set to."""
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision
    matmul.fp32_precision = "ieee"
    try:
        with torch.autocast("cuda", enabled=False):
            yield
    finally:
        matmul.fp32_precision = before


def _products(x: Tensor, y: Tensor) -> Tensor:
    """Return x y', (rows of x, rows of y)."""
    if x.device.type == "cpu":  # by numpy's BLAS: a fifth faster than torch's on an AMD EPYC (measured)
        return torch.from_numpy(x.numpy() @ y.numpy().T)
    return x @ y.T


class _Best:
    """The best candidates of every query so far; blocks of candidates come in the order of their indices."""

    def __init__(self, queries: Tensor, k: int) -> None:
        n, device = len(queries), queries.device
        self.k = k
        self.ids = torch.zeros(n, k, dtype=torch.int64, device=device)
        self.scores = torch.full((n, k), -torch.inf, dtype=queries.dtype, device=device)

    def take(self, rows: slice, first: int, scores: Tensor) -> None:
        """Look at the scores of a block of queries (rows) and of the candidates from `first` on (columns).

        Most of a block cannot be among the best, which the maxima of its groups tell.
        """
        groups = _groups(scores)
        tops = _largest(groups)
        floor = self.scores[rows, -1]  # what is equal to it comes behind it
        if first == 0 and tops.shape[1] >= self.k:
            # So many candidates are at least as good; what is equal to them may come before them.
            floor = tops.topk(self.k, dim=1).values[:, -1]
            floor = floor.nextafter(torch.full_like(floor, -torch.inf))
        row, group = (tops > floor[:, None]).nonzero(as_tuple=True)
        values = groups[row, :, group]
        hit, place = (values > floor[row, None]).nonzero(as_tuple=True)
        if len(hit):
            column = place * tops.shape[1] + group[hit]
            order = (row[hit] * scores.shape[1] + column).argsort()
            self._add(rows.start + row[hit][order], first + column[order], values[hit, place][order])

    def _add(self, rows: Tensor, ids: Tensor, scores: Tensor) -> None:
        """Put candidates beside the best ones so far; they are sorted by query and index."""
        chosen, counts = rows.unique_consecutive(return_counts=True)
        row = torch.arange(len(chosen), device=rows.device).repeat_interleave(counts)
        column = self.k + torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[row]
        more = (0, int(counts.max()))
        all_ids = padded(self.ids[chosen], more)
        all_scores = padded(self.scores[chosen], more, value=-torch.inf)
        all_ids[row, column], all_scores[row, column] = ids, scores
        # Stable: of equal ones the first is the one with the lowest index.
        found, order = all_scores.sort(dim=1, descending=True, stable=True)
        self.scores[chosen] = found[:, : self.k]
        self.ids[chosen] = all_ids.gather(1, order[:, : self.k])

    def found(self) -> Neighbours:
        """Return them, best first."""
        return Neighbours(self.ids.cpu().numpy(), self.scores.cpu().numpy())


def _groups(scores: Tensor) -> Tensor:
    """Return columns in groups, (rows, `GROUP`, groups): group g has every column that is g modulo their number."""
    if short := -scores.shape[1] % GROUP:
        scores = padded(scores, (0, short), value=-torch.inf)
    return scores.unflatten(1, (GROUP, -1))


def _largest(groups: Tensor) -> Tensor:
    """Return the largest score of every group, (rows, groups)."""
    if groups.stride(0) == 1:  # many times faster along the memory of a transposed block than across
        return groups.transpose(0, 2).amax(dim=1).T
    return groups.amax(dim=1)


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
