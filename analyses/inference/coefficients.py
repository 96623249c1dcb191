"""One row of a result table for a coefficient with a t reference distribution."""

from scipy import stats


def coefficient_row(term: str, estimate: float, se: float, df: float, level: float) -> dict[str, object]:
    """Return term, estimate, interval, two-sided p, se, df and statistic."""
    half = stats.t.ppf(0.5 + level / 2, df) * se
    statistic = float(estimate / se)
    return {
        "term": term,
        "estimate": float(estimate),
        "low": float(estimate - half),
        "high": float(estimate + half),
        # sf, for 1 - cdf is 0 from 1e-16 on.
        "p": float(2 * stats.t.sf(abs(statistic), df)),
        "se": float(se),
        "df": float(df),
        "statistic": statistic,
    }
