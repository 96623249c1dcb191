"""crossed_bootstrap: slow and fast versions, theory of its variance, refusals, coverage under known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import Truth, crossed_bootstrap, simulate_grid
from analyses.inference.resampling.pigeonhole import expanded_tail, factor_weights
from simxfer.common.errors import InputError

FACTORS = ("intermediate", "target")


def grid(seed: int = 0, **truth) -> pd.DataFrame:
    return simulate_grid(np.random.default_rng(seed), Truth(**({"languages": 3, "seeds": 2} | truth)))


def weighted_mean(frame: pd.DataFrame, weights: np.ndarray) -> float:
    return float(np.average(frame["gain"], weights=weights))


def test_mean_by_cells_equals_the_callable_on_rows():
    data = grid(1, missing=0.2)
    fast = crossed_bootstrap(data, "gain", FACTORS, rng=np.random.default_rng(5), resamples=50)
    slow = crossed_bootstrap(data, "gain", FACTORS, weighted_mean, rng=np.random.default_rng(5), resamples=50)
    np.testing.assert_allclose(fast.distribution, slow.distribution)
    assert fast.estimate == pytest.approx(data["gain"].mean())


def test_weights_are_those_of_copied_rows():
    data = grid(2, languages=1, seeds=1)
    (batch,) = factor_weights(data, list(FACTORS), np.random.default_rng(0), 20)
    for weights in batch:
        by_source = pd.Series(weights).groupby(data["intermediate"].to_numpy()).sum() / 9
        by_target = pd.Series(weights).groupby(data["target"].to_numpy()).sum() / 9
        rows = [
            len(data[(data["intermediate"] == s) & (data["target"] == t)]) * by_source[s] * by_target[t]
            for s, t in zip(data["intermediate"], data["target"], strict=True)
        ]
        np.testing.assert_allclose(weights, rows)
        assert weights.sum() == 81


def test_variance_of_the_mean_against_theory():
    """Additive table: var = S^2_rows / n + S^2_columns / m with the sums over n, not n - 1 (Owen 2007,
    section 3).
    """
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=12), rng.normal(size=8)
    data = pd.DataFrame([{"r": i, "c": j, "y": a[i] + b[j]} for i in range(12) for j in range(8)])
    draws = crossed_bootstrap(data, "y", ("r", "c"), rng=rng, resamples=40000).distribution
    theory = a.var() / 12 + b.var() / 8
    # The variance of a variance from 40,000 draws: SD 0.7 %.
    assert draws.var() == pytest.approx(theory, rel=0.03)


def test_interval_of_a_mean_is_the_t_interval_of_its_levels():
    values = np.random.default_rng(4).normal(size=7)
    data = pd.DataFrame({"seed": range(7), "y": values})
    result = crossed_bootstrap(data, "y", ["seed"], rng=np.random.default_rng(0), resamples=40000)
    theory = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    # The standard error is that of 40,000 draws: SD .4 %.
    assert result.interval == pytest.approx(theory, abs=0.02 * (theory[1] - theory[0]))


def test_expanded_percentiles_of_normal_draws_are_the_t_interval():
    """Draws with the spread of n levels, normal: their expanded percentiles are -+ t times the true se."""
    for n in (5, 9, 40):
        reach = stats.norm.isf(expanded_tail(0.95, n)) * np.sqrt((n - 1) / n)
        assert reach == pytest.approx(stats.t.ppf(0.975, n - 1))
    assert expanded_tail(0.95, 10**6) == pytest.approx(0.025, rel=1e-4)


def test_percentiles_of_another_statistic_keep_to_its_range():
    """A share of levels above zero lies in [0, 1], and so does its interval; at few levels the rates are told."""

    def share(frame: pd.DataFrame, weights: np.ndarray) -> float:
        return float(np.average(frame["y"] > 0, weights=weights))

    data = pd.DataFrame({"seed": range(6), "y": [-1.0, 1, 2, 3, 4, 5]})
    result = crossed_bootstrap(data, "y", ["seed"], share, rng=np.random.default_rng(0), resamples=999)
    assert 0 <= result.interval[0] < 5 / 6 < result.interval[1] <= 1
    assert "few levels (6)" in result.notes and "measured coverage" in result.summary()


def test_same_seed_same_numbers():
    draws = [
        crossed_bootstrap(grid(), "gain", FACTORS, rng=np.random.default_rng(1), resamples=99).distribution
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*draws)


def test_three_seeds_carry_no_interval():
    data = grid(4, seeds=3)
    with pytest.raises(InputError, match=r"no interval from 'seed' \(3 levels\)"):
        crossed_bootstrap(data, "gain", ("intermediate", "seed"), rng=np.random.default_rng(0))
    result = crossed_bootstrap(
        data, "gain", ("intermediate", "seed"), rng=np.random.default_rng(0), estimate_only=True
    )
    assert result.estimate == pytest.approx(data["gain"].mean())
    assert np.isnan(result.interval).all()
    assert "estimate only: seed" in result.summary()


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="unknown statistic"):
        crossed_bootstrap(grid(), "gain", FACTORS, "median", rng=rng)
    with pytest.raises(InputError, match="no factor"):
        crossed_bootstrap(grid(), "gain", (), rng=rng)
    with pytest.raises(InputError, match="Did you mean 'target'"):
        crossed_bootstrap(grid(), "gain", ("targets",), rng=rng)
