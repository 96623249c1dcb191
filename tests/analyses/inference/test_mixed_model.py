"""crossed_effects: against lme4, against the dense Gaussian likelihood, known covariances, formulas,
speed.
"""

import json
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, optimize, stats

from analyses.inference import Truth, crossed_effects, genealogical_covariance, simulate_grid
from analyses.inference.mixed.fit import CrossProducts, Term, criterion_at
from analyses.inference.mixed.formula import Bar, parse
from analyses.inference.mixed.theta import unpack
from simxfer.common.errors import InputError

HERE = Path(__file__).parents[2] / "reference" / "inference"
REFERENCE = json.loads((HERE / "mixed_models.json").read_text())


def grid() -> pd.DataFrame:
    return pd.read_csv(HERE / "mixed_models.csv")


def data_of(case: str) -> pd.DataFrame:
    """The rows that mixed_models.R used for a case."""
    data = grid()
    if case == "pairs":
        return pd.DataFrame(REFERENCE["pairs"])
    if case == "unbalanced":
        return data[((np.arange(len(data)) + 1) % 3 != 0) & (data["intermediate"] != "s0")]
    return data


def ours(term: str) -> str:
    """R's name of a fixed effect in our notation."""
    parts = [re.sub(r"^(method|factor\(seed\))(\w+)$", r"\1[\2]", part) for part in term.split(":")]
    return "intercept" if term == "(Intercept)" else ":".join(parts)


@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_against_lme4(case):
    """The tolerances of the design: 1e-4 of a standard error, variances 1e-3, log-likelihood 1e-6."""
    expected = REFERENCE["cases"][case]
    fit = crossed_effects(data_of(case), expected["formula"], reml=expected["reml"])
    terms = [ours(term) for term in np.atleast_1d(expected["terms"])]
    fixed = fit.fixed.loc[terms]
    se = np.atleast_1d(expected["se"])
    np.testing.assert_allclose(fixed["estimate"] / se, np.atleast_1d(expected["estimate"]) / se, atol=1e-4)
    np.testing.assert_allclose(fixed["se"] / se, 1.0, atol=1e-4)
    # lme4 may stop a hair below the maximum; ours may not be lower.
    assert fit.log_likelihood == pytest.approx(expected["log_likelihood"], abs=1e-6)
    assert fit.singular == expected["singular"]
    assert fit.converged
    variances = np.array(expected["variance"])
    _matches(fit.variances, expected["group"], expected["column"], variances)


def _matches(
    table: pd.DataFrame, groups: list[str], columns: list[str | None], variances: np.ndarray
) -> None:
    """Compare variances by group and term; a zero variance only has to be small beside the residual."""
    mine = {(row.group, row.term): row.variance for row in table.itertuples()}
    for group, column, variance in zip(groups, columns, variances, strict=True):
        name = "" if column is None else "1" if column == "(Intercept)" else column
        key = ("residual" if group == "Residual" else group.split(".")[0], name)
        if key not in mine and ":" in key[0]:
            key = (":".join(reversed(key[0].split(":"))), name)
        assert mine[key] == pytest.approx(variance, rel=1e-3, abs=1e-6 * variances[-1])


def dense_log_likelihood(X, y, V, reml):
    """The Gaussian (restricted) log-likelihood of y ~ N(Xb, V), b profiled out; straight from its
    definition.
    """
    L = linalg.cholesky(V, lower=True)
    WX, Wy = (linalg.solve_triangular(L, a, lower=True) for a in (X, y))
    b = np.linalg.lstsq(WX, Wy, rcond=None)[0]
    n, p = X.shape
    value = -0.5 * (2 * np.log(np.diag(L)).sum() + ((Wy - WX @ b) ** 2).sum())
    if reml:
        return value - 0.5 * np.linalg.slogdet(WX.T @ WX)[1] - 0.5 * (n - p) * np.log(2 * np.pi)
    return value - 0.5 * n * np.log(2 * np.pi)


FAMILIES = pd.DataFrame(
    {"F_a": [1, 1, 0, 0, 0], "F_a1": [1, 0, 0, 0, 0], "F_b": [0, 0, 1, 1, 0], "F_b1": [0, 0, 1, 1, 0]},
    index=["en", "x-l01", "x-l02", "x-l03", "x-l04"],
)


@pytest.mark.parametrize("reml", [True, False])
def test_known_covariance_against_the_dense_likelihood(reml):
    """Log-likelihood by definition at the fitted variances, and lower wherever a variance is moved by 5 %.

    x-l02 and x-l03 have equal ancestors: the covariance is singular, which the model does not mind.
    """
    data = grid()
    K = genealogical_covariance(FAMILIES)
    fit = crossed_effects(
        data, "gain ~ similarity + (1 | language) + (1 | target)", reml=reml, covariances={"language": K}
    )
    X = np.column_stack([np.ones(len(data)), data["similarity"]])
    language = K.loc[data["language"], data["language"]].to_numpy()
    target = (data["target"].to_numpy()[:, None] == data["target"].to_numpy()).astype(float)
    parts = [language, target, np.eye(len(data))]
    variances = fit.variances["variance"].to_numpy()

    def at(v):
        return dense_log_likelihood(
            X, data["gain"].to_numpy(), sum(a * m for a, m in zip(v, parts, strict=True)), reml
        )

    assert fit.log_likelihood == pytest.approx(at(variances), abs=1e-6)
    for i in range(3):
        for factor in (0.95, 1.05):
            assert at(np.where(np.arange(3) == i, factor * variances, variances)) < fit.log_likelihood + 1e-9


def test_gradient_is_the_derivative():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, (2, 80))
    X = np.column_stack([np.ones(80), rng.normal(size=80)])
    levels = tuple("abcdef")
    terms = (Term("s", ("1", "x"), codes[0], X, levels), Term("t", ("1",), codes[1], X[:, :1], levels))
    data = CrossProducts(X, rng.normal(size=80) + codes[0], terms)
    theta = np.array([0.7, -0.2, 0.4, 0.9])
    for reml in (True, False):
        analytic = np.concatenate(
            [
                g[np.tril_indices(len(g))]
                for g in criterion_at(data, unpack(theta, data.shapes), reml).gradient
            ]
        )
        for i, h in enumerate(1e-6 * np.eye(4)):
            up, down = (
                criterion_at(data, unpack(theta + s * h, data.shapes), reml).deviance for s in (1, -1)
            )
            assert analytic[i] == pytest.approx((up - down) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("reml", [True, False])
def test_small_variances_are_found(reml):
    """No point of a grid of standard deviations is better, where many optima are at or near zero."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.arange(120) % 12, "h": np.arange(120) // 12}).astype(str)
    for _ in range(15):
        fit = crossed_effects(data.assign(y=rng.normal(size=120)), "y ~ 1 + (1 | g) + (1 | h)", reml=reml)
        cross = CrossProducts(fit.model.X, fit.model.y, fit.model.terms)
        sds = np.linspace(0, 0.5, 12)
        lowest = min(
            criterion_at(cross, [np.array([[a]]), np.array([[b]])], reml).deviance for a in sds for b in sds
        )
        assert -2 * fit.log_likelihood <= lowest + 1e-8
        assert fit.converged


SLOPES = "gain ~ similarity + (1 + similarity | intermediate) + (1 + similarity | target)"


@pytest.mark.parametrize("seed", range(6))
def test_no_other_start_and_no_other_zero_point_of_a_covariate_finds_more(seed):
    """Few tasks and singular optima; a correlated slope is the same model wherever the covariate has its zero."""
    truth = Truth(sources=5, targets=4, languages=2, seeds=1, slope_by_source=0.1 * (seed % 2))
    data = simulate_grid(np.random.default_rng([5, seed]), truth)
    fit = crossed_effects(data, SLOPES)
    moved = crossed_effects(data.assign(similarity=data["similarity"] + 1000), SLOPES)
    assert fit.log_likelihood == pytest.approx(moved.log_likelihood, abs=1e-5)
    assert fit.fixed.loc["similarity", "p"] == pytest.approx(moved.fixed.loc["similarity", "p"], rel=1e-3)
    cross = CrossProducts(fit.model.X, fit.model.y, fit.model.terms)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        lowest = optimize.minimize(
            lambda theta: criterion_at(cross, unpack(theta, cross.shapes), True).deviance,
            rng.normal(size=6),
            method="L-BFGS-B",
        )
        assert -2 * fit.log_likelihood <= lowest.fun + 1e-5


def test_a_theta_at_its_bound_is_no_fit():
    """Replicates equal to rounding within a group: the residual is nothing beside the group's effects."""
    data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5)})
    rng = np.random.default_rng(0)
    effects, noise = rng.normal(size=6).repeat(5), rng.normal(size=30)
    fine = crossed_effects(data.assign(y=effects + 1e-2 * noise), "y ~ 1 + (1 | g)")
    none = crossed_effects(data.assign(y=effects + 1e-7 * noise), "y ~ 1 + (1 | g)")
    assert fine.converged and not none.converged
    assert "did not converge" in none.summary()


def test_balanced_one_way_layout_by_theory():
    """REML equals the ANOVA estimators in a balanced one-way layout: MSW, and (MSB - MSW) / n."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8, 5)) + 2 * rng.normal(size=(8, 1))
    data = pd.DataFrame({"g": np.repeat([f"g{i}" for i in range(8)], 5), "y": values.ravel()})
    fit = crossed_effects(data, "y ~ 1 + (1 | g)")
    within = values.var(axis=1, ddof=1).mean()
    between = 5 * values.mean(axis=1).var(ddof=1)
    np.testing.assert_allclose(fit.variances["variance"], [(between - within) / 5, within], rtol=1e-5)
    row = fit.fixed.loc["intercept"]
    assert row["se"] == pytest.approx(np.sqrt(between / 40), rel=1e-5)
    assert row["df"] == 7
    assert row["p"] == pytest.approx(stats.ttest_1samp(values.mean(axis=1), 0).pvalue, rel=1e-4)


def test_degrees_of_freedom_are_inner_outer():
    data = grid()
    fit = crossed_effects(data, "gain ~ similarity + size + (1 + similarity | target) + (1 | language)")
    assert fit.fixed["df"].to_dict() == {"similarity": 5, "size": 3, "intercept": 3}


def test_formula_language():
    parsed = parse("y ~ a * b + (1 | f/l) + (0 + x | s) + (1 + x || t:u) - 1")
    assert parsed.fixed == (("a",), ("b",), ("a", "b"))
    assert parsed.bars == (
        Bar(("1",), ("f",)),
        Bar(("1",), ("f", "l")),
        Bar(("x",), ("s",)),
        Bar(("1",), ("t", "u")),
        Bar(("x",), ("t", "u")),
    )
    assert parsed.columns() == ["a", "b", "f", "l", "x", "s", "t", "u"]


@pytest.mark.parametrize(
    ("fixed", "products"),
    [
        ("a:b*c", ["c", "a:b", "a:b:c"]),
        ("a*b:c", ["a", "b:c", "a:b:c"]),
        ("a*b*c", ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]),
        ("a*a", ["a"]),
        ("a + c + a*b", ["a", "c", "b", "a:b"]),
        ("a:b + b:a + a:a", ["a:b", "a"]),
    ],
)
def test_products_are_expanded_as_in_r(fixed, products):
    parsed = parse(f"y ~ {fixed} + (0 + {fixed} | g)")
    assert [":".join(product) for product in parsed.fixed] == ["1", *products]
    assert list(parsed.bars[0].columns) == products


def dummies(data: pd.DataFrame, *factors: str) -> tuple[pd.DataFrame, list[str]]:
    """A column d0, d1, ... for every combination of levels, by hand."""
    levels = data[list(factors)].astype(str).agg("-".join, axis=1)
    made = {f"d{i}": (levels == level) * 1.0 for i, level in enumerate(sorted(levels.unique()))}
    return data.assign(**made), list(made)


@pytest.mark.parametrize(
    ("slopes", "by_hand"),
    [
        ("similarity:method", lambda d: [f"similarity:{c}" for c in d]),
        ("0 + similarity:method", lambda d: ["0", *(f"similarity:{c}" for c in d)]),
        ("similarity + similarity:method", lambda d: ["similarity", *(f"similarity:{c}" for c in d[1:])]),
        ("method + similarity:method", lambda d: [*d[1:], *(f"similarity:{c}" for c in d)]),
        ("0 + method + similarity:method", lambda d: ["0", *d, *(f"similarity:{c}" for c in d)]),
        ("0 + similarity + method", lambda d: ["0", "similarity", *d]),
    ],
)
def test_random_products_without_margins_have_every_level(slopes, by_hand):
    """R's rule in model.matrix: a factor is coded against its first level only where its margin is in the term."""
    data, columns = dummies(grid(), "method")
    found = crossed_effects(data, f"gain ~ similarity + ({slopes} | target)")
    expected = crossed_effects(data, f"gain ~ similarity + ({' + '.join(by_hand(columns))} | target)")
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, abs=1e-6)
    np.testing.assert_allclose(found.variances["sd"], expected.variances["sd"], rtol=1e-3, atol=1e-3)


def test_two_factors_without_margins_have_a_column_for_each_pair_of_levels():
    """The intercept is one of the sums of the pairs' columns: the same model as without it."""
    data, pairs = dummies(grid(), "method", "seed")
    found = crossed_effects(data, "gain ~ similarity + (method:factor(seed) | target)")
    without = crossed_effects(data, f"gain ~ similarity + (0 + {' + '.join(pairs)} | target)")
    assert len(found.variances) == len(without.variances) + 1 == len(pairs) + 2
    assert found.log_likelihood == pytest.approx(without.log_likelihood, abs=1e-6)


NAMES = {
    "gain": "F1 score",
    "similarity": "typological distance",
    "method": "méthode-1+2",
    "intermediate": "source-task",
    "target": "目標",
    "language": "language:script",
    "size": "train size (GiB)",
}


def test_any_name_works_in_backticks():
    """And names of any script without."""
    formula = (
        "gain ~ similarity * method + log(size) + (1 + similarity | intermediate) + (1 | target/language)"
    )
    named = (
        "`F1 score` ~ `typological distance` * `méthode-1+2` + log(`train size (GiB)`) "
        "+ (1 + `typological distance` | `source-task`) + (1 | 目標/`language:script`)"
    )
    plain, other = crossed_effects(grid(), formula), crossed_effects(grid().rename(columns=NAMES), named)
    np.testing.assert_allclose(other.table["estimate"], plain.table["estimate"])
    assert other.table["term"].iloc[0] == "typological distance"
    assert list(other.counts) == ["source-task", "目標", "目標:`language:script`", "rows"]
    new = grid().head(3)
    np.testing.assert_allclose(other.predict(new.rename(columns=NAMES)), plain.predict(new))
    assert other.fixed.loc["typological distance:méthode-1+2[full]", "df"] > 0


@pytest.mark.parametrize("name", ["1", "log(x)", "a:b", "x|y", "x ~ y", "-1", "2nd", "I(x^2)"])
def test_a_name_in_backticks_is_never_read_as_something_else(name):
    plain = crossed_effects(grid(), "gain ~ similarity + (similarity || target)")
    data = grid().rename(columns={"similarity": name})
    other = crossed_effects(data, f"gain ~ `{name}` + (`{name}` || target)")
    assert other.estimate == pytest.approx(plain.estimate)
    assert len(other.variances) == 3 and other.model.parsed.columns() == [name, "target"]


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("gain ~ lang-dist + (1 | target)", "lang-dist"),
        ("gain ~ lang dist + (1 | target)", "lang dist"),
        ("gain ~ similarity + (1 | source-task)", "source-task"),
        ("gain ~ similarity + (1 | source task)", "source task"),
        ("gain ~ 2nd + (1 | target)", "2nd"),
        ("F1 score ~ similarity + (1 | target)", "F1 score"),
        ("gain% ~ similarity + (1 | target)", "gain%"),
        ("gain ~ size (GiB) + (1 | target)", "size (GiB)"),
    ],
)
def test_the_message_shows_how_to_write_a_name(formula, name):
    with pytest.raises(InputError, match=re.escape(f"stands in backticks: `{name}`")):
        crossed_effects(grid(), formula)


def test_levels_that_hold_a_colon_stay_apart():
    data = grid().assign(
        a=lambda d: np.where(d["intermediate"] < "s2", "p:q", "p"),
        b=lambda d: np.where(d["target"] < "t2", "r", "q:r"),
    )
    fit = crossed_effects(data, "gain ~ similarity + (1 | a:b)")
    assert fit.counts["a:b"] == 4
    spelled = crossed_effects(data.assign(g=data.groupby(["a", "b"]).ngroup()), "gain ~ similarity + (1 | g)")
    np.testing.assert_allclose(fit.table["estimate"], spelled.table["estimate"])


def test_calls_are_the_columns_they_stand_for():
    data = grid().assign(ln=lambda d: np.log(d["size"]), square=lambda d: d["similarity"] ** 2)
    called = crossed_effects(data, "gain ~ log( size ) + I(similarity ** 2) + (1 + log(size) | target)")
    spelled = crossed_effects(data, "gain ~ ln + square + (1 + ln | target)")
    nested = crossed_effects(data, "gain ~ log(size^2) + similarity + (1 | target)").estimate
    assert nested == pytest.approx(
        crossed_effects(data, "gain ~ ln + similarity + (1 | target)").estimate / 2
    )
    assert list(called.fixed.index) == ["log(size)", "I(similarity^2)", "intercept"]
    np.testing.assert_allclose(called.table["estimate"], spelled.table["estimate"])
    new = data.iloc[:5].drop(columns=["gain", "ln", "square"])
    np.testing.assert_allclose(called.predict(new), spelled.predict(data.iloc[:5]))


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("gain", "expected `outcome ~"),
        ("gain ~ similarity", "no random-effects term"),
        ("gain ~ scale(similarity) + (1 | target)", "compute another transformation as a column"),
        ("gain ~ log(similarity) + (1 | target)", r"log\(similarity\) is not finite"),
        ("gain ~ log(similarty) + (1 | target)", "Did you mean 'similarity'"),
        ("gain ~ factor(seed^2) + (1 | target)", "compute another transformation"),
        ("gain ~ sqrt(method) + (1 | target)", "expected numbers"),
        ("gain ~ similarty + (1 | target)", "Did you mean 'similarity'"),
        ("gain ~ method:flag + (1 | target)", "collinear"),
        ("gain ~ similarity + seed + one + (1 | target)", "collinear"),
        ("gain ~ similarity + (1 | one)", "has 1 levels"),
        ("gain ~ similarity + (1 | intermediate:target:language:seed)", "cannot be told from the residual"),
        ("gain ~ 0 + (1 | target)", "no fixed effect"),
        ("gain ~ similarity + (0 | target)", "has no column"),
        ("gain ~ similarity - method + (1 | target)", "cannot read '-"),
    ],
)
def test_formula_refusals(formula, message):
    with pytest.raises(InputError, match=message):
        crossed_effects(grid().assign(one=1.0, flag=lambda d: d["seed"] == 0), formula)


def test_covariance_refusals():
    K = genealogical_covariance(FAMILIES)
    for covariances, message in [
        ({"languages": K}, "Did you mean 'language'"),
        ({"language": K.drop(index="en", columns="en")}, "'language' lacks the levels ..en"),
        ({"language": -K}, "negative eigenvalue"),
    ]:
        with pytest.raises(InputError, match=message):
            crossed_effects(grid(), "gain ~ similarity + (1 | language)", covariances=covariances)


def test_missing_rows_are_told():
    data = grid()
    data.loc[[3, 4], "gain"] = np.nan
    fit = crossed_effects(data, "gain ~ similarity + (1 | target)")
    assert "2 of" in fit.summary()
    assert fit.counts["rows"] == len(data) - 2


@pytest.mark.slow
def test_thirty_thousand_rows():
    """32,400 rows, 80 levels: prints its time (a number for the docs, not a condition)."""
    data = simulate_grid(np.random.default_rng(0), Truth(sources=30, targets=30, languages=18, seeds=2))
    formula = "gain ~ similarity + (1 | intermediate) + (1 | target) + (1 | language)"
    start = time.perf_counter()
    fit = crossed_effects(data, formula)
    print(f"crossed_effects, {len(data)} rows: {time.perf_counter() - start:.2f} s")
    assert fit.converged
