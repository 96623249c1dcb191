"""Random-effects terms in units of their own, so that no fit depends on the units of the covariates.

With D (n, c) the covariates of a term and D = Q U, Q'Q = n I and U lower-triangular,

    D b = Q (U b),   Cov(b) = s^2 T T'   <=>   Cov(U b) = s^2 (U T) (U T)'

so the term with design Q and factor U T is the same model. Both factors are lower-triangular with a diagonal
that is not negative: one is carried into the other exactly.
"""

import numpy as np
from scipy import linalg

COLLINEAR = 1e-9
"""A column of which no more than this share is its own cannot be told from the others of its term."""


def own_units(design: np.ndarray) -> np.ndarray:
    """Return U of covariates (n, c), (c, c); where they are collinear the root mean squares of the columns."""
    n, c = design.shape
    sizes = np.sqrt((design**2).mean(axis=0))
    sizes[sizes == 0] = 1.0
    # QR of the columns in reverse order is D = Q U with U lower-triangular.
    reverse = linalg.qr((design / sizes)[:, ::-1], mode="r")[0][:c][::-1, ::-1] / np.sqrt(n)
    own = np.diag(reverse)
    if n < c or np.abs(own).min() <= COLLINEAR:
        return np.diag(sizes)
    return np.sign(own)[:, None] * reverse * sizes


def in_units(design: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Return Q = D U^-1, (n, c)."""
    return linalg.solve_triangular(U, design.T, trans="T", lower=True).T


def from_units(factor: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Return T of U T, (c, c)."""
    return linalg.solve_triangular(U, factor, lower=True)
