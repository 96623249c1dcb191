"""Conditional modes of a fitted mixed model, and predictions with intervals for known and for new levels.

With u standardised (b = F u T' for a term whose known covariance is F F') Henderson's equations

    C (b, u) = W'y,   C = W'W + diag(0, I),   W = [X, Z L(theta)]

give coefficients and modes at once, and sigma^2 C^-1 is the covariance of their errors (Henderson 1975,
Biometrics 31: 423-447; Robinson 1991, Stat. Sci. 6: 15-32).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, sparse, stats

from analyses.inference.mixed.fit import MOST_RANDOM_EFFECTS, MixedFit, Term, scaled
from analyses.inference.mixed.formula import known_covariance
from simxfer.common.errors import InputError


@dataclass(frozen=True)
class Solution:
    """Solved equations: values (p + q,) of b and u, inverse (p + q, p + q) = C^-1, starts of each term's u.

    b stands for orthonormal columns X to_basis, so that no unit of a covariate disturbs the solution.
    """

    to_basis: np.ndarray
    values: np.ndarray
    inverse: np.ndarray
    starts: tuple[int, ...]


@dataclass(frozen=True)
class NewRows:
    """Rows to predict: X (k, p), and for each term its design (k, c) and loadings.

    loadings: (k, r) of the row's level on the term's standardised effects: the row of F of a known level,
    Cov(new, known) F^-T of a new one (0 without a known covariance). left: (k,) what the loadings leave of
    the level's variance, 0 for a known level.
    """

    X: np.ndarray
    designs: tuple[np.ndarray, ...]
    loadings: tuple[np.ndarray, ...]
    left: tuple[np.ndarray, ...]


def solve(X: np.ndarray, y: np.ndarray, terms: tuple[Term, ...], fit: MixedFit) -> Solution:
    """Solve Henderson's equations at the fitted variances.

    Raises:
        InputError: more random effects than MOST_RANDOM_EFFECTS.
    """
    p = X.shape[1]
    basis, triangle = np.linalg.qr(X)
    random = [scaled(term, T) for term, T in zip(terms, fit.factors, strict=True)]
    starts = tuple(np.cumsum([p, *(z.shape[1] for z in random)]).tolist())
    if starts[-1] - p > MOST_RANDOM_EFFECTS:
        raise InputError(
            f"the model has {starts[-1] - p} random effects, expected at most {MOST_RANDOM_EFFECTS} for "
            "conditional modes and predictions: average the rows first"
        )
    W = sparse.hstack([sparse.csc_matrix(basis), *random], format="csc")
    C = (W.T @ W).toarray()
    C[np.diag_indices_from(C)] += np.r_[np.zeros(p), np.ones(len(C) - p)]
    # Whole, for every mode and prediction needs a block or a form of it.
    inverse = linalg.inv(C)
    return Solution(np.linalg.inv(triangle), inverse @ (W.T @ y), (inverse + inverse.T) / 2, starts)


def modes(terms: tuple[Term, ...], fit: MixedFit, solution: Solution) -> pd.DataFrame:
    """Return columns group, level, term, mode, se: one row a random effect, in the outcome's unit.

    se is the standard error of prediction, sqrt Var(mode - effect), the estimation of b included.
    """
    rows = []
    for term, T, start in zip(terms, fit.factors, solution.starts[:-1], strict=True):
        m, c = term.shape
        F = np.eye(m) if term.factor is None else term.factor
        to_effects = np.kron(F, T)
        block = slice(start, start + m * c)
        values = to_effects @ solution.values[block]
        variance = np.einsum("ij,jk,ik->i", to_effects, solution.inverse[block, block], to_effects)
        rows.append(
            pd.DataFrame(
                {
                    "group": term.group,
                    "level": np.repeat(term.levels, c),
                    "term": np.tile(term.columns, m),
                    "mode": values,
                    "se": fit.sigma * np.sqrt(variance),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def predict(rows: NewRows, fit: MixedFit, solution: Solution, df: np.ndarray, level: float) -> pd.DataFrame:
    """Return estimate, se, low, high, outcome_low, outcome_high for each row.

    low and high bound the expected outcome of the row's levels (the effect of a new level is unknown and
    counts), outcome_low and outcome_high one new outcome, with its residual. t with `df` (k,).
    """
    loaded = [
        np.einsum("kr,kc->krc", loading, design @ T).reshape(len(design), -1)
        for loading, design, T in zip(rows.loadings, rows.designs, fit.factors, strict=True)
    ]
    new = sum(
        left * ((design @ T) ** 2).sum(axis=1)
        for left, design, T in zip(rows.left, rows.designs, fit.factors, strict=True)
    )
    W = np.hstack([rows.X @ solution.to_basis, *loaded])
    variance = np.einsum("ij,jk,ik->i", W, solution.inverse, W) + new
    estimate, se = W @ solution.values, fit.sigma * np.sqrt(variance)
    reach = stats.t.ppf(0.5 + level / 2, df)
    outcome = reach * np.hypot(se, fit.sigma)
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "low": estimate - reach * se,
            "high": estimate + reach * se,
            "outcome_low": estimate - outcome,
            "outcome_high": estimate + outcome,
        }
    )


def loadings_of(
    term: Term, labels: np.ndarray, covariance: pd.DataFrame | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the loadings (k, m) of labelled rows on a term's standardised effects, and what they leave, (k,).

    Raises:
        InputError: a new level that the group's known covariance lacks.
    """
    F = np.eye(len(term.levels)) if term.factor is None else term.factor
    position = pd.Index(term.levels).get_indexer(pd.Index(labels))
    loadings, left = F[position] * (position >= 0)[:, None], np.where(position < 0, 1.0, 0.0)
    if covariance is None or not (position < 0).any():
        return loadings, left
    new, code = np.unique(labels[position < 0], return_inverse=True)
    known = known_covariance(covariance, [*new, *term.levels], term.group)
    # The pseudo-inverse: twins (equal ancestors) make F singular.
    w = known[: len(new), len(new) :] @ np.linalg.pinv(F).T
    loadings[position < 0] = w[code]
    left[position < 0] = np.maximum(np.diag(known)[: len(new)] - (w**2).sum(axis=1), 0.0)[code]
    return loadings, left
