"""pair_regression: by hand, invariances, refusals, type I error under known truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.inference import Truth, crossed_effects, pair_regression, pair_table, simulate_grid
from simxfer.common.errors import InputError

SMALL = Truth(languages=2, seeds=2)


def grid(seed: int = 0, truth: Truth = SMALL) -> pd.DataFrame:
    return simulate_grid(np.random.default_rng(seed), truth)


def test_centred_part_of_a_full_table_by_hand():
    x = np.array([[1.0, 2.0, 6.0], [4.0, 5.0, 9.0], [1.0, 5.0, 3.0]])
    frame = pd.DataFrame(
        [
            {"intermediate": f"s{i}", "target": f"t{j}", "similarity": x[i, j], "gain": i - j + x[i, j] ** 2}
            for i in range(3)
            for j in range(3)
        ]
    )
    centred = pair_table(frame).frame["centred"].to_numpy().reshape(3, 3)
    # Row means 3, 6, 3; column means 2, 4, 6; grand mean 4: 1 - 3 - 2 + 4 = 0, and so on.
    np.testing.assert_allclose(centred, [[0, -1, 1], [0, -1, 1], [0, 2, -2]], atol=1e-12)


def test_a_true_slope_without_noise_is_found_exactly():
    exact = Truth(languages=1, seeds=1, slope=2.5, noise=0, pair=0, target_language=0)
    result = pair_regression(grid(3, exact).assign(gain=lambda d: d["gain"] + 1e-6 * np.arange(len(d)) % 7))
    assert result.estimate == pytest.approx(2.5, abs=1e-4)


def test_balanced_slope_without_random_slopes_is_least_squares_on_centred_values():
    pairs = pair_table(grid(5)).frame
    g = pairs.pivot(index="intermediate", columns="target", values="gain").to_numpy()
    x = pairs.pivot(index="intermediate", columns="target", values="centred").to_numpy()
    g = g - g.mean(0) - g.mean(1)[:, None] + g.mean()
    result = pair_regression(grid(5))
    assert any("boundary" in note for note in result.notes)
    spread = np.sqrt(result.table["se"].iloc[0] ** 2)
    assert abs(result.estimate - (g * x).sum() / (x * x).sum()) < spread


def test_equals_the_mixed_model_of_its_docstring():
    """`crossed_effects` is checked against lme4; this ties the pair-level design to it."""
    data = grid(
        2, Truth(languages=2, seeds=2, slope=1.0, slope_by_source=0.7, slope_by_target=0.7, missing=0.1)
    )
    formula = (
        "gain ~ centred + source_mean + target_mean + (1 + centred || intermediate) + (1 + centred || target)"
    )
    reference = crossed_effects(pair_table(data).frame, formula).fixed
    table = pair_regression(data).table
    for i, term in enumerate(["centred", "source_mean", "target_mean"]):
        assert table["estimate"].iloc[i] == pytest.approx(reference.loc[term, "estimate"], rel=1e-6)
        assert table["se"].iloc[i] == pytest.approx(reference.loc[term, "se"], rel=1e-6)
    assert list(table["df"]) == [8, 7, 7]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-5, 5), st.floats(0.1, 10), st.floats(-5, 5))
def test_task_effects_and_scale_do_not_matter(seed, shift, scale, slope):
    data = grid(seed)
    by_task = data["intermediate"].map(lambda s: shift * int(s[1:])) + data["target"].map(
        lambda t: int(t[1:]) ** 2
    )
    before = pair_regression(data)
    after = pair_regression(data.assign(gain=scale * (data["gain"] + slope * data["similarity"])))
    moved = pair_table(data.assign(similarity=data["similarity"] + by_task)).frame["centred"]
    np.testing.assert_allclose(moved, pair_table(data).frame["centred"], atol=1e-8)
    se = before.table["se"].iloc[0]
    assert after.estimate == pytest.approx(scale * (before.estimate + slope), abs=scale * (1e-3 * se + 1e-9))


def test_same_data_pairs_are_left_out_and_shown():
    data = grid(7)
    same = (data["intermediate"] == "s0") & (data["target"] == "t0")
    result = pair_regression(data.assign(same_data=same, gain=data["gain"] + 50 * same))
    without = pair_regression(data[~same])
    assert result.estimate == pytest.approx(without.estimate)
    assert result.table["term"].iloc[1] == "similarity (centred), same_data included"
    assert result.table["estimate"].iloc[1] != pytest.approx(result.estimate)
    assert "1 same_data pairs" in result.summary()


def test_only_common_languages_are_averaged():
    data = grid(1)
    data["gain"] += 100 * (data["language"] == "x-l01")
    kept = data[~((data["intermediate"] == "s0") & (data["target"] == "t0") & (data["language"] == "x-l01"))]
    result = pair_regression(kept)
    expected = pair_regression(data[~((data["target"] == "t0") & (data["language"] == "x-l01"))])
    assert result.estimate == pytest.approx(expected.estimate)
    assert any("not every source has them" in note for note in result.notes)


def test_within_kinds_a_block_effect_cannot_feign_a_slope():
    data = grid(9, Truth(languages=1, seeds=1, kinds=3))
    kin = data["intermediate_kind"] == data["target_kind"]
    planted = data.assign(gain=data["gain"] + 4 * kin, similarity=data["similarity"] + 2 * kin)
    across = pair_regression(planted)
    within, without = (pair_regression(d, kind=("intermediate_kind", "target_kind")) for d in (planted, data))
    assert across.p < 0.01
    assert across.estimate > 1
    assert within.estimate == pytest.approx(without.estimate, abs=1e-6)
    assert within.p == pytest.approx(without.p, abs=1e-6)
    assert list(within.table["term"]) == ["similarity (centred)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d[d["intermediate"].isin(["s1", "s2"])],
            "'intermediate' has 2 levels, expected at least 3",
        ),
        (lambda d: d[d["target"].isin(["t1", "t2"])], "'target' has 2 levels"),
        (lambda d: d.assign(similarity=1.0), "is constant"),
        (lambda d: d.assign(similarity=d["target"].str[1:].astype(int)), "centred similarity.*is constant"),
        (lambda d: d.assign(gain=np.inf), "infinite"),
        (lambda d: d.assign(gain="high"), "expected numbers"),
        (lambda d: d.rename(columns={"gain": "gains"}), "unknown column 'gain'. Did you mean 'gains'"),
        (lambda d: d.assign(gain=np.nan), "no row is complete"),
        (lambda d: d.assign(gain=d["similarity"]), "explain the outcome exactly"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(InputError, match=message):
        pair_regression(change(grid()))


def test_notes_tell_of_small_grids_missing_rows_and_missing_pairs():
    data = grid(0, Truth(sources=4, targets=5, languages=2, seeds=1))
    data.loc[0, "gain"] = np.nan
    data = data[~((data["intermediate"] == "s3") & (data["target"] == "t4"))]
    text = pair_regression(data).summary()
    assert "1 of 38 rows dropped" in text
    assert "small grid" in text
    assert "1 of 20 pairs are missing" in text


def similarity_table(data: pd.DataFrame, **columns) -> pd.DataFrame:
    rows = data.drop_duplicates(["intermediate", "target"])
    table = rows[["intermediate", "target", "similarity"]].set_axis(["a", "b", "value"], axis=1)
    return table.assign(measure="mean_cosine", observed_share=1.0, **columns)


def test_a_similarity_table_is_joined_by_pair():
    data = grid(6)
    table = similarity_table(data)
    both = pd.concat([table.assign(language="en"), table.assign(language="de", value=table["value"] + 2)])
    expected = pair_regression(data, "similarity", "gain")
    for one in (table, both):
        found = pair_regression(data.drop(columns="similarity"), one)
        assert found.estimate == pytest.approx(expected.estimate)
        assert found.table["term"].iloc[0] == "mean_cosine (centred)"


def test_similarity_tables_that_do_not_fit_are_refused():
    data, table = grid(6), similarity_table(grid(6))
    two = pd.concat([table, table.assign(measure="coverage")])
    with pytest.raises(InputError, match=r"\['coverage', 'mean_cosine'\]; expected one"):
        pair_regression(data, two)
    with pytest.raises(InputError, match="no pair of intermediate and target"):
        pair_regression(data, table.assign(a="other"))
    with pytest.raises(InputError, match="unknown column 'b'"):
        pair_regression(data, table.drop(columns="b"))


def test_pairs_that_rest_on_unequal_numbers_of_rows_are_said_to():
    data = grid(1)
    whole, first = data.groupby(["intermediate", "target"]).size().max(), data.index[0]
    for kept, said in ((data, []), (data.drop(index=first), [f"{whole - 1} to {whole} rows each"])):
        notes = [note for note in pair_regression(kept).notes if "rows each" in note]
        assert len(notes) == len(said) and all(text in note for text, note in zip(said, notes, strict=True))
