"""The greatest log evidence of Bayesian linear regressions on one set of features, for many outcomes at once.

    y ~ N(0, (I + F F'/r) / beta),   r = alpha / beta

The best beta is closed form, so that one dimension is left. Neither singular vectors of F nor eigenvectors of
its Gram matrix are needed: with A = Q T Q' tridiagonal, evidence at any r takes O(dimensions). T costs a third
of the eigenvectors.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.linalg import eigh_tridiagonal, eigvalsh_tridiagonal, lapack

_LOG_RATIOS = np.linspace(-30, 30, 61)
"""Of r over the largest squared singular value; the best of them is refined."""


@dataclass(frozen=True)
class _Problem:
    """T = (diagonal (k,), off (k - 1,)), positive definite with greatest eigenvalue `scale`, n examples.

    right, left: (k, outcomes), and rest (outcomes,), such that y'(I + F F'/r)^-1 y = rest + r left'(r + T)^-1 right.
    """

    diagonal: np.ndarray
    off: np.ndarray
    scale: float
    right: np.ndarray
    left: np.ndarray
    rest: np.ndarray
    n: int

    def evidence(self, log_ratio: float, outcomes: slice) -> np.ndarray:
        """Return the log evidence of some outcomes at the best beta, n / y'(I + F F'/r)^-1 y."""
        ratio = self.scale * np.exp(log_ratio)
        solved, log_det = _solve(self.diagonal + ratio, self.off, self.right[:, outcomes])
        residual = self.rest[outcomes] + ratio * (self.left[:, outcomes] * solved).sum(axis=0)
        log_det -= len(self.diagonal) * np.log(ratio)
        with np.errstate(divide="ignore"):
            return -0.5 * (self.n * (np.log(2 * np.pi * residual / self.n) + 1) + log_det)


def max_log_evidence(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return max over alpha and beta of log N(y; 0, I / beta + F F' / alpha), (outcomes,).

    +inf where fewer directions than examples reproduce an outcome exactly.

    Args:
        features: F, (examples, dimensions). targets: one column an outcome, (examples, outcomes).
    """
    # Own code: scikit-learn's BayesianRidge adds priors on alpha and beta and an intercept, one outcome at a time.
    problem = _problem(features, targets)
    coarse = np.array([problem.evidence(x, slice(None)) for x in _LOG_RATIOS])
    step = _LOG_RATIOS[1] - _LOG_RATIOS[0]
    best = np.empty(targets.shape[1])
    for i, centre in enumerate(_LOG_RATIOS[coarse.argmax(axis=0)]):
        found = optimize.minimize_scalar(
            lambda x, i=i: -problem.evidence(x, slice(i, i + 1))[0],
            bounds=(centre - step, centre + step),
            method="bounded",
            options={"xatol": 1e-6},
        )
        # The search may settle beside the grid's best point, by its tolerance or on the lower of two peaks.
        best[i] = max(-found.fun, coarse[:, i].max())
    exact = (problem.rest == 0) & (len(problem.diagonal) < len(features))
    return np.where(exact, np.inf, best)


def _problem(features: np.ndarray, targets: np.ndarray) -> _Problem:
    """Reduce the smaller Gram matrix to tridiagonal form; directions below its rounding error are dropped."""
    n, d = features.shape
    wide = n < d
    gram = features @ features.T if wide else features.T @ features
    diagonal, off, right = _tridiagonal(gram, targets if wide else features.T @ targets)
    least, scale = (
        eigvalsh_tridiagonal(diagonal, off, select="i", select_range=(i, i))[0] for i in (0, len(gram) - 1)
    )
    floor = max(n, d) * np.finfo(float).eps * scale
    # Only a singular Gram matrix needs eigenvectors, to drop the directions that are rounding.
    if least <= floor:
        values, vectors = eigh_tridiagonal(diagonal, off)
        kept = values > floor
        diagonal, right = values[kept], vectors[:, kept].T @ right
        off = np.zeros(max(0, len(diagonal) - 1))
    left = right if wide else _solve(diagonal, off, right)[0]
    rest = np.maximum((targets**2).sum(axis=0) - (left * right).sum(axis=0), 0.0)
    # What rounding leaves of an exact fit is not noise.
    rest[rest < 1e-12 * n] = 0.0
    return _Problem(diagonal, off, scale or 1.0, right, left, rest, n)


def _tridiagonal(gram: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the diagonals of T = Q' gram Q and Q' right (LAPACK's sytrd: Q is kept as reflections)."""
    m = len(gram)
    if m == 1:
        return gram[0], np.zeros(0), right
    lwork = int(lapack.dsytrd_lwork(m, lower=1)[0])
    reflections, diagonal, off, tau, _ = lapack.dsytrd(gram.T, lower=1, lwork=lwork, overwrite_a=1)
    below = np.asfortranarray(reflections[1:, :-1])
    # LAPACK applies reflections in blocks of at most 64.
    turned = lapack.dormqr("L", "T", below, tau, right[1:], 64 * right.shape[1])[0]
    return diagonal, off, np.vstack([right[:1], turned])


def _solve(diagonal: np.ndarray, off: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """Solve a positive definite tridiagonal system (LAPACK's ptsv); return the log determinant beside it."""
    if not len(off):
        return right / diagonal[:, None], float(np.log(diagonal).sum())
    pivots, _, solved, _ = lapack.dptsv(diagonal, off, right)
    return solved, float(np.log(pivots).sum())
