"""What the grid at hand could have found: power and the minimum detectable slope, from its fitted
variances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from analyses.inference.checks import require_draws
from analyses.inference.mixed.fit import MixedFit, fit_mixed
from analyses.inference.pairs.regression import PairTable, fit_pairs, pair_design, pair_table
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def power_of_grid(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
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

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, power_of_grid, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(sources=6, targets=6, languages=2, seeds=1))
        >>> result = power_of_grid(data, rng=rng, slopes=(0.5, 2.0), simulations=50)
        >>> result.table[["term", "estimate"]].round(1)
                               term  estimate
        0  minimum detectable slope       1.5
        1   per interquartile range       1.0
        2      rejection at slope 0       0.0
        3        power at slope 0.5       0.1
        4          power at slope 2       0.9
    """
    if not alpha < power < 1:
        raise InputError(f"power is {power}, expected a number between alpha ({alpha}) and 1")
    require_draws(rng, simulations, "simulations")
    pairs = pair_table(data, similarity, outcome, source, target, language, kind)
    fit = fit_pairs(pairs, outcome)
    draws = _simulate(pairs, fit, rng, simulations, alpha)
    S, T = pairs.cells.shape
    boundary = "a variance between tasks was estimated as zero: the power is optimistic"
    notes = [boundary] if fit.singular else []
    return Inference(
        procedure="power_of_grid",
        null=f"none: what pair_regression finds with power {power:g} at alpha {alpha:g}",
        table=pd.DataFrame(_rows(pairs, draws, slopes, power)),
        counts={source: S, target: T, "pairs": len(pairs.frame), "simulations": simulations},
        distribution=draws.noise,
        notes=(*pairs.notes, *notes),
    )


@dataclass(frozen=True)
class _Draws:
    """Estimates under a slope of zero and their standard errors, each (simulations,), and the critical t."""

    noise: np.ndarray
    se: np.ndarray
    critical: float

    def power(self, slope: float) -> float:
        """Return the share rejected at this slope; its sign does not matter, so both are counted."""
        reached = [np.abs(sign * slope + self.noise) > self.critical * self.se for sign in (1, -1)]
        return float(np.mean(reached))

    def detectable(self, power: float) -> float:
        """Return the slope at which the simulated power crosses the wanted one."""
        # There every draw rejects, so that the power crosses below.
        high = float(np.abs(self.noise).max() + self.critical * self.se.max())
        return float(optimize.brentq(lambda slope: self.power(slope) - power, 0.0, high, xtol=1e-6 * high))


def _simulate(
    pairs: PairTable, fit: MixedFit, rng: np.random.Generator, simulations: int, alpha: float
) -> _Draws:
    """Simulate pair means from the fitted variances and refit each."""
    X, terms = pair_design(pairs)
    loading = fit.loading(terms)
    estimates, errors = np.empty(simulations), np.empty(simulations)
    for i in range(simulations):
        # Mean zero: REML estimates shift with the fixed effects and their errors do not know them.
        refit = fit_mixed(X, loading @ rng.normal(size=loading.shape[1]), terms)
        estimates[i], errors[i] = refit.coefficients[1], np.sqrt(refit.covariance[1, 1])
    return _Draws(estimates, errors, float(stats.t.ppf(1 - alpha / 2, min(pairs.cells.shape) - 1)))


def _rows(pairs: PairTable, draws: _Draws, slopes: Sequence[float], power: float) -> list[dict[str, object]]:
    """Return the detectable slope in both units, with its Monte Carlo interval, and the power at slopes."""
    # Two binomial standard errors; both signs of the slope count, hence 2 n draws.
    error = 2 * np.sqrt(power * (1 - power) / (2 * len(draws.noise)))
    detectable = [draws.detectable(at) for at in (power, power - error, min(power + error, 0.999))]
    spread = float(np.subtract(*np.quantile(pairs.frame["centred"], [0.75, 0.25])))
    at = {"rejection at slope 0": 0.0, **{f"power at slope {b:g}": b for b in slopes}}
    return [
        _row("minimum detectable slope", *detectable),
        _row("per interquartile range", *(slope * spread for slope in detectable)),
        *(_power_row(term, draws.power(b), len(draws.noise)) for term, b in at.items()),
    ]


def _row(term: str, estimate: float, low: float, high: float) -> dict[str, object]:
    return {"term": term, "estimate": estimate, "low": low, "high": high, "p": np.nan}


def _power_row(term: str, share: float, simulations: int) -> dict[str, object]:
    """Return the power with its binomial (Wilson) interval."""
    interval = stats.binomtest(round(share * simulations), simulations).proportion_ci(method="wilson")
    return _row(term, share, interval.low, interval.high)
