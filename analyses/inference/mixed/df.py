"""Degrees of freedom for the t of a fixed effect in a mixed model."""

import numpy as np
from scipy import linalg

from analyses.inference.mixed.fit import CrossProducts, MixedFit, Term, criterion_at
from analyses.inference.mixed.theta import lower, unpack

STEP = 1e-4
"""Of the central differences in theta; the gradient that is differenced is exact."""


def inner_outer(X: np.ndarray, terms: tuple[Term, ...]) -> np.ndarray:
    """Return the degrees of freedom of Pinheiro and Bates 2000, section 2.4.2, for each column of X, (p,).

    The fewest levels among the groups by which the column's slope varies or within which it is constant, less
    one (less the number of such columns).
    """
    n, p = X.shape
    df = np.full(p, float(n - p))
    for term in terms:
        m = len(term.levels)
        constant = _constant_within(X, term.codes, m)
        # Equal to the last bit: both are coded from one column of the data.
        varying = np.array([any(np.array_equal(x, z) for z in term.design.T) for x in X.T])
        df[constant] = np.minimum(df[constant], m - constant.sum())
        df[varying] = np.minimum(df[varying], m - 1)
    return np.maximum(df, 1.0)


def _constant_within(X: np.ndarray, codes: np.ndarray, m: int) -> np.ndarray:
    """Return which columns of X are constant within every level of a group, (p,) bool."""
    first = np.zeros(m, dtype=int)
    # Of repeated assignments the last one stays: reversed, the first row of each level.
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return np.isclose(X, X[first[codes]], rtol=1e-9, atol=0).all(axis=0)


def satterthwaite(
    X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...], fit: MixedFit, *, reml: bool
) -> np.ndarray:
    """Return Satterthwaite's degrees of freedom 2 v^2 / var(v) of every coefficient, (p,), v its variance.

    var(v) by the delta method from the curvature of the deviance D in the variance parameters (Giesbrecht and
    Burns 1985, Biometrics 41; Kuznetsova, Brockhoff and Christensen 2017, J. Stat. Softw. 82(13), section
    2.2). With sigma profiled out the block inverse of the Hessian gives

        df = v^2 / (h' P^-1 h + v^2 / d),   h = dv/dtheta and P = d2D/dtheta2 along the profile,

    d the rows (less the coefficients under REML). Directions in which the deviance is flat or bends down (a
    boundary fit) are left out, as in lmerTest.
    """
    data = CrossProducts(X, y, terms)
    to_raw = np.linalg.inv(data.triangle)
    theta = data.theta(fit.factors)

    def at(theta: np.ndarray) -> np.ndarray:
        """Return the gradient of the deviance, then the variances of the coefficients."""
        here = criterion_at(data, unpack(theta, data.shapes), reml)
        gradient = [lower(g) for g in here.gradient]
        return np.concatenate([*gradient, here.sigma2 * np.diag(to_raw @ here.inverse @ to_raw.T)])

    steps = STEP * np.eye(len(theta))
    slopes = np.array([(at(theta + step) - at(theta - step)) / (2 * STEP) for step in steps])
    curvature, h = slopes[:, : len(theta)], slopes[:, len(theta) :]
    # Differences of a gradient make it symmetric up to their error only.
    values, vectors = linalg.eigh((curvature + curvature.T) / 2)
    kept = values > 1e-6 * max(values.max(), 1.0)
    moved = ((vectors[:, kept].T @ h) ** 2 / values[kept, None]).sum(axis=0)
    v = np.diag(fit.covariance)
    return v**2 / (moved + v**2 / (data.n - data.p if reml else data.n))
