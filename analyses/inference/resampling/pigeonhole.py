"""The pigeonhole bootstrap: an interval for a statistic of scores that share tasks, languages and seeds.

Levels of each named factor are drawn with replacement, independently between factors; a cell counts as often
as the product of the counts of its levels (Owen 2007, Ann. Appl. Stat. 1: 386-411; McCullagh 2000, Bernoulli
6). Rows are never copied: a resample is a vector of weights.

Plain percentile intervals are too short at few levels (.89 for the mean of nine seeds): the draws have the
spread of n levels, not n - 1, and normal tails, not those of t. Intervals mend both: of a mean by its standard
error and t, of any other statistic by percentiles farther out (`expanded_tail`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import complete_rows, require_draws, require_level
from analyses.inference.permutation import BATCH_NUMBERS
from analyses.inference.rates import measured
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

FEWEST_LEVELS = 5
"""Below this no interval of resampled levels covers what it says (three seeds: .70-.75 at nominal .95)."""
FEW_LEVELS = 9

Statistic = Callable[[pd.DataFrame, np.ndarray], float]


def crossed_bootstrap(
    data: pd.DataFrame,
    value: str,
    factors: Sequence[str] = ("intermediate", "target"),
    statistic: Literal["mean"] | Statistic = "mean",
    *,
    rng: np.random.Generator,
    resamples: int = 4999,
    level: float = 0.95,
    estimate_only: bool = False,
) -> Inference:
    """Estimate a statistic with an interval over resampled levels of crossed factors.

    Args:
        value: the column the mean is taken of; a callable may use other columns as well.
        factors: columns whose levels stand for a population; what is not named is held fixed.
        statistic: "mean" (weighted by rows), or a function of (rows, weights (n,)) that returns a number.
        estimate_only: report the estimate without an interval where a factor has fewer than 5 levels.

    Returns:
        One row: estimate, low, high; p is NaN: an interval was asked for, not a test.

    Raises:
        InputError: unknown columns, no factor, a factor with fewer than 5 levels (unless `estimate_only`), an
            unknown statistic.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, crossed_bootstrap, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=3))
        >>> result = crossed_bootstrap(data, "gain", ["intermediate", "target"], rng=rng, resamples=999)
        >>> round(result.estimate, 1), [round(limit, 1) for limit in result.interval]
        (-0.9, [-3.4, 1.6])
    """
    require_level(level)
    if not factors:
        raise InputError("no factor to resample; name the columns whose levels stand for a population")
    frame, notes = complete_rows(data, [value], list(factors))
    sizes = {name: int(frame[name].nunique()) for name in factors}
    few = _few(sizes, estimate_only)
    if few:
        estimate = _observed(frame, value, statistic)
        draws, low, high = np.empty(0), np.nan, np.nan
        notes.append(f"estimate only: {', '.join(few)} with fewer than {FEWEST_LEVELS} levels")
    else:
        estimate, draws = _resample(frame, value, list(factors), statistic, rng, resamples)
        low, high = _limits(estimate, draws, min(sizes.values()), level, is_mean=statistic == "mean")
        notes += few_levels(min(sizes.values()), "crossed_bootstrap")
    name = statistic if isinstance(statistic, str) else getattr(statistic, "__name__", "statistic")
    row = {"term": f"{name} of {value}", "estimate": estimate, "low": low, "high": high, "p": np.nan}
    return Inference(
        procedure="crossed_bootstrap",
        null="none: an interval over new levels of " + ", ".join(factors),
        table=pd.DataFrame([row]),
        counts={**sizes, "rows": len(frame), "resamples": len(draws)},
        level=level,
        distribution=draws,
        notes=tuple(notes),
        references=("Owen 2007, Ann. Appl. Stat. 1: 386-411", "Hesterberg 2015, Am. Stat. 69: 371-386"),
    )


def _limits(
    estimate: float, draws: np.ndarray, n: int, level: float, *, is_mean: bool
) -> tuple[float, float]:
    """Return the interval from draws over n levels: the t interval of a mean, else expanded percentiles."""
    if is_mean:
        # Resamples of n levels have the variance of their population, (n - 1) / n of the estimate's.
        half = stats.t.ppf(0.5 + level / 2, n - 1) * np.sqrt(n / (n - 1)) * draws.std()
        return float(estimate - half), float(estimate + half)
    tail = expanded_tail(level, n)
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def few_levels(n: int, procedure: str) -> list[str]:
    """Return notes with the measured coverage where the smallest factor has few levels, otherwise none."""
    return [f"few levels ({n})", *measured(procedure)] if n < FEW_LEVELS else []


def expanded_tail(level: float, n: int) -> float:
    """Return the share of draws to leave out at each end for an interval over n resampled levels.

    Phi(-sqrt(n / (n - 1)) t), t the quantile with n - 1 degrees of freedom: for normal draws these percentiles
    are the t interval (Hesterberg 2015, Am. Stat. 69: 371-386, section 4.1). n is that of the factor with the
    fewest levels.
    """
    return float(stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.ppf(0.5 + level / 2, n - 1)))


def _few(sizes: dict[str, int], estimate_only: bool) -> list[str]:
    """Return the factors that carry no interval, or refuse them."""
    few = [name for name, size in sizes.items() if size < FEWEST_LEVELS]
    if few and not estimate_only:
        names = ", ".join(f"{name!r} ({sizes[name]} levels)" for name in few)
        raise InputError(
            f"no interval from {names}: expected at least {FEWEST_LEVELS} levels; take it out of `factors` "
            "and average over it, or ask for the estimate with estimate_only=True"
        )
    return few


def _observed(frame: pd.DataFrame, value: str, statistic: Literal["mean"] | Statistic) -> float:
    if callable(statistic):
        return float(statistic(frame, np.ones(len(frame))))
    if statistic != "mean":
        raise InputError(
            f"unknown statistic {statistic!r}; expected 'mean' or a function of rows and weights"
        )
    return float(frame[value].mean())


def _resample(
    frame: pd.DataFrame,
    value: str,
    factors: list[str],
    statistic: Literal["mean"] | Statistic,
    rng: np.random.Generator,
    resamples: int,
) -> tuple[float, np.ndarray]:
    """Return the observed statistic and those of the resamples."""
    observed = _observed(frame, value, statistic)
    if callable(statistic):
        weights = factor_weights(frame, factors, rng, resamples)
        return observed, np.array([statistic(frame, w) for batch in weights for w in batch])
    # The mean needs only sum and count of each cell.
    cells = frame.groupby(factors, sort=True)[value].agg(["sum", "count"])
    totals, levels = cells.to_numpy(dtype=float), cells.index.to_frame(index=False)
    sums = np.concatenate([w @ totals for w in factor_weights(levels, factors, rng, resamples)])
    return observed, sums[:, 0] / sums[:, 1]


# Own code: scipy.stats.bootstrap draws along one axis; here levels of several factors are drawn for all their rows.
def factor_weights(
    frame: pd.DataFrame, factors: Sequence[str], rng: np.random.Generator, resamples: int
) -> Iterator[np.ndarray]:
    """Yield batches of row weights, (B, n): products of multinomial counts, one factor a level.

    A resample of an incomplete design that hits no row at all is drawn again.

    Raises:
        InputError: fewer than two resamples.
    """
    require_draws(rng, resamples, "resamples", least=2)
    codes = [pd.factorize(frame[name], sort=True)[0] for name in factors]
    batch = max(1, BATCH_NUMBERS // len(frame))
    done = 0
    while done < resamples:
        size = min(batch, resamples - done)
        counts = [rng.multinomial(len(k), np.full(len(k), 1 / len(k)), size) for k in map(np.unique, codes)]
        weights = np.multiply.reduce([count[:, code] for count, code in zip(counts, codes, strict=True)])
        weights = weights[weights.any(axis=1)]
        done += len(weights)
        yield weights
