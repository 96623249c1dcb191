"""Equivalence: is an effect too small to matter? Two one-sided tests against margins declared before the
data.
"""

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.result import Inference
from simxfer.common.errors import InputError

DEFAULT_MARGINS = (-1.0, 1.0)
"""Points; for a slope: points per interquartile range of the similarity."""


def equivalence(
    estimate: float,
    se: float,
    df: float,
    margins: tuple[float, float] = DEFAULT_MARGINS,
    *,
    term: str = "effect",
    alpha: float = 0.05,
) -> Inference:
    """Judge an effect against margins of no importance (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15).

    Args:
        estimate, se: in the unit of the margins. df: degrees of freedom of t; np.inf for a normal.
        margins: lower and upper, declared before the data were seen.

    Returns:
        One row: p of equivalence (the larger of the two one-sided p values), the 1 - 2 alpha interval,
        p_difference (two-sided, against zero) and `verdict`: "equivalent" where p <= alpha, otherwise
        "different" where p_difference <= alpha, otherwise "undecided". An effect can be both different from
        zero and equivalent: then the verdict is "equivalent", and p_difference tells.

    Raises:
        InputError: a standard error that is not positive, margins that are no pair around zero, df < 1.

    Example:
        >>> from analyses import equivalence
        >>> result = equivalence(estimate=0.3, se=0.2, df=20, margins=(-1.0, 1.0))
        >>> result.table["verdict"].item(), round(result.p, 4), [round(limit, 2) for limit in result.interval]
        ('equivalent', 0.0011, [-0.04, 0.64])
        >>> equivalence(estimate=0.3, se=0.6, df=20).table["verdict"].item()
        'undecided'
    """
    if np.shape(margins) != (2,):
        raise InputError(f"margins are {margins!r}; expected a lower and an upper one, such as (-1.0, 1.0)")
    low, high = margins
    if not (se > 0 and np.isfinite(se)) or not np.isfinite(estimate):
        raise InputError(
            f"estimate {estimate}, se {se}: expected finite numbers and a positive standard error"
        )
    if not low < 0 < high:
        raise InputError(f"margins {margins} do not enclose zero; expected a negative and a positive number")
    if not df >= 1:
        raise InputError(f"df is {df}, expected at least 1")
    # Both one-sided tests must reject, so that neither needs an adjustment (intersection-union).
    p = float(max(stats.t.sf((estimate - low) / se, df), stats.t.cdf((estimate - high) / se, df)))
    p_difference = float(2 * stats.t.sf(abs(estimate) / se, df))
    half = stats.t.ppf(1 - alpha, df) * se
    verdict = "equivalent" if p <= alpha else "different" if p_difference <= alpha else "undecided"
    row = {
        "term": term,
        "estimate": float(estimate),
        "low": float(estimate - half),
        "high": float(estimate + half),
        "p": p,
        "p_difference": p_difference,
        "verdict": verdict,
        "se": float(se),
        "df": float(df),
        "margin_low": float(low),
        "margin_high": float(high),
    }
    return Inference(
        procedure="equivalence",
        null=f"the effect lies outside ({low:g}, {high:g})",
        table=pd.DataFrame([row]),
        counts={},
        level=1 - 2 * alpha,
        references=("Schuirmann 1987, J. Pharmacokinet. Biopharm. 15: 657-680",),
    )
