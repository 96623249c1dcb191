"""Adjusted p values: Holm for the declared primary tests, Benjamini-Hochberg for everything exploratory."""

from typing import TypeVar

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError

PValues = TypeVar("PValues", np.ndarray, pd.Series)


def holm(p: PValues) -> PValues:
    """Return p values adjusted to hold the family-wise error rate (Holm 1979, Scand. J. Stat. 6: 65-70).

    Adjusted p of the i-th smallest of m: max over j <= i of (m - j + 1) p_(j), at most 1. A missing p stays
    missing and does not count.

    Raises:
        InputError: a value outside [0, 1], or more than one dimension.

    Example:
        >>> import pandas as pd
        >>> from analyses import holm
        >>> holm(pd.Series([0.01, 0.04, 0.03], ["xnli", "xquad", "panx"])).round(2).to_dict()
        {'xnli': 0.03, 'xquad': 0.06, 'panx': 0.06}
    """
    # By hand: statsmodels collects garbage at every Holm, .1 s each time, and simulations adjust thousands of times.
    return _adjusted(p, lambda ranked: np.maximum.accumulate(ranked * np.arange(len(ranked), 0, -1)))


def benjamini_hochberg(p: PValues) -> PValues:
    """Return p values adjusted to hold the false discovery rate (Benjamini and Hochberg 1995, JRSS B 57).

    Adjusted p of the i-th smallest of m: min over j >= i of m p_(j) / j, at most 1. A missing p stays missing
    and does not count.

    Raises:
        InputError: a value outside [0, 1], or more than one dimension.

    Example:
        >>> import numpy as np
        >>> from analyses import benjamini_hochberg
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, np.nan])).round(2)
        array([0.03, 0.04, 0.04,  nan])
    """
    from statsmodels.stats.multitest import multipletests

    return _adjusted(p, lambda ranked: multipletests(ranked, method="fdr_bh", is_sorted=True)[1])


def _adjusted(p: PValues, rule) -> PValues:
    """Apply a rule for sorted p values to the values that are there."""
    values = np.asarray(p, dtype=float)
    if values.ndim != 1:
        raise InputError(f"p values have shape {values.shape}; expected one row of them: p.ravel()")
    here = ~np.isnan(values)
    if ((values[here] < 0) | (values[here] > 1)).any():
        raise InputError(f"p values run from {values[here].min()} to {values[here].max()}; expected 0 to 1")
    order = np.flatnonzero(here)[np.argsort(values[here], kind="stable")]
    out = np.full(values.shape, np.nan)
    out[order] = np.minimum(1.0, rule(values[order]))
    return pd.Series(out, index=p.index, name=p.name) if isinstance(p, pd.Series) else out
