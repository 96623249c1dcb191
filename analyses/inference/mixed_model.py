"""Linear mixed models with crossed random effects, in lme4's formula language."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows
from analyses.inference.coefficients import coefficient_row
from analyses.inference.mixed_fit import MixedFit, Term, fit_mixed
from analyses.inference.mixed_formula import INTERCEPT, fixed_design, parse, random_terms
from analyses.inference.result import Inference


@dataclass(frozen=True, kw_only=True)
class CrossedEffects(Inference):
    """A fitted mixed model. `table` holds the fixed effects, the regressors first, the intercept last."""

    formula: str
    variances: pd.DataFrame = field(repr=False)
    """Columns group, term, variance, sd, correlation (with the group's first term); last the residual."""
    log_likelihood: float
    """Restricted log-likelihood under REML, otherwise the log-likelihood; constants as in lme4."""
    converged: bool
    singular: bool
    """Whether a variance was estimated as zero, or a correlation as -1 or 1."""
    reml: bool

    @property
    def fixed(self) -> pd.DataFrame:
        """The fixed effects by term: estimate, low, high, p, se, df, statistic."""
        return self.table.set_index("term")


def crossed_effects(
    data: pd.DataFrame,
    formula: str,
    *,
    reml: bool = True,
    covariances: Mapping[str, pd.DataFrame] | None = None,
    level: float = 0.95,
) -> CrossedEffects:
    """Fit a linear mixed model, such as `gain ~ similarity + (1 | intermediate) + (1 + similarity | target)`.

    The profiled (restricted) likelihood of Bates et al. 2015 (eq. 34 and 41) is minimised with its exact
    gradient. p and intervals use t with inner-outer degrees of freedom (Pinheiro and Bates 2000, section
    2.4.2): the fewest levels among the groups by which the term's slope varies or within which the term is
    constant, less one (less the number of such terms). That is approximate; for a similarity that is constant
    within (source, target) `pair_regression` is the calibrated form.

    Args:
        formula: see `analyses.inference.mixed_formula`.
        reml: REML; False for maximum likelihood, needed to compare models that differ in fixed effects.
        covariances: known covariance between the levels of a group, by the group's name in the formula
            (labels on both axes), such as `{"language": genealogical_covariance(...)}`.

    Raises:
        InputError: a formula that cannot be read, unknown columns, infinite values, collinear fixed effects,
            a group with one level or as many levels as rows, too many random effects.
    """
    parsed = parse(formula)
    labels = parsed.columns()
    frame, notes = complete_rows(data, [parsed.outcome], labels)
    X, names = fixed_design(frame, parsed)
    terms = random_terms(frame, parsed, covariances or {})
    fit = fit_mixed(X, frame[parsed.outcome].to_numpy(), terms, reml=reml)
    df = _degrees_of_freedom(X, terms)
    order = sorted(range(len(names)), key=lambda i: names[i] == INTERCEPT)
    se = np.sqrt(np.diag(fit.covariance))
    rows = [coefficient_row(names[i], fit.coefficients[i], se[i], df[i], level) for i in order]
    if fit.singular:
        notes.append("boundary fit: a variance was estimated as zero, or a correlation as -1 or 1")
    if not fit.converged:
        notes.append("the fit did not converge: do not rely on it")
    return CrossedEffects(
        procedure="crossed_effects",
        null=f"the coefficient of {names[order[0]]} is zero",
        table=pd.DataFrame(rows),
        counts={**{term.group: len(term.levels) for term in terms}, "rows": len(frame)},
        level=level,
        notes=tuple(notes),
        references=("Bates et al. 2015, J. Stat. Softw. 67(1)", "Pinheiro and Bates 2000"),
        formula=formula,
        variances=_variances(terms, fit),
        log_likelihood=fit.log_likelihood,
        converged=fit.converged,
        singular=fit.singular,
        reml=reml,
    )


def _variances(terms: tuple[Term, ...], fit: MixedFit) -> pd.DataFrame:
    """Return the variance components in the outcome's squared unit."""
    rows = []
    for term, T in zip(terms, fit.factors, strict=True):
        covariance = fit.sigma**2 * T @ T.T
        sd = np.sqrt(np.diag(covariance))
        for j, name in enumerate(term.columns):
            correlation = covariance[0, j] / (sd[0] * sd[j]) if j and sd[0] * sd[j] > 0 else np.nan
            rows.append((term.group, name, covariance[j, j], sd[j], correlation))
    rows.append(("residual", "", fit.sigma**2, fit.sigma, np.nan))
    return pd.DataFrame(rows, columns=["group", "term", "variance", "sd", "correlation"])


def _degrees_of_freedom(X: np.ndarray, terms: tuple[Term, ...]) -> np.ndarray:
    """Return the inner-outer degrees of freedom of each column of X, (p,)."""
    n, p = X.shape
    df = np.full(p, float(n - p))
    for term in terms:
        m = len(term.levels)
        constant = _constant_within(X, term.codes, m)
        varying = np.array([any(np.array_equal(x, z) for z in term.design.T) for x in X.T])
        df[constant] = np.minimum(df[constant], m - constant.sum())
        df[varying] = np.minimum(df[varying], m - 1)
    return np.maximum(df, 1.0)


def _constant_within(X: np.ndarray, codes: np.ndarray, m: int) -> np.ndarray:
    """Return which columns of X are constant within every level of a group, (p,) bool."""
    first = np.zeros(m, dtype=int)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return np.isclose(X, X[first[codes]], rtol=1e-9, atol=0).all(axis=0)
