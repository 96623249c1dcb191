"""Outcomes: worked by hand on a few rows, and as properties of random tables."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.outcomes import (
    NO_BASELINE,
    NO_PIVOT,
    NOT_PARALLEL,
    coverage,
    degradation,
    encoder_of,
    gains,
    gap_reduction,
    is_control,
    measurements,
    robust_drop,
)
from simxfer.common.errors import InputError
from simxfer.schema.tables import RESULTS


def row(**changes):
    """One results row of the world; the changes name what differs."""
    return {
        "run": "r", "model": "m", "checkpoint": "world/w0-s0", "method": "full", "intermediate": "none",
        "target": "w-xnli", "language": "x-pivot", "split": "test", "perturbation": "clean",
        "selection": "last", "seed": 0, "metric": "accuracy", "value": 50.0, "n_examples": 300, "flags": "",
        "stage": "s", **changes,
    }  # fmt: skip


HAND = pd.DataFrame(
    [
        row(value=70.0),
        row(value=50.0, language="x-sov"),
        row(value=78.0, intermediate="w-nli"),
        row(value=60.0, intermediate="w-nli", language="x-sov", flags="chance"),
        row(value=71.0, intermediate="w-qa"),
    ]
)


def test_gains_by_hand():
    out = gains(HAND).set_index(["intermediate", "language"])
    assert out.loc[("w-nli", "x-pivot"), "gain"] == 8.0
    assert out.loc[("w-nli", "x-sov"), "gain"] == 10.0
    assert out.loc[("w-qa", "x-pivot"), "gain"] == 1.0
    assert out.loc[("w-nli", "x-sov"), "flags"] == "chance"
    assert out["same_data"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1}, {"checkpoint": "world/w0-s1"}, {"method": "lora(r=8)"}, {"selection": "best-en-dev"},
        {"split": "test/unseen"}, {"perturbation": "typos(0.1)"}, {"run": "other"}, {"language": "x-vso"},
    ],
)  # fmt: skip
def test_a_gain_needs_an_equal_baseline(change):
    out = gains(pd.DataFrame([row(), row(intermediate="w-nli", value=60.0, **change)]))
    assert np.isnan(out["gain"].iloc[0]) and NO_BASELINE in out["flags"].iloc[0]


def untrained(seed, value=40.0, **changes):
    return row(
        target="w-tatoeba", language="x-sov", **{"seed": seed, "value": value, "stage": "root", **changes}
    )


def test_an_untrained_checkpoint_is_one_measurement_and_the_baseline_of_all_seeds():
    trained = [untrained(s, 50.0 + s, intermediate="w-nli") | {"stage": f"nli{s}"} for s in (0, 1, 2)]
    table = pd.DataFrame([*(untrained(seed) for seed in (2, 0, 1)), *trained])
    once = measurements(table)
    assert once["seed"].tolist() == [0, 0, 1, 2] and once["flags"].tolist() == ["same-checkpoint", "", "", ""]
    assert measurements(once).equals(once)
    out = gains(once)
    assert out["gain"].tolist() == gains(table)["gain"].tolist() == [10.0, 11.0, 12.0]
    assert set(out["flags"]) == {"baseline: same-checkpoint"}
    planned = table[["checkpoint", "method", "intermediate", "target", "seed", "selection", "stage"]]
    covered = coverage(once, planned.assign(evaluation="e")).set_index("intermediate")
    assert covered.loc["none", ["n_scores", "n_expected"]].tolist() == [1, 1]
    assert covered.loc["w-nli", ["n_scores", "n_expected"]].tolist() == [3, 3]


def test_scores_that_only_share_a_name_of_a_stage_are_several_measurements():
    for table in ([untrained(0), untrained(1, 41.0)], [untrained(0, stage=None), untrained(1, stage=None)]):
        table = pd.DataFrame([{**one} for one in table])
        assert len(measurements(table)) == 2


def test_flags_of_the_baseline_reach_the_gain():
    out = gains(pd.DataFrame([row(flags="failed"), row(intermediate="w-nli")]))
    assert out["flags"].iloc[0] == "baseline: failed"


def test_same_data_of_mixtures_and_unknown_tasks():
    table = pd.DataFrame([row(), *(row(intermediate=s) for s in ("w-qa+w-nli", "w-qa>w-roles", "nobody"))])
    out = gains(table).set_index("intermediate")["same_data"]
    assert out["w-qa+w-nli"] and not out["w-qa>w-roles"]
    assert out["nobody"] is pd.NA
    mine = HAND.assign(target="my-target")
    assert gains(mine)[["same_data", "same_kind"]].isna().all(axis=None)


def test_degradation_by_hand_beside_both_scores():
    out = degradation(HAND, "x-pivot").set_index("intermediate")
    assert out.loc["none", ["y_pivot", "y_language", "degradation"]].tolist() == [70.0, 50.0, 20.0]
    assert out.loc["w-nli", "degradation"] == 18.0


def test_degradation_is_refused_without_a_pivot_score():
    rows = [
        row(),
        row(language="x-sov"),
        row(target="w-tatoeba", metric="retrieval_accuracy", language="x-sov"),
    ]
    out = degradation(pd.DataFrame(rows), "x-pivot").set_index("target")
    assert np.isnan(out.loc["w-tatoeba", "degradation"]) and NO_PIVOT in out.loc["w-tatoeba", "flags"]
    with pytest.raises(InputError, match="x-pivot"):
        degradation(pd.DataFrame(rows), "x-pivt")


def test_degradation_flags_unparallel_test_sets(monkeypatch):
    import dataclasses

    from simxfer.tasks import TASKS

    monkeypatch.setitem(TASKS, "w-xnli", dataclasses.replace(TASKS["w-xnli"], parallel=False))
    out = degradation(HAND, "x-pivot")
    assert out["flags"].str.contains(NOT_PARALLEL).all() and not out["parallel"].any()


def test_xcopa_takes_copa_as_its_pivot():
    table = pd.DataFrame(
        [row(target="copa", language="en", value=80.0), row(target="xcopa", language="sw", value=66.0)]
    )
    out = degradation(table).set_index("target")
    assert out.loc["xcopa", "degradation"] == 14.0


def test_gap_reduction_by_hand():
    out = gap_reduction(HAND, "x-pivot")
    assert len(out) == 1
    assert out.loc[0, ["gain_pivot", "gain", "gap_reduction"]].tolist() == [8.0, 10.0, 2.0]


def test_robust_drop_by_hand():
    table = pd.DataFrame([row(value=70.0), row(value=61.5, perturbation="typos(0.1)", n_examples=299)])
    out = robust_drop(table)
    assert out.loc[0, ["y_clean", "y_perturbed", "robust_drop"]].tolist() == [70.0, 61.5, 8.5]
    assert "numbers of examples" in out["flags"].iloc[0]


def test_coverage_names_what_is_missing():
    table = pd.concat(
        [HAND, pd.DataFrame([row(target="w-pos"), row(checkpoint="random(world/w0-s0)", value=40.0)])]
    )
    out = coverage(table).set_index(["target", "control", "intermediate"])
    assert out.loc[("w-xnli", False, "w-nli"), "n_scores"] == 2
    assert out.loc[("w-xnli", False, "w-qa"), "missing_languages"] == "x-sov"
    assert out.loc[("w-pos", False, "w-nli"), ["n_scores", "n_expected"]].tolist() == [0, 1]
    assert ("w-xnli", True, "w-nli") not in out.index


def test_controls_are_told_by_their_name():
    names = pd.Series(["world/w0-s0", "random(world/w0-s0)"])
    assert is_control(names).tolist() == [False, True]
    assert encoder_of(names).tolist() == ["world/w0-s0"] * 2


@st.composite
def tables(draw):
    """A results table with some cells missing."""
    keys = [
        (s, language, seed)
        for s in ("none", "w-nli", "w-roles>w-qa")
        for language in ("x-pivot", "x-sov", "x-vso")
        for seed in (0, 1)
    ]
    kept = draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
    value = st.floats(10, 100, allow_nan=False)
    return pd.DataFrame(
        [row(intermediate=s, language=lang, seed=r, value=draw(value)) for s, lang, r in kept]
    )


@settings(max_examples=25, deadline=None)
@given(tables())
def test_gains_agree_with_a_look_up_by_key(table):
    scores = {tuple(r[k] for k in RESULTS.key): r["value"] for r in table.to_dict("records")}
    out = gains(table)
    assert len(out) == (table["intermediate"] != "none").sum()
    for r in out.to_dict("records"):
        baseline = scores.get(tuple("none" if k == "intermediate" else r[k] for k in RESULTS.key))
        expected = np.nan if baseline is None else r["score"] - baseline
        np.testing.assert_equal(r["gain"], expected)


@settings(max_examples=25, deadline=None)
@given(tables())
def test_gap_reduction_is_the_difference_of_two_gains(table):
    if not (table["language"] == "x-pivot").any():
        return
    by_key = gains(table).set_index(["intermediate", "language", "seed"])["gain"]
    for r in gap_reduction(table, "x-pivot").to_dict("records"):
        pivot = by_key.get((r["intermediate"], "x-pivot", r["seed"]), np.nan)
        expected = by_key[(r["intermediate"], r["language"], r["seed"])] - pivot
        np.testing.assert_allclose(r["gap_reduction"], expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_outcomes_do_not_depend_on_the_order_of_rows(table, random):
    order = list(range(len(table)))
    random.shuffle(order)
    first = gains(table).sort_values(list(RESULTS.key), ignore_index=True)
    second = gains(table.iloc[order]).sort_values(list(RESULTS.key), ignore_index=True)
    pd.testing.assert_frame_equal(first, second)


OTHER = {
    "run": "other", "model": "n", "checkpoint": "world/w0-s1", "method": "lora(r=8)", "intermediate": "w-qa",
    "target": "w-pos", "language": "x-vso", "split": "test/unseen", "perturbation": "typos(0.2)",
    "selection": "best-en-dev", "seed": 1, "metric": "chunk_f1",
}  # fmt: skip
PARTNERS = {
    gains: ("gain", ["intermediate"], [row()], row(intermediate="w-nli", value=60.0)),
    degradation: ("degradation", ["language"], [row()], row(language="x-sov", value=40.0)),
    robust_drop: ("robust_drop", ["perturbation"], [row()], row(perturbation="typos(0.1)", value=40.0)),
    gap_reduction: (
        "gap_reduction",
        ["intermediate", "language"],
        [row(value=70.0), row(language="x-sov"), row(intermediate="w-nli", value=70.0)],
        row(intermediate="w-nli", language="x-sov", value=60.0),
    ),
}
"""Outcome -> its column, the columns in which partners differ, the partners, and the row whose outcome it is."""


@pytest.mark.parametrize("outcome", PARTNERS)
@pytest.mark.parametrize("column", [None, *RESULTS.key])
def test_partners_are_equal_in_every_column_but_their_own(outcome, column):
    """A key column that the tables at hand hold one value of still tells partners apart."""
    name, own, partners, main = PARTNERS[outcome]
    if column not in own:
        changed = [{**partner, column: OTHER[column]} if column else partner for partner in partners]
        pivot = {"pivot": "x-pivot"} if "language" in own else {}
        table = outcome(pd.DataFrame([*changed, main]), **pivot)
        kept = table[(table[list(RESULTS.key)] == [main[key] for key in RESULTS.key]).all(axis=1)]
        assert kept[name].isna().tolist() == [column is not None]
        assert column or abs(kept[name].iloc[0]) == 10.0
