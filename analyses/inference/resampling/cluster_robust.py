"""Least squares with standard errors robust to dependence within one or two groupings, and t with few
clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg

from analyses.inference.checks import (
    complete_rows,
    full_rank,
    require_levels,
    require_residual,
    require_varying,
)
from analyses.inference.coefficients import coefficient_row
from analyses.inference.rates import measured
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


@dataclass(frozen=True)
class Clustering:
    """The clusterings whose score covariances are added up: (n,) codes, and the sign and factor of each."""

    codes: tuple[np.ndarray, ...]
    weights: tuple[float, ...]
    names: tuple[str, ...]
    levels: tuple[int, ...]


def cluster_ols(
    data: pd.DataFrame,
    outcome: str,
    regressors: Sequence[str],
    clusters: Sequence[str],
    *,
    level: float = 0.95,
) -> Inference:
    """Ordinary least squares with one- or two-way cluster-robust standard errors.

    Two-way: V = V_1 + V_2 - V_12 (Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29: 238-249), each
    part with the factor G/(G-1) (n-1)/(n-k); t with min(G) - 1 degrees of freedom. It rejects a true null of
    a pair-level regressor too often (the measured error is among the notes): use `pair_regression` there.

    Args:
        regressors: numeric columns, the first one is the headline; an intercept is added.
        clusters: one or two columns.

    Returns:
        Rows for the regressors, then the intercept.

    Raises:
        InputError: unknown columns, infinite values, collinear or constant regressors, fewer than 3 clusters,
            not one or two clusterings.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, cluster_ols, simulate_grid
        >>> data = simulate_grid(np.random.default_rng(1), Truth(languages=3, slope=3.0))
        >>> result = cluster_ols(data, "gain", ["similarity"], ["intermediate", "target"])
        >>> result.table[["term", "estimate", "se", "df"]].round(2)
                 term  estimate    se   df
        0  similarity      2.19  0.50  8.0
        1   intercept     -0.97  1.01  8.0
    """
    frame, notes = complete_rows(data, [outcome, *regressors], list(clusters))
    X, y = design(frame, regressors), frame[outcome].to_numpy()
    require_residual(X, y)
    clustering = clusterings(frame, clusters, X.shape[1])
    picks = pickers(X)
    coefficients = picks.T @ y
    residuals = y - X @ coefficients
    variances, doubtful = _variances(picks * residuals[:, None], clustering)
    if doubtful[1:].any():
        notes.append(
            "V_1 + V_2 - V_12 was not positive for a regressor; V_1 + V_2 is used, which is conservative"
        )
    df = min(clustering.levels[: len(clusters)]) - 1
    notes += measured("cluster_ols")
    rows = [
        coefficient_row(name, coefficients[i], np.sqrt(variances[i]), df, level)
        for i, name in [*enumerate(regressors, start=1), (0, "intercept")]
    ]
    return Inference(
        procedure="cluster_ols" + (" (two-way)" if len(clusters) == 2 else ""),
        null=f"no linear relation of {outcome} and {regressors[0]}",
        table=pd.DataFrame(rows),
        counts={**dict(zip(clusters, clustering.levels, strict=False)), "rows": len(frame)},
        level=level,
        notes=tuple(notes),
        recommended=False,
        references=("Cameron, Gelbach and Miller 2011",),
    )


def design(frame: pd.DataFrame, regressors: Sequence[str]) -> np.ndarray:
    """Return intercept and regressors, n x k, of full rank, or raise InputError."""
    for name in regressors:
        require_varying(frame[name].to_numpy(), name)
    X = np.column_stack([np.ones(len(frame)), frame[list(regressors)].to_numpy()])
    if not full_rank(X) or len(X) <= X.shape[1]:
        raise InputError(f"the regressors {list(regressors)} are collinear, or too many for {len(X)} rows")
    return X


def pickers(X: np.ndarray) -> np.ndarray:
    """Return X (X'X)^-1, (n, k), whose columns times y are the coefficients; by QR, which no unit disturbs."""
    basis, triangle = np.linalg.qr(X)
    return linalg.solve_triangular(triangle, basis.T).T


def clusterings(frame: pd.DataFrame, clusters: Sequence[str], k: int) -> Clustering:
    """Return the one clustering, or the two and their intersection with a negative sign.

    Raises:
        InputError: not one or two columns, or fewer than 3 clusters in one.
    """
    if len(clusters) not in (1, 2):
        raise InputError(f"clusters are {list(clusters)}; expected one or two columns")
    names = [[name] for name in clusters] + ([list(clusters)] if len(clusters) == 2 else [])
    codes = tuple(frame.groupby(by, sort=True).ngroup().to_numpy() for by in names)
    levels = tuple(int(c.max()) + 1 for c in codes)
    for name, count in zip(clusters, levels, strict=False):
        require_levels(count, 3, name, "a variance between clusters needs several of them")
    n = len(frame)
    factors = [G / (G - 1) * (n - 1) / (n - k) for G in levels]
    signs = (1.0, 1.0, -1.0)[: len(codes)]
    weights = tuple(s * f for s, f in zip(signs, factors, strict=True))
    return Clustering(codes, weights, tuple("+".join(by) for by in names), levels)


def _variances(influence: np.ndarray, clustering: Clustering) -> tuple[np.ndarray, np.ndarray]:
    """Return the variances (k,) from rows of influence (n, k), and where V_12 was left out."""
    from statsmodels.stats.sandwich_covariance import cov_cluster

    # Scores that (X'X)^-1 has multiplied already need no bread: statsmodels' own would depend on the units of X.
    scores = (influence, np.eye(influence.shape[1]))
    parts = [
        np.sign(weight) * np.diag(cov_cluster(scores, codes))
        for codes, weight in zip(clustering.codes, clustering.weights, strict=True)
    ]
    return positive_sum(np.array(parts))


def positive_sum(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of signed parts (1 or 3, k), without V_12 where it is not positive, and where."""
    total = parts.sum(axis=0)
    doubtful = total <= 0
    return np.where(doubtful, np.maximum(parts, 0).sum(axis=0), total), doubtful
