"""What the grid at hand could have found: power and the minimum detectable slope, from its fitted
variances.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analyses.inference.mixed_fit import MixedFit, fit_mixed
from analyses.inference.pairs import PairTable, fit_pairs, pair_design, pair_table
from analyses.inference.result import Inference
from simxfer.errors import InputError


def power_of_grid(
    data: pd.DataFrame,
    outcome: str = "gain",
    similarity: str = "similarity",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    rng: np.random.Generator,
    kind: tuple[str, str] | None = None,
    slopes: Sequence[float] = (),
    power: float = 0.8,
    alpha: float = 0.05,
    simulations: int = 500,
) -> Inference:
    """Return the smallest slope that `pair_regression` finds on this grid with the given power.

    Pair means are simulated from the fitted variances on the grid's own cells and refitted. A slope b shifts
    the estimate by exactly b and leaves its standard error alone, so one set of simulations serves all
    slopes.

    Args:
        slopes: slopes whose power is reported as well, in outcome units per unit of similarity.
        simulations: simulated grids; the power has a Monte Carlo error of at most .5 / sqrt(simulations).
            The other arguments are those of `pair_regression`.

    Returns:
        Rows `minimum detectable slope` and the same `per interquartile range` of the centred similarity
        (their
        interval: the Monte Carlo error), `rejection at slope 0`, and `power at slope b`; p is NaN.

    Raises:
        InputError: as `pair_regression`; power not between alpha and 1.
    """
    if not alpha < power < 1:
        raise InputError(f"power is {power}, expected a number between alpha ({alpha}) and 1")
    pairs = pair_table(data, outcome, similarity, source, target, language, kind)
    fit = fit_pairs(pairs, outcome)
    noise, se = _simulate(pairs, fit, rng, simulations)
    critical = stats.t.ppf(1 - alpha / 2, min(pairs.cells.shape) - 1)
    error = np.sqrt(power * (1 - power) / (2 * simulations))
    mde = [
        _detectable(noise, se, critical, at)
        for at in (power, power - 2 * error, min(power + 2 * error, 0.999))
    ]
    spread = float(np.subtract(*np.quantile(pairs.frame["centred"], [0.75, 0.25])))
    rows = [
        _row("minimum detectable slope", *mde),
        _row("per interquartile range", *(m * spread for m in mde)),
    ]
    rows += [_power_row("rejection at slope 0", 0.0, noise, se, critical)]
    rows += [_power_row(f"power at slope {b:g}", b, noise, se, critical) for b in slopes]
    S, T = pairs.cells.shape
    notes = (
        ["a variance between tasks was estimated as zero: the power is optimistic"] if fit.singular else []
    )
    return Inference(
        procedure="power_of_grid",
        null=f"none: what pair_regression finds with power {power:g} at alpha {alpha:g}",
        table=pd.DataFrame(rows),
        counts={source: S, target: T, "pairs": len(pairs.frame), "simulations": simulations},
        distribution=noise,
        notes=(*pairs.notes, *notes),
    )


def _simulate(
    pairs: PairTable, fit: MixedFit, rng: np.random.Generator, simulations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates under a slope of zero and their standard errors, each (simulations,)."""
    X, terms = pair_design(pairs)
    matrices = [
        (term.matrix() * (T[0, 0] * fit.sigma)).toarray() for term, T in zip(terms, fit.factors, strict=True)
    ]
    loading = np.hstack([*matrices, fit.sigma * np.eye(len(X))])
    estimates, errors = np.empty(simulations), np.empty(simulations)
    for i in range(simulations):
        refit = fit_mixed(X, loading @ rng.normal(size=loading.shape[1]), terms)
        estimates[i], errors[i] = refit.coefficients[1], np.sqrt(refit.covariance[1, 1])
    return estimates, errors


def _power(slope: float, noise: np.ndarray, se: np.ndarray, critical: float) -> float:
    """Share of simulations rejected at this slope; its sign does not matter, so both are counted."""
    return float(np.mean([np.abs(sign * slope + noise) > critical * se for sign in (1, -1)]))


def _detectable(noise: np.ndarray, se: np.ndarray, critical: float, power: float) -> float:
    """Return the slope at which the simulated power crosses the wanted one."""
    high = float(np.abs(noise).max() + critical * se.max())
    return float(
        optimize.brentq(lambda slope: _power(slope, noise, se, critical) - power, 0.0, high, xtol=1e-6 * high)
    )


def _row(term: str, estimate: float, low: float, high: float) -> dict[str, object]:
    return {"term": term, "estimate": estimate, "low": low, "high": high, "p": np.nan}


def _power_row(
    term: str, slope: float, noise: np.ndarray, se: np.ndarray, critical: float
) -> dict[str, object]:
    """Return the power with its binomial (Wilson) interval."""
    share = _power(slope, noise, se, critical)
    interval = stats.binomtest(round(share * len(noise)), len(noise)).proportion_ci(method="wilson")
    return _row(term, share, interval.low, interval.high)
