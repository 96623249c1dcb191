"""Permutation of whole tasks on a 100 x 100 table of pairs against the same test as a plain loop."""

from functools import partial

import numpy as np
import pandas as pd

from analyses.inference import permute_tasks
from simxfer.common.streams import stream

from .measure import Row, Timer, compared

TASKS, PERMUTATIONS = 100, 9999


def run(timer: Timer) -> list[Row]:
    """Measure 9,999 permutations of sources and targets."""
    outcome, similarity = stream("bench", "qap").normal(size=(2, TASKS, TASKS))
    outcome += 0.01 * similarity
    data = _pairs(outcome, similarity)
    subjects = {"ours": partial(_ours, data), "a plain NumPy loop": partial(_plain, outcome, similarity)}
    seconds = timer.interleave(subjects, most=3)
    what = f"{TASKS} sources x {TASKS} targets, {PERMUTATIONS:,} permutations"
    return [compared("qap", what, seconds["ours"], "a plain NumPy loop", seconds["a plain NumPy loop"])]


def _pairs(outcome: np.ndarray, similarity: np.ndarray) -> pd.DataFrame:
    source, target = np.indices(outcome.shape)
    return pd.DataFrame(
        {
            "intermediate": [f"s{i}" for i in source.ravel()],
            "target": [f"t{i}" for i in target.ravel()],
            "language": "en",
            "gain": outcome.ravel(),
            "similarity": similarity.ravel(),
        }
    )


def _ours(data: pd.DataFrame) -> None:
    permute_tasks(data, rng=np.random.default_rng(0), permutations=PERMUTATIONS)


def _plain(outcome: np.ndarray, similarity: np.ndarray) -> None:
    """Freedman-Lane on two-way residuals, one permutation at a time (see `task_permutation`)."""
    rng, a, b = np.random.default_rng(0), _centred(outcome), _centred(similarity)
    for _ in range(PERMUTATIONS):
        moved = a[np.ix_(rng.permutation(TASKS), rng.permutation(TASKS))]
        np.corrcoef(moved.ravel(), b.ravel())


def _centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
