"""Means by group with intervals that hold for all groups at once (max-T over one shared resample)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import complete_rows, require_levels
from analyses.inference.permutation import permutation_p
from analyses.inference.resampling.pigeonhole import FEWEST_LEVELS, factor_weights, few_levels
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def simultaneous_means(
    data: pd.DataFrame,
    value: str,
    by: str,
    factors: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int = 4999,
    level: float = 0.95,
) -> Inference:
    """Means by group with intervals that hold for all groups at once.

    Crossed factors are resampled as in `crossed_bootstrap`, with the same resample for every group; intervals
    are estimate -+ c se with c the quantile of max_g |m*_g - m_g| / se_g (max-T), its normal tails turned into
    those of t with n - 1 degrees of freedom and se scaled by sqrt(n / (n - 1)), n the levels of the smallest
    factor. For example the mean gain of every intermediate on one target over its languages.

    Args:
        by: the column with the groups. factors: columns whose levels are resampled, shared by the groups.

    Returns:
        One row a group, the largest mean first; p is adjusted: the share of maxima beyond t = m_g / se_g.

    Raises:
        InputError: unknown columns, a factor with fewer than 5 levels, a group that lacks some combination of
            levels (its mean would stand on other levels than its neighbours').

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, simulate_grid, simultaneous_means
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(sources=3, targets=1, languages=12))
        >>> result = simultaneous_means(data, "gain", "intermediate", ["language"], rng=rng, resamples=999)
        >>> result.table[["term", "estimate", "low", "high"]].round(1)
          term  estimate  low  high
        0   s2       1.4  0.7   2.0
        1   s0      -0.2 -1.0   0.5
        2   s1      -1.3 -2.0  -0.6
    """
    means, notes = _cell_means(data, value, by, list(factors))
    weights = factor_weights(means.index.to_frame(index=False), factors, rng, resamples)
    draws = np.concatenate([w @ means.to_numpy() / w.sum(axis=1, keepdims=True) for w in weights])
    estimate, spread = means.mean().to_numpy(), draws.std(axis=0, ddof=1)
    flat = spread <= 1e-12 * means.abs().to_numpy().max(axis=0)
    if flat.any():
        raise InputError(f"{by} {means.columns[flat][0]!r} has no spread over {list(factors)}: no interval")
    n = min(means.index.get_level_values(name).nunique() for name in factors)
    se = spread * np.sqrt(n / (n - 1))
    maxima = t_scale((np.abs(draws - estimate) / spread).max(axis=1), n - 1)
    # One quantile for all groups; the width differs by their own errors only.
    half = np.quantile(maxima, level) * se
    p = [permutation_p(maxima, t, exact=False) for t in estimate / se]
    columns = {
        "estimate": estimate,
        "low": estimate - half,
        "high": estimate + half,
        "p": p,
        "se": se,
        "statistic": estimate / se,
    }
    table = pd.DataFrame({"term": means.columns.astype(str), **columns})
    return Inference(
        procedure="simultaneous_means",
        null=f"every mean of {value} by {by} is zero",
        table=table.sort_values("estimate", ascending=False, kind="stable").reset_index(drop=True),
        counts={by: len(estimate), **{name: int(means.index.unique(name).size) for name in factors}},
        level=level,
        distribution=maxima,
        notes=(*notes, *few_levels(n, "simultaneous_means")),
        references=("Owen 2007", "Westfall and Young 1993", "Hesterberg 2015, Am. Stat. 69: 371-386"),
    )


def t_scale(z: np.ndarray, df: int) -> np.ndarray:
    """Return the t values (>= 0) with the tail probabilities that the normal gives z >= 0."""
    return stats.t.isf(stats.norm.sf(z), df)


def _cell_means(
    data: pd.DataFrame, value: str, by: str, factors: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the mean of every combination of factor levels (rows) by group (columns), and notes."""
    frame, notes = complete_rows(data, [value], [by, *factors])
    for name in factors:
        require_levels(frame[name].nunique(), FEWEST_LEVELS, name, "an interval needs levels to resample")
    means = frame.groupby([*factors, by], sort=True)[value].mean().unstack(by)
    # A mean over whichever cells are there would compare groups on different languages.
    if means.isna().any(axis=None):
        lacking = means.columns[means.isna().any()][0]
        raise InputError(f"{by} {lacking!r} lacks some combination of {factors}; keep the common ones")
    return means, notes
