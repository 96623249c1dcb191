"""Phylogenetic generalised least squares: a regression over languages that are kin.

    y = X b + e,   e ~ N(0, s^2 V),   V = lambda K + (1 - lambda) diag(K)

with Pagel's lambda (Pagel 1999, Nature 401: 877-884; Freckleton, Harvey and Pagel 2002, Am. Nat. 160:
712-726) estimated by REML or ML: 0 means that kinship leaves no trace in the residuals, 1 that it accounts
for all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, optimize, stats

from analyses.inference.checks import (
    complete_rows,
    full_rank,
    require_labelled,
    require_levels,
    require_residual,
    require_varying,
)
from analyses.inference.coefficients import coefficient_row
from analyses.inference.languages.genealogy import without_relatives
from analyses.inference.result import Inference
from simxfer.common.errors import InputError, unknown

# A grid, for a profile may have two peaks of which Brent's method finds one, and p is averaged over it.
LAMBDAS = np.linspace(0, 1, 41)
FLAT = 1e-7
"""Differences of log-likelihood below this are rounding."""


@dataclass(frozen=True)
class _GlsFit:
    """Generalised least squares at one lambda: (p,) coefficients, (p, p) covariance, log-likelihood."""

    coefficients: np.ndarray
    covariance: np.ndarray
    log_likelihood: float


def pgls(
    data: pd.DataFrame,
    outcome: str,
    covariates: Sequence[str],
    language: str = "language",
    *,
    covariance: pd.DataFrame,
    pagel_lambda: float | None = None,
    reml: bool = True,
    level: float = 0.95,
) -> Inference:
    """Regress an outcome on covariates over languages whose residuals covary by kinship.

    Args:
        data: one row a score or a language; rows of one language are averaged.
        covariates: the first one is the headline (declared in advance: a dozen languages carry one).
        covariance: languages x languages, such as `genealogical_covariance`; more languages than needed is
        fine.
        pagel_lambda: fixed lambda in [0, 1]; None estimates it.
        reml: REML (default) or ML for lambda and the residual variance.

    Returns:
        Rows for the covariates, the intercept and `lambda` (profile-likelihood interval; p by likelihood
        ratio against lambda = 0, half of chi-square 1, because 0 is on the boundary). t with n - p df. Where
        the languages have no relatives lambda changes nothing: it is NaN, the rest is least squares.

    Raises:
        InputError: unknown columns or languages, infinite values, a covariance that is not symmetric and
            positive semidefinite with positive variances, fewer languages than coefficients + 3, collinear or
            constant covariates.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import genealogical_covariance, pgls, simulate_families
        >>> rng = np.random.default_rng(1)
        >>> kin = genealogical_covariance(simulate_families(rng, families=8, size=4))
        >>> data = pd.DataFrame({"language": kin.index, "distance": rng.normal(size=32)})
        >>> data["value"] = 70 - 3 * data["distance"] + np.repeat(rng.normal(size=8), 4) + rng.normal(size=32)
        >>> result = pgls(data, "value", ["distance"], covariance=kin)
        >>> result.table[["term", "estimate", "low", "high"]].round(1)
                term  estimate   low  high
        0   distance      -2.6  -3.0  -2.2
        1  intercept      69.9  69.3  70.5
        2     lambda       0.7   0.3   0.9
    """
    frame, notes = complete_rows(data, [outcome, *covariates], [language])
    means = frame.groupby(language, sort=True)[[outcome, *covariates]].mean()
    K = _kinship(covariance, [str(name) for name in means.index])
    X = _design(means, covariates, language)
    y = means[outcome].to_numpy()
    require_residual(X, y)
    free = pagel_lambda is None
    fits = _profile(y, X, K, reml)
    lam = _best_lambda(y, X, K, reml, fits) if pagel_lambda is None else _checked_lambda(pagel_lambda)
    # Where no lambda is better than another all of them give the same fit.
    fit = _gls(y, X, K, np.nan_to_num(lam), reml)
    n, p = X.shape
    order = [*range(1, p), 0]
    names = ["intercept", *covariates]
    se = np.sqrt(np.diag(fit.covariance))
    rows = [coefficient_row(names[i], fit.coefficients[i], se[i], n - p, level) for i in order]
    if free:
        rows = [{**row, **_averaged(fits, i, n - p, level)} for i, row in zip(order, rows, strict=True)]
        rows.append(_lambda_row(y, X, K, lam, reml, level))
    return Inference(
        procedure="pgls",
        null=f"no relation of {outcome} and {covariates[0]} beyond what kinship explains",
        table=pd.DataFrame(rows),
        counts={language: n, "rows": len(frame)},
        level=level,
        notes=(*notes, *_notes(means, covariance, lam, free)),
        references=("Pagel 1999", "Freckleton, Harvey and Pagel 2002"),
    )


def _kinship(covariance: pd.DataFrame, languages: list[str]) -> np.ndarray:
    """Return the covariance of these languages, n x n."""
    require_labelled("the covariance between languages", covariance)
    known = covariance.set_axis(covariance.index.astype(str)).set_axis(covariance.columns.astype(str), axis=1)
    for name in languages:
        if name not in known.index or name not in known.columns:
            raise InputError(unknown("language in the covariance", name, known.index))
    K = known.loc[languages, languages].to_numpy(dtype=float)
    size = np.abs(K).max()
    symmetric = np.isfinite(size) and np.allclose(K, K.T, atol=1e-8 * size)
    values, vectors = np.linalg.eigh(K if symmetric else np.zeros_like(K))
    if not symmetric or np.diag(K).min() <= 0 or values.min() < -1e-8 * size:
        raise InputError(
            "the covariance between languages must be finite, symmetric and positive semidefinite, with positive "
            "variances; `genealogical_covariance` gives such a matrix"
        )
    # Rounded entries leave eigenvalues a little below zero, which no Cholesky factor has.
    return (vectors * np.maximum(values, 0.0)) @ vectors.T if values.min() < 0 else K


def _design(means: pd.DataFrame, covariates: Sequence[str], language: str) -> np.ndarray:
    """Return intercept and covariates, n x p, of full rank."""
    for name in covariates:
        require_varying(means[name].to_numpy(), name)
    X = np.column_stack([np.ones(len(means)), means[list(covariates)].to_numpy()])
    require_levels(len(X), X.shape[1] + 3, language, "the residual variance needs some degrees of freedom")
    if not full_rank(X):
        raise InputError(
            f"the covariates {list(covariates)} are collinear over the languages; drop one of them"
        )
    return X


def _checked_lambda(value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise InputError(f"pagel_lambda is {value}, expected a number in [0, 1], or None to estimate it")
    return float(value)


def _gls(y: np.ndarray, X: np.ndarray, K: np.ndarray, lam: float, reml: bool) -> _GlsFit:
    """Return the fit at one lambda, residual variance profiled out."""
    n, p = X.shape
    # A nugget of 1e-10 keeps twins (languages with equal ancestors) apart at lambda = 1.
    V = lam * K + (1 - lam + 1e-10) * np.diag(np.diag(K))
    L = linalg.cholesky(V, lower=True)
    white = linalg.solve_triangular(L, np.column_stack([X, y]), lower=True)
    Wy = white[:, p]
    basis, triangle = np.linalg.qr(white[:, :p])
    to_raw = np.linalg.inv(triangle)
    explained = basis.T @ Wy
    rss = float(((Wy - basis @ explained) ** 2).sum())
    df = n - p if reml else n
    log_det = 2 * np.log(np.diag(L)).sum()
    log_likelihood = -0.5 * (df * (np.log(2 * np.pi * rss / df) + 1) + log_det)
    if reml:
        log_likelihood -= np.log(np.abs(np.diag(triangle))).sum()
    # The covariance uses n - p also under ML, as in R's gls.
    return _GlsFit(to_raw @ explained, rss / (n - p) * to_raw @ to_raw.T, float(log_likelihood))


def _profile(y: np.ndarray, X: np.ndarray, K: np.ndarray, reml: bool) -> list[_GlsFit]:
    """Return the fits over LAMBDAS."""
    return [_gls(y, X, K, lam, reml) for lam in LAMBDAS]


def _best_lambda(y: np.ndarray, X: np.ndarray, K: np.ndarray, reml: bool, fits: list[_GlsFit]) -> float:
    """Return the lambda in [0, 1] of highest likelihood: Brent's method around the best of LAMBDAS.

    NaN where the likelihood is flat: without relatives all lambdas are the same model.
    """
    heights = [fit.log_likelihood for fit in fits]
    if np.ptp(heights) < FLAT:
        return np.nan
    top = int(np.argmax(heights))
    bracket = (LAMBDAS[max(0, top - 1)], LAMBDAS[min(len(LAMBDAS) - 1, top + 1)])
    found = optimize.minimize_scalar(
        lambda lam: -_gls(y, X, K, lam, reml).log_likelihood,
        bounds=bracket,
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x) if -found.fun > heights[top] else float(LAMBDAS[top])


def _averaged(fits: list[_GlsFit], i: int, df: int, level: float) -> dict[str, float]:
    """Return p and interval of coefficient i from t averaged over lambda (trapezoidal rule)."""
    heights = np.array([fit.log_likelihood for fit in fits])
    # Less the highest: exp of a log-likelihood of some hundred would underflow.
    weights = np.exp(heights - heights.max()) * np.r_[0.5, np.ones(len(fits) - 2), 0.5]
    weights /= weights.sum()
    centre = np.array([fit.coefficients[i] for fit in fits])
    se = np.sqrt([fit.covariance[i, i] for fit in fits])

    def below(value: float) -> float:
        return float(weights @ stats.t.cdf((value - centre) / se, df))

    top = int(np.argmax(heights))
    # One standard error beyond all limits, so that equal fits have a change of sign as well; and in standard
    # errors, so that brentq's tolerance is as fine in any unit.
    far = (stats.t.ppf(0.5 + level / 2, df) + 1) * se
    edges = [((centre - far).min() - centre[top]) / se[top], ((centre + far).max() - centre[top]) / se[top]]
    low, high = (
        centre[top]
        + se[top] * optimize.brentq(lambda v, t=tail: below(centre[top] + v * se[top]) - t, *edges)
        for tail in (0.5 - level / 2, 0.5 + level / 2)
    )
    return {"low": float(low), "high": float(high), "p": 2 * min(below(0.0), 1 - below(0.0))}


def _lambda_row(
    y: np.ndarray, X: np.ndarray, K: np.ndarray, lam: float, reml: bool, level: float
) -> dict[str, object]:
    """Return lambda with its profile-likelihood interval and the test of lambda = 0."""
    if np.isnan(lam):
        return {"term": "lambda", "estimate": lam, "low": 0.0, "high": 1.0, "p": 1.0, "statistic": 0.0}

    def drop(at: float) -> float:
        return 2 * (_gls(y, X, K, lam, reml).log_likelihood - _gls(y, X, K, at, reml).log_likelihood)

    allowed = stats.chi2.ppf(level, 1)
    low = optimize.brentq(lambda a: drop(a) - allowed, 0.0, lam) if lam > 0 and drop(0.0) > allowed else 0.0
    high = optimize.brentq(lambda a: drop(a) - allowed, lam, 1.0) if lam < 1 and drop(1.0) > allowed else 1.0
    ratio = max(0.0, drop(0.0))
    p = 0.5 * stats.chi2.sf(ratio, 1) if ratio > 0 else 1.0
    return {"term": "lambda", "estimate": lam, "low": low, "high": high, "p": p, "statistic": ratio}


def _notes(means: pd.DataFrame, covariance: pd.DataFrame, lam: float, free: bool) -> list[str]:
    """Return what the reader must know of the languages and of lambda."""
    here = covariance.set_axis(covariance.index.astype(str)).set_axis(covariance.columns.astype(str), axis=1)
    names = means.index.astype(str)
    notes = []
    alone = without_relatives(here.loc[names, names])
    if alone:
        notes.append(f"without relatives in the table: {', '.join(alone)}")
    if len(means) < 30:
        notes.append(f"{len(means)} languages: one covariate declared in advance, no partial contributions")
    if np.isnan(lam):
        notes.append("no lambda is better than another: kinship changes nothing here")
    if free and lam in (0.0, 1.0):
        notes.append(f"lambda is at its boundary, {lam:g}")
    return notes
