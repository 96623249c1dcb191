"""Linear mixed models with crossed random effects, in lme4's formula language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows
from analyses.inference.coefficients import coefficient_row
from analyses.inference.mixed.df import inner_outer, satterthwaite
from analyses.inference.mixed.fit import MixedFit, Term, fit_mixed
from analyses.inference.mixed.formula import (
    INTERCEPT,
    Formula,
    fixed_design,
    is_numeric,
    parse,
    random_terms,
    with_calls,
)
from analyses.inference.mixed.predict import NewRows, loadings_of, modes, predict, solve
from analyses.inference.rates import measured
from analyses.inference.result import Inference
from simxfer.common.errors import InputError, unknown

DegreesOfFreedom = Literal["inner-outer", "satterthwaite"]


@dataclass(frozen=True)
class MixedModel:
    """A formula on data, as arrays: frame (its complete rows), X (n, p) with names (p,), y (n,), terms."""

    parsed: Formula
    frame: pd.DataFrame
    X: np.ndarray
    names: list[str]
    terms: tuple[Term, ...]
    covariances: Mapping[str, pd.DataFrame]

    @property
    def y(self) -> np.ndarray:
        """The outcome, (n,)."""
        return self.frame[self.parsed.outcome].to_numpy()

    def fit(self, *, reml: bool, y: np.ndarray | None = None) -> MixedFit:
        """Fit by REML or ML, to another outcome if one is given."""
        return fit_mixed(self.X, self.y if y is None else y, self.terms, reml=reml)


def mixed_model(
    data: pd.DataFrame, formula: str, covariances: Mapping[str, pd.DataFrame] | None = None
) -> tuple[MixedModel, list[str]]:
    """Return a formula on the complete rows of data, and a note if rows were dropped.

    Raises:
        InputError: as `crossed_effects`.
    """
    parsed = parse(formula)
    called = with_calls(data, [parsed.outcome, *parsed.columns()])
    frame, notes = complete_rows(called, [parsed.outcome], parsed.columns())
    X, names = fixed_design(frame, parsed)
    known = covariances or {}
    kept = frame[[parsed.outcome, *(c for c in parsed.columns() if c != parsed.outcome)]]
    return MixedModel(parsed, kept, X, names, random_terms(frame, parsed, known), known), notes


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
    model: MixedModel = field(repr=False)
    """The data behind the fit."""
    fit: MixedFit = field(repr=False)
    """The fit on arrays."""

    @property
    def fixed(self) -> pd.DataFrame:
        """The fixed effects by term: estimate, low, high, p, se, df, statistic."""
        return self.table.set_index("term")

    def modes(self) -> pd.DataFrame:
        """Return the conditional modes of the random effects: group, level, term, mode, se (of prediction).

        Raises:
            InputError: more random effects than a dense matrix carries (4,000).
        """
        return modes(
            self.model.terms, self.fit, solve(self.model.X, self.model.y, self.model.terms, self.fit)
        )

    def predict(self, data: pd.DataFrame) -> pd.DataFrame:
        """Predict rows with the columns of the formula's right side; levels may be new.

        A known level brings its conditional mode. A new one brings the variance of its group, or, where its
        covariance with the known levels is known, what those tell of it. t with n - p degrees of freedom,
        in a row with a new level with the fewest levels among the new levels' groups less one (exact in a
        balanced one-way layout).

        Returns:
            Rows as in data: estimate, se, low, high (the expected outcome at these levels), outcome_low,
            outcome_high (one new outcome).

        Raises:
            InputError: a missing column or value, an unknown level of a fixed effect, a new level that the
                known covariance of its group lacks, more than 4,000 random effects.
        """
        model = self.model
        rows, unseen = _new_rows(model, data)
        df = np.full(len(rows.X), float(len(model.X) - model.X.shape[1]))
        for new, term in zip(unseen, model.terms, strict=True):
            # A new level is known as well as its group's variance is.
            df[new] = np.minimum(df[new], len(term.levels) - 1)
        solution = solve(model.X, model.y, model.terms, self.fit)
        return predict(rows, self.fit, solution, df, self.level).set_axis(data.index)


def crossed_effects(
    data: pd.DataFrame,
    formula: str,
    *,
    reml: bool = True,
    covariances: Mapping[str, pd.DataFrame] | None = None,
    df: DegreesOfFreedom = "inner-outer",
    level: float = 0.95,
) -> CrossedEffects:
    """Fit a linear mixed model, such as `gain ~ similarity + (1 | intermediate) + (1 + similarity | target)`.

    The profiled (restricted) likelihood of Bates et al. 2015 (eq. 34 and 41) is minimised with its exact
    gradient. p and intervals use t with few degrees of freedom; `likelihood_ratio` compares two formulas, with
    a parametric bootstrap. For a similarity that is constant within (source, target) `pair_regression` is
    the calibrated form.

    Args:
        formula: see `analyses.inference.mixed.formula`.
        reml: REML; False for maximum likelihood, needed to compare models that differ in fixed effects.
        covariances: known covariance between the levels of a group, by the group's name in the formula
            (labels on both axes), such as `{"language": genealogical_covariance(...)}`.
        df: inner-outer (Pinheiro and Bates 2000, section 2.4.2), which asks only where a term varies, or
            Satterthwaite's as in lmerTest, which trusts the fitted variances.

    Raises:
        InputError: a formula that cannot be read, unknown columns, infinite values, collinear fixed effects,
            a group with one level or as many levels as rows, too many random effects, unknown df.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, crossed_effects, simulate_grid
        >>> data = simulate_grid(np.random.default_rng(1), Truth(languages=4, seeds=1, slope=1.0))
        >>> effects = "(1 | intermediate) + (1 | target) + (1 | intermediate:target)"
        >>> fit = crossed_effects(data, f"gain ~ similarity + {effects}")
        >>> fit.fixed.loc["similarity", ["estimate", "se", "df"]].round(2).to_dict()
        {'estimate': 0.94, 'se': 0.22, 'df': 79.0}
        >>> print(fit.variances[["group", "sd"]].round(1).to_string(index=False))
                      group  sd
               intermediate 3.0
                     target 0.9
        intermediate:target 0.8
                   residual 1.6
    """
    if df not in get_args(DegreesOfFreedom):
        raise InputError(unknown("df", df, get_args(DegreesOfFreedom)))
    model, notes = mixed_model(data, formula, covariances)
    fit = model.fit(reml=reml)
    inner = inner_outer(model.X, model.terms)
    dfs = inner if df == "inner-outer" else satterthwaite(model.X, model.y, model.terms, fit, reml=reml)
    order = sorted(range(len(model.names)), key=lambda i: model.names[i] == INTERCEPT)
    se = np.sqrt(np.diag(fit.covariance))
    rows = [coefficient_row(model.names[i], fit.coefficients[i], se[i], dfs[i], level) for i in order]
    return CrossedEffects(
        procedure="crossed_effects",
        null=f"the coefficient of {model.names[order[0]]} is zero",
        table=pd.DataFrame(rows),
        counts={**{term.group: len(term.levels) for term in model.terms}, "rows": len(model.X)},
        level=level,
        notes=(*notes, *_notes(fit, model)),
        # Type I of a covariate of kin languages is .09 at .05 (calibration.csv).
        recommended=not model.covariances,
        references=("Bates et al. 2015, J. Stat. Softw. 67(1)", _REFERENCES[df]),
        formula=formula,
        variances=_variances(model.terms, fit),
        log_likelihood=fit.log_likelihood,
        converged=fit.converged,
        singular=fit.singular,
        reml=reml,
        model=model,
        fit=fit,
    )


_REFERENCES = {
    "inner-outer": "Pinheiro and Bates 2000",
    "satterthwaite": "Kuznetsova, Brockhoff and Christensen 2017, J. Stat. Softw. 82(13)",
}


def _notes(fit: MixedFit, model: MixedModel) -> list[str]:
    """Return what the reader must know of this fit."""
    notes = []
    if fit.singular:
        notes.append("boundary fit: a variance was estimated as zero, or a correlation as -1 or 1")
    if not fit.converged:
        notes.append("the fit did not converge: do not rely on it")
    if model.covariances:
        notes += [*measured("crossed_effects"), "judge a covariate of such a group by `likelihood_ratio`"]
    return notes


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


def _new_rows(model: MixedModel, data: pd.DataFrame) -> tuple[NewRows, list[np.ndarray]]:
    """Code rows to predict as the model's own, and tell for each term which of them have a new level."""
    columns = model.parsed.columns()
    new, dropped = complete_rows(with_calls(data, columns), [], columns)
    if dropped:
        raise InputError(f"{dropped[0]} among the rows to predict; fill or drop them")
    new = _as_fitted(model.frame, new, model.parsed.regressors())
    # Coded together with the fitted rows, so that every level falls into the column it was fitted in.
    both = pd.concat([model.frame, new[columns]], ignore_index=True)
    X = fixed_design(both, model.parsed)[0]
    last = slice(len(model.frame), None)
    coded = random_terms(both, model.parsed, {})
    labels = [np.array(term.levels, dtype=object)[term.codes[last]] for term in coded]
    covariances = [model.covariances.get(term.group) for term in model.terms]
    found = [loadings_of(*one) for one in zip(model.terms, labels, covariances, strict=True)]
    loadings, left = zip(*found, strict=True)
    designs = tuple(term.design[last] for term in coded)
    unseen = [~np.isin(label, term.levels) for label, term in zip(labels, model.terms, strict=True)]
    return NewRows(X[last], designs, loadings, left), unseen


def _as_fitted(frame: pd.DataFrame, new: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the rows to predict with regressors of the fitted types, and so of the fitted levels in their order.

    Raises:
        InputError: a regressor that is no number has a level on which nothing was estimated.
    """
    coded = {}
    for name in names:
        if not is_numeric(frame, name):
            known = {level: level for level in frame[name].unique()}
            for level in new[name].unique():
                if level not in known:
                    raise InputError(unknown(f"level of {name}", level, known))
            values = [known[level] for level in new[name]]
            coded[name] = pd.Series(values, index=new.index, dtype=frame[name].dtype)
        elif not pd.api.types.is_numeric_dtype(new[name]):
            raise InputError(
                f"column {name!r}: got {new[name].dtype}, expected {frame[name].dtype} as fitted"
            )
    return new.assign(**coded)
