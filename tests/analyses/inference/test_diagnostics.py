"""Diagnostics: cross-fitted headroom against the coupled one, ceilings and the logit scale by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyses.inference import (
    Truth,
    ceiling_check,
    chance_corrected_logit,
    chance_corrected_points,
    headroom,
    simulate_results,
)
from analyses.outcomes import gains
from simxfer.common.errors import InputError

SMALL = Truth(sources=2, targets=2, languages=2, seeds=3)


def results(seed: int = 0, truth: Truth = SMALL) -> pd.DataFrame:
    return simulate_results(np.random.default_rng(seed), truth)


def test_headroom_by_hand():
    table = results()
    out = headroom(table)
    row = out.iloc[0]
    cell = (table["target"] == row["target"]) & (table["language"] == row["language"])
    others = table[cell & (table["intermediate"] == "none") & (table["seed"] != row["seed"])]
    assert row["baseline"] == pytest.approx(others["value"].mean())
    assert row["headroom"] == pytest.approx(100 - others["value"].mean())
    assert len(out) == 2 * 2 * 2 * 3 and (out["n_baseline"] == 2).all()
    np.testing.assert_allclose(out["gain"], gains(table)["gain"])


def test_held_out_seeds_give_the_baseline_and_no_gain():
    table = results()
    out = headroom(table, seeds=[0])
    assert set(out["seed"]) == {1, 2} and (out["n_baseline"] == 1).all()
    first = table[(table["intermediate"] == "none") & (table["seed"] == 0)].set_index(["target", "language"])
    expected = [first.loc[(t, lang), "value"] for t, lang in zip(out["target"], out["language"], strict=True)]
    np.testing.assert_allclose(out["baseline"], expected)


def coupled(cross_fitted: bool, seed: int) -> float:
    """Correlation of gain and baseline where the truth of both is independent and noisy."""
    rng = np.random.default_rng(seed)
    table = results(seed, Truth(sources=3, targets=8, languages=6, seeds=3, noise=2.0, target=0, source=0))
    # True levels of the baseline, shared by every score of the cell: gains do not change.
    levels = {key: rng.normal(0, 2) for key in table.groupby(["target", "language"]).groups}
    table["value"] += [levels[key] for key in zip(table["target"], table["language"], strict=True)]
    if cross_fitted:
        out = headroom(table)
        return float(np.corrcoef(out["gain"], out["baseline"])[0, 1])
    naive = gains(table)
    return float(np.corrcoef(naive["gain"], naive["baseline"])[0, 1])


def test_naive_correlation_is_biased_and_the_cross_fitted_one_is_not():
    """Gain has noise variance 8, a pair and a language part of 1 each, baseline 4 + 4, covariance -4: r of
    about -.45 with no association at all.
    """
    naive, fitted = (np.array([coupled(kind, seed) for seed in range(40)]) for kind in (False, True))
    assert naive.mean() == pytest.approx(-4 / np.sqrt(10 * 8), abs=0.05)
    assert abs(fitted.mean()) < 3 * fitted.std(ddof=1) / np.sqrt(40)
    assert fitted.std(ddof=1) / np.sqrt(40) < 0.03


def test_held_out_headroom_may_be_averaged_and_cross_fitted_may_not():
    def of_means(out: pd.DataFrame) -> float:
        means = out.groupby(["intermediate", "target", "language"])[["gain", "baseline"]].mean()
        return means["gain"].corr(means["baseline"])

    truth = Truth(sources=3, targets=8, languages=6, seeds=4, noise=2.0, target=0, source=0)
    tables = [results(seed, truth) for seed in range(20)]
    held_out = np.array([of_means(headroom(table, seeds=[0, 1])) for table in tables])
    crossed = np.array([of_means(headroom(table)) for table in tables])
    assert abs(held_out.mean()) < 3 * held_out.std(ddof=1) / np.sqrt(20)
    assert crossed.mean() < -0.3


def test_encoders_as_replicates_and_refusals():
    table = results()
    one = table[table["seed"] == 0]
    with pytest.raises(InputError, match="at least two"):
        headroom(one)
    encoders = pd.concat([one.assign(checkpoint=c, value=one["value"] + i) for i, c in enumerate("abc")])
    out = headroom(encoders, replicate="checkpoint")
    assert (out["n_baseline"] == 2).all()
    control = one.assign(checkpoint="random(a)", value=5.0)
    with pytest.raises(InputError, match="at least two"):
        headroom(pd.concat([encoders, control]), replicate="checkpoint")
    controls = [control, control.assign(checkpoint="random(b)")]
    both = headroom(pd.concat([encoders, *controls]), replicate="checkpoint")
    random = both["checkpoint"].str.startswith("random")
    np.testing.assert_allclose(both[~random]["baseline"], out["baseline"])
    assert (both[random]["baseline"] == 5).all()
    with pytest.raises(InputError, match="unknown seed '7'"):
        headroom(table, seeds=[7])
    with pytest.raises(InputError, match="3 of 3 levels"):
        headroom(table, seeds=[0, 1, 2])
    with pytest.raises(InputError, match="unknown replicate column"):
        headroom(table, replicate="sed")


def test_ceiling_check_by_hand():
    """n = 100: at 96 the standard error is 1.96, so 4 points are beyond two of them only from 95.9 down:
    4 > 3.92; at 97 it is 1.71 and 3 < 3.41.
    """
    table = results(1, Truth(sources=2, targets=1, languages=1, seeds=3))
    table["value"] = [96.0, 97.0, 50.0, 100.0, 96.0, 96.0, 96.0, 96.0, 96.0]
    table["n_examples"] = 100
    row = ceiling_check(table).iloc[0]
    assert (row["n_scores"], row["n_judged"], row["n_near"]) == (9, 9, 2)
    assert row["share"] == pytest.approx(2 / 9) and row["largest"] == 100 and "ceiling" in row["flags"]
    assert ceiling_check(table, largest_share=0.3).iloc[0]["flags"] == ""
    assert ceiling_check(table, k=3).iloc[0]["n_near"] == 8


def test_scores_without_example_counts_are_not_judged():
    table = results(1)
    out = ceiling_check(table, by=("target",))
    assert (out["n_judged"] == 0).all() and out["share"].isna().all()
    assert out["flags"].str.contains("n_examples").all()
    with pytest.raises(InputError, match="Did you mean 'target'"):
        ceiling_check(table, by=("targets",))
    with pytest.raises(InputError, match="k > 0"):
        ceiling_check(table, k=0)


def test_logit_by_hand():
    """At chance 50, 75 points are half-way: 0; 90 are q = .8: log 4. At the borders half an example is kept:
    n = 100, q = .99 and .01.
    """
    found = chance_corrected_logit([75, 90, 100, 50, 20], 50, 100)
    np.testing.assert_allclose(found, np.log([1, 4, 99, 1 / 99, 1 / 99]), atol=1e-12)
    np.testing.assert_allclose(chance_corrected_logit([100, 0], 0, 50), np.log([99, 1 / 99]))
    np.testing.assert_allclose(chance_corrected_points([0, np.log(4)], 50), [75, 90])


@given(st.floats(0, 99), st.integers(200, 10_000), st.floats(0, 1))
def test_inverse_between_the_borders_and_monotone(chance, n, position):
    low, high = chance + 50 / n, 100 - 50 / n
    value = low + position * (high - low)
    scale = chance_corrected_logit(value, chance, n)
    assert np.isfinite(scale)
    assert chance_corrected_points(scale, chance) == pytest.approx(value, abs=1e-6)
    assert chance_corrected_logit(min(100.0, value + 0.1), chance, n) >= scale - 1e-9


@pytest.mark.parametrize(
    ("value", "chance", "n", "says"),
    [
        (101, 0, 10, "between 0 and 100"),
        (np.nan, 0, 10, "none missing"),
        (50, 100, 10, "below 100"),
        (50, 90, 10, "above 1"),
    ],
)
def test_logit_refuses(value, chance, n, says):
    with pytest.raises(InputError, match=says):
        chance_corrected_logit(value, chance, n)
