"""What all permutation tests share: orders, alternatives, p values."""

from itertools import permutations
from typing import Literal, get_args

import numpy as np
from scipy.stats import rankdata

from analyses.inference.checks import require_varying
from simxfer.errors import InputError

Method = Literal["pearson", "spearman"]
Alternative = Literal["two-sided", "greater", "less"]
BATCH_NUMBERS = 200_000
"""Numbers gathered at a time: 1.6 MB stay in the cache; ten times as many took three times as long."""


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
    tie = 1e-9 * max(abs(observed), float(np.abs(null).max()))
    extreme = {
        "two-sided": np.abs(null) >= abs(observed) - tie,
        "greater": null >= observed - tie,
        "less": null <= observed + tie,
    }[alternative]
    reached = int(extreme.sum())
    return reached / len(null) if exact else (reached + 1) / (len(null) + 1)


def all_orders(n: int) -> np.ndarray:
    """Return every order of n items, n! x n, the identity first."""
    return np.array(list(permutations(range(n))), dtype=np.intp)


def standardised(values: np.ndarray, name: str, method: Method) -> np.ndarray:
    """Return values, or their ranks for Spearman, with mean 0 and norm 1: dot products are correlations.

    Raises:
        InputError: unknown method, or constant values.
    """
    if method not in get_args(Method):
        raise InputError(f"unknown method {method!r}; expected one of {get_args(Method)}")
    require_varying(values, name)
    values = rankdata(values) if method == "spearman" else values
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)
