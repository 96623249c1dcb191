"""Do training methods rank intermediates alike, and could they, given their seeds?

Two methods are compared on different halves of the replicates, and a method with itself in the same way: what a method
reaches with itself is all that seeds allow. Comparing methods on the same seeds would credit them with the luck of
shared data orders.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from analyses.inference.rankings.agreement import rank_agreement
from analyses.inference.rankings.reliability import seed_reliability
from analyses.inference.result import Inference
from analyses.questions.method_gains import is_adapter
from analyses.questions.scores import FULL
from simxfer.common.errors import InputError
from simxfer.common.streams import stream

SPLITS = 200
RESAMPLES = 999
FEWEST_ITEMS = 3


def half_agreement(gains: pd.DataFrame, splits: int = SPLITS) -> pd.DataFrame:
    """Return Kendall's tau of two methods' rankings of intermediates, different replicates on both sides.

    Tau is taken within each target over intermediates and averaged over targets and over splits of the replicates
    (checkpoint and seed) into halves.

    Returns:
        Rows a, b, tau, replicates a side; a = b is the ceiling. Empty with one replicate or fewer than three
        intermediates.
    """
    wide = gains.pivot_table(
        index=["target", "intermediate"],
        columns=["method", "checkpoint", "seed"],
        values="gain",
        aggfunc="mean",
    )
    methods = sorted(wide.columns.get_level_values("method").unique(), key=lambda m: (m != FULL, m))
    units = sorted(set.intersection(*({c[1:] for c in wide.columns if c[0] == m} for m in methods)))
    h = len(units) // 2
    if not h or wide.groupby(level="target").size().max() < FEWEST_ITEMS:
        return pd.DataFrame(columns=["a", "b", "tau", "replicates a side"])
    sides = [
        {m: wide[[(m, *u) for u in side]].mean(axis=1, skipna=False) for m in methods}
        for side in _halves(units, h, splits)
    ]
    pairs = [(m, m) for m in methods] + list(combinations(methods, 2))
    rows = [{"a": a, "b": b, "tau": _mean_tau(sides, a, b), "replicates a side": h} for a, b in pairs]
    return pd.DataFrame(rows)


def _halves(units: list, h: int, splits: int) -> list[list]:
    """Return sides in pairs, two disjoint ones behind each other: every split where they are few, else random ones."""
    pairs: list[tuple]
    if len(units) <= 6:
        pairs = [
            (a, b)
            for a in combinations(units, h)
            for b in combinations([u for u in units if u not in a], h)
            if a < b
        ]
    else:
        rng = stream("method-rankings", "halves")
        orders = [rng.permutation(len(units)) for _ in range(splits)]
        pairs = [([units[i] for i in o[:h]], [units[i] for i in o[h : 2 * h]]) for o in orders]
    return [list(side) for pair in pairs for side in pair]


def _mean_tau(sides: list[dict[str, pd.Series]], a: str, b: str) -> float:
    """Return the mean over splits, both ways round where the methods differ."""
    found = [_tau(x[a], y[b]) for x, y in zip(sides[::2], sides[1::2], strict=True)]
    if a != b:
        found += [_tau(y[a], x[b]) for x, y in zip(sides[::2], sides[1::2], strict=True)]
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def _tau(x: pd.Series, y: pd.Series) -> float:
    both = pd.DataFrame({"x": x, "y": y}).dropna()
    taus = []
    for _, rows in both.groupby(level="target"):
        if len(rows) < FEWEST_ITEMS:
            continue
        signs = [np.sign(np.subtract.outer(v, v)) for v in rows.to_numpy().T]
        norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
        taus.append((signs[0] * signs[1]).sum() / norm if norm else np.nan)
    return float(np.nanmean(taus)) if np.isfinite(taus).any() else float("nan")


def agreement_tests(gains: pd.DataFrame) -> dict[str, Inference]:
    """Return agreement of the methods' rankings of intermediates over all replicates, and how reliable each is.

    Whatever the grid is too small for is left out.
    """
    shown = gains[gains["method"].map(lambda m: m == FULL or is_adapter(m))]
    tests = {}
    for target, rows in shown.groupby("target"):
        try:
            tests[f"rankings of intermediates for {target}"] = rank_agreement(
                rows,
                "gain",
                "intermediate",
                "method",
                rng=stream("method-rankings", str(target)),
                resamples=RESAMPLES,
            )
        except InputError:
            continue
    for method, rows in shown.groupby("method"):
        units = rows.assign(unit=rows["checkpoint"] + " " + rows["seed"].astype(str))
        try:
            tests[f"reliability of gains, {method}"] = seed_reliability(
                units,
                "gain",
                ["intermediate", "target"],
                "unit",
                rng=stream("method-rankings", str(method)),
                splits=SPLITS,
                resamples=RESAMPLES,
            )
        except InputError:
            continue
    return tests
