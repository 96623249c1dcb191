"""holm, benjamini_hochberg, max_t, simultaneous_means, equivalence, power_of_grid."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analyses.inference import (
    Truth,
    benjamini_hochberg,
    equivalence,
    holm,
    max_t,
    pair_regression,
    permute_tasks,
    power_of_grid,
    simulate_grid,
    simultaneous_means,
)
from analyses.inference.pairs.max_statistic import step_down
from simxfer.common.errors import InputError

ONE = {"languages": 1, "seeds": 1}


def test_holm_and_benjamini_hochberg_by_hand():
    p = pd.Series([0.01, 0.04, 0.03, np.nan], ["a", "b", "c", "d"])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.03, 0.04, 0.04, np.nan])
    assert list(holm(p).index) == list(p.index)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_against_other_implementations(values):
    """Holm is ours, Benjamini-Hochberg statsmodels': each against a third party."""
    from statsmodels.stats.multitest import multipletests

    p = np.array(values)
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("p", [[], [np.nan, np.nan], [np.nan, 0.2]])
def test_few_or_no_p_values_stay_as_they_are(adjust, p):
    np.testing.assert_array_equal(adjust(np.array(p)), p)


def test_p_values_outside_their_range_are_refused():
    with pytest.raises(InputError, match="expected 0 to 1"):
        holm(np.array([0.1, 1.2]))


def test_step_down_by_hand():
    """Observed 3, 2; maxima over both: 1, 4, 2, 2 -> 1/4; over the second alone: 1, 0, 2, 2 -> 2/4."""
    null = np.array([[0.5, 1.0], [4.0, 0.0], [1.0, -2.0], [2.0, 2.0]])
    np.testing.assert_allclose(step_down(null, np.array([-3.0, 2.0]), exact=True), [1 / 4, 2 / 4])


def measures(seed: int, count: int, **truth) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = simulate_grid(rng, Truth(**(ONE | truth)))
    noise = {f"m{i}": rng.normal(size=len(data)) for i in range(count)}
    return data.assign(**noise)


def test_one_measure_is_permute_tasks_and_the_true_one_is_found():
    data = measures(1, 4, slope=1.0)
    single = max_t(data, "gain", ["similarity"], rng=np.random.default_rng(0))
    assert single.p == permute_tasks(data, rng=np.random.default_rng(0)).p
    family = max_t(data, "gain", ["m0", "m1", "similarity", "m2", "m3"], rng=np.random.default_rng(0))
    assert family.table["term"].iloc[0] == "similarity"
    assert family.p < 0.01
    assert (family.table["p"] >= family.table["p_single"] - 1e-12).all()
    with pytest.raises(InputError, match="named twice"):
        max_t(data, "gain", ["m0", "m0"], rng=np.random.default_rng(0))


def test_simultaneous_means_by_theory():
    """Eight groups of independent normal values: max-T holds where single intervals would miss 1 - .95^8 =
    .34.
    """
    rng = np.random.default_rng(2)
    names = [f"l{i:02d}" for i in range(40)]
    covered = []
    for _ in range(100):
        values = rng.normal(size=(8, 40))
        data = pd.DataFrame(
            [{"s": f"s{i}", "language": names[j], "y": values[i, j]} for i in range(8) for j in range(40)]
        )
        table = simultaneous_means(data, "y", "s", ["language"], rng=rng, resamples=300).table
        covered.append(((table["low"] <= 0) & (table["high"] >= 0)).all())
    # Nominal .95, a little less for 40 levels; single intervals would cover .66.
    assert 0.86 <= np.mean(covered) <= 0.99


def test_simultaneous_interval_of_one_group_is_the_t_interval():
    values = np.random.default_rng(5).normal(size=7)
    data = pd.DataFrame({"s": "s0", "language": list("abcdefg"), "y": values})
    rng = np.random.default_rng(0)
    result = simultaneous_means(data, "y", "s", ["language"], rng=rng, resamples=40000)
    theory = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    # The tails of the resample of seven values are a little lighter than normal ones.
    assert result.interval == pytest.approx(theory, abs=0.04 * (theory[1] - theory[0]))
    assert result.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=0.1)


def test_simultaneous_means_refuse_groups_on_other_levels():
    data = simulate_grid(np.random.default_rng(0), Truth(languages=6, seeds=1))
    one = data[data["target"] == "t0"]
    result = simultaneous_means(one, "gain", "intermediate", ["language"], rng=np.random.default_rng(0))
    assert result.estimate == pytest.approx(one.groupby("intermediate")["gain"].mean().max())
    with pytest.raises(InputError, match="lacks some combination"):
        simultaneous_means(one.iloc[1:], "gain", "intermediate", ["language"], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="expected at least 5"):
        simultaneous_means(one.head(3), "gain", "intermediate", ["language"], rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("estimate", "se", "verdict"),
    [(0.1, 0.2, "equivalent"), (0.5, 0.2, "equivalent"), (2.0, 0.5, "different"), (0.5, 1.0, "undecided")],
)
def test_verdicts(estimate, se, verdict):
    result = equivalence(estimate, se, df=30)
    assert result.table["verdict"].iloc[0] == verdict
    low, high = result.interval
    assert (verdict == "equivalent") == (low > -1 and high < 1)


def test_equivalence_against_scipy_one_sample_tests():
    x = np.random.default_rng(0).normal(0.2, 1, 40)
    result = equivalence(x.mean(), stats.sem(x), 39, (-0.5, 0.4))
    expected = max(
        stats.ttest_1samp(x, -0.5, alternative="greater").pvalue,
        stats.ttest_1samp(x, 0.4, alternative="less").pvalue,
    )
    assert result.p == pytest.approx(expected)
    assert result.table["p_difference"].iloc[0] == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 5), "positive standard error"),
        ((0, 1, 5, (0.5, 1)), "enclose zero"),
        ((0, 1, 0), "at least 1"),
    ],
)
def test_equivalence_refusals(arguments, message):
    with pytest.raises(InputError, match=message):
        equivalence(*arguments)


def test_detectable_slope_has_its_power_on_new_grids():
    """Grids simulated anew with the detectable slope as truth reject about as often as promised."""
    truth = {"slope_by_target": 0.5, "source": 1.0, "target": 1.0}
    data = simulate_grid(np.random.default_rng(5), Truth(**ONE, **truth))
    result = power_of_grid(data, rng=np.random.default_rng(6), simulations=60, slopes=(1.0,))
    table = result.table.set_index("term")
    mde = result.estimate
    assert table.loc["minimum detectable slope", "low"] < mde < table.loc["minimum detectable slope", "high"]
    assert table.loc["rejection at slope 0", "estimate"] <= 0.15
    assert (table.loc["power at slope 1", "estimate"] >= 0.8) == (mde <= 1.0)
    # Twice the gain, twice the detectable slope: everything is in the outcome's unit.
    doubled = power_of_grid(data.assign(gain=2 * data["gain"]), rng=np.random.default_rng(6), simulations=60)
    assert doubled.estimate == pytest.approx(2 * mde, rel=1e-3)
    with pytest.raises(InputError, match=r"power is 1\.5"):
        power_of_grid(data, rng=np.random.default_rng(0), power=1.5)


@pytest.mark.slow
def test_detectable_slope_is_found_at_its_rate():
    """400 new grids at the detectable slope of the true variances (mean over 40 fitted grids): power near
    .8.
    """
    truth = {"slope_by_source": 0.7, "slope_by_target": 0.7} | ONE
    rng = np.random.default_rng(8)
    found = [
        power_of_grid(simulate_grid(rng, Truth(**truth)), rng=rng, simulations=100).estimate
        for _ in range(40)
    ]
    slope = float(np.median(found))
    power = np.mean(
        [pair_regression(simulate_grid(rng, Truth(**truth, slope=slope))).p < 0.05 for _ in range(400)]
    )
    print(f"power_of_grid: median detectable slope {slope:.2f}, power there {power:.2f}")
    assert 0.65 <= power <= 0.92


def test_the_interval_of_the_detectable_slope_is_two_monte_carlo_errors_of_the_power():
    """The share found crosses power -+ 2 sqrt(p (1 - p) / 2n) there: both signs of a slope count, so it is of 2n."""
    n, power = 40, 0.8
    data = simulate_grid(np.random.default_rng(5), Truth(**ONE, slope_by_target=0.5, sources=6, targets=6))
    first = power_of_grid(data, rng=np.random.default_rng(6), simulations=n).table.set_index("term")
    low, high = first.loc["minimum detectable slope", ["low", "high"]].astype(float)
    beside = (0.9999 * low, 1.0001 * low, 0.9999 * high, 1.0001 * high)
    again = power_of_grid(data, rng=np.random.default_rng(6), simulations=n, slopes=beside)
    shares = again.table["estimate"].to_numpy()[-4:]
    error = 2 * np.sqrt(power * (1 - power) / (2 * n))
    assert shares[0] <= power - error <= shares[1] < shares[2] <= power + error <= shares[3]
