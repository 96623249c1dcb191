"""Agreement of rankings: do methods, languages or seeds put tasks in the same order."""

from collections.abc import Sequence
from itertools import combinations
from math import factorial
from typing import Literal, get_args

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_draws, require_levels, require_varying
from analyses.inference.permutation import all_orders, permutation_p, resolution, settled
from analyses.inference.resampling.pigeonhole import FEW_LEVELS, FEWEST_LEVELS, factor_weights
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

RankMethod = Literal["kendall", "spearman"]


def rank_agreement(
    data: pd.DataFrame,
    value: str,
    by: str,
    across: str,
    *,
    rng: np.random.Generator,
    method: RankMethod = "kendall",
    permutations: int = 9999,
    resamples: int = 1999,
    level: float = 0.95,
) -> Inference:
    """Tell how far the levels of `across` (methods, seeds, languages) rank the items of `by` alike.

    Values are averaged within (by, across); items that a level lacks are left out. Kendall's tau-b or
    Spearman's rho of every pair of levels, their mean, and for more than two levels Kendall's W, corrected for
    ties. p is one-sided (agreement): items change places within each level, all orders where two levels and
    few items allow. Intervals are pigeonhole percentiles over items and, where it has five levels, `across`;
    below five items there is none. Measured coverage of 95 % intervals of tau (300 runs, two rankings of normal
    scores): .97 with 6 or 9 items at tau .41, .97 with 9 items at tau .80, but .74 with 6 items at tau .80.

    Returns:
        The mean over pairs of levels first (with two levels, their only pair), then one row a pair, then
        `Kendall's W` (0-1, without an interval). `distribution` is the null of the first row.

    Raises:
        InputError: unknown columns or method, one level, fewer than 3 items in common, a constant ranking.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import rank_agreement
        >>> gains = pd.DataFrame({"full": [3.1, 2.2, 0.4, -1.0, -2.0], "lora": [2.0, 2.4, 0.9, 0.1, -1.0]})
        >>> gains["intermediate"] = ["mnli", "squad_v1", "qqp", "udpos", "ccg"]
        >>> data = gains.melt("intermediate", var_name="method", value_name="gain")
        >>> result = rank_agreement(data, "gain", "intermediate", "method", rng=np.random.default_rng(1))
        >>> round(result.estimate, 2), round(result.p, 3)
        (0.8, 0.042)
    """
    if method not in get_args(RankMethod):
        raise InputError(f"unknown method {method!r}; expected one of {get_args(RankMethod)}")
    require_draws(rng, permutations, "permutations")
    table, notes = complete_table(data, value, by, across)
    require_levels(len(table), 3, by, "two items are in the same order half of the time")
    for name, column in table.items():
        require_varying(column.to_numpy(), f"{value} in {across} {name}")
    values = settled(table.to_numpy().T)
    signs = np.sign(values[:, :, None] - values[:, None, :])
    observed = _statistics(signs, np.ones(len(table)), np.ones(len(values)), method)
    null, exact = _null(signs, method, rng, permutations)
    draws, more = _bootstrap(table, signs, method, rng, resamples)
    terms = _terms(table.columns, method)
    low, high = percentile_limits(draws, level)
    if len(values) > 2:
        # Levels drawn twice agree with themselves, so resampled W is biased upward.
        low[-1] = high[-1] = np.nan
    rows = [
        {
            "term": term,
            "estimate": observed[j],
            "low": low[j],
            "high": high[j],
            "p": permutation_p(null[:, j], observed[j], exact, "greater"),
        }
        for j, term in enumerate(terms)
    ]
    return Inference(
        procedure="rank_agreement",
        null=f"the levels of {across} rank {by} independently of each other",
        table=pd.DataFrame(rows),
        counts={by: len(table), across: len(values), "permutations": len(null), "resamples": len(draws)},
        level=level,
        distribution=null[:, 0],
        notes=(*notes, *more, *resolution(null, exact)),
        references=("Kendall 1938, Biometrika 30", "Kendall and Babington Smith 1939, Ann. Math. Stat. 10"),
    )


def complete_table(
    data: pd.DataFrame, value: str, unit: str | Sequence[str], column: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return cell means, units x levels of `column`, without incomplete units; and notes."""
    units = [unit] if isinstance(unit, str) else list(unit)
    frame, notes = complete_rows(data, [value], [*units, column])
    table = frame.groupby([*units, column], sort=True)[value].mean().unstack(column)
    require_levels(table.shape[1], 2, column, "agreement is between levels")
    whole = table.dropna()
    if len(whole) < len(table):
        notes.append(f"{len(table) - len(whole)} of {len(table)} left out: not in every level of {column}")
    return whole, notes


# Own code: scipy's kendalltau and spearmanr take no weights, and a resample is a vector of weights.
def _correlations(signs: np.ndarray, weights: np.ndarray, method: RankMethod) -> np.ndarray:
    """Return the m x m rank correlations of rows copied `weights` times, from signs of differences (m, n, n).

    The midrank of an item, centred, is half the weighted sum of its signs, so both methods need only those.
    A ranking without spread gives NaN.
    """
    if method == "spearman":
        ranks = signs @ weights
        products = (ranks * weights) @ ranks.T
    else:
        flat = signs.reshape(len(signs), -1)
        products = (flat * np.outer(weights, weights).ravel()) @ flat.T
    norms = np.sqrt(np.diag(products))
    with np.errstate(invalid="ignore"):
        return products / np.outer(norms, norms)


def _statistics(
    signs: np.ndarray, weights: np.ndarray, level_weights: np.ndarray, method: RankMethod
) -> np.ndarray:
    """Return (mean over pairs of levels, each pair, W); with two levels only their correlation.

    A level drawn twice is no pair with itself.
    """
    first, second = np.triu_indices(len(signs), 1)
    pairs = _correlations(signs, weights, method)[first, second]
    if len(pairs) == 1:
        return pairs
    counts = level_weights[first] * level_weights[second]
    # A pair that was not drawn may be NaN, and 0 times NaN is NaN.
    mean = (counts @ np.where(counts > 0, pairs, 0.0)) / counts.sum() if counts.any() else np.nan
    ranks = signs @ weights
    with np.errstate(invalid="ignore"):  # a resample of one item has no ranks
        concordance = (weights * ranks.sum(axis=0) ** 2).sum() / (len(signs) * (weights * ranks**2).sum())
    return np.concatenate([[mean], pairs, [concordance]])


def _terms(levels: pd.Index, method: RankMethod) -> list[str]:
    """Return the names of `_statistics`."""
    symbol = {"kendall": "tau", "spearman": "rho"}[method]
    pairs = [f"{symbol} of {a} and {b}" for a, b in combinations(levels, 2)]
    return pairs if len(pairs) == 1 else [f"mean {symbol} over {len(pairs)} pairs", *pairs, "Kendall's W"]


def _null(
    signs: np.ndarray, method: RankMethod, rng: np.random.Generator, permutations: int
) -> tuple[np.ndarray, bool]:
    """Return the statistics after items changed places within levels, and whether all orders are among them."""
    m, n, _ = signs.shape
    # Of two rankings only one has to move; of three all orders are (n!)^2.
    exact = m == 2 and factorial(n) <= permutations
    if exact:
        second = all_orders(n)
        orders = np.stack([np.broadcast_to(np.arange(n), second.shape), second], axis=1)
    else:
        orders = rng.permuted(np.broadcast_to(np.arange(n), (permutations, m, n)), axis=2)
    ones, levels = np.ones(n), np.arange(m)[:, None, None]
    moved = (signs[levels, order[:, :, None], order[:, None, :]] for order in orders)
    return np.array([_statistics(s, ones, np.ones(m), method) for s in moved]), exact


def _bootstrap(
    table: pd.DataFrame, signs: np.ndarray, method: RankMethod, rng: np.random.Generator, resamples: int
) -> tuple[np.ndarray, list[str]]:
    """Return the statistics of resampled items and levels, none where there are too few; and notes."""
    by, across = str(table.index.name), str(table.columns.name)
    m, n = len(signs), len(table)
    if n < FEWEST_LEVELS:
        return np.empty((0, len(_terms(table.columns, method)))), [
            f"no interval: {by} has fewer than {FEWEST_LEVELS} levels"
        ]
    items = np.concatenate(list(factor_weights(table.reset_index()[[by]], [by], rng, resamples)))
    if m < FEWEST_LEVELS:
        levels = np.ones((resamples, m))
        notes = [f"the interval is for these {m} levels of {across}: fewer than {FEWEST_LEVELS}"]
    else:
        frame = table.columns.to_frame(index=False)
        levels = np.concatenate(list(factor_weights(frame, [across], rng, resamples)))
        notes = []
    if n < FEW_LEVELS:
        notes.append(f"few levels of {by} ({n}): where rankings agree almost fully the interval is too short")
    return np.array([_statistics(signs, w, v, method) for w, v in zip(items, levels, strict=True)]), notes


def percentile_limits(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the percentile limits of each column of draws (B, terms); NaN without draws.

    Draws that are NaN, resamples in which a ranking has no spread, are left out.
    """
    if not len(draws):
        return np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    low, high = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high
