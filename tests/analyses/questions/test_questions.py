"""Questions: planted effects are found with their sizes, absent ones are not, and too little data is said."""

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated import DISTANCES, PIVOT, simulated_results, write_run

from analyses.outcomes import is_control
from analyses.questions import QUESTIONS, answers, degradation
from analyses.questions.by_language import MEAN
from analyses.questions.gains import max_t_by_signs
from analyses.questions.replicates import assignments, detectable, replicate_interval, replicates
from analyses.questions.scores import language_means, main_scores, zero_shot_languages
from analyses.questions.switches import minimal_pairs
from analyses.questions.wording import count, effect, interval, listed, p_value, points
from analyses.run import load_run
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS
from simxfer.world.languages import MINIMAL_PAIRS, differing_switches


def ask(name, run):
    return import_module(QUESTIONS[name]).answer(run)


def units(values, columns=("x",)):
    """Replicates of one seed each."""
    values = np.asarray(values, dtype=float).reshape(-1, len(columns))
    index = pd.MultiIndex.from_product(
        [[f"e{i}" for i in range(len(values))], [0]], names=["checkpoint", "seed"]
    )
    return replicates(pd.DataFrame(values, index=index, columns=list(columns)))


# --- replicates


def test_interval_equals_students():
    values = [1.0, 2.5, 0.3, 4.0, 2.2, 1.9]
    found = replicate_interval(units(values), "x", "mean")
    expected = stats.ttest_1samp(values, 0.0)
    np.testing.assert_allclose(found.interval, expected.confidence_interval(0.95))
    np.testing.assert_allclose(found.p, expected.pvalue)


def test_four_replicates_give_values_and_no_interval():
    found = replicate_interval(units([1.0, 2.0, 3.0, 4.0]), "x", "mean")
    assert found.estimate == 2.5 and np.isnan(found.interval).all() and np.isnan(found.p)
    assert sorted(found.distribution) == [1.0, 2.0, 3.0, 4.0]
    assert "from 1.0 to 4.0" in effect(found) and "no interval" in effect(found)


def test_seeds_are_averaged_within_encoders():
    index = pd.MultiIndex.from_tuples([("a", 0), ("a", 1), ("b", 0)], names=["checkpoint", "seed"])
    found = replicates(pd.DataFrame({"x": [1.0, 3.0, 5.0]}, index=index))
    assert found.table["x"].to_dict() == {"a": 2.0, "b": 5.0} and found.described == "2 encoders"


def test_one_encoder_has_its_seeds():
    found = replicates(table_of(1, 1, 9))
    assert found.described == "9 seeds on 1 encoder" and "conditional on this encoder" in found.note()


def table_of(n_worlds, n_encoders, n_seeds):
    index = pd.MultiIndex.from_tuples(
        [(f"world/w{w}-s{e}", s) for w in range(n_worlds) for e in range(n_encoders) for s in range(n_seeds)],
        names=["checkpoint", "seed"],
    )
    return pd.DataFrame({"x": np.arange(len(index), dtype=float)}, index=index)


def test_encoders_of_one_world_share_an_assignment():
    found = assignments(table_of(2, 2, 3))
    assert found.unit == "assignment" and len(found.table) == 6
    assert found.table.loc[("w0", 0), "x"] == (0 + 3) / 2


def test_too_few_assignments_fall_back_to_pairs_and_say_so():
    found = assignments(table_of(2, 2, 2))
    assert found.unit == "encoder-seed pair" and len(found.table) == 8
    assert "share 4 assignments" in found.note()


def test_detectable_effect_has_its_power():
    rng = np.random.default_rng(5)
    mde = detectable(replicate_interval(units(rng.normal(0, 1, 400)), "x", ""))
    shown = [stats.ttest_1samp(rng.normal(mde, 1, 400), 0).pvalue < 0.05 for _ in range(400)]
    assert abs(np.mean(shown) - 0.8) < 0.08


# --- simultaneous verdicts


def test_max_t_by_hand():
    """Three replicates, one column: |t| is largest for the observed signs and their mirror only, 2 of 8."""
    assert max_t_by_signs(units([1.0, 2.0, 3.0])) == {"x": 0.25}


def test_max_t_of_one_column_is_the_exact_sign_test_of_t():
    values = np.array([0.5, 1.9, -0.3, 1.2, 0.8, 2.0])
    exact = stats.permutation_test(
        (values,), lambda v, axis: np.abs(v.mean(axis=axis)), permutation_type="samples", alternative="greater",
        vectorized=True, n_resamples=np.inf,
    )  # fmt: skip
    np.testing.assert_allclose(max_t_by_signs(units(values))["x"], exact.pvalue)


def test_max_t_holds_its_level_over_correlated_columns():
    """Gains share their baseline; 8 replicates, 6 columns, 400 tables: at most .05 plus three standard errors."""
    rng = np.random.default_rng(3)
    names = list("abcdef")
    false = 0
    for _ in range(400):
        values = rng.normal(0, 1, (8, 6)) - rng.normal(0, 1, (8, 1))
        false += min(max_t_by_signs(units(values, names)).values()) < 0.05
    assert false / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


# --- scores


def test_main_scores_take_one_setting_and_one_metric():
    results = simulated_results(2, targets=("w-xqa",))
    other = results.assign(metric="exact_match", value=1.0)
    lora = results[results["metric"] == "squad_f1"].assign(method="lora(r=8)")
    noisy = results.assign(perturbation="typos(0.1)")
    run = type("R", (), {"results": pd.concat([results, other, lora, noisy], ignore_index=True)})
    kept = main_scores(run)
    assert (
        len(kept) == len(results) and set(kept["metric"]) == {"squad_f1"} and set(kept["method"]) == {"full"}
    )


def test_language_means_are_over_common_languages_only():
    rows = pd.DataFrame(
        [("a", "x-sov", 1.0), ("a", "x-vso", 3.0), ("b", "x-sov", 5.0)], columns=["seed", "language", "value"]
    )
    assert zero_shot_languages(rows, PIVOT, ["seed"]) == ["x-sov"]
    assert language_means(rows, ["x-sov", "x-vso"], ["seed"]).isna().to_dict() == {"a": False, "b": True}


# --- answers under known truth


def test_planted_knowledge_is_found_with_its_size(run):
    found = ask("positive-control", run)
    assert found.sentence.startswith("Yes")
    low, high = found.primary.interval
    assert low < 49 < high and low > 30
    table = found.tables["Contrasts on unseen nouns (points)"].set_index(["where", "contrast"])
    assert (table.loc[table["planted"] == "effect", "verdict"] == "shown").all()
    assert (table.loc[table["planted"] == "absence", "estimate"].abs() < 5).all()


def test_absent_effects_are_not_found(null_run):
    assert ask("positive-control", null_run).sentence.startswith("Not shown")
    assert ask("zero-shot", null_run).sentence.startswith("Not shown")
    assert ask("distance", null_run).sentence.startswith("Not shown")


def test_pretraining_is_told_from_its_control(run):
    found = ask("zero-shot", run)
    expected = []
    for target, top, chance in (
        ("w-xnli", 73, 33),
        ("w-xqa", 49, 7),
        ("w-pos", 98, 18),
        ("w-tatoeba", 95, 0.5),
    ):
        distances = [d["total"] for code, d in DISTANCES.items() if code != PIVOT]
        assert target in found.inferences
        expected.append((top - chance) * (1 - np.mean(distances)))
    low, high = found.primary.interval
    assert low < np.mean(expected) < high


def test_distance_by_an_independent_correlation(run):
    found = ask("distance", run)
    table = found.tables["Scores by language (points) and what sets languages apart"]
    assert table["target"].iloc[0] == MEAN
    table = table[table["target"] == MEAN]
    expected = stats.spearmanr(table["value"], table["total"]).statistic
    np.testing.assert_allclose(found.primary.estimate, expected)
    assert len(table) == len(DISTANCES) - 1 and found.sentence.startswith("Yes")


def test_gains_show_planted_pairs_and_set_shared_data_apart(run):
    found = ask("gains", run)
    table = found.tables["Zero-shot and pivot gains (points)"].set_index(["target", "intermediate"])
    assert ("w-xqa", "w-qa") not in table.index
    assert table.loc[("w-is-a", "w-tag-a"), "verdict"] == "gain shown"
    assert table.loc[("w-tatoeba", "w-nli"), "verdict"] == "loss shown"
    check = found.tables["Manipulation check: pairs that share training data (points)"]
    assert set(zip(check["target"], check["intermediate"], strict=True)) == {
        ("w-xqa", "w-qa"),
        ("w-xnli", "w-nli"),
    }


def test_gains_of_nothing_are_rarely_shown(null_run):
    """Verdicts are simultaneous within a target: a false one is rare (retrieval has planted losses)."""
    null_pairs = ask("gains", null_run).tables["Zero-shot and pivot gains (points)"]
    null_pairs = null_pairs[null_pairs["target"] != "w-tatoeba"]
    assert (
        null_pairs.groupby("target")["verdict"].agg(lambda v: v.str.contains("shown$").sum() > 0).shape[0]
        == 5
    )
    assert (null_pairs["verdict"].isin(["gain shown", "loss shown"])).mean() < 0.1


@pytest.mark.parametrize(("n", "reached"), [(4, False), (5, False), (6, True)])
def test_the_encoders_asked_for_can_show_a_gain(n, reached, tmp_path):
    """Six signs are all alike in 2 of 64 patterns, p = 1/32; five in 2 of 32, p = 1/16."""
    found = ask("gains", load_run(write_run(tmp_path / "run", simulated_results(n, 1))))
    table = found.tables["Zero-shot and pivot gains (points)"]
    assert (table["verdict"] == "gain shown").any() == reached
    assert found.what_would_change.startswith("More encoders" if reached else "At least 6 encoders")


def test_order_effect_has_its_sign(run):
    found = ask("order", run)
    assert found.sentence.startswith("Yes") and found.primary.interval[0] > 5


def test_minimal_pairs_are_those_the_world_declares(run):
    found = minimal_pairs(run.languages, PIVOT)
    assert set(found) == set(MINIMAL_PAIRS)
    for language, switch in found.items():
        assert differing_switches(language) == (switch.partition("=")[0],)


def test_switch_costs_follow_their_distance(run):
    found = ask("switches", run)
    assert found.primary is None
    costs = {switch: test.estimate for switch, test in found.inferences.items()}
    assert costs["script=Cyrl"] < costs["wh_fronting=False"]


def test_similarity_unrelated_to_gains_is_not_shown(run):
    found = ask("similarity-gain", run)
    assert found.sentence.startswith("Not shown")
    assert {"gain on mean_cosine_centred", "power of this grid"} <= set(found.inferences)
    assert found.primary.counts["pairs"] == 9 * 5 - 2


def test_similarity_that_drives_gains_is_shown(tmp_path, monkeypatch):
    """Gains made from the measured similarity itself: the slope must come out."""
    from analyses.questions import similarity_gain

    rng = np.random.default_rng(0)
    sources = ["w-nli", "w-qa", "w-roles", "w-cloze", "w-tag-a", "w-tag-b", "w-tag-0", "w-which-a"]
    targets = ["w-xnli", "w-xqa", "w-pos", "w-ner", "w-xcloze", "w-is-a"]
    pairs = pd.DataFrame(
        [(s, t, rng.normal()) for s in sources for t in targets], columns=["a", "b", "value"]
    )
    data = pairs.rename(columns={"a": "intermediate", "b": "target"})
    data = data.assign(
        language="x-sov", same_data=False, gain=4 * data["value"] + rng.normal(0, 0.5, len(data))
    )
    table = pairs.assign(measure=similarity_gain.PRIMARY, language="", checkpoint="e", observed_share=1.0)
    similar = type("A", (), {"table": table, "left_out": pd.DataFrame()})
    found = similarity_gain._answered(data.drop(columns="value"), similar)
    spread = pairs["value"].quantile(0.75) - pairs["value"].quantile(0.25)
    assert found.sentence.startswith("Yes")
    assert found.primary.interval[0] < 4 * spread < found.primary.interval[1]


# --- too little data


def test_two_encoders_are_never_judged(small_run):
    for name in ("zero-shot", "gains", "switches", "positive-control", "order"):
        found = ask(name, small_run)
        assert found.sentence.startswith("Not judged"), name
        assert found.primary is None


def test_a_run_without_the_tasks_gets_no_answer(tmp_path):
    results = simulated_results(2, targets=("w-xnli",))
    results = results[(results["intermediate"] == "none") & ~results["checkpoint"].str.startswith("random")]
    found = load_run(write_run(tmp_path, results))
    assert {a.name for a in answers(found)} == {"distance", "degradation", "switches"}


def test_questions_answer_or_say_why_on_broken_grids(tmp_path):
    """Cells at random missing: no error, and every answer has a sentence."""
    results = simulated_results(3, targets=("w-xnli", "w-pos", "w-is-a"), draw=4)
    kept = results.sample(frac=0.4, random_state=1)
    for found in answers(load_run(write_run(tmp_path, kept))):
        assert found.sentence and found.question
        json.dumps(found.to_json(), allow_nan=False)


def test_equal_runs_give_equal_answers(null_run):
    first, second = (json.dumps([a.to_json() for a in answers(null_run)]) for _ in range(2))
    assert first == second


def test_load_run_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        load_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no scores"):
        load_run(tmp_path)


# --- wording


def test_wording():
    assert points(-4.25) == "\N{MINUS SIGN}4.2" and points(3.0) == "+3.0"
    assert p_value(0.0123) == "p = .012" and p_value(1e-9) == "p < .001" and p_value(np.nan) == "no p value"
    assert p_value(1.0) == "p = 1.000"
    assert interval(1.0, 2.0) == "95 % interval 1.0 to 2.0" and interval(np.nan, np.nan) == "no interval"
    assert count(1, "switch") == "1 switch" and count(2, "switch") == "2 switches"
    assert (
        listed([]) == "none"
        and listed(["a", "b", "c"]) == "a, b and c"
        and listed("abcdef", 2) == "a, b and 4 more"
    )


def test_degradation_of_artificial_languages_is_told_and_not_tested_again(run):
    """The score's test on true distance is that of degradation with another sign."""
    found = degradation.answer(run)
    table = found.tables["Degradation from the pivot (points)"]
    row = table.iloc[0]
    results = run.results[~is_control(run.results["checkpoint"])]
    none = results[(results["intermediate"] == "none") & (results["split"] == "test")]
    none = none[(none["target"] == row["target"]) & (none["metric"] == TASKS[row["target"]].metric)]
    by_language = none.groupby(["checkpoint", "language"])["value"].mean().groupby("language").mean()
    assert row["y_language"] == pytest.approx(by_language[row["language"]])
    assert row["degradation"] == pytest.approx(by_language["x-pivot"] - by_language[row["language"]])
    assert row["total"] == DISTANCES[row["language"]]["total"]
    assert f"{table['degradation'].max():.1f}" in found.sentence and not found.inferences
    assert "w-tatoeba" not in set(table["target"])


def test_degradation_without_a_pivot_says_why(run, tmp_path):
    results = run.results[~is_control(run.results["checkpoint"]) & (run.results["language"] != "x-pivot")]
    found = degradation.answer(load_run(write_run(tmp_path, results)))
    assert not found.answered and "x-pivot" in found.sentence


def test_without_a_matched_and_a_crossed_intermediate_the_positive_control_cannot_tell(tmp_path):
    results = simulated_results(6, targets=("w-is-a",))
    run = load_run(write_run(tmp_path, results[results["intermediate"].isin(["none", "w-nli", "w-tag-0"])]))
    answer = ask("positive-control", run)
    assert not answer.answered and "no matched and crossed intermediates" in answer.sentence
