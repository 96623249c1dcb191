"""Tables of odd shapes: each is refused with what to do, or told; none changes a result without a word."""

import numpy as np
import pandas as pd
import pytest

from analyses import inference
from analyses.inference import Truth, simulate_grid
from simxfer.common.errors import InputError

GRID = simulate_grid(np.random.default_rng(1), Truth(sources=5, targets=5, languages=5, seeds=2))
NAMES = list("abcdefgh")
DISTANCES = pd.DataFrame(np.abs(np.subtract.outer(np.arange(8.0), np.arange(8.0))) ** 1.5, NAMES, NAMES)
OTHERS = (DISTANCES + 1.0).where(DISTANCES > 0, 0.0).iloc[[3, 1, 0, 2, 5, 4, 7, 6], [3, 1, 0, 2, 5, 4, 7, 6]]
EXAMPLES = pd.DataFrame({"example_id": range(12), "score": np.arange(12) % 3 / 2})


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def without_language(rows: int = 9) -> pd.DataFrame:
    return GRID.assign(language=GRID["language"].where(np.arange(len(GRID)) % rows > 0))


BY_PAIR = {
    "permute_tasks": lambda d: inference.permute_tasks(d, rng=rng(), permutations=99),
    "max_t": lambda d: inference.max_t(d, "gain", ["similarity"], rng=rng(), permutations=99),
    "specification_curve": lambda d: inference.specification_curve(
        d, ["gain"], ["similarity"], rng=rng(), permutations=99
    ),
    "pair_regression": lambda d: inference.pair_regression(d),
    "leave_one_out": lambda d: inference.leave_one_out(d),
    "pair_interaction": lambda d: inference.pair_interaction(
        pd.concat([d.assign(method="full"), d.assign(method="lora", gain=d["gain"] ** 2)])
    ),
    "power_of_grid": lambda d: inference.power_of_grid(d, rng=rng(), simulations=9),
}


@pytest.mark.parametrize("name", BY_PAIR)
def test_rows_without_a_language_are_counted_and_left_out(name):
    """The same as without these rows, and a note with their number and the column."""
    data = without_language()
    found, expected = BY_PAIR[name](data), BY_PAIR[name](data.dropna())
    copies = 2 if name == "pair_interaction" else 1
    lost = copies * int(data["language"].isna().sum())
    assert f"{lost} of {copies * len(data)} rows dropped: a value is missing in language" in found.summary()
    assert found.estimate == expected.estimate
    assert found.p == expected.p or np.isnan(found.p)
    assert found.counts == expected.counts


def test_rows_without_a_task_are_counted_by_the_specification_curve():
    data = GRID.assign(target=GRID["target"].where(GRID.index > 2))
    assert (
        "3 of 250 rows dropped: a value is missing in target"
        in BY_PAIR["specification_curve"](data).summary()
    )


LEVELS = sorted(set(GRID["language"]))


def covariance(names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(np.eye(len(names)) + 0.1, names, names)


def twice(data: pd.DataFrame, name: str) -> pd.DataFrame:
    return pd.concat([data, data[[name]]], axis=1)


ONE_MESSAGE = {
    "a column twice": (lambda: inference.pair_regression(twice(GRID, "gain")), "'gain' occurs twice"),
    "a label twice": (lambda: inference.permute_tasks(twice(GRID, "target"), rng=rng()), "'target' occurs twice"),
    "a column twice in a formula": (
        lambda: inference.crossed_effects(twice(GRID, "similarity"), "gain ~ similarity + (1 | target)"),
        "'similarity' occurs twice",
    ),
    "source is target": (lambda: inference.pair_regression(GRID, source="target"), "'target' is asked for in two"),
    "a factor twice": (
        lambda: inference.crossed_bootstrap(GRID, "gain", ["language", "language"], rng=rng()), "two parts",
    ),
    "groups are a factor": (
        lambda: inference.simultaneous_means(GRID, "gain", "language", ["language"], rng=rng()), "two parts",
    ),
    "unit is rater": (lambda: inference.intraclass_correlation(GRID, "gain", "seed", "seed"), "two parts"),
    "a column of the result": (
        lambda: inference.pair_regression(GRID.rename(columns={"similarity": "centred"}), "centred"), "made here",
    ),
    "a seed for a generator": (lambda: inference.permute_tasks(GRID, rng=7), "np.random.default_rng"),
    "half a permutation": (
        lambda: inference.permute_tasks(GRID, rng=rng(), permutations=999.0), "whole number",
    ),
    "no measure": (lambda: inference.max_t(GRID, "gain", [], rng=rng()), "no similarity is named"),
    "ids as numbers and as text": (
        lambda: inference.paired_randomisation(
            EXAMPLES, EXAMPLES.assign(score=0.0, example_id=EXAMPLES["example_id"].astype(str)), rng=rng()
        ),
        "in one table and",
    ),
    "one margin": (lambda: inference.equivalence(0, 0.5, 10, 1.0), "a lower and an upper one"),
    "a table of p values": (lambda: inference.holm(np.full((2, 2), 0.01)), "one row of them"),
    "a date": (
        lambda: inference.pair_regression(GRID.assign(gain=pd.Timestamp("2020-01-01"))), "expected numbers",
    ),
    "numbers as text": (
        lambda: inference.pair_regression(GRID.assign(similarity=GRID["similarity"].astype(str))), "pd.to_numeric",
    ),
    "numbers as text in a formula": (
        lambda: inference.crossed_effects(
            GRID.assign(size=(GRID["similarity"] * 10).round().astype(str)), "gain ~ size + (1 | target)"
        ),
        r"pd.to_numeric, or write factor\(size\)",
    ),
    "fewer than no simulations": (
        lambda: inference.likelihood_ratio(
            GRID, "gain ~ 1 + (1 | target)", "gain ~ noise + (1 | target)", rng=rng(), simulations=-1
        ),
        "at least 0",
    ),
    "a level twice in a covariance": (
        lambda: inference.crossed_effects(
            GRID, "gain ~ noise + (1 | language)", covariances={"language": covariance(["en", "en", *LEVELS[1:]])}
        ),
        "'en' occurs twice",
    ),
    "a language twice in a covariance": (
        lambda: inference.pgls(
            pd.DataFrame({"language": NAMES, "x": range(8), "y": [3, 1, 4, 1, 5, 9, 2, 6]}),
            "y",
            ["x"],
            covariance=covariance(["a", *NAMES]),
        ),
        "'a' occurs twice",
    ),
    "sources as their own kind": (
        lambda: inference.permute_tasks(GRID, kind=("intermediate", "seed"), rng=rng()), "two parts",
    ),
    "one kind": (lambda: inference.pair_regression(GRID, kind="seed"), "expected the two columns"),
    "a matrix without labels": (lambda: inference.mantel(np.eye(8), DISTANCES, rng=rng()), "expected labels"),
    "a complex number": (lambda: inference.pair_regression(GRID.assign(gain=1j)), "expected numbers"),
}  # fmt: skip


@pytest.mark.parametrize("case", ONE_MESSAGE)
def test_what_cannot_be_computed_is_refused_with_what_to_do(case):
    call, message = ONE_MESSAGE[case]
    with pytest.raises(InputError, match=message):
        call()


RANDOM = {
    "permute_tasks": lambda r: inference.permute_tasks(GRID, rng=r, permutations=9),
    "max_t": lambda r: inference.max_t(GRID, "gain", ["similarity"], rng=r, permutations=9),
    "specification_curve": lambda r: inference.specification_curve(
        GRID, ["gain"], ["similarity"], rng=r, permutations=9
    ),
    "permute_labels": lambda r: inference.permute_labels(GRID, "gain", "noise", rng=r, permutations=9),
    "morans_i": lambda r: inference.morans_i(pd.Series(range(8), NAMES), DISTANCES, rng=r, permutations=9),
    "mantel": lambda r: inference.mantel(DISTANCES, OTHERS, rng=r, permutations=9),
    "crossed_bootstrap": lambda r: inference.crossed_bootstrap(GRID, "gain", rng=r, resamples=9),
    "simultaneous_means": lambda r: inference.simultaneous_means(
        GRID, "gain", "target", ["language"], rng=r, resamples=9
    ),
    "paired_randomisation": lambda r: inference.paired_randomisation(
        EXAMPLES, EXAMPLES.assign(score=0.0), rng=r, permutations=9
    ),
    "power_of_grid": lambda r: inference.power_of_grid(GRID, rng=r, simulations=9),
    "likelihood_ratio": lambda r: inference.likelihood_ratio(
        GRID, "gain ~ 1 + (1 | target)", "gain ~ noise + (1 | target)", rng=r, simulations=2
    ),
    "simulate_grid": lambda r: inference.simulate_grid(r),
    "simulate_families": lambda r: inference.simulate_families(r),
    "rank_agreement": lambda r: inference.rank_agreement(
        GRID, "gain", "target", "seed", rng=r, permutations=9
    ),
    "seed_reliability": lambda r: inference.seed_reliability(GRID, rng=r, resamples=9),
    "wild_cluster_bootstrap": lambda r: inference.wild_cluster_bootstrap(
        GRID, "gain", "similarity", ["target"], rng=r, draws=9
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_is_no_generator(name):
    for wrong in (7, None, np.random.RandomState(0)):
        with pytest.raises(InputError, match="expected a generator"):
            RANDOM[name](wrong)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_a_label_twice_in_a_matrix_is_refused(axis):
    """Two codes that became one language: rows of both were counted for each."""
    axes = (0, 1) if axis is None else (axis,)
    same = DISTANCES
    for one in axes:
        same = same.rename({"b": "a"}, axis=one)
    for call in (
        lambda: inference.mantel(same, OTHERS, rng=rng()),
        lambda: inference.mantel(DISTANCES, same, rng=rng()),
        lambda: inference.mantel(DISTANCES, OTHERS, same, rng=rng()),
        lambda: inference.morans_i(pd.Series(range(8), NAMES), same, rng=rng()),
    ):
        with pytest.raises(InputError, match=r"the label 'a' occurs twice|different items|no weights"):
            call()
    with pytest.raises(InputError, match="'a' occurs twice"):
        inference.morans_i(pd.Series(range(8), ["a", "a", *NAMES[2:]]), DISTANCES, rng=rng())


@pytest.mark.parametrize("name", ["count", "sum", "value", "level_0", "index"])
def test_a_factor_may_have_any_name(name):
    expected = inference.crossed_bootstrap(GRID, "gain", ["language"], rng=rng(), resamples=99)
    found = inference.crossed_bootstrap(
        GRID.rename(columns={"language": name}), "gain", [name], rng=rng(), resamples=99
    )
    assert found.interval == expected.interval


def test_tasks_may_be_numbers_and_text():
    mixed = GRID.assign(intermediate=[0 if v == "s0" else v for v in GRID["intermediate"]])
    found, expected = inference.leave_one_out(mixed), inference.leave_one_out(GRID)
    assert sorted(found.table["estimate"]) == pytest.approx(sorted(expected.table["estimate"]), rel=1e-6)


def test_a_reliability_that_is_none_is_said():
    """Three units that differ less than the error: mean squares 0, .67, 2.67 give ICC(2,1) = -2, ICC(2,k) = 4."""
    table = pd.DataFrame({"unit": list("aabbcc"), "seed": [0, 1] * 3, "gain": [1, -1, 1, -1, -1, 1.0]})
    found = inference.intraclass_correlation(table, "gain", "unit", "seed")
    assert found.table[["estimate", "low", "high"]].isna().all(axis=None)
    assert "not defined where MSR < MSE" in found.summary()


def test_halves_that_disagree_have_no_reliability_above_one():
    """With three seeds r = -.8 of two single seeds lies beyond the pole of Spearman and Brown, -1/2."""
    from analyses.inference.rankings.reliability import _stepped_up

    stepped = _stepped_up(np.array([-0.8, -0.5, 0.5, np.nan]), 3.0)
    np.testing.assert_array_equal(stepped, [-np.inf, -np.inf, 0.75, np.nan])
