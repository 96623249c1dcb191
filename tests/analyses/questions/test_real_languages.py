"""Real languages: planted slopes on size, syntax and fertility are found, absent ones are not, refusals are answers."""

import json

import numpy as np
import pandas as pd
import pytest
from real_languages import ENCODER, INTERMEDIATES, LANGUAGES, Truth, real_results, write_real_run

from analyses.inference.languages.pgls import pgls
from analyses.questions import answers, degradation, distance, language_gains
from analyses.questions.by_language import FEWEST_LANGUAGES, MEAN
from analyses.questions.covariates import kinship_of, spaced
from analyses.run import load_run
from analyses.similarity import pretraining_sizes


def load(folder, truth, **options):
    return load_run(write_real_run(folder, real_results(truth, **options)))


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    """Two points a doubling of pretraining text, nothing else."""
    return load(tmp_path_factory.mktemp("sized"), Truth(size=2.0))


@pytest.fixture(scope="module")
def distant(tmp_path_factory):
    """Thirty points a unit of syntactic distance, nothing else."""
    return load(tmp_path_factory.mktemp("distant"), Truth(syntactic=30.0))


def test_planted_size_is_found_in_a_run_like_any_other(sized):
    found = distance.answer(sized)
    low, high = found.primary.interval
    assert found.primary_test == "udpos on log2_gib" and low < 2 < high and low > 1
    assert found.sentence.startswith("Yes: over 28 languages") and "doubling" in found.sentence


def test_planted_distance_is_found_in_degradation(distant):
    found = degradation.answer(distant)
    low, high = found.primary.interval
    assert found.primary_test == "udpos on syntactic" and 0 < low < 30 < high
    assert found.sentence.startswith("Yes for udpos")


def test_absent_slopes_are_rarely_shown(tmp_path):
    """Ten tables of XNLI without any slope: at level .05 three or more shown have a chance of .01."""
    shown = {"distance": 0, "degradation": 0}
    for draw in range(10):
        results = real_results(Truth(), draw=draw)
        run = load_run(write_real_run(tmp_path / str(draw), results[results["target"] == "xnli"]))
        for module in (distance, degradation):
            shown[module.NAME] += not module.answer(run).sentence.startswith("Not shown")
    assert max(shown.values()) < 3


def test_degradation_has_minus_the_slopes_of_the_score(sized):
    """Within a target degradation is a constant less the score."""
    scores, drops = (module.answer(sized).inferences for module in (distance, degradation))
    for name in ("xnli on log2_gib", "udpos on syntactic"):
        assert drops[name].estimate == pytest.approx(-scores[name].estimate)
        assert drops[name].p == pytest.approx(scores[name].p)


def test_slopes_are_those_of_pgls_on_the_raw_table(sized):
    rows = sized.results[(sized.results["target"] == "xnli") & (sized.results["language"] != "en")]
    size = np.log2(pretraining_sizes(ENCODER, list(rows["language"])).to_numpy())
    expected = pgls(rows.assign(size=size), "value", ["size"], covariance=kinship_of(list(rows["language"])))
    assert distance.answer(sized).inferences["xnli on log2_gib"].estimate == pytest.approx(expected.estimate)


def test_exploratory_tests_are_adjusted_and_the_primary_one_is_not(sized):
    table = distance.answer(sized).tables["Score on what sets languages apart, by target"]
    assert table["primary"].sum() == 1 and table.loc[table["primary"], "p_bh"].isna().all()
    rest = table[~table["primary"]]
    assert (rest["p_bh"] >= rest["p"]).all() and MEAN in set(rest["target"])


def test_fertility_leaves_out_scripts_without_blanks(tmp_path):
    """Points fall by ten a subword more; th and zh would say the opposite, vi's blanks stand between syllables."""
    rng = np.random.default_rng(2)
    fertility = {code: rng.uniform(1.2, 2.5) for code in LANGUAGES["xnli"]} | {"th": 30.0, "zh": 25.0}
    results = real_results(Truth(), draw=3)
    cut = (results["target"] == "xnli") & results["language"].map(spaced)
    results.loc[cut, "value"] -= 10 * (results.loc[cut, "language"].map(fertility) - 1.2)
    run = load_run(write_real_run(tmp_path, results, fertility))
    found = distance.answer(run)
    test = found.inferences["xnli on fertility"]
    assert test.counts["language"] == 11 and test.interval[0] < -10 < test.interval[1] < 0
    assert any("th, vi and zh, written without blanks" in flag for flag in found.flags)
    assert "udpos on fertility" not in found.inferences


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("sw", True),
        ("ko", True),
        ("ja", False),
        ("zh-Hant", False),
        ("km", False),
        ("vi", False),
        ("ar", True),
    ],
)
def test_languages_with_words_between_blanks(code, expected):
    assert spaced(code) == expected


def test_an_unknown_encoder_has_no_sizes_and_says_so(tmp_path):
    results = real_results(Truth(syntactic=30.0)).assign(
        checkpoint="google-bert/bert-base-multilingual-cased",
        model="google-bert/bert-base-multilingual-cased",
    )
    run = load_run(write_real_run(tmp_path, results))
    found, drops = distance.answer(run), degradation.answer(run)
    assert found.primary_test == "udpos on syntactic" and found.sentence.startswith("Yes")
    assert any("is not known of google-bert" in flag for flag in found.flags)
    # The same test with another sign is not a second primary test.
    assert drops.primary is None and drops.sentence.startswith("Not judged")


def test_a_packaged_encoder_and_one_under_another_owner_have_xlmrs_sizes():
    for name in ("packaged/multilingual-e5-small", "mine/xlm-roberta-base@abc", "/data/xlm-roberta-large/"):
        assert pretraining_sizes(name, ["sw", "zh-Hans"]).to_list() == [1.6, 46.9]
    assert pretraining_sizes("xlm-roberta-base", ["zh-Hant", "hi-Latn", "qu"]).round(1).to_list()[:2] == [
        16.6,
        0.5,
    ]


def test_few_languages_are_refused_in_words(tmp_path):
    results = real_results(Truth())
    few = results[results["language"].isin(["en", "de", "fr", "ru", "zh", "sw"])]
    found = distance.answer(load_run(write_real_run(tmp_path, few)))
    assert not found.answered and f"no target has {FEWEST_LANGUAGES} languages" in found.sentence
    values = degradation.answer(load_run(write_real_run(tmp_path, few)))
    assert values.answered and values.sentence.startswith("Not judged") and values.primary is None


def test_targets_without_a_pivot_score_are_refused_and_others_flagged(sized):
    found = degradation.answer(sized)
    assert not set(found.tables["Degradation from the pivot (points)"]["target"]) & {"bucc2018"}
    assert any("bucc2018" in text and "without a score in the pivot" in text for text in found.not_shown)
    assert any("udpos" in flag and "not parallel" in flag for flag in found.flags)
    scores = distance.answer(sized)
    assert any("bucc2018 (4)" in flag for flag in scores.flags)


def test_degradation_names_its_languages(sized):
    found = degradation.answer(sized)
    points = next(f for f in found.figures if f.kind == "scatter")
    assert {"sw", "ur"} <= set(points.frame["label"])
    table = found.tables["Degradation from the pivot (points)"]
    row = table[(table["target"] == "xnli") & (table["language"] == "sw")].iloc[0]
    assert (
        row["degradation"] == pytest.approx(row["y_pivot"] - row["y_language"]) and 0 < row["syntactic"] < 1
    )


def test_a_run_in_the_pivot_alone_is_not_asked(tmp_path):
    results = real_results(Truth())
    run = load_run(write_real_run(tmp_path, results[results["language"] == "en"]))
    assert distance.answer(run) is None and degradation.answer(run) is None


def test_a_language_without_a_record_is_left_out_and_told(tmp_path):
    """Quechua is several languages in URIEL and not in CC-100."""
    results = real_results(Truth(size=2.0))
    results = results.assign(language=results["language"].replace({"sw": "qu"}))
    found = distance.answer(load_run(write_real_run(tmp_path, results)))
    assert found.answered and any("pretraining text is known in qu" in flag for flag in found.flags)
    assert any("no syntactic distance of qu" in flag for flag in found.flags)


# --- gains by language


def test_gains_by_language_by_hand(tmp_path):
    run = load(tmp_path, Truth(swahili=8.0), seeds=8, intermediates=INTERMEDIATES)
    found = language_gains.answer(run)
    [table] = found.tables.values()
    xnli = run.results[run.results["target"] == "xnli"].pivot_table(
        index="seed", columns=["intermediate", "language"], values="value"
    )
    gained = (xnli["squad_v1"] - xnli["none"]).mean()
    rows = table.set_index(["target", "intermediate", "language"])
    sw = rows.loc[("xnli", "squad_v1", "sw")]
    assert sw["gain"] == pytest.approx(gained["sw"]) and sw["gain_pivot"] == pytest.approx(gained["en"])
    assert sw["gap_reduction"] == pytest.approx(gained["sw"] - gained["en"])
    assert sw["verdict"] == "gain shown" and sw["low"] < 8 < sw["high"] and sw["replicates"] == 8
    shown = table[table["verdict"].isin(["gain shown", "loss shown"])]
    assert len(shown) <= 2 and rows.loc[("xnli", "mnli", "sw"), "same_data"]
    assert rows.loc[("bucc2018", "mnli", "de"), ["gain_pivot", "gap_reduction"]].isna().all()
    [forest] = [f for f in found.figures if f.name == "language-gains-xnli"]
    assert forest.kind == "forest" and forest.frame["label"].iloc[0] == "en English"


def test_few_seeds_are_not_judged_by_language(tmp_path):
    run = load(tmp_path, Truth(swahili=8.0), seeds=3, intermediates=INTERMEDIATES)
    found = language_gains.answer(run)
    [table] = found.tables.values()
    assert found.sentence.startswith("Not judged") and (table["verdict"] == "not judged").all()
    assert (table["p"].isna().all() and "+8" in found.sentence) or "+7" in found.sentence


def test_every_question_answers_or_says_why(tmp_path):
    run = load(tmp_path, Truth(size=2.0), seeds=2, intermediates=INTERMEDIATES)
    found = {answer.name: answer for answer in answers(run)}
    assert {"distance", "degradation", "gains", "language-gains", "similarity-degradation"} <= set(found)
    for answer in found.values():
        assert answer.sentence and json.dumps(answer.to_json(), allow_nan=False)
    assert "no sample texts" in found["similarity-degradation"].sentence


def test_two_sources_of_one_target_never_mix(tmp_path):
    results = real_results(Truth())
    other = results[(results["target"] == "xnli") & results["language"].isin(["en", "de"])]
    both = pd.concat([results, other.assign(run="another paper", value=1.0)], ignore_index=True)
    table = degradation.answer(load_run(write_real_run(tmp_path, both))).tables[
        "Degradation from the pivot (points)"
    ]
    assert (table["y_language"] > 1).all() and (table["y_pivot"] > 1).all()
