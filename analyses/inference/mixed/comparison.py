"""Likelihood-ratio test of two nested mixed models, by chi-square and by parametric bootstrap."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import complete_rows, require_draws, unit_columns
from analyses.inference.mixed.fit import MixedFit
from analyses.inference.mixed.formula import Bar, factors_of, parse, with_calls
from analyses.inference.mixed.model import MixedModel, mixed_model
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def likelihood_ratio(
    data: pd.DataFrame,
    small: str,
    large: str,
    *,
    rng: np.random.Generator,
    covariances: Mapping[str, pd.DataFrame] | None = None,
    simulations: int = 999,
) -> Inference:
    """Test whether the terms that `large` has beyond `small` are needed.

    Both are fitted by maximum likelihood on the rows that are complete for `large`. The parametric bootstrap
    simulates outcomes from the fitted small model and refits both: p = (1 + #{LR* >= LR}) / (1 + simulations),
    Halekoh and Hojsgaard 2014, J. Stat. Softw. 59(9), section 5 (pbkrtest's PBmodcomp).

    Args:
        small, large: formulas as for `crossed_effects`, one nested in the other.
        simulations: of the bootstrap; 0 for none.

    Returns:
        Rows `likelihood ratio, parametric bootstrap` (if any) and `likelihood ratio, chi-square`; the
        estimate is the statistic, df the difference in parameters. Chi-square is too small a p for a fixed
        effect at few levels, and half of it where the models differ in one variance alone, which is on its
        boundary (Self and Liang 1987, J. Am. Stat. Assoc. 82, case 5).

    Raises:
        InputError: models that are not nested or have equal terms, different outcomes, and as
            `crossed_effects`.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, likelihood_ratio, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=2, seeds=1))
        >>> small, large = "gain ~ 1 + (1 | intermediate)", "gain ~ 1 + (1 | intermediate) + (1 | target)"
        >>> result = likelihood_ratio(data, small, large, rng=rng, simulations=99)
        >>> print(result.table[["term", "estimate", "p"]].round(2).to_string(index=False))
                                          term  estimate    p
        likelihood ratio, parametric bootstrap     22.84 0.01
                  likelihood ratio, chi-square     22.84 0.00
    """
    require_draws(rng, simulations, "simulations", least=0)
    columns = parse(large)
    called = with_calls(data, [columns.outcome, *columns.columns()])
    frame, notes = complete_rows(called, [columns.outcome], columns.columns())
    models = [mixed_model(frame, formula, covariances)[0] for formula in (small, large)]
    _require_nested(*models)
    # Restricted likelihoods of different fixed effects are those of different data.
    fits = [model.fit(reml=False) for model in models]
    statistic = _ratio(*fits)
    null = _bootstrap(models, fits[0], rng, simulations)
    row = {
        "estimate": statistic,
        "low": np.nan,
        "high": np.nan,
        "df": _parameters(models[1]) - _parameters(models[0]),
    }
    rows = [{"term": "likelihood ratio, chi-square", **row, "p": _chi_square_p(models, statistic)}]
    if simulations:
        # A statistic of zero on both sides (a variance at its boundary) is a tie.
        p = (1 + int((null >= statistic - 1e-6).sum())) / (1 + simulations)
        rows.insert(0, {"term": "likelihood ratio, parametric bootstrap", **row, "p": p})
    if any(fit.singular for fit in fits):
        notes.append("boundary fit: a variance was estimated as zero, or a correlation as -1 or 1")
    if not all(fit.converged for fit in fits):
        notes.append("a fit did not converge: do not rely on it")
    return Inference(
        procedure="likelihood_ratio",
        null=f"the small model holds: {small}",
        table=pd.DataFrame(rows),
        counts={**{t.group: len(t.levels) for t in models[1].terms}, "rows": len(frame)},
        distribution=null,
        notes=tuple(notes),
        references=("Halekoh and Hojsgaard 2014, J. Stat. Softw. 59(9)", "Self and Liang 1987"),
    )


def _ratio(small: MixedFit, large: MixedFit) -> float:
    return max(0.0, 2 * (large.log_likelihood - small.log_likelihood))


def _bootstrap(
    models: list[MixedModel], fit: MixedFit, rng: np.random.Generator, simulations: int
) -> np.ndarray:
    """Return the statistics of outcomes simulated from the small model, (simulations,)."""
    mean, loading = models[0].X @ fit.coefficients, fit.loading(models[0].terms)
    null = np.empty(simulations)
    for i in range(simulations):
        y = mean + loading @ rng.normal(size=loading.shape[1])
        null[i] = _ratio(*(model.fit(reml=False, y=y) for model in models))
    return null


def _chi_square_p(models: list[MixedModel], statistic: float) -> float:
    fixed = models[1].X.shape[1] - models[0].X.shape[1]
    df = _parameters(models[1]) - _parameters(models[0])
    p = float(stats.chi2.sf(statistic, df))
    return p / 2 if (fixed, df) == (0, 1) and statistic > 0 else p


def _parameters(model: MixedModel) -> int:
    """Coefficients and elements of the factors T."""
    return model.X.shape[1] + sum(c * (c + 1) // 2 for _, c in (term.shape for term in model.terms))


def _require_nested(small: MixedModel, large: MixedModel) -> None:
    """Raise InputError unless every fixed column and every random column of small is one of large's."""
    if small.parsed.outcome != large.parsed.outcome:
        raise InputError(
            f"the models explain {small.parsed.outcome!r} and {large.parsed.outcome!r}; expected one outcome"
        )
    # By spanned columns, not by names: a factor coded without the intercept is the same model.
    columns, wider = unit_columns(small.X), unit_columns(large.X)
    spanned = wider @ np.linalg.lstsq(wider, columns, rcond=None)[0]
    fixed = np.allclose(spanned, columns, rtol=0, atol=1e-8)
    random = all(
        any(
            set(bar.group) == set(wide.group) and _products(bar) <= _products(wide)
            for wide in large.parsed.bars
        )
        for bar in small.parsed.bars
    )
    if not (fixed and random and _parameters(small) < _parameters(large)):
        raise InputError(
            "the small model is not nested in the large one; expected the large formula to hold every term of "
            "the small one and at least one more"
        )


def _products(bar: Bar) -> set[frozenset[str]]:
    """Return the products of a random-effects term, whatever the order of their names."""
    return {frozenset(factors_of(product)) for product in bar.columns}
