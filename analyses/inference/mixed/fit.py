"""Linear mixed models with crossed random effects: the mathematics, on arrays.

    y = X b + Z u + e,   u ~ N(0, s^2 L(theta) L(theta)'),   e ~ N(0, s^2 I)

L(theta) is block diagonal: one lower-triangular c x c factor T per random-effects term, repeated over the
levels of its group (Bates, Maechler, Bolker and Walker 2015, J. Stat. Softw. 67(1), sections 2.2 and 3). A
term whose levels covary in a known way (phylogeny) has Z multiplied by a square root of that covariance.

Inside, the outcome and the covariates of every term are in units of their own (`mixed_theta`), so that start,
bounds and tolerances mean the same whatever units the data come in.

The data enter only through their cross-products, so that one evaluation of the profiled criterion (section
3.4) costs the same whatever the number of rows. The largest term with a single column has a diagonal Z'Z and
is eliminated first (V_1 = I + theta^2 Z_1 Z_1' by Woodbury's identity), the other q random effects by a dense
Cholesky factor in O(q^3). The gradient is exact: with P the REML projection, the derivative in T is 2 H T, H
the sum over levels of the diagonal blocks of
Z'V^-1 Z - Z'V^-1 X (X'V^-1 X)^-1 X'V^-1 Z - (n-p)/r^2 Z'P y y'P Z (without the second part for ML).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import linalg, optimize, sparse

from analyses.inference.mixed.theta import from_units, in_units, lower, own_units, start_of, unpack, widened
from simxfer.common.errors import InputError

MOST_RANDOM_EFFECTS = 4000
"""Beyond this the dense Cholesky factor takes more than a second and 128 MB."""
SINGULAR = 1e-4
"""A standard deviation, relative to the residual's and over the rows, below this is a boundary fit."""
DOWNHILL = -1e-6
"""A slope of the criterion in a variance below this is one; nearer zero it is rounding."""


@dataclass(frozen=True)
class Term:
    """One random-effects term: `columns` vary by `group`.

    codes: (n,) level of each row, 0..m-1. design: (n, c) covariates. factor: (m, m) square root F, F F' the
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

    def units(self) -> np.ndarray:
        """Return U (c, c) of the columns; times the SD that a known covariance gives the rows on average."""
        U = own_units(self.design)
        if self.factor is None:
            return U
        return U * (np.sqrt((self.factor**2).sum(axis=1)[self.codes].mean()) or 1.0)

    def matrix(self) -> sparse.csc_matrix:
        """Return Z of this term, n x (m c), level by level."""
        m, c = self.shape
        n = len(self.codes)
        rows = np.repeat(np.arange(n), c)
        columns = (self.codes[:, None] * c + np.arange(c)).ravel()
        z = sparse.csc_matrix((self.design.ravel(), (rows, columns)), shape=(n, m * c))
        return z if self.factor is None else sparse.csc_matrix(z @ sparse.kron(self.factor, np.eye(c)))


def scaled(term: Term, T: np.ndarray) -> sparse.csc_matrix:
    """Return Z L(theta) of a term, n x (m c): its product with standard normal numbers is Z u / sigma."""
    return sparse.csc_matrix(term.matrix() @ sparse.kron(sparse.eye(term.shape[0]), T))


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

    def loading(self, terms: tuple[Term, ...]) -> sparse.csc_matrix:
        """Return the matrix, n x (q + n), whose product with standard normal numbers is Z u + e."""
        random = [scaled(term, T) for term, T in zip(terms, self.factors, strict=True)]
        return self.sigma * sparse.hstack([*random, sparse.eye(len(terms[0].codes))], format="csc")


class CrossProducts:
    """Everything the criterion needs to know of the data; X orthonormal, y cleared of X, of mean square 1.

    scale: root mean square of the cleared y. units: U of each term. absorbed: index of the term that is
    eliminated first, or None. rest: indices of the others. cross: the cross-products of [Z X y] without the
    absorbed Z_1. squares: (m_1,) diagonal of Z_1'Z_1. joint: Z_1'[Z X y].
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...]):
        self.n, self.p = X.shape
        # X'X = I whatever the units of X: cross-products of raw columns would lose twice the digits.
        self.basis, self.triangle = np.linalg.qr(X)
        self.ols = self.basis.T @ y
        cleared = y - self.basis @ self.ols
        self.yy = float(cleared @ cleared)
        self.scale = np.sqrt(self.yy / self.n) or 1.0
        self.units = [term.units() for term in terms]
        terms = tuple(
            replace(term, design=in_units(term.design, U)) for term, U in zip(terms, self.units, strict=True)
        )
        self.shapes = [term.shape for term in terms]
        self.absorbed = _absorbed(terms)
        self.rest = [i for i in range(len(terms)) if i != self.absorbed]
        edges = np.cumsum([0, *(m * c for m, c in (self.shapes[i] for i in self.rest))])
        self.slices = [slice(a, b) for a, b in pairwise(edges)]
        dense = sparse.csc_matrix(np.column_stack([self.basis, cleared / self.scale]))
        columns = sparse.hstack([*(terms[i].matrix() for i in self.rest), dense], format="csc")
        self.cross = (columns.T @ columns).toarray()
        first = sparse.csc_matrix((self.n, 0)) if self.absorbed is None else terms[self.absorbed].matrix()
        self.squares = np.asarray(first.power(2).sum(axis=0)).ravel()
        self.joint = (first.T @ columns).toarray()

    def constant(self, reml: bool) -> float:
        """Return what the units of X and y add to the deviance."""
        of_outcome = 2 * (self.n - self.p if reml else self.n) * np.log(self.scale)
        return of_outcome + (2 * np.log(np.abs(np.diag(self.triangle))).sum() if reml else 0.0)

    def factors(self, theta: np.ndarray) -> list[np.ndarray]:
        """Return T of each term, in the units of the data."""
        return [from_units(T, U) for T, U in zip(unpack(theta, self.shapes), self.units, strict=True)]

    def theta(self, factors: Sequence[np.ndarray]) -> np.ndarray:
        """Return theta of factors in the units of the data."""
        return np.concatenate([lower(U @ T) for T, U in zip(factors, self.units, strict=True)])

    def times_factor(self, matrix: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
        """Return matrix @ L(theta) of the terms that are not absorbed, for a matrix of r x q."""
        out = np.empty_like(matrix)
        for s, i in zip(self.slices, self.rest, strict=True):
            m, c = self.shapes[i]
            out[:, s] = (matrix[:, s].reshape(-1, m, c) @ factors[i]).reshape(-1, m * c)
        return out


def _absorbed(terms: tuple[Term, ...]) -> int | None:
    """Return the index of the largest term with one column and independent levels, unless it is alone."""
    sizes = [len(t.levels) if t.design.shape[1] == 1 and t.factor is None else 0 for t in terms]
    return int(np.argmax(sizes)) if len(terms) > 1 and max(sizes) > 0 else None


@dataclass(frozen=True)
class Criterion:
    """The profiled criterion at one theta, its gradient, and what follows from it in the outcome's unit.

    criterion: the deviance without `constant`, the part that comes from the units of the data. slopes: H of each
    term (c, c), its derivative in the covariance T T'. gradient: 2 H T, in T.
    """

    criterion: float
    constant: float
    slopes: list[np.ndarray]
    gradient: list[np.ndarray]
    coefficients: np.ndarray
    inverse: np.ndarray
    sigma2: float

    @property
    def deviance(self) -> float:
        """Minus twice the (restricted) log-likelihood."""
        return self.criterion + self.constant


def criterion_at(data: CrossProducts, factors: list[np.ndarray], reml: bool) -> Criterion:
    """Profiled deviance of Bates et al. 2015, eq. 34 (ML) and 41 (REML), and its gradient.

    C are cross-products in the metric of V_1^-1, and G1 = Z_1'V_1^-1 [Z X y]. Columns q to q + p belong to X,
    the last one to y.
    """
    theta = 0.0 if data.absorbed is None else factors[data.absorbed][0, 0]
    shrink = 1 / (1 + theta**2 * data.squares)
    C = data.cross - data.joint.T @ ((theta**2 * shrink)[:, None] * data.joint)
    G1 = shrink[:, None] * data.joint
    q, p = len(C) - data.p - 1, data.p
    CL = data.times_factor(C[:, :q], factors)
    A = data.times_factor(np.ascontiguousarray(CL[:q].T), factors)
    A[np.diag_indices_from(A)] += 1.0
    L = linalg.cholesky(A, lower=True, check_finite=False)
    right = np.hstack([CL.T, data.times_factor(G1[:, :q], factors).T])
    # Columns of B: Z, X, y, then Z_1.
    B = linalg.solve_triangular(L, right, lower=True, check_finite=False)
    V = np.vstack([C, G1])[:, q:] - B.T @ B[:, q : q + p + 1]
    # p x p for a handful of fixed effects; wanted itself, as the covariance and for the determinant.
    inverse = np.linalg.inv(V[q : q + p, :p])
    coefficients = inverse @ V[q : q + p, p]
    r2 = V[q + p, p] - coefficients @ V[q : q + p, p]
    df = data.n - p if reml else data.n
    criterion = 2 * np.log(np.diag(L)).sum() - np.log(shrink).sum() + df * (1 + np.log(2 * np.pi * r2 / df))
    known = (V[:, p] - V[:, :p] @ coefficients)[:, None] * np.sqrt(df / r2)
    if reml:
        criterion -= np.linalg.slogdet(inverse)[1]
        known = np.hstack([known, V[:, :p] @ np.linalg.cholesky(inverse)])
    slopes = _slopes(data, C, B, known, shrink)
    return Criterion(
        criterion=float(criterion),
        constant=data.constant(reml),
        slopes=slopes,
        gradient=[2 * H @ T for H, T in zip(slopes, factors, strict=True)],
        coefficients=data.scale * coefficients,
        inverse=inverse,
        sigma2=float(data.scale**2 * r2 / df),
    )


def _slopes(
    data: CrossProducts, C: np.ndarray, B: np.ndarray, known: np.ndarray, shrink: np.ndarray
) -> list[np.ndarray]:
    """Return H of every term, of the module's docstring: Z'V_1^-1 Z - B'B - known known', by term."""
    slopes = [np.empty(0)] * len(data.shapes)
    for s, i in zip(data.slices, data.rest, strict=True):
        m, c = data.shapes[i]
        whole = np.einsum("mimj->ij", C[s, s].reshape(m, c, m, c))
        b = B[:, s].reshape(-1, c)
        v = known[s].reshape(m, c, -1).transpose(1, 0, 2).reshape(c, -1)
        slopes[i] = whole - b.T @ b - v @ v.T
    if data.absorbed is not None:
        after = len(C)
        H = (data.squares * shrink).sum() - (B[:, after:] ** 2).sum() - (known[after:] ** 2).sum()
        slopes[data.absorbed] = np.array([[H]])
    return slopes


# Own code: statsmodels' MixedLM makes crossed effects dense variance components of one group of all rows (50 s for
# 32,000 rows and 80 levels) and takes no known covariance between levels.
def fit_mixed(X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...], *, reml: bool = True) -> MixedFit:
    """Fit the model by REML or ML.

    Args:
        X: (n, p) fixed effects of full rank. y: (n,). terms: the random-effects terms, at least one.
        reml: REML (True) or maximum likelihood.

    Raises:
        InputError: more random effects than MOST_RANDOM_EFFECTS, no residual degree of freedom, or an outcome
            that the fixed effects explain to rounding.
    """
    absorbed = _absorbed(terms)
    random_effects = sum(m * c for i, (m, c) in enumerate(term.shape for term in terms) if i != absorbed)
    if random_effects > MOST_RANDOM_EFFECTS:
        raise InputError(
            f"the model has {random_effects} random effects beside its largest term, expected at most "
            f"{MOST_RANDOM_EFFECTS}: average the rows first (pair means), or drop the grouping with the "
            "most levels"
        )
    if X.shape[0] <= X.shape[1]:
        raise InputError(f"{X.shape[0]} rows for {X.shape[1]} fixed effects: no degree of freedom is left")
    data = CrossProducts(X, y, terms)
    if data.yy <= 1e-20 * float(y @ y):
        raise InputError(
            "the fixed effects explain the outcome exactly: nothing is left to estimate variances from"
        )
    theta, converged = _minimise(data, reml)
    best = criterion_at(data, unpack(theta, data.shapes), reml)
    to_raw = np.linalg.inv(data.triangle)
    return MixedFit(
        coefficients=to_raw @ (data.ols + best.coefficients),
        covariance=best.sigma2 * to_raw @ best.inverse @ to_raw.T,
        factors=tuple(data.factors(theta)),
        sigma=float(np.sqrt(best.sigma2)),
        log_likelihood=-best.deviance / 2,
        converged=converged,
        singular=any(map(_is_singular, unpack(theta, data.shapes))),
    )


def _is_singular(T: np.ndarray) -> bool:
    return bool(np.linalg.svd(T, compute_uv=False).min() < SINGULAR)


def _minimise(data: CrossProducts, reml: bool) -> tuple[np.ndarray, bool]:
    """Return theta at the minimum of the criterion, and whether its gradient vanishes there.

    A singular T is a stationary point of any criterion in theta (the gradient is 2 H T), so a descent that reached
    one is no proof of a minimum: it is left for as long as that leads downhill.
    """
    start, bounds = start_of(data.shapes)

    def criterion(theta: np.ndarray) -> tuple[float, np.ndarray]:
        at = criterion_at(data, unpack(theta, data.shapes), reml)
        return at.criterion, np.concatenate([lower(g) for g in at.gradient])

    def descend(theta: np.ndarray) -> optimize.OptimizeResult:
        # The gradient alone decides: at the default ftol of 2e-9 a flat deviance stops while variances still move.
        options = {"ftol": 1e-15, "gtol": 1e-7, "maxiter": 1000, "maxcor": 20}
        return optimize.minimize(
            criterion, theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )

    def settled(at: optimize.OptimizeResult) -> bool:
        # A diagonal element (start 1) on its bound is settled unless the slope leads inside.
        free = (at.x > 0) | (start == 0) | (at.jac < 0)
        return bool(np.abs(at.jac[free]).max(initial=0.0) < 1e-3)

    best = descend(start)
    for _ in range(2 * len(start)):
        better = _off_boundary(data, best, reml)
        if better is None and settled(best):
            break
        # A line search that failed succeeds from the same point without the curvature it remembers.
        best = descend(best.x if better is None else better)
    return best.x, settled(best)


def _off_boundary(data: CrossProducts, best: optimize.OptimizeResult, reml: bool) -> np.ndarray | None:
    """Return a lower point whose T are less singular, or None if there is none.

    The criterion falls from T T' towards T T' + v v' where v'H v < 0, whatever the parametrisation.
    """
    factors = unpack(best.x, data.shapes)
    if not any(map(_is_singular, factors)):
        return None
    directions = []
    for T, H in zip(factors, criterion_at(data, factors, reml).slopes, strict=True):
        values, vectors = np.linalg.eigh(H)
        downhill = values[0] < DOWNHILL and _is_singular(T)
        directions.append(vectors[:, 0] if downhill else np.zeros(len(T)))
    if not np.concatenate(directions).any():
        return None

    def along(sd: float) -> list[np.ndarray]:
        return [widened(T, sd * v) for T, v in zip(factors, directions, strict=True)]

    # Only a new start is asked for, so two digits do: the descent that follows finds the rest.
    found = optimize.minimize_scalar(
        lambda sd: criterion_at(data, along(sd), reml).criterion,
        bounds=(0.0, 1.0),
        method="bounded",
        options={"xatol": 1e-2},
    )
    return np.concatenate([lower(T) for T in along(found.x)]) if found.fun < best.fun - 1e-9 else None
