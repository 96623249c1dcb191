"""Mantel's test of two 100 x 100 distance matrices: ours, scikit-bio's, vegan's and a plain loop."""

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

from analyses.inference import mantel
from simxfer.common.streams import stream

from .measure import Row, Seconds, Subject, Timer, absent, compared, has
from .r_scripts import has_r, run_r

ITEMS, PERMUTATIONS = 100, 9999
_ADVICE = {
    "scikit-bio": "pip install scikit-bio (extra: bench)",
    "vegan": "install R and its package vegan (apt-get install r-cran-vegan)",
}
_TARGETS = {"scikit-bio": 20.0, "vegan": 20.0}


def run(timer: Timer) -> list[Row]:
    """Measure 10,000 correlations (the observed one and 9,999 permutations)."""
    first, second = _matrices()
    what = f"{ITEMS} x {ITEMS}, {PERMUTATIONS:,} permutations"
    there = {"scikit-bio": has("skbio"), "vegan": has_r("vegan")}
    with tempfile.TemporaryDirectory() as folder:
        subjects: dict[str, Subject] = {
            "ours": partial(_ours, first, second),
            "a plain NumPy loop": partial(_plain, first, second),
        }
        if there["scikit-bio"]:
            subjects["scikit-bio"] = partial(_scikit_bio, first, second)
        if there["vegan"]:
            subjects["vegan"] = partial(_vegan, timer, first, second, Path(folder))
        seconds = timer.interleave(subjects, most=3)
    ours = seconds.pop("ours")
    rows = [
        compared("mantel", what, ours, name, theirs, times=_TARGETS.get(name))
        for name, theirs in seconds.items()
    ]
    return rows + [absent("mantel", what, name, _ADVICE[name]) for name, found in there.items() if not found]


def _matrices() -> tuple[np.ndarray, np.ndarray]:
    """Return two distance matrices that are related a little."""
    points = stream("bench", "mantel").normal(size=(2, ITEMS, 5))
    points[1] += 0.3 * points[0]
    return squareform(pdist(points[0])), squareform(pdist(points[1]))


def _ours(first: np.ndarray, second: np.ndarray) -> None:
    frames = [pd.DataFrame(matrix) for matrix in (first, second)]
    mantel(*frames, rng=np.random.default_rng(0), permutations=PERMUTATIONS)


def _plain(first: np.ndarray, second: np.ndarray) -> None:
    """One permutation and one correlation at a time."""
    rng, upper = np.random.default_rng(0), np.triu_indices(ITEMS, 1)
    for _ in range(PERMUTATIONS + 1):
        order = rng.permutation(ITEMS)
        np.corrcoef(first[np.ix_(order, order)][upper], second[upper])


def _scikit_bio(first: np.ndarray, second: np.ndarray) -> None:
    from skbio.stats.distance import DistanceMatrix
    from skbio.stats.distance import mantel as theirs

    theirs(DistanceMatrix(first), DistanceMatrix(second), permutations=PERMUTATIONS, seed=0)


def _vegan(timer: Timer, first: np.ndarray, second: np.ndarray, folder: Path) -> Seconds:
    paths = folder / "first.csv", folder / "second.csv"
    for path, matrix in zip(paths, (first, second), strict=True):
        np.savetxt(path, matrix, delimiter=",")
    return run_r("mantel.R", timer.clock, *paths, str(PERMUTATIONS))[0]
