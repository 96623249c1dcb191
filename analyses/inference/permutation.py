"""What all permutation tests share: orders, alternatives, p values.

Where two tables are compared, both are permuted: one by A random orders s_a, the other by B random orders
t_b, the identity first in each. All A x B statistics then are one matrix product. The order s_a t_b^-1 that a
statistic stands for is uniform, and any two of them are independent, so that p has the Monte Carlo error of
A x B - 1 independent orders. It stays exact: under the null the statistics are an array that is exchangeable
in its rows and in its columns, of which the observed one, the first, is any cell (which random sets of
permutations keep a test exact: Hemerik and Goeman 2018, TEST 27: 811-825).
"""

from itertools import permutations
from math import isqrt
from typing import Literal, get_args

import numpy as np
from scipy.stats import rankdata

from analyses.inference.checks import require_varying
from simxfer.common.errors import InputError

Method = Literal["pearson", "spearman"]
Alternative = Literal["two-sided", "greater", "less"]
BATCH_NUMBERS = 200_000
"""Numbers gathered at a time: 1.6 MB stay in the cache; ten times as many took three times as long."""


# Own code: scipy.stats.permutation_test permutes samples, not the rows and columns of a table, and computes the
# statistic anew for every order, where matrix products serve all of them.
def permutation_p(
    null: np.ndarray, observed: float, exact: bool, alternative: Alternative = "two-sided"
) -> float:
    """Share of the null statistics at least as extreme as the observed one; two-sided by absolute value.

    Random permutations count the observed order once more, (b + 1) / (m + 1), so that p is never 0 and the
    test never anticonservative (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9); a full
    enumeration holds the observed order already. Differences at rounding level count as ties.

    Raises:
        InputError: unknown alternative.
    """
    if alternative not in get_args(Alternative):
        raise InputError(f"unknown alternative {alternative!r}; expected one of {get_args(Alternative)}")
    # The same sum in another order differs in its last digits, and a tie that is lost makes p too small.
    tie = 1e-9 * max(abs(observed), float(np.abs(null).max()))
    extreme = {
        "two-sided": np.abs(null) >= abs(observed) - tie,
        "greater": null >= observed - tie,
        "less": null <= observed + tie,
    }[alternative]
    reached = int(extreme.sum())
    return reached / len(null) if exact else (reached + 1) / (len(null) + 1)


def resolution(null: np.ndarray, exact: bool) -> list[str]:
    """Return a note where the null statistics are too few for a p of .05, otherwise none."""
    smallest = 1 / (len(null) + (not exact))
    return [f"{len(null)} permutations: no p can be smaller than {smallest:.3g}"] if smallest > 0.05 else []


def crossed_sizes(count: int) -> tuple[int, int]:
    """Return A <= B with A * B = count + 1: `count` orders and the identity; as near each other as can be."""
    a = next(d for d in range(isqrt(count + 1), 0, -1) if (count + 1) % d == 0)
    return a, (count + 1) // a


def random_orders(groups: list[np.ndarray], rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the identity and count - 1 random orders, count x n; items change places within their group."""
    out = np.tile(np.arange(sum(len(group) for group in groups)), (count, 1))
    for group in groups:
        out[1:, group] = rng.permuted(np.tile(group, (count - 1, 1)), axis=1)
    return out


def all_orders(n: int) -> np.ndarray:
    """Return every order of n items, n! x n, the identity first."""
    return np.array(list(permutations(range(n))), dtype=np.intp)


def settled(values: np.ndarray) -> np.ndarray:
    """Return values, in units of the largest, in which differences at rounding level are ties, for ranking.

    Means of the same scores in another order or unit differ in their last digit.
    """
    return np.round(values / (np.abs(values).max() or 1.0), 12)


def standardised(values: np.ndarray, name: str, method: Method) -> np.ndarray:
    """Return values, or their ranks for Spearman, with mean 0 and norm 1: dot products are correlations.

    Raises:
        InputError: unknown method, or constant values.
    """
    if method not in get_args(Method):
        raise InputError(f"unknown method {method!r}; expected one of {get_args(Method)}")
    require_varying(values, name)
    values = rankdata(settled(values)) if method == "spearman" else values
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)
