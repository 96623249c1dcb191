"""Reliability of scores: intraclass correlation, and split halves of seeds."""

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import require_columns, require_draws, require_levels, require_varying
from analyses.inference.rankings.agreement import complete_table
from analyses.inference.resampling.pigeonhole import FEWEST_LEVELS, expanded_tail, factor_weights
from analyses.inference.result import Inference


def intraclass_correlation(
    data: pd.DataFrame, value: str, unit: str, rater: str, *, level: float = 0.95
) -> Inference:
    """Return ICC(2,1) and ICC(2,k): absolute agreement of raters (seeds, methods) drawn from many.

    With mean squares of units, raters and error of an n x k table (Shrout and Fleiss 1979, p. 423):

        ICC(2,1) = (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n)
        ICC(2,k) = (MSR - MSE) / (MSR + (MSC - MSE) / n)

    Intervals by F with Satterthwaite's degrees of freedom (McGraw and Wong 1996, table 7); p of F = MSR / MSE.
    Values are averaged within (unit, rater); units that a rater lacks are left out.

    Returns:
        Rows `ICC(2,1)` (one rater) and `ICC(2,k)` (the mean of k), with F, df1, df2. Where MSR < MSE the latter
        is NaN, and so is the former below -1: a note says so.

    Raises:
        InputError: unknown columns, one unit or rater, values that are all equal.

    Example:
        >>> import pandas as pd
        >>> from analyses import intraclass_correlation
        >>> judges = {1: [9, 6, 8, 7, 10, 6], 2: [2, 1, 4, 1, 5, 2], 3: [5, 3, 6, 2, 6, 4], 4: [8, 2, 8, 6, 9, 7]}
        >>> table = pd.DataFrame(judges).rename_axis("target")  # Shrout and Fleiss 1979, table 2
        >>> data = table.reset_index().melt("target", var_name="judge")
        >>> result = intraclass_correlation(data, "value", "target", "judge")
        >>> result.table[["term", "estimate", "low", "high"]].round(2)
               term  estimate   low  high
        0  ICC(2,1)      0.29  0.02  0.76
        1  ICC(2,k)      0.62  0.07  0.93
    """
    table, notes = complete_table(data, value, unit, rater)
    require_levels(len(table), 2, unit, "reliability is spread between units")
    require_varying(table.to_numpy(), value)
    n, k = table.shape
    units, raters, error = _mean_squares(table.to_numpy())
    single = (units - error) / (units + (k - 1) * error + k * (raters - error) / n)
    average = (units - error) / (units + (raters - error) / n)
    if units < error:
        notes.append(f"{unit} differ less than the error: a reliability is not defined where MSR < MSE (NaN)")
        single, average = (single if single >= -1 else np.nan), np.nan
    limits = _icc_limits(units, raters, error, single, (n, k), level)
    # Spearman-Brown carries the limits of one rater over to the mean of k.
    of_mean = _stepped_up(np.array(limits), k) if units >= error else (np.nan, np.nan)
    statistic = units / error if error > 0 else np.inf
    df1, df2 = n - 1, (n - 1) * (k - 1)
    test = {"p": float(stats.f.sf(statistic, df1, df2)), "F": statistic, "df1": df1, "df2": df2}
    rows = [
        {"term": term, "estimate": estimate, "low": low, "high": high, **test}
        for term, estimate, (low, high) in (("ICC(2,1)", single, limits), ("ICC(2,k)", average, of_mean))
    ]
    return Inference(
        procedure="intraclass_correlation",
        null=f"the levels of {unit} do not differ",
        table=pd.DataFrame(rows),
        counts={unit: n, rater: k},
        level=level,
        notes=tuple(notes),
        references=(
            "Shrout and Fleiss 1979, Psychol. Bull. 86: 420-428",
            "McGraw and Wong 1996, Psychol. Methods 1: 30-46",
        ),
    )


def _mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """Return the mean squares of rows, columns and what is left of an n x k table."""
    n, k = table.shape
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    left = table - rows[:, None] - columns + table.mean()
    rounding = (1e-12 * np.abs(table).max()) ** 2
    error = float((left**2).sum()) / ((n - 1) * (k - 1))
    # Raters who agree fully leave rounding, which F would divide by.
    return k * rows.var(ddof=1), n * columns.var(ddof=1), error if error > rounding else 0.0


def _icc_limits(
    units: float, raters: float, error: float, icc: float, shape: tuple[int, int], level: float
) -> tuple[float, float]:
    """Return the limits of ICC(2,1); (1, 1) without any disagreement, NaN where it is NaN."""
    n, k = shape
    if np.isnan(icc):
        return np.nan, np.nan
    if np.isclose(icc, 1.0, rtol=0, atol=1e-12):
        return 1.0, 1.0
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    spread = (a * raters) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    df = (a * raters + b * error) ** 2 / spread
    tail = 0.5 + level / 2
    lower, upper = stats.f.ppf(tail, n - 1, df), stats.f.ppf(tail, df, n - 1)
    rest = k * raters + (k * n - k - n) * error
    low = n * (units - lower * error) / (lower * rest + n * units)
    high = n * (upper * units - error) / (rest + n * upper * units)
    return float(low), float(high)


def seed_reliability(
    data: pd.DataFrame,
    value: str = "gain",
    unit: Sequence[str] = ("intermediate",),
    seed: str = "seed",
    *,
    rng: np.random.Generator,
    splits: int = 500,
    resamples: int = 1999,
    level: float = 0.95,
) -> Inference:
    """Return how reliable the means of all seeds are: split-half correlation, stepped up by Spearman-Brown.

    Seeds are split into equal halves of h (with an odd number one sits out, another at each split): all
    splits where there are at most `splits`, otherwise random ones. With r the mean Pearson correlation of the
    halves over units, the mean of S seeds has reliability k r / (1 + (k - 1) r), k = S / h. A shift that a
    seed gives to all units alike, such as the noise of a shared baseline, does not lower r.

    Args:
        unit: columns that name what is ranked; those with five levels are resampled for the interval
            (expanded percentiles, as in `crossed_bootstrap`).

    Returns:
        Rows `reliability of the mean of S seeds` and `correlation of halves`; p is NaN.

    Raises:
        InputError: unknown columns, one seed, fewer than 3 units, a half without spread.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, seed_reliability, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(targets=1, languages=1, seeds=4, noise=2.0))
        >>> result = seed_reliability(data, "gain", ["intermediate"], rng=rng, resamples=199)
        >>> result.table[["term", "estimate"]].round(2)
                                         term  estimate
        0  reliability of the mean of 4 seeds      0.84
        1               correlation of halves      0.72
    """
    require_columns(data, unit)
    require_draws(rng, splits, "splits")
    table, notes = complete_table(data, value, unit, seed)
    require_levels(len(table), 3, " x ".join(unit), "a correlation over units needs several")
    S, h = table.shape[1], table.shape[1] // 2
    first, second = _halves(table.to_numpy(), rng, splits)
    units = table.index.to_frame(index=False)
    varying = [name for name in unit if units[name].nunique() >= FEWEST_LEVELS]
    observed = _half_correlation(first, second, np.ones((1, len(table))))
    draws, limits = np.empty(0), np.full(2, np.nan)
    if varying:
        weights = factor_weights(units, varying, rng, resamples)
        draws = np.concatenate([_half_correlation(first, second, batch) for batch in weights])
        tail = expanded_tail(level, min(units[name].nunique() for name in varying))
        limits = np.nanquantile(draws, [tail, 1 - tail])
    fixed = [name for name in unit if name not in varying]
    notes += [f"{name} is held fixed: fewer than {FEWEST_LEVELS} levels" for name in fixed]
    halves = np.array([observed[0], *limits])
    whole = _stepped_up(halves, S / h)
    terms = {f"reliability of the mean of {S} seeds": whole, "correlation of halves": halves}
    return Inference(
        procedure="seed_reliability",
        null="none: a reliability was asked for",
        table=pd.DataFrame(
            [
                {"term": t, "estimate": e, "low": lo, "high": hi, "p": np.nan}
                for t, (e, lo, hi) in terms.items()
            ]
        ),
        counts={**{name: int(units[name].nunique()) for name in unit}, seed: S, "splits": len(first)},
        level=level,
        distribution=_stepped_up(draws, S / h),
        notes=tuple(notes),
        references=("Spearman 1910, Brit. J. Psychol. 3", "Brown 1910, Brit. J. Psychol. 3"),
    )


def _stepped_up(correlation: np.ndarray, k: float) -> np.ndarray:
    """Return Spearman and Brown's reliability of k times as many seeds; -inf at its pole, -1 for k = 2, and below."""
    left = 1 + (k - 1) * correlation
    return np.where(left <= 0, -np.inf, k * correlation / np.where(left <= 0, 1.0, left))


def _halves(table: np.ndarray, rng: np.random.Generator, splits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit means of both halves, each (splits, units)."""
    S = table.shape[1]
    h = S // 2
    # The product counts every split twice, as (a, b) and as (b, a).
    if comb(S, h) * comb(S - h, h) <= 2 * splits:
        pairs = [
            (a, b)
            for a in combinations(range(S), h)
            for b in combinations(sorted(set(range(S)) - set(a)), h)
            if a < b
        ]
    else:
        orders = rng.permuted(np.broadcast_to(np.arange(S), (splits, S)), axis=1)
        pairs = [(tuple(order[:h]), tuple(order[h : 2 * h])) for order in orders]
    first, second = (np.array([table[:, list(p[i])].mean(axis=1) for p in pairs]) for i in (0, 1))
    for half in (*first, *second):
        require_varying(half, "the mean of half of the seeds")
    return first, second


def _half_correlation(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the correlation of the halves, averaged over splits, for each row of weights (B, units)."""
    shares = (weights / weights.sum(axis=1, keepdims=True)).T
    first, second = (half - half.mean(axis=1, keepdims=True) for half in (first, second))
    first, second = (half / np.sqrt((half**2).mean(axis=1, keepdims=True)) for half in (first, second))
    a, b = first @ shares, second @ shares
    covariance = (first * second) @ shares - a * b
    spread = (first**2 @ shares - a**2) * (second**2 @ shares - b**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Halves have unit variance: what is below it are resamples of one unit only.
        return np.where(spread > 1e-24, covariance / np.sqrt(spread), np.nan).mean(axis=0)
