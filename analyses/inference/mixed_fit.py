"""Linear mixed models with crossed random effects: the mathematics, on arrays.

    y = X b + Z u + e,   u ~ N(0, s^2 L(theta) L(theta)'),   e ~ N(0, s^2 I)

L(theta) is block diagonal: one lower-triangular c x c factor T per random-effects term, repeated over the
levels of its group (Bates, Maechler, Bolker and Walker 2015, J. Stat. Softw. 67(1), sections 2.2 and 3). A
term whose levels covary in a known way (phylogeny) has Z multiplied by the Cholesky factor of that
covariance.

The data enter only through their cross-products, so that one evaluation of the profiled criterion (section
3.4, and 3.5 for REML) costs O(q^3), whatever the number of rows. Its gradient is exact: with P the REML
projection, the derivative in T is 2 H T, H the sum over levels of the diagonal blocks of
Z'V^-1 Z - Z'V^-1 X (X'V^-1 X)^-1 X'V^-1 Z - (n-p)/r^2 Z'P y y'P Z (without the second part for ML).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import linalg, optimize, sparse

from simxfer.errors import InputError

MOST_RANDOM_EFFECTS = 4000
"""Beyond this the dense Cholesky factor takes more than a second and 128 MB."""
SINGULAR = 1e-4
"""A relative standard deviation below this is a boundary fit (lme4's isSingular)."""
LARGEST = 1e4
"""Bound of theta: beyond it the cross-products lose the residual to rounding."""


@dataclass(frozen=True)
class Term:
    """One random-effects term: `columns` vary by `group`.

    codes: (n,) level of each row, 0..m-1. design: (n, c) covariates. factor: (m, m) Cholesky factor of the
    known covariance between levels, or None for independent levels.
    """

    group: str
    columns: tuple[str, ...]
    codes: np.ndarray
    design: np.ndarray
    levels: tuple[str, ...]
    factor: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of levels and of columns."""
        return len(self.levels), self.design.shape[1]

    def matrix(self) -> sparse.csc_matrix:
        """Return Z of this term, n x (m c), level by level."""
        m, c = self.shape
        n = len(self.codes)
        rows = np.repeat(np.arange(n), c)
        columns = (self.codes[:, None] * c + np.arange(c)).ravel()
        z = sparse.csc_matrix((self.design.ravel(), (rows, columns)), shape=(n, m * c))
        return z if self.factor is None else sparse.csc_matrix(z @ sparse.kron(self.factor, np.eye(c)))


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model on arrays.

    coefficients: (p,). covariance: (p, p) of the coefficients. factors: T of each term (relative to sigma).
    sigma: residual SD. log_likelihood: of REML or ML, as fitted.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    factors: tuple[np.ndarray, ...]
    sigma: float
    log_likelihood: float
    converged: bool
    singular: bool


class _CrossProducts:
    """Everything the criterion needs to know of the data; X orthonormal, y cleared of X."""

    def __init__(self, X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...]):
        self.n, self.p = X.shape
        self.basis, self.triangle = np.linalg.qr(X)
        self.ols = self.basis.T @ y
        rest = y - self.basis @ self.ols
        Z = sparse.hstack([term.matrix() for term in terms], format="csc")
        self.shapes = [term.shape for term in terms]
        edges = np.cumsum([0, *(m * c for m, c in self.shapes)])
        self.slices = [slice(a, b) for a, b in pairwise(edges)]
        self.ZZ = np.asarray((Z.T @ Z).todense())
        self.ZX = Z.T @ self.basis
        self.Zy = Z.T @ rest
        self.yy = float(rest @ rest)
        self.ZZ_blocks = [
            np.einsum("mimj->ij", self.ZZ[s, s].reshape(m, c, m, c))
            for s, (m, c) in zip(self.slices, self.shapes, strict=True)
        ]

    def times_factor(self, matrix: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
        """Return matrix @ L(theta), for a matrix of r x q."""
        out = np.empty_like(matrix)
        for s, (m, c), T in zip(self.slices, self.shapes, factors, strict=True):
            out[:, s] = (matrix[:, s].reshape(-1, m, c) @ T).reshape(-1, m * c)
        return out


@dataclass(frozen=True)
class _Evaluation:
    """The profiled criterion (a deviance) at one theta, its gradient, and what follows from it."""

    deviance: float
    gradient: list[np.ndarray]
    coefficients: np.ndarray
    inverse: np.ndarray
    sigma2: float


def _evaluate(data: _CrossProducts, factors: list[np.ndarray], reml: bool) -> _Evaluation:
    """Profiled deviance of Bates et al. 2015, sections 3.4 (ML) and 3.5 (REML), and its gradient."""
    CL = data.times_factor(data.ZZ, factors)
    A = data.times_factor(np.ascontiguousarray(CL.T), factors)
    A[np.diag_indices_from(A)] += 1.0
    L = linalg.cholesky(A, lower=True, check_finite=False)
    LX, Ly = (data.times_factor(a.T, factors).T for a in (data.ZX, data.Zy[:, None]))
    right = np.hstack([CL.T, LX, Ly])
    solved = linalg.solve_triangular(L, right, lower=True, check_finite=False)
    q, p = data.ZX.shape
    B, BX, By = solved[:, :q], solved[:, q : q + p], solved[:, -1]
    XVX = np.eye(p) - BX.T @ BX
    inverse = np.linalg.inv(XVX)
    coefficients = inverse @ (-BX.T @ By)
    r2 = data.yy - By @ By + coefficients @ (BX.T @ By)
    W = data.ZX - B.T @ BX
    g = data.Zy - B.T @ By - W @ coefficients
    df = data.n - p if reml else data.n
    deviance = 2 * np.log(np.diag(L)).sum() + df * (1 + np.log(2 * np.pi * r2 / df))
    if reml:
        deviance += np.linalg.slogdet(XVX)[1] + 2 * np.log(np.abs(np.diag(data.triangle))).sum()
    known = g[:, None] * np.sqrt(df / r2)
    if reml:
        known = np.hstack([known, W @ np.linalg.cholesky(inverse)])
    gradient = [2 * H @ T for H, T in zip(_diagonal_blocks(data, B, known), factors, strict=True)]
    return _Evaluation(float(deviance), gradient, coefficients, inverse, float(r2 / df))


def _diagonal_blocks(data: _CrossProducts, B: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
    """Return H of the module's docstring, c x c for each term: summed over levels."""
    blocks = []
    for s, (m, c), whole in zip(data.slices, data.shapes, data.ZZ_blocks, strict=True):
        b = B[:, s].reshape(-1, c)
        v = known[s].reshape(m, c, -1).transpose(1, 0, 2).reshape(c, -1)
        blocks.append(whole - b.T @ b - v @ v.T)
    return blocks


def fit_mixed(X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...], *, reml: bool = True) -> MixedFit:
    """Fit the model by REML or ML.

    Args:
        X: (n, p) fixed effects of full rank. y: (n,). terms: the random-effects terms, at least one.
        reml: REML (True) or maximum likelihood.

    Raises:
        InputError: more random effects than MOST_RANDOM_EFFECTS, no residual degree of freedom, or an outcome
            that the fixed effects explain to rounding.
    """
    random_effects = sum(m * c for m, c in (term.shape for term in terms))
    if random_effects > MOST_RANDOM_EFFECTS:
        raise InputError(
            f"the model has {random_effects} random effects, expected at most {MOST_RANDOM_EFFECTS}: average "
            "the "
            "rows first (pair means), or drop the grouping with the most levels"
        )
    if X.shape[0] <= X.shape[1]:
        raise InputError(f"{X.shape[0]} rows for {X.shape[1]} fixed effects: no degree of freedom is left")
    data = _CrossProducts(X, y, terms)
    if data.yy <= 1e-20 * max(1.0, float(y @ y)):
        raise InputError(
            "the fixed effects explain the outcome exactly: nothing is left to estimate variances from"
        )
    theta, converged = _minimise(data, reml)
    factors = _unpack(theta, data.shapes)
    best = _evaluate(data, factors, reml)
    to_raw = np.linalg.inv(data.triangle)
    return MixedFit(
        coefficients=to_raw @ (data.ols + best.coefficients),
        covariance=best.sigma2 * to_raw @ best.inverse @ to_raw.T,
        factors=tuple(factors),
        sigma=float(np.sqrt(best.sigma2)),
        log_likelihood=-best.deviance / 2,
        converged=converged,
        singular=any(np.linalg.svd(T, compute_uv=False).min() < SINGULAR for T in factors),
    )


def _minimise(data: _CrossProducts, reml: bool) -> tuple[np.ndarray, bool]:
    """Return theta at the minimum of the criterion, and whether its gradient vanishes there.

    A standard deviation of zero is a stationary point of any criterion in theta (the gradient is 2 H T), so a
    term that ended there is pushed off and tried again: it stays only if it comes back.
    """
    start, bounds = _start(data.shapes)

    def criterion(theta: np.ndarray) -> tuple[float, np.ndarray]:
        at = _evaluate(data, _unpack(theta, data.shapes), reml)
        return at.deviance, np.concatenate([g[np.tril_indices(len(g))] for g in at.gradient])

    def descend(theta: np.ndarray) -> optimize.OptimizeResult:
        options = {"ftol": 1e-15, "gtol": 1e-7, "maxiter": 1000, "maxcor": 20}
        return optimize.minimize(
            criterion, theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )

    best = descend(start)
    at_zero = (start == 1) & (best.x < SINGULAR)
    if at_zero.any():
        again = descend(np.where(at_zero, 0.3, best.x))
        best = again if again.fun < best.fun else best
    free = ((best.x > 0) | (start == 0) | (best.jac < 0)) & (np.abs(best.x) < LARGEST)
    return best.x, bool(np.abs(best.jac[free]).max(initial=0.0) < 1e-3)


def _start(shapes: list[tuple[int, int]]) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return lme4's start (T = identity) and the bounds (a diagonal element is not negative)."""
    start = np.concatenate([np.eye(c)[np.tril_indices(c)] for _, c in shapes])
    return start, [(0.0 if diagonal else -LARGEST, LARGEST) for diagonal in start == 1]


def _unpack(theta: np.ndarray, shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return the lower-triangular factors whose elements, row by row, are theta."""
    factors, at = [], 0
    for _, c in shapes:
        T = np.zeros((c, c))
        size = c * (c + 1) // 2
        T[np.tril_indices(c)] = theta[at : at + size]
        factors.append(T)
        at += size
    return factors
