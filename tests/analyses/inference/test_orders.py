"""Contrasts of the six orders of three tasks: by hand, against an analysis of variance, under known truth."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference.calibration.simulate import simulate_orders
from analyses.inference.orders import EARLIER, LAST, _designs, _orthonormal, order_contrasts
from simxfer.common.errors import InputError

ORDERS = [">".join(order) for order in permutations("abc")]


def test_the_two_parts_are_orthogonal_and_leave_nothing_over():
    designs = {name: _orthonormal(design) for name, design in _designs(ORDERS, list("abc")).items()}
    assert {name: basis.shape[1] for name, basis in designs.items()} == {
        LAST: 2, EARLIER: 3, "linear": 2, "middle": 2, "cyclic": 1,
    }  # fmt: skip
    assert np.abs(designs[LAST].T @ designs[EARLIER]).max() < 1e-12
    for parts in ((LAST, EARLIER), ("linear", "middle", "cyclic")):
        together = np.hstack([designs[name] for name in parts])
        assert np.allclose(together @ together.T, np.eye(6) - 1 / 6)


def test_by_hand():
    """c last gives 3 points in every replicate but for what is written: F and intervals worked out on paper."""
    scores = pd.DataFrame(0.0, index=range(2), columns=ORDERS)
    scores[["a>b>c", "b>a>c"]] = [[2.0, 2.0], [4.0, 4.0]]
    scores["a>c>b"] = [1.0, -1.0]
    table = order_contrasts(scores).table.set_index("term")
    # Means by last task: a 0, 0; b .5, -.5; c 2, 4. Differences c - a: 2, 4; c - b: 1.5, 4.5; b - a: .5, -.5.
    assert table.loc["a last minus c last", "estimate"] == -3.0
    assert table.loc["b last minus c last", "estimate"] == -3.0
    assert table.loc["a last minus b last", "estimate"] == 0.0
    se = np.std([1.5, 4.5], ddof=1) / np.sqrt(2)
    assert table.loc["b last minus c last", "se"] == pytest.approx(se)
    assert table.loc["b last minus c last", "high"] == pytest.approx(-3 + stats.t.ppf(0.975, 1) * se)
    # Mean square of last: n x 2 orders x squares of the means 0, 0, 3 about 1, over 2 df = 12.
    spread = np.array([[0, 0.5, -1], [0, -0.5, 1]])
    within = 2 * ((spread - spread.mean(axis=1, keepdims=True)) ** 2).sum() / (2 * 1)
    assert table.loc[LAST, "statistic"] == pytest.approx(12 / within)
    assert table.loc[LAST, ["df", "df_residual"]].tolist() == [2, 2]
    assert table.loc[EARLIER, ["df", "df_residual"]].tolist() == [3, 3]


def test_against_repeated_measures_of_statsmodels():
    from statsmodels.stats.anova import AnovaRM

    scores = simulate_orders(np.random.default_rng(3), replicates=6, effects={"a>b>c": 2.0})
    means = {task: scores[[o for o in ORDERS if o.endswith(task)]].mean(axis=1) for task in "abc"}
    long = pd.DataFrame(means).rename_axis("replicate").reset_index().melt("replicate", var_name="last")
    theirs = AnovaRM(long, "value", "replicate", within=["last"]).fit().anova_table.iloc[0]
    ours = order_contrasts(scores).table.iloc[0]
    assert ours["statistic"] == pytest.approx(theirs["F Value"], rel=1e-9)
    assert ours["p"] == pytest.approx(theirs["Pr > F"], rel=1e-9)
    assert ours["df_residual"] == theirs["Den DF"]


def test_holm_over_the_two_and_over_nothing_else():
    table = order_contrasts(simulate_orders(np.random.default_rng(0))).table
    low, high = sorted(table["p"].iloc[:2])
    assert sorted(table["p_holm"].iloc[:2]) == pytest.approx([min(1, 2 * low), max(min(1, 2 * low), high)])
    assert table["p_holm"].iloc[2:].isna().all()


def test_incomplete_replicates_are_left_out_and_said():
    scores = simulate_orders(np.random.default_rng(1), replicates=6)
    scores.loc[2, "b>c>a"] = np.nan
    found = order_contrasts(scores)
    assert found.counts["replicates"] == 5 and "1 replicates" in found.notes[0]
    pd.testing.assert_frame_equal(found.table, order_contrasts(scores.drop(index=2)).table)


def test_what_is_no_table_of_orders_is_refused():
    scores = simulate_orders(np.random.default_rng(1))
    with pytest.raises(InputError, match="expected the six orders of three tasks"):
        order_contrasts(scores.drop(columns="a>b>c"))
    with pytest.raises(InputError, match="1 of 1 replicates"):
        order_contrasts(scores.iloc[:1])
    with pytest.raises(InputError, match="no variation to judge by"):
        order_contrasts(pd.DataFrame(1.0, index=range(5), columns=ORDERS))


def test_an_order_effect_is_found_where_it_is():
    rng = np.random.default_rng(7)
    late = {"a>b>c": 3.0, "b>a>c": 3.0}
    swapped = {"a>b>c": 3.0, "b>a>c": -3.0}
    found = [
        order_contrasts(simulate_orders(rng, effects=late)).table["p_holm"].iloc[:2] <= 0.05
        for _ in range(60)
    ]
    assert np.mean([last for last, _ in found]) > 0.8 and np.mean([earlier for _, earlier in found]) < 0.15
    found = [
        order_contrasts(simulate_orders(rng, effects=swapped)).table["p_holm"].iloc[:2] <= 0.05
        for _ in range(60)
    ]
    assert np.mean([last for last, _ in found]) < 0.15 and np.mean([earlier for _, earlier in found]) > 0.8
