"""No result depends on the units of the data: p and t stay, estimates and intervals are in the new units."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import analyses
import analyses.inference as inference
from analyses.inference import PROCEDURES, Inference, Truth
from analyses.inference.calibration.simulate import simulate_orders
from simxfer.common.streams import stream

VARYING = Truth(sources=6, targets=5, languages=3, seeds=4, slope_by_source=1.0, slope_by_target=1.0)
GRID = inference.simulate_grid(stream("units", "grid"), VARYING).assign(
    other=lambda d: d["similarity"] ** 2 + 3 * d["target"].str[1:].astype(int),
)
METHODS = pd.concat(
    [GRID.assign(method="full"), GRID.assign(method="lora", gain=GRID["gain"] + GRID["noise"])]
)
FEW = GRID.query("intermediate < 's4' and target < 't4' and language == 'en'")
HOLES = GRID[~GRID["intermediate"].str[1:].eq(GRID["target"].str[1:])]
RESULTS = inference.simulate_results(stream("units", "results"), Truth(sources=4, targets=3, languages=3))
KIN = inference.genealogical_covariance(inference.simulate_families(stream("units", "families"), 4))
LANGUAGES = pd.DataFrame(
    stream("units", "languages").normal(size=(len(KIN), 3)) + 2, columns=["x", "y", "z"]
).assign(language=KIN.index)
POINTS = LANGUAGES[["x", "y"]].to_numpy().T
SPAN = Truth(sources=5, targets=4, languages=6, seeds=2)
MANY = inference.simulate_grid(stream("units", "many"), SPAN)


@dataclass(frozen=True)
class Case:
    """A call on data whose similarity or covariate is x times, and whose outcome is y times, what it was.

    unit: of estimate, se and interval by row, from x and y; a single function where all rows share it.
    """

    call: Callable[..., Inference]
    unit: Callable[[str, float, float], float] = lambda term, x, y: y / x


def grid(x: float, y: float, data: pd.DataFrame = GRID) -> pd.DataFrame:
    return data.assign(similarity=x * data["similarity"], gain=y * data["gain"])


def languages(x: float, y: float) -> pd.DataFrame:
    return LANGUAGES.assign(x=x * LANGUAGES["x"], y=y * LANGUAGES["y"])


def distances(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(np.abs(values[:, None] - values), KIN.index, KIN.index)


def slope_or_intercept(term: str, x: float, y: float) -> float:
    return 1.0 if term == "lambda" else y / x if term in ("x", "similarity") else y


def unitless(term: str, x: float, y: float) -> float:
    return 1.0


def outcome(term: str, x: float, y: float) -> float:
    return y


def slope_or_power(term: str, x: float, y: float) -> float:
    return {"minimum detectable slope": y / x, "per interquartile range": y}.get(term, 1.0)


SLOPES = "gain ~ similarity + other + (1 + similarity | intermediate) + (similarity || target)"
SETS = pd.DataFrame(
    {
        "languages": ["a,b", "b,c", "a,c"] * 2,
        "arm": [1, 1, 1, 0, 0, 0],
        "score": [8.0, 7.0, 9.0, 5.0, 6.0, 5.0],
    }
)
CASES: dict[str, Case] = {
    "crossed_effects": Case(lambda f, x, y, rng: f(grid(x, y), SLOPES), slope_or_intercept),
    "crossed_effects: Satterthwaite": Case(
        lambda f, x, y, rng: f(grid(x, y), SLOPES, df="satterthwaite"), slope_or_intercept
    ),
    "crossed_effects: maximum likelihood": Case(
        lambda f, x, y, rng: f(grid(x, y, HOLES), SLOPES, reml=False), slope_or_intercept
    ),
    "crossed_effects: one slope": Case(
        lambda f, x, y, rng: f(grid(x, y), "gain ~ similarity + (0 + similarity | target)"), slope_or_intercept
    ),
    "likelihood_ratio": Case(
        lambda f, x, y, rng: f(
            grid(x, y), SLOPES.replace("~ similarity", "~ 1"), SLOPES, rng=rng, simulations=3
        ),
        unitless,
    ),
    "likelihood_ratio: a random slope": Case(
        lambda f, x, y, rng: f(
            grid(x, y), "gain ~ 1 + (1 | target)", "gain ~ 1 + (similarity || target)", rng=rng, simulations=3
        ),
        unitless,
    ),
    "pair_regression": Case(lambda f, x, y, rng: f(grid(x, y))),
    "pair_regression: pairs missing": Case(lambda f, x, y, rng: f(grid(x, y, HOLES))),
    "language_regression": Case(
        lambda f, x, y, rng: f(grid(x, y, GRID.assign(similarity=GRID["similarity"] + GRID["noise"])))
    ),
    "pair_interaction": Case(lambda f, x, y, rng: f(grid(x, y, METHODS))),
    "leave_one_out": Case(lambda f, x, y, rng: f(grid(x, y, FEW))),
    "specification_curve": Case(
        lambda f, x, y, rng: f(
            grid(x, y), ["gain"], ["similarity", "other"], [(), ("noise",)], rng=rng, permutations=39
        ),
        unitless,
    ),
    "permute_tasks": Case(lambda f, x, y, rng: f(grid(x, y), rng=rng, permutations=39)),
    "permute_tasks: pairs missing, a covariate": Case(
        lambda f, x, y, rng: f(grid(x, y, HOLES), rng=rng, covariates=["other"], permutations=39)
    ),
    "permute_tasks: units of the covariates": Case(
        lambda f, x, y, rng: f(
            GRID.assign(other=x * GRID["other"], gain=y * GRID["gain"]),
            rng=rng,
            covariates=["other", "noise"],
            permutations=39,
        ),
        outcome,
    ),
    "permute_labels": Case(
        lambda f, x, y, rng: f(languages(x, y), "y", "x", rng=rng, permutations=39), unitless
    ),
    "permute_labels: Pearson": Case(
        lambda f, x, y, rng: f(languages(x, y), "y", "x", rng=rng, method="pearson", permutations=39), unitless
    ),
    "pgls": Case(lambda f, x, y, rng: f(languages(x, y), "y", ["x", "z"], covariance=KIN), slope_or_intercept),
    "pgls: maximum likelihood": Case(
        lambda f, x, y, rng: f(languages(x, y), "y", ["x", "z"], covariance=KIN, reml=False), slope_or_intercept
    ),
    "pgls: unit of the covariance": Case(
        lambda f, x, y, rng: f(languages(1.0, y), "y", ["x", "z"], covariance=x * KIN),
        lambda term, x, y: slope_or_intercept(term, 1.0, y),
    ),
    "morans_i": Case(
        lambda f, x, y, rng: f(
            pd.Series(y * LANGUAGES["y"].to_numpy(), KIN.index), x * KIN, rng=rng, permutations=39
        ),
        unitless,
    ),
    "crossed_bootstrap": Case(
        lambda f, x, y, rng: f(grid(x, y, MANY), "gain", ["language"], rng=rng, resamples=39), outcome
    ),
    "simultaneous_means": Case(
        lambda f, x, y, rng: f(grid(x, y, MANY), "gain", "intermediate", ["language"], rng=rng, resamples=39),
        outcome,
    ),
    "max_t": Case(
        lambda f, x, y, rng: f(grid(x, y), "gain", ["similarity", "other"], rng=rng, permutations=39),
        lambda term, x, y: y / x if term == "similarity" else y,
    ),
    "paired_randomisation": Case(
        lambda f, x, y, rng: f(
            *(LANGUAGES[["language"]].assign(score=y * LANGUAGES[column]) for column in "yz"),
            rng=rng,
            on=["language"],
            permutations=39,
        ),
        outcome,
    ),
    "method_difference": Case(lambda f, x, y, rng: f(y * simulate_orders(rng)), outcome),
    "order_contrasts": Case(lambda f, x, y, rng: f(y * simulate_orders(rng)), outcome),
    "set_contrast": Case(lambda f, x, y, rng: f(SETS.assign(score=y * SETS["score"])), outcome),
    "equivalence": Case(lambda f, x, y, rng: f(0.2 * y, 0.1 * y, 8, (-0.4 * y, 0.4 * y)), outcome),
    "power_of_grid": Case(lambda f, x, y, rng: f(grid(x, y), rng=rng, simulations=9), slope_or_power),
    "rank_agreement": Case(
        lambda f, x, y, rng: f(
            grid(x, y, MANY), "gain", "intermediate", "seed", rng=rng, permutations=39, resamples=39
        ),
        unitless,
    ),
    "intraclass_correlation": Case(lambda f, x, y, rng: f(grid(x, y), "gain", "intermediate", "seed"), unitless),
    "seed_reliability": Case(lambda f, x, y, rng: f(grid(x, y), rng=rng, splits=9, resamples=39), unitless),
    "ceiling": Case(
        lambda f, x, y, rng: f(RESULTS.assign(value=y * RESULTS["value"]), rng=rng, simulations=9), outcome
    ),
    "ceiling: rank correlation": Case(
        lambda f, x, y, rng: f(
            RESULTS.assign(value=y * RESULTS["value"]), "kendall", rng=rng, simulations=9
        ),
        unitless,
    ),
    "wild_cluster_bootstrap": Case(
        lambda f, x, y, rng: f(
            grid(x, y), "gain", "similarity", ["intermediate", "target"], ["other"], rng=rng, draws=39
        )
    ),
    "wild_cluster_bootstrap: units of the controls": Case(
        lambda f, x, y, rng: f(
            GRID.assign(other=x * GRID["other"], gain=y * GRID["gain"]),
            "gain",
            "similarity",
            ["intermediate"],
            ["other", "noise"],
            rng=rng,
            draws=39,
        ),
        outcome,
    ),
    "cluster_ols": Case(
        lambda f, x, y, rng: f(grid(x, y), "gain", ["similarity", "other"], ["intermediate", "target"]),
        slope_or_intercept,
    ),
    "mantel": Case(
        lambda f, x, y, rng: f(distances(x * POINTS[0]), distances(y * POINTS[1]), rng=rng, permutations=39),
        unitless,
    ),
    "mantel: partial": Case(
        lambda f, x, y, rng: f(
            distances(POINTS[0]), distances(y * POINTS[1]), distances(x * LANGUAGES["z"].to_numpy()), rng=rng,
            permutations=39,
        ),
        unitless,
    ),
}  # fmt: skip
IN_UNITS = ["estimate", "low", "high", "se", "first", "second", "margin_low", "margin_high"]
UNITS = [(1e8, 1.0), (1e-8, 1.0), (1.0, 1e8), (1.0, 1e-8), (1e8, 1e-8), (1e-8, 1e8), (1000.0, 0.3)]
SLACK = 1e-5
"""Relative; an optimum is settled to about 1e-7 of a variance, a bisected limit to 1e-4 of a standard error."""


def run(name: str, x: float, y: float) -> Inference:
    procedure = name.split(":")[0]
    return CASES[name].call(getattr(analyses, procedure), x, y, stream("units", name))


def slopes(terms: pd.Series, x: float, y: float) -> np.ndarray:
    """Units of the slopes of a specification curve."""
    return np.where(terms.str.contains("~ similarity"), y / x, y)


def test_every_procedure_is_called_here():
    assert {name.split(":")[0] for name in CASES} == PROCEDURES.keys() | {"ceiling"}


@pytest.mark.parametrize("name", CASES)
def test_no_unit_changes_a_result(name):
    plain = run(name, 1.0, 1.0)
    for x, y in UNITS:
        found = run(name, x, y)
        unit = np.array([CASES[name].unit(term, x, y) for term in plain.table["term"]])
        by_slope = dict.fromkeys(plain.table, 1.0) | {"slope": slopes(plain.table["term"], x, y)}
        assert list(found.table["term"]) == list(plain.table["term"])
        for column in plain.table.select_dtypes("number"):
            expected = plain.table[column].to_numpy(float)
            got = found.table[column].to_numpy(float) / (unit if column in IN_UNITS else by_slope[column])
            message = f"{column}, {x:g}, {y:g}"
            np.testing.assert_allclose(got, expected, rtol=SLACK, atol=1e-3 * SLACK, err_msg=message)
        assert found.notes == plain.notes and found.counts == plain.counts


@pytest.mark.parametrize("unit", [0.1, 3.0, 1e8, 1 / 3])
def test_ties_of_means_stay_ties(unit):
    """Means of .7, .9, .8 in any order are equal, and so are their ranks, in any unit."""
    scores = {
        "a": [0.7, 0.9, 0.8],
        "b": [0.8, 0.7, 0.9],
        "c": [0.1, 0.2, 0.3],
        "d": [0.5, 0.5, 0.9],
        "e": [1.0, 0.1, 0.2],
    }
    rows = [(name, i, value) for name, values in scores.items() for i, value in enumerate(values)]
    data = pd.DataFrame(rows, columns=["language", "seed", "value"])
    data["distance"] = data["language"].map(dict(zip("abcde", [1.0, 3, 4, 2, 5], strict=True)))
    data["value"] *= unit
    result = inference.permute_labels(data, rng=stream("units", "ties"))
    assert result.estimate == pytest.approx(stats.spearmanr([4.5, 4.5, 1, 3, 2], [1, 3, 4, 2, 5]).statistic)
    both = pd.concat([data.assign(method="m"), data.assign(method="n", value=data["distance"])])
    agreement = inference.rank_agreement(both, "value", "language", "method", rng=stream("units", "ties"))
    assert agreement.estimate == pytest.approx(
        stats.kendalltau([4.5, 4.5, 1, 3, 2], [1, 3, 4, 2, 5]).statistic
    )


def test_inflation_of_a_variance_has_no_unit():
    plain = inference.collinearity(GRID, ["similarity", "other", "noise"])
    for x, y in UNITS:
        other = GRID.assign(similarity=x * GRID["similarity"], noise=y * GRID["noise"] + y)
        found = inference.collinearity(other, ["similarity", "other", "noise"])
        pd.testing.assert_frame_equal(found, plain)


@pytest.mark.parametrize("zero", [1e3, 1e6])
def test_the_zero_point_of_a_covariate_does_not_matter(zero):
    """Years, Kelvin, time stamps: slopes and their p stay, intercepts move."""
    moved = GRID.assign(similarity=GRID["similarity"] + zero)
    for name, call in {
        "pair_regression": lambda f, d: f(d),
        "cluster_ols": lambda f, d: f(d, "gain", ["similarity", "other"], ["intermediate", "target"]),
        "wild_cluster_bootstrap": lambda f, d: f(
            d, "gain", "similarity", ["intermediate"], ["other"], rng=stream("units", "zero"), draws=39
        ),
        "permute_tasks": lambda f, d: f(d, rng=stream("units", "zero"), permutations=39),
    }.items():
        plain, found = (call(getattr(inference, name), d).table.iloc[0] for d in (GRID, moved))
        assert found["estimate"] == pytest.approx(plain["estimate"], rel=1e-6), name
        assert found["p"] == pytest.approx(plain["p"], rel=1e-4), name
