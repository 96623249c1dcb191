"""pair_interaction, leave_one_out, collinearity, specification_curve."""

import numpy as np
import pandas as pd
import pytest

from analyses.inference import (
    Truth,
    collinearity,
    leave_one_out,
    pair_interaction,
    pair_regression,
    permute_tasks,
    simulate_grid,
    specification_curve,
)
from simxfer.common.errors import InputError


def grid(seed: int = 0, **truth) -> pd.DataFrame:
    return simulate_grid(np.random.default_rng(seed), Truth(**({"languages": 2, "seeds": 2} | truth)))


def methods(seed: int, extra: float) -> pd.DataFrame:
    """Three methods on one grid; the slope under the adapter is larger by `extra`, LoRA equals full plus
    noise.
    """
    base = grid(seed, slope=0.5)
    rng = np.random.default_rng(seed + 1)
    noise = lambda: rng.normal(0, 0.5, len(base))  # noqa: E731
    adapter = base.assign(method="adapter", gain=base["gain"] + extra * base["similarity"] + noise())
    return pd.concat(
        [base.assign(method="full"), adapter, base.assign(method="lora", gain=base["gain"] + noise())]
    )


def test_interaction_is_the_difference_of_slopes_and_pairs_are_their_own_controls():
    result = pair_interaction(methods(3, extra=1.0))
    table = result.table.set_index("term")
    assert result.estimate == pytest.approx(1.0, abs=0.1)
    assert result.p < 1e-4
    assert table.loc["slope, lora - full", "p"] > 0.05
    # The pairs' own effects (SD 1) cancel: the contrast is far more precise than either slope.
    assert table.loc["slope, adapter - full", "se"] < 0.3 * table.loc["slope, full", "se"]
    assert (table["p_holm"].dropna() >= table.loc[table["p_holm"].notna(), "p"]).all()
    alone = pair_regression(methods(3, 1.0).query("method == 'lora'"))
    assert table.loc["slope, lora", "estimate"] == pytest.approx(alone.estimate)


def test_interaction_compares_only_rows_that_both_methods_have():
    data = methods(4, extra=0.5)
    fewer = data[~((data["method"] == "adapter") & (data["seed"] == 1))]
    paired = data[data["seed"] == 0]
    kept = pair_interaction(fewer[fewer["method"] != "lora"])
    assert kept.estimate == pytest.approx(pair_interaction(paired[paired["method"] != "lora"]).estimate)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[d["method"] != "full"], "unknown reference method 'full'"),
        (lambda d: d[d["method"] == "full"], "only one method"),
        (lambda d: pd.concat([d, d]), "two rows with the same"),
        (lambda d: d.assign(seed=d["seed"] + 9 * (d["method"] == "lora")), "have no row with the same"),
    ],
)
def test_interaction_refusals(change, message):
    with pytest.raises(InputError, match=message):
        pair_interaction(change(methods(0, 0.0)))


def test_one_influential_task_is_found_and_told():
    data = grid(5, noise=0.3, pair=0.3)
    # A slope that lives in one source only.
    data["gain"] += 6.0 * data["similarity"] * (data["intermediate"] == "s4")
    result = leave_one_out(data)
    assert result.table["left_out"].iloc[1] == "s4"
    assert len(result.table) == 1 + 9 + 9 + 2
    without = pair_regression(data[data["intermediate"] != "s4"])
    row = result.table.set_index("term").loc["without s4"]
    assert row["estimate"] == pytest.approx(without.estimate)
    assert row["shift"] == pytest.approx((without.estimate - result.estimate) / result.table["se"].iloc[0])


def test_variance_inflation_by_hand_and_against_statsmodels():
    from statsmodels.stats.outliers_influence import variance_inflation_factor

    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 60))
    data = pd.DataFrame({"x": x, "y": x + 0.3 * z, "z": rng.normal(size=60), "twice": 2 * z})
    table = collinearity(data, ["x", "y", "z"]).set_index("term")
    design = np.column_stack([np.ones(60), data[["x", "y", "z"]]])
    for j, name in enumerate(["x", "y", "z"], start=1):
        assert table.loc[name, "vif"] == pytest.approx(variance_inflation_factor(design, j))
    assert table.loc["x", "with"] == "y"
    assert np.isinf(collinearity(data.assign(sum=x + z), ["x", "twice", "sum"])["vif"]).all()
    with pytest.raises(InputError, match="at least two"):
        collinearity(data, ["x"])


def test_rows_of_a_pair_count_once():
    data = grid(1).assign(other=lambda d: d["similarity"] ** 2)
    once = collinearity(data.drop_duplicates(["intermediate", "target"]), ["similarity", "other"])
    pairs = collinearity(data, ["similarity", "other"], within=["intermediate", "target"])
    pd.testing.assert_frame_equal(once, pairs)


def curve_data(seed: int, slope: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = grid(seed, slope=slope)
    return data.assign(
        gain2=data["gain"] + rng.normal(0, 0.5, len(data)),
        similarity2=data["similarity"] + 0.3 * rng.normal(size=81).repeat(4),
        z=rng.normal(size=81).repeat(4),
    )  # fmt: skip


def test_curve_of_one_specification_is_permute_tasks():
    data = curve_data(2, 0.5)
    curve = specification_curve(
        data, ["gain"], ["similarity"], rng=np.random.default_rng(0), permutations=999
    )
    single = permute_tasks(data, rng=np.random.default_rng(7), permutations=999)
    row = curve.table.iloc[2]
    assert row["slope"] == pytest.approx(single.estimate)
    assert row["p"] == pytest.approx(single.p, abs=0.04)
    assert curve.p == pytest.approx(row["p"])


def test_curve_finds_a_slope_and_lists_every_specification():
    result = specification_curve(
        curve_data(3, 1.5),
        ["gain", "gain2"],
        ["similarity", "similarity2"],
        [(), ("z",)],
        rng=np.random.default_rng(0),
        permutations=299,
    )
    table = result.table
    assert len(table) == 2 + 8
    assert result.p <= 0.01
    assert table["p"].iloc[1] <= 0.05
    assert table["estimate"].iloc[2:].is_monotonic_increasing
    assert result.estimate == pytest.approx(table["estimate"].iloc[2:].median())


def test_curve_without_effect_holds_its_level():
    """Four specifications of pure noise, 40 grids: Binomial(40, .05) stays below 9."""
    p = [
        specification_curve(
            curve_data(seed, 0.0), ["gain", "gain2"], ["similarity", "similarity2"],
            rng=np.random.default_rng(seed), permutations=99,
        ).table["p"].iloc[:2].to_numpy()
        for seed in range(40)
    ]  # fmt: skip
    assert (np.array(p) <= 0.05).sum(axis=0).max() <= 8
