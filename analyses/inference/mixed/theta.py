"""Theta: the factors T of the random-effects terms as one vector, each term in units of its own.

Start, bounds and tolerances then mean the same whatever units the data come in.

With D (n, c) the covariates of a term and D = Q U, Q'Q = n I and U lower-triangular,

    D b = Q (U b),   Cov(b) = s^2 T T'   <=>   Cov(U b) = s^2 (U T) (U T)'

so the term with design Q and factor U T is the same model. Both factors are lower-triangular with a diagonal
that is not negative: one is carried into the other exactly.
"""

from functools import cache

import numpy as np
from scipy import linalg

COLLINEAR = 1e-9
"""A column of which no more than this share is its own cannot be told from the others of its term."""

LARGEST = 1e4
"""Bound of theta: beyond it the cross-products lose the residual to rounding. No fit converges there."""


def own_units(design: np.ndarray) -> np.ndarray:
    """Return U of covariates (n, c), (c, c); where they are collinear the root mean squares of the columns."""
    n, c = design.shape
    sizes = np.sqrt((design**2).mean(axis=0))
    sizes[sizes == 0] = 1.0
    # QR of the columns in reverse order is D = Q U with U lower-triangular.
    reverse = linalg.qr((design / sizes)[:, ::-1], mode="r")[0][:c][::-1, ::-1] / np.sqrt(n)
    own = np.diag(reverse)
    # Collinear covariates still make a model: only their units need another choice.
    if n < c or np.abs(own).min() <= COLLINEAR:
        return np.diag(sizes)
    # QR leaves the signs of its rows open; the diagonal of a factor is not negative.
    return np.sign(own)[:, None] * reverse * sizes


def in_units(design: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Return Q = D U^-1, (n, c)."""
    return linalg.solve_triangular(U, design.T, trans="T", lower=True).T


def from_units(factor: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Return T of U T, (c, c)."""
    return linalg.solve_triangular(U, factor, lower=True)


def widened(T: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return the lower-triangular factor of T T' + v v', (c, c), its diagonal not negative."""
    root = linalg.qr(np.column_stack([T, v]).T, mode="r")[0][: len(T)].T
    return root * np.where(np.diag(root) < 0, -1.0, 1.0)


def start_of(shapes: list[tuple[int, int]]) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return lme4's start (T = identity) and the bounds (a diagonal element is not negative)."""
    start = np.concatenate([lower(np.eye(c)) for _, c in shapes])
    return start, [(0.0 if diagonal else -LARGEST, LARGEST) for diagonal in start == 1]


def lower(T: np.ndarray) -> np.ndarray:
    """Return the elements of a matrix on and below the diagonal, row by row: its part of theta."""
    return T[_lower_indices(len(T))]


@cache
def _lower_indices(c: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(c)


def unpack(theta: np.ndarray, shapes: list[tuple[int, int]]) -> list[np.ndarray]:
    """Return the lower-triangular factors whose elements, row by row, are theta."""
    factors, at = [], 0
    for _, c in shapes:
        T = np.zeros((c, c))
        size = c * (c + 1) // 2
        T[_lower_indices(c)] = theta[at : at + size]
        factors.append(T)
        at += size
    return factors
