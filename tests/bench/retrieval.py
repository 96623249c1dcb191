"""Exact search and mining in blocks: at BUCC's size alone, at a smaller one against a whole matrix and scikit-learn."""

import resource
from functools import partial

import numpy as np
from sklearn.neighbors import NearestNeighbors

from simxfer.common.streams import stream
from simxfer.scoring.search import mine, nearest

from .measure import Row, Subject, Timer, alone, compared

BUCC, SMALL, DIMENSIONS = 40_000, 8_000, 1_024


def run(timer: Timer) -> list[Row]:
    """Measure mining of 40,000 x 40,000 vectors with its peak memory, and the search of 8,000 x 8,000."""
    small = f"{SMALL:,} x {SMALL:,} x {DIMENSIONS:,}, 4 nearest by cosine"
    subjects: dict[str, Subject] = {
        "ours": partial(nearest, *_vectors(SMALL), 4),
        "the whole matrix": partial(_whole, *_vectors(SMALL)),
        "scikit-learn": partial(_scikit_learn, *_vectors(SMALL)),
    }
    seconds = timer.interleave(subjects, most=3)
    ours = seconds.pop("ours")
    return _at_full_size(timer) + [
        compared("retrieval", small, ours, name, theirs) for name, theirs in seconds.items()
    ]


def _at_full_size(timer: Timer) -> list[Row]:
    sources, targets = _vectors(BUCC)
    what = f"{BUCC:,} x {BUCC:,} x {DIMENSIONS:,}, mining by margin"
    before = _most_memory()
    seconds = timer.interleave({"ours": partial(mine, sources, targets)}, most=1, warm=False)["ours"]
    peak = _most_memory() - before
    copies, scores = 2 * BUCC * DIMENSIONS * 4e-6, BUCC**2 * 4e-6
    note = f"beyond the vectors: {copies:,.0f} are their normalised copies; all scores take {scores:,.0f}"
    return [
        alone("retrieval", what, seconds),
        alone("retrieval", f"{what}: peak memory", np.array([peak]), unit="MB", note=note),
    ]


def _most_memory() -> float:
    """Return the largest memory that this process has had so far, in MB (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


def _vectors(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = stream("bench", "retrieval", n)
    first, second = (rng.standard_normal((n, DIMENSIONS), dtype=np.float32) for _ in range(2))
    return first, second


def _whole(queries: np.ndarray, candidates: np.ndarray) -> None:
    """One matrix of all scores, partially sorted."""
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, candidates))
    scores = x @ y.T
    near = np.argpartition(-scores, 4, axis=1)[:, :4]
    np.take_along_axis(scores, near, axis=1)


def _scikit_learn(queries: np.ndarray, candidates: np.ndarray) -> None:
    NearestNeighbors(n_neighbors=4, metric="cosine", algorithm="brute").fit(candidates).kneighbors(queries)
