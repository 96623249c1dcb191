"""Student's t over replicates: means with their intervals, and the smallest effect that they show."""

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.resampling.pigeonhole import FEWEST_LEVELS


def student_intervals(table: pd.DataFrame, level: float = 0.95, fewest: int = FEWEST_LEVELS) -> pd.DataFrame:
    """Return Student's t interval and p of the mean of every column of (replicates, columns), missing values left out.

    Returns:
        A row a column: estimate, low, high, p, se, df; all but estimate and df are missing with fewer than `fewest`
        replicates, or where all are equal.
    """
    values = table.to_numpy(float)
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(values, axis=0) / n
        se = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / (n - 1) / n)
    varies = (table.nunique() > 1).to_numpy()
    se = np.where((n >= fewest) & varies, se, np.nan)
    half = stats.t.ppf(0.5 + level / 2, n - 1) * se
    p = 2 * stats.t.sf(np.abs(mean) / se, n - 1)
    columns = {"estimate": mean, "low": mean - half, "high": mean + half, "p": p, "se": se, "df": n - 1}
    return pd.DataFrame(columns, index=table.columns)


def detectable_ses(df: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest effect that is shown with the given power, in its standard errors.

    t_{1-alpha/2} + t_{power}, the minimum detectable effect of Bloom 1995, Evaluation Review 19: 547-556.
    """
    return float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df))
