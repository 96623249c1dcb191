"""The wild cluster bootstrap with the null imposed: a test of one coefficient with few clusters.

Residuals of the fit without the regressor are multiplied by one random weight a cluster, the t of the full
fit is recomputed (Cameron, Gelbach and Miller 2008, Rev. Econ. Stat. 90: 414-427). Webb's six points replace
+-1, which have too few patterns with few clusters (Webb 2023, Can. J. Econ. 56). All draws are computed from
cluster sums, as in Roodman, Nielsen, MacKinnon and Webb 2019 (Stata J. 19: 4-60).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize

from analyses.inference.checks import complete_rows, require_draws, require_residual
from analyses.inference.permutation import permutation_p
from analyses.inference.rates import measured
from analyses.inference.resampling.cluster_robust import Clustering, clusterings, design, positive_sum
from analyses.inference.result import Inference

WEBB = np.array([-np.sqrt(1.5), -1.0, -np.sqrt(0.5), np.sqrt(0.5), 1.0, np.sqrt(1.5)])
"""Webb's six points, each with probability 1/6: mean 0, variance 1."""


@dataclass(frozen=True)
class _Regression:
    """y on x and controls; `a` picks the coefficient of x: estimate = a'y.

    basis: (n, k) orthonormal columns of the controls, then of x beyond them.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    basis: np.ndarray
    clustering: Clustering

    def t(self, weights: np.ndarray, slope: float) -> np.ndarray:
        """Return t of estimate - slope, (B,), for the residuals under that slope times weights, (B, G).

        With A the cluster sums of a * rest, split by both clusterings, and D = (cluster sums of a Q)
        (cluster sums of Q rest), Q the basis, the cluster scores of a draw w are (A - D)'w.
        """
        controls = self.basis[:, :-1]
        rest = self.y - slope * self.x
        rest = rest - controls @ (controls.T @ rest)
        drawn = self.clustering.codes[0]
        G = self.clustering.levels[0]
        shift = weights @ np.bincount(drawn, self.a * rest, minlength=G)
        inner = np.zeros((G, self.basis.shape[1]))
        np.add.at(inner, drawn, self.basis * rest[:, None])
        parts = []
        for codes, factor, H in zip(
            self.clustering.codes, self.clustering.weights, self.clustering.levels, strict=True
        ):
            own = np.zeros((G, H))
            np.add.at(own, (drawn, codes), self.a * rest)
            picked = np.zeros((H, self.basis.shape[1]))
            np.add.at(picked, codes, self.basis * self.a[:, None])
            parts.append(factor * ((weights @ (own - inner @ picked.T)) ** 2).sum(axis=1))
        return shift / np.sqrt(positive_sum(np.array(parts))[0])

    def observed(self, slope: float) -> float:
        """Return t of the data themselves: with all weights 1 the draw is y."""
        return float(self.t(np.ones((1, self.clustering.levels[0])), slope)[0])

    def p(self, weights: np.ndarray, slope: float) -> float:
        """Return the p value of this slope."""
        return permutation_p(self.t(weights, slope), self.observed(slope), exact=False)


def wild_cluster_bootstrap(
    data: pd.DataFrame,
    outcome: str,
    regressor: str,
    clusters: Sequence[str],
    controls: Sequence[str] = (),
    *,
    rng: np.random.Generator,
    draws: int = 9999,
    level: float = 0.95,
) -> Inference:
    """Test one coefficient by the wild cluster bootstrap; the interval inverts the test.

    Args:
        clusters: one column; or two, the weights drawn by the first and t with two-way standard errors, which
            is exploratory.
        controls: further numeric regressors.

    Returns:
        One row: estimate, interval (infinite where the test never rejects), p, t as `statistic`.

    Raises:
        InputError: as `cluster_ols`.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, simulate_grid, wild_cluster_bootstrap
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=3, slope=3.0))
        >>> result = wild_cluster_bootstrap(data, "gain", "similarity", ["intermediate"], rng=rng, draws=999)
        >>> round(result.estimate, 1), [round(limit, 1) for limit in result.interval], result.p < 0.05
        (2.2, [0.9, 3.9], True)
    """
    frame, notes = complete_rows(data, [outcome, regressor, *controls], list(clusters))
    require_draws(rng, draws, "draws")
    X, y = design(frame, [*controls, regressor]), frame[outcome].to_numpy()
    require_residual(X, y)
    basis, triangle = np.linalg.qr(X)
    # x stands last, so that its coefficient is that of what is left of it beyond the controls.
    a = basis[:, -1] / triangle[-1, -1]
    regression = _Regression(X[:, -1], y, a, basis, clusterings(frame, clusters, X.shape[1]))
    G = regression.clustering.levels[0]
    # Drawn once for all slopes: p then changes with the slope alone, and its limits can be found.
    weights = rng.choice(WEBB, size=(draws, G))
    estimate = float(regression.a @ y)
    t, null = regression.observed(0.0), regression.t(weights, 0.0)
    # One standard error; 1 where the estimate is 0.
    step = abs(estimate / t) or 1.0
    low, high = (_limit(regression, weights, estimate, side * step, 1 - level) for side in (-1, 1))
    two_way = len(clusters) == 2
    notes += measured("wild_cluster_bootstrap")
    if two_way:
        notes.append("two-way: exploratory, its error rates are not established")
    p = regression.p(weights, 0.0)
    row = {"term": regressor, "estimate": estimate, "low": low, "high": high, "p": p, "statistic": t}
    return Inference(
        procedure="wild_cluster_bootstrap" + (" (two-way)" if two_way else ""),
        null=f"the coefficient of {regressor} is zero",
        table=pd.DataFrame([row]),
        counts={
            **dict(zip(clusters, regression.clustering.levels, strict=False)),
            "rows": len(y),
            "draws": draws,
        },
        level=level,
        distribution=null,
        notes=tuple(notes),
        recommended=False,
        references=("Cameron, Gelbach and Miller 2008", "Webb 2023", "Roodman et al. 2019"),
    )


def _limit(regression: _Regression, weights: np.ndarray, estimate: float, step: float, alpha: float) -> float:
    """Return where p falls to alpha on the side of `step`; infinite where it never does within 2^10 steps."""
    inside = estimate
    for doubling in range(10):
        outside = estimate + step * 2**doubling
        if regression.p(weights, outside) <= alpha:
            break
        inside = outside
    else:
        return float(np.sign(step) * np.inf)
    return float(
        # p is a step function of the slope, which only bisection does not mind.
        optimize.bisect(lambda b: regression.p(weights, b) - alpha, inside, outside, xtol=1e-4 * abs(step))
    )
