"""pgls, genealogical_covariance, morans_i: by hand, against R (ape, nlme), theory, calibration."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyses.inference import genealogical_covariance, morans_i, pgls, without_relatives
from simxfer.common.errors import InputError

REFERENCE = Path(__file__).parents[2] / "reference" / "inference" / "pgls.json"

FAMILIES = pd.DataFrame(
    {
        "F_Indo-European": [1, 1, 1, 0, 0],
        "F_Germanic": [1, 1, 0, 0, 0],
        "F_West Germanic": [1, 0, 0, 0, 0],
        "F_Bantu": [0, 0, 0, 1, 0],
        "S_SVO": [1, 1, 1, 1, 0],
    },
    index=["en", "sv", "hi", "sw", "eu"],
)


def reference() -> tuple[dict, pd.DataFrame, pd.DataFrame]:
    numbers = json.loads(REFERENCE.read_text())
    names = [f"l{i}" for i in range(len(numbers["y"]))]
    data = pd.DataFrame({"language": names, **{k: numbers[k] for k in "yxw"}})
    return numbers, data, pd.DataFrame(numbers["covariance"], names, names)


@pytest.mark.parametrize("method", ["reml", "ml"])
def test_against_ape_and_nlme(method):
    """Tolerances: nlme's own optimiser stops at about 1e-6 in lambda."""
    numbers, data, K = reference()
    expected = numbers[method]
    table = pgls(data, "y", ["x", "w"], covariance=K, reml=method == "reml").table.set_index("term")
    terms = ["intercept", "x", "w"]
    se = np.array(expected["se"])
    np.testing.assert_allclose(table.loc[terms, "estimate"] / se, expected["coefficients"] / se, atol=1e-4)
    np.testing.assert_allclose(table.loc[terms, "se"], se, rtol=1e-4)
    assert table.loc["lambda", "estimate"] == pytest.approx(expected["lambda"], abs=1e-4)


def test_likelihood_equals_nlme():
    from analyses.inference.languages.pgls import _gls

    numbers, data, K = reference()
    X = np.column_stack([np.ones(len(data)), data["x"], data["w"]])
    for method in ("reml", "ml"):
        fit = _gls(data["y"].to_numpy(), X, K.to_numpy(), numbers[method]["lambda"], method == "reml")
        assert fit.log_likelihood == pytest.approx(numbers[method]["log_likelihood"], abs=1e-6)


def test_lambda_zero_is_least_squares():
    import statsmodels.api as sm

    _, data, K = reference()
    ols = sm.OLS(data["y"], sm.add_constant(data[["x", "w"]])).fit()
    table = pgls(data, "y", ["x", "w"], covariance=K, pagel_lambda=0.0).table.set_index("term")
    for term in ("x", "w"):
        assert table.loc[term, "estimate"] == pytest.approx(ols.params[term])
        assert table.loc[term, "p"] == pytest.approx(ols.pvalues[term])


def test_lambda_one_of_two_families_by_hand():
    """Languages a1, a2 | b1 with K(a1, a2) = 1/2: the GLS mean weighs (2/3, 2/3, 1), so (2/3 (1 + 3) + 6) /
    (7/3).
    """
    K = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    from analyses.inference.languages.pgls import _gls

    fit = _gls(np.array([1.0, 3.0, 6.0]), np.ones((3, 1)), K, 1.0, True)
    assert fit.coefficients[0] == pytest.approx((2 / 3 * 4 + 6) / (7 / 3))


def test_shared_ancestors_by_hand():
    K = genealogical_covariance(FAMILIES)
    assert K.loc["en", "sv"] == pytest.approx(2 / np.sqrt(3 * 2))
    assert K.loc["en", "hi"] == pytest.approx(1 / np.sqrt(3))
    assert K.loc["en", "sw"] == 0
    assert (np.diag(K) == 1).all()
    assert without_relatives(K) == ["sw", "eu"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=2, max_size=8))
def test_genealogical_covariance_is_a_correlation(rows):
    names = [f"l{i}" for i in range(len(rows))]
    K = genealogical_covariance(
        pd.DataFrame(rows, index=names, columns=list("abcd")).add_prefix("F_")
    ).to_numpy()
    assert np.linalg.eigvalsh(K).min() > -1e-9
    assert ((K >= 0) & (K <= 1 + 1e-12)).all()


def test_languages_alone_are_named():
    data = pd.DataFrame({"language": list(FAMILIES.index), "y": [1.0, 2, 4, 3, 7], "x": [0.0, 1, 3, 2, 5]})
    result = pgls(data, "y", ["x"], covariance=genealogical_covariance(FAMILIES))
    assert "without relatives in the table: eu, sw" in result.summary()


UNRELATED = {
    "no relatives": lambda n: np.eye(n),
    "another unit": lambda n: 1e-9 * np.eye(n),
    "kin to rounding": lambda n: np.eye(n) + 1e-12 * np.kron(np.eye(n // 2), np.ones((2, 2))),
    "all alike kin": lambda n: np.eye(n) + 0.5,
}


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", UNRELATED)
@pytest.mark.parametrize("n", [6, 12, 24])
def test_without_relatives_it_is_least_squares(name, n, reml):
    """What all languages share goes into the intercept; the slope is that of independent languages."""
    names = [f"l{i}" for i in range(n)]
    K = pd.DataFrame(UNRELATED[name](n), names, names)
    for seed in range(10):
        x, y = np.random.default_rng(seed).normal(size=(2, n))
        row = pgls(
            pd.DataFrame({"language": names, "x": x, "y": y}), "y", ["x"], covariance=K, reml=reml
        ).table.iloc[0]
        expected = stats.linregress(x, y)
        half = stats.t.ppf(0.975, n - 2) * expected.stderr
        assert row["estimate"] == pytest.approx(expected.slope)
        assert row["p"] == pytest.approx(expected.pvalue)
        assert (row["low"], row["high"]) == pytest.approx((expected.slope - half, expected.slope + half))


def test_lambda_of_languages_without_relatives_is_no_number():
    names = list("abcdef")
    data = pd.DataFrame({"language": names, "x": [1.0, 3, 2, 5, 4, 9], "y": [2.0, 1, 4, 4, 7, 6]})
    result = pgls(data, "y", ["x"], covariance=pd.DataFrame(np.eye(6), names, names))
    lam = result.table.set_index("term").loc["lambda"]
    assert np.isnan(lam["estimate"]) and (lam["low"], lam["high"], lam["p"]) == (0, 1, 1)
    assert "no lambda is better" in result.summary() and "boundary" not in result.summary()


def test_a_covariance_rounded_to_a_few_digits_is_one():
    """Rank 3 of 12 languages: rounding leaves eigenvalues below zero."""
    rng = np.random.default_rng(2)
    names = [f"l{i}" for i in range(12)]
    K = np.round(np.cov(rng.normal(size=(12, 4))), 9)
    assert np.linalg.eigvalsh(K).min() < 0
    data = pd.DataFrame({"language": names, "x": rng.normal(size=12), "y": rng.normal(size=12)})
    assert np.isfinite(pgls(data, "y", ["x"], covariance=pd.DataFrame(K, names, names)).p)
    with pytest.raises(InputError, match="positive variances"):
        pgls(data, "y", ["x"], covariance=pd.DataFrame(0 * K, names, names))


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda d: d, {"pagel_lambda": 1.5}, "expected a number in"),
        (
            lambda d: d.assign(language=d["language"].replace("l1", "l99")),
            {},
            "unknown language in the covariance",
        ),
        (lambda d: d.assign(w=2 * d["x"]), {}, "collinear"),
        (lambda d: d.assign(x=1.0), {}, "constant"),
        (lambda d: d.head(5), {}, "5 levels, expected at least 6"),
    ],
)
def test_refusals(change, arguments, message):
    _, data, K = reference()
    with pytest.raises(InputError, match=message):
        pgls(change(data), "y", ["x", "w"], covariance=K, **arguments)


def test_refuses_what_is_no_covariance():
    _, data, K = reference()
    with pytest.raises(InputError, match="positive semidefinite"):
        pgls(data, "y", ["x"], covariance=-K)
    with pytest.raises(InputError, match="0 or 1"):
        genealogical_covariance(FAMILIES.astype(float).replace(1.0, 0.5))
    with pytest.raises(InputError, match="no column starts with"):
        genealogical_covariance(FAMILIES[["S_SVO"]])


def test_morans_i_by_hand_and_against_theory():
    """Path a-b-c-d with values 1, 2, 3, 4: I = (4 / 6) * 2 * (.75 - .25 + .75) / 5 = 1/3; E = -1/3."""
    w = pd.DataFrame(np.eye(4, k=1) + np.eye(4, k=-1), list("abcd"), list("abcd"))
    result = morans_i(pd.Series([1.0, 2, 3, 4], list("abcd")), w, rng=np.random.default_rng(0))
    assert result.estimate == pytest.approx(1 / 3)
    # Only 1234 and 4321 of the 24 orders reach 1/3.
    assert result.p == pytest.approx(2 / 24, abs=4 * np.sqrt(2 / 24 / 9999))
    assert result.distribution.mean() == pytest.approx(-1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("kin", "least", "most"),
    [(0.5, 0, 0), (1.43, 0.01, 0.02), (3.0, 0.6, 0.8), (6.0, 0.975, 0.999), (9.0, 1, 1)],
)
def test_lambda_is_the_highest_likelihood_anywhere_in_its_range(kin, least, most):
    """Against statsmodels' GLS over 201 lambdas: at both ends, in the first and the last step of 1/40, and between.

    Twelve pairs of kin: what a pair shares against what sets its two languages apart.
    """
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    shared, apart = np.repeat(rng.normal(size=(2, 12)), 2, axis=1)
    y = kin * shared + apart * np.tile([1, -1], 12)
    x = rng.normal(size=24)
    V = np.kron(np.eye(12), [[1, 0.9], [0.9, 1]])
    names = [f"l{i}" for i in range(24)]

    def height(lam):
        return sm.GLS(y, sm.add_constant(x), sigma=lam * V + (1 - lam) * np.eye(24)).fit().llf

    data = pd.DataFrame({"language": names, "y": y, "x": x})
    table = pgls(data, "y", ["x"], covariance=pd.DataFrame(V, names, names), reml=False).table
    row = table.set_index("term").loc["lambda"]
    assert least <= row["estimate"] <= most
    # The nugget of 1e-10 and the optimiser's 1e-9 in lambda leave the likelihood as it is to 1e-7.
    assert height(row["estimate"]) >= max(map(height, np.linspace(0, 1, 201))) - 1e-7
    assert row["statistic"] == pytest.approx(2 * (height(row["estimate"]) - height(0)), abs=1e-6)
