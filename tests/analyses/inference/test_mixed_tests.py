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
from analyses.inference.mixed.fit import Term
from analyses.inference.mixed.predict import loadings_of
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


@pytest.mark.parametrize("asked", ["str", "object", "category"])
@pytest.mark.parametrize("order", [["full", "adapter"], ["adapter", "full"]])
def test_predictions_are_coded_as_the_fit_was(asked, order):
    """By hand: intercept, slope, the coefficient of the row's method, the mode of its target."""
    data = grid().assign(method=lambda d: np.where(d["seed"] == 0, "adapter", "full"))
    fit = crossed_effects(
        data.assign(method=pd.Categorical(data["method"], order)), "gain ~ similarity + method + (1 | target)"
    )
    new = data.iloc[::7].head(6).astype({"method": asked})
    b, mode = fit.fixed["estimate"], fit.modes().set_index("level")["mode"]
    by_method = {order[0]: 0.0, order[1]: b[f"method[{order[1]}]"]}
    expected = (
        b["intercept"]
        + b["similarity"] * new["similarity"]
        + new["method"].astype(object).map(by_method)
        + new["target"].map(mode)
    )
    np.testing.assert_allclose(fit.predict(new)["estimate"], expected)


def test_predictions_of_random_slopes_are_coded_as_the_fit_was():
    data = grid().assign(method=lambda d: np.where(d["seed"] == 0, "adapter", "full"))
    ordered = data.assign(method=pd.Categorical(data["method"], ["full", "adapter"]))
    formula = "gain ~ similarity + (method | target)"
    expected = crossed_effects(data, formula).predict(data.head(6))["estimate"]
    got = crossed_effects(ordered, formula).predict(data.head(6))["estimate"]
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize("fitted", ["bool", "category", "object"])
def test_levels_of_a_regressor_are_known_whatever_their_type(fitted):
    data = grid().assign(flag=lambda d: (d["seed"] > 0).astype(fitted))
    fit = crossed_effects(data, "gain ~ similarity + flag + (flag | target)")
    rows = data.head(4)
    for kind in ("bool", "object", "category", "int64"):
        pd.testing.assert_frame_equal(fit.predict(rows.astype({"flag": kind})), fit.predict(rows))


def test_a_level_is_known_whatever_its_type():
    """A merge makes 1 of an integer column 1.0, a CSV makes it "1"."""
    data = grid().assign(target=lambda d: d["target"].str[1:].astype(int))
    fit = crossed_effects(data, "gain ~ similarity + (1 | target)")
    rows = data.head(4)
    for kind in ("float64", "Int64", "str", "object", "category"):
        pd.testing.assert_frame_equal(fit.predict(rows.astype({"target": kind})), fit.predict(rows))


def test_an_unknown_level_of_a_regressor_that_also_groups_is_refused():
    fit = crossed_effects(grid(), "gain ~ method + (1 | method:target)")
    with pytest.raises(InputError, match="unknown level of method"):
        fit.predict(grid().head(2).assign(method="other"))


def test_predictions_and_modes_in_other_units():
    formula = "gain ~ similarity + size + (1 + similarity | target) + (1 | language)"
    plain = crossed_effects(grid(), formula)
    for x, y in ((1e8, 1e-8), (1e-8, 1e8)):
        data = grid().assign(similarity=lambda d, x=x: x * d["similarity"], gain=lambda d, y=y: y * d["gain"])
        fit = crossed_effects(data, formula)
        new = data.head(5).assign(target=["t0", "t1", "new", "t3", "t4"])
        expected = plain.predict(grid().head(5).assign(target=new["target"]))
        np.testing.assert_allclose(fit.predict(new) / y, expected, rtol=1e-4)
        modes = fit.modes().assign(unit=lambda m, x=x, y=y: np.where(m["term"] == "1", y, y / x))
        np.testing.assert_allclose(modes["mode"] / modes["unit"], plain.modes()["mode"], rtol=1e-3, atol=1e-5)


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


def test_a_new_level_has_what_its_relatives_leave_of_its_variance():
    """Loadings and what they leave give back the known covariance of known and new levels, to the last entry."""
    rng = np.random.default_rng(5)
    root = rng.normal(size=(5, 5))
    K = root @ root.T + np.eye(5)
    names = list("abcde")
    term = Term(
        "g", ("intercept",), np.arange(4), np.ones((4, 1)), tuple("abcd"), np.linalg.cholesky(K[:4, :4])
    )
    loadings, left = loadings_of(term, np.array(names), pd.DataFrame(K, names, names))
    np.testing.assert_allclose(loadings @ loadings.T + np.diag(left), K)
    assert left[-1] == pytest.approx(1 / np.linalg.inv(K)[-1, -1])  # the variance given the others
