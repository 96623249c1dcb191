"""Satterthwaite, likelihood ratios, conditional modes and predictions of mixed models: against lmerTest, lme4,
pbkrtest, dense normal theory, and coverage.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import crossed_effects, genealogical_covariance, likelihood_ratio
from simxfer.common.errors import InputError
from tests.analyses.inference.test_mixed_model import FAMILIES, grid, ours

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "reference" / "inference" / "mixed_model_tests.json").read_text()
)
SLOPES = REFERENCE["df"]["slopes"]["formula"]


@pytest.mark.parametrize("case", REFERENCE["df"])
def test_satterthwaite_against_lmertest(case):
    """lmerTest differentiates numerically twice, ours once: 1e-5 of the degrees of freedom."""
    expected = REFERENCE["df"][case]
    fixed = crossed_effects(grid(), expected["formula"], df="satterthwaite").fixed
    fixed = fixed.loc[[ours(term) for term in expected["terms"]]]
    np.testing.assert_allclose(fixed["df"], expected["df"], rtol=1e-5)
    np.testing.assert_allclose(fixed["p"], expected["p"], rtol=2e-3)


def test_satterthwaite_is_exact_in_a_balanced_one_way_layout():
    """The variance of the mean is MSB / N: m - 1 degrees of freedom."""
    rng = np.random.default_rng(1)
    data = one_way(rng, 8, 5)
    fit = crossed_effects(data, "y ~ 1 + (1 | g)", df="satterthwaite")
    assert fit.fixed.loc["intercept", "df"] == pytest.approx(7, rel=1e-4)


def one_way(rng: np.random.Generator, levels: int, rows: int) -> pd.DataFrame:
    values = rng.normal(size=(levels, rows)) + 2 * rng.normal(size=(levels, 1))
    return pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(levels)], rows), "y": values.ravel()})


def test_modes_against_lme4():
    modes = crossed_effects(grid(), SLOPES).modes().set_index(["group", "level", "term"])["mode"]
    for group, expected in REFERENCE["modes"].items():
        columns = np.atleast_1d(expected["columns"])
        for level, values in zip(expected["levels"], expected["modes"], strict=True):
            for column, value in zip(columns, np.atleast_1d(values), strict=True):
                term = "1" if column == "(Intercept)" else column
                assert modes[group, level, term] == pytest.approx(value, abs=2e-5)


def normal_prediction(X, V, cross, own, x, y):
    """Best linear unbiased prediction of a normal value and its error variance, from the definition.

    V: (n, n) of the outcomes, cross: (n,) their covariances with the value, own: its variance.
    """
    inverse = np.linalg.inv(V)
    covariance = np.linalg.inv(X.T @ inverse @ X)
    b = covariance @ X.T @ inverse @ y
    d = x - X.T @ inverse @ cross
    return x @ b + cross @ inverse @ (y - X @ b), own - cross @ inverse @ cross + d @ covariance @ d


def test_predictions_against_dense_normal_theory():
    """A known and a new level with a slope, and a language known through its relatives only."""
    data = grid()
    kept = data[data["language"] != "x-l03"]
    K = genealogical_covariance(FAMILIES)
    formula = "gain ~ similarity + (1 | language) + (1 + similarity | target)"
    fit = crossed_effects(kept, formula, covariances={"language": K})
    new = pd.DataFrame(
        {
            "similarity": [0.3, -1.0, 0.7],
            "language": ["en", "x-l03", "x-l01"],
            "target": ["t1", "t2", "elsewhere"],
        }
    )
    got = fit.predict(new)
    T = [fit.fit.sigma * T for T in fit.fit.factors]
    X, new_X = (np.column_stack([np.ones(len(d)), d["similarity"]]) for d in (kept, new))

    def covariance(a, Xa, b, Xb):
        same = a["target"].to_numpy()[:, None] == b["target"].to_numpy()
        kin = K.loc[a["language"], b["language"]].to_numpy()
        return T[0][0, 0] ** 2 * kin + same * (Xa @ T[1] @ T[1].T @ Xb.T)

    V = covariance(kept, X, kept, X) + fit.fit.sigma**2 * np.eye(len(kept))
    cross, own = covariance(kept, X, new, new_X), covariance(new, new_X, new, new_X)
    for i in range(3):
        estimate, variance = normal_prediction(
            X, V, cross[:, i], own[i, i], new_X[i], kept["gain"].to_numpy()
        )
        assert got["estimate"][i] == pytest.approx(estimate, rel=1e-6)
        assert got["se"][i] == pytest.approx(np.sqrt(variance), rel=1e-6)
    reach = stats.t.ppf(0.975, [len(kept) - 2, 3, 5])
    np.testing.assert_allclose(got["high"] - got["estimate"], reach * got["se"])
    np.testing.assert_allclose(
        got["outcome_high"] - got["estimate"], reach * np.hypot(got["se"], fit.fit.sigma)
    )


def test_modes_of_known_levels_are_predictions_less_the_fixed_part():
    fit = crossed_effects(grid(), "gain ~ 1 + (1 | target) + (1 | language)")
    modes = fit.modes().set_index("level")["mode"]
    predicted = fit.predict(pd.DataFrame({"target": ["t0", "t4"], "language": ["en", "x-l02"]}))["estimate"]
    expected = fit.estimate + modes[["t0", "t4"]].to_numpy() + modes[["en", "x-l02"]].to_numpy()
    np.testing.assert_allclose(predicted, expected)


def test_intervals_of_a_new_level_hold_it():
    """Expected outcome of a ninth level after eight, .95 in 250 grids; binomial SD .014."""
    rng = np.random.default_rng(3)
    held = []
    for _ in range(250):
        data = one_way(rng, 8, 4)
        row = crossed_effects(data, "y ~ 1 + (1 | g)").predict(pd.DataFrame({"g": ["new"]})).iloc[0]
        truth = 2 * rng.normal()
        held.append(
            (
                row["low"] <= truth <= row["high"],
                row["outcome_low"] <= truth + rng.normal() <= row["outcome_high"],
            )
        )
    assert np.mean(held, axis=0) == pytest.approx([0.95, 0.95], abs=0.042)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop(columns="similarity"), "unknown column 'similarity'"),
        (lambda d: d.assign(similarity=[np.nan, 1.0]), "fill or drop them"),
        (lambda d: d.assign(similarity="high"), "expected float64 as fitted"),
        (lambda d: d.assign(method="ful"), "Did you mean 'full'"),
        (lambda d: d.assign(language="x-l09"), "lacks the levels ..x-l09"),
    ],
)
def test_prediction_refusals(change, message):
    fit = crossed_effects(
        grid(),
        "gain ~ similarity + method + (1 | target) + (1 | language)",
        covariances={"language": genealogical_covariance(FAMILIES)},
    )
    with pytest.raises(InputError, match=message):
        fit.predict(change(grid().head(2)))


def test_likelihood_ratio_against_lme4_and_pbkrtest():
    """Two bootstraps of 200 and 5,000 differ by at most 4 of their standard errors."""
    expected = REFERENCE["lr"]
    test = likelihood_ratio(
        grid(), expected["small"], expected["large"], rng=np.random.default_rng(0), simulations=200
    )
    chi_square = test.table.set_index("term").loc["likelihood ratio, chi-square"]
    assert chi_square["estimate"] == pytest.approx(expected["statistic"], abs=1e-5)
    assert (chi_square["df"], chi_square["p"]) == (expected["df"], pytest.approx(expected["p"], rel=1e-5))
    p = expected["bootstrap_p"]
    assert test.p == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 200))
    assert test.p == (1 + (test.distribution >= test.estimate).sum()) / 201


def test_likelihood_ratio_of_a_variance_halves_its_p():
    small, large = (f"gain ~ similarity + (1 | intermediate){term}" for term in ("", " + (1 | target)"))
    test = likelihood_ratio(grid(), small, large, rng=np.random.default_rng(0), simulations=0)
    fits = [crossed_effects(grid(), formula, reml=False).log_likelihood for formula in (small, large)]
    statistic = 2 * (fits[1] - fits[0])
    assert test.estimate == pytest.approx(statistic, rel=1e-6)
    assert test.p == pytest.approx(stats.chi2.sf(statistic, 1) / 2, rel=1e-6)


def test_bootstrap_of_an_absent_variance_is_mostly_zero():
    """Under the null the statistic is 0 about where the mean square between falls below the ML threshold, .67."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.arange(120) % 12, "h": np.arange(120) // 12, "y": rng.normal(size=120)})
    data = data.astype({"g": str, "h": str})
    test = likelihood_ratio(data, "y ~ 1 + (1 | g)", "y ~ 1 + (1 | g) + (1 | h)", rng=rng, simulations=100)
    assert np.mean(test.distribution < 1e-6) == pytest.approx(stats.f.cdf(10 / 9, 9, 99), abs=0.15)
    assert test.p > 0.05


@pytest.mark.parametrize(
    ("small", "message"),
    [
        ("similarity ~ 1 + (1 | target)", "expected one outcome"),
        ("gain ~ size + (1 | target)", "not nested"),
        ("gain ~ 1 + (1 | language)", "not nested"),
        ("gain ~ similarity + (1 | target)", "not nested"),
    ],
)
def test_likelihood_ratio_refusals(small, message):
    with pytest.raises(InputError, match=message):
        likelihood_ratio(grid(), small, "gain ~ similarity + (1 | target)", rng=np.random.default_rng(0))


def test_unknown_degrees_of_freedom():
    with pytest.raises(InputError, match="Did you mean 'satterthwaite'"):
        crossed_effects(grid(), "gain ~ similarity + (1 | target)", df="satterthwait")
