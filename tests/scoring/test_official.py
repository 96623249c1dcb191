import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from simxfer.cli.scores import score_warnings, scores_json, scores_text
from simxfer.common.errors import InputError
from simxfer.metrics import METRICS
from simxfer.scoring.official import (
    BENCHMARKS,
    COLUMNS,
    LAYOUTS,
    averages,
    score,
    score_benchmark,
    score_file,
)
from simxfer.scoring.official.languages import language_of_name

ROOT = Path(__file__).parents[2]
EXACT = 1e-9
"""Points: the same sums in another order differ by rounding alone."""

OFFICIAL = {"f1": ("tag_f1", "chunk_f1", "squad_f1", "mlqa_f1", "mining_f1"), "map@20": ("mrr_at_20",)}
OFFICIAL |= {
    "accuracy": ("accuracy", "retrieval_accuracy"),
    "exact_match": ("exact_match", "mlqa_exact_match"),
}
"""evaluate.py's name of a score -> ours; precision and recall have none."""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def value(scores: pd.DataFrame, metric: str) -> float:
    [found] = scores.loc[scores["metric"] == metric, "value"]
    return float(found)


def average(table: pd.DataFrame, task: str, *columns: str) -> list:
    """The cells of a task's, a group's or the overall score."""
    [row] = table[(table["task"] == task) & (table["metric"] == "score")].to_dict("records")
    return [row[column] for column in columns]


# What the official scorers print


@pytest.fixture(scope="module")
def mock(shared) -> Path:
    return shared / "pack" / "xtreme_mock_test_data"


@pytest.fixture(scope="module")
def expected(shared) -> dict:
    """Scores by task and language; part-of-speech tags and entities under seqeval 0.0.12."""
    oracles = shared / "oracles"
    scores = json.loads((oracles / "xtreme_mock_seqeval1.2.2.json").read_text())
    return scores | json.loads((oracles / "xtreme_mock_seqeval0.0.12_panx_udpos.json").read_text())


def test_every_task_and_language_of_the_mock_data_is_xtremes(mock, expected):
    compared = 0
    for task, languages in expected.items():
        suffix = LAYOUTS[task].suffix
        for language, scores in languages.items():
            name = f"{task}/test-{language}.{suffix}"
            found = score_file(task, mock / "predictions" / name, mock / "labels" / name)
            assert (found["language"] == language).all() and list(found.columns) == list(COLUMNS)
            for key in scores.keys() & OFFICIAL.keys():
                [metric] = set(OFFICIAL[key]) & set(LAYOUTS[task].metrics)
                assert value(found, metric) == pytest.approx(scores[key], abs=EXACT), name
                compared += 1
    assert compared == 7 + 15 + 40 + 33 + 4 + 36 + 2 * (11 + 7 + 9) + 11


def test_averages_of_the_mock_data_are_xtremes(mock, expected):
    scores = score_benchmark("xtreme", mock / "predictions", mock / "labels")
    table = averages("xtreme", scores)
    assert (table["missing"] == "").all()
    found = table.set_index(["task", "metric"])["value"]
    assert found["udpos", "tag_f1"] == pytest.approx(70.21746048354693, abs=EXACT)  # evaluate_test.py
    assert found["panx", "chunk_f1"] == pytest.approx(57.50793650793652, abs=EXACT)
    assert found["udpos", "token_accuracy"] > found["udpos", "tag_f1"]
    tasks = {}
    for task in BENCHMARKS["xtreme"].tasks:
        rows = expected[task].values()
        keys = ("exact_match", "f1") if task in ("xquad", "mlqa", "tydiqa") else ("f1", "accuracy")
        means = [sum(r[k] for r in rows) / len(rows) for k in keys if k in next(iter(rows))]
        tasks[task] = sum(means) / len(means)
        assert found[task, "score"] == pytest.approx(tasks[task], abs=EXACT)
    assert found["all", "score"] == pytest.approx(sum(tasks.values()) / 9, abs=EXACT)
    questions = (tasks["xquad"] + tasks["mlqa"] + tasks["tydiqa"]) / 3
    assert found["qa", "score"] == pytest.approx(questions, abs=EXACT)


def test_missing_languages_and_tasks_are_named_and_make_no_average(mock):
    table = averages("xtreme-r", score_benchmark("xtreme-r", mock / "predictions", mock / "labels"))
    assert average(table, "udpos", "n", "expected", "missing") == [33, 38, "lt,pl,ro,uk,wo"]
    assert average(table, "mewslix", "n", "expected", "missing") == [11, 11, ""]
    for group in ("classification", "tagging", "qa", "retrieval", "all"):
        assert math.isnan(*average(table, group, "value"))
    assert average(table, "retrieval", "missing") == ["tatoeba,lareqa"]
    assert "lareqa" not in table["task"].tolist()


def test_every_file_of_the_question_answering_oracles(shared):
    oracles = json.loads((shared / "oracles" / "qa_expected.json").read_text())
    for name, entry in oracles.items():
        task = name.partition("/")[0]
        official = next(v for k, v in entry.items() if k in ("official_mlqa", "xtreme_squad", "official_v2"))
        scores = score_file(task, shared / "oracles" / entry["pred"], shared / "pack" / name)
        f1, exact = LAYOUTS[task].metrics
        assert value(scores, f1) == pytest.approx(official["f1"], abs=EXACT), name
        exact_match = official.get("exact_match", official.get("exact"))
        assert value(scores, exact) == pytest.approx(exact_match, abs=EXACT), name
        assert (scores["flags"] == "").all()
    assert len(oracles) == 23


def test_squad2_with_probabilities_of_no_answer(shared):
    entry = json.loads((shared / "oracles" / "qa_expected.json").read_text())["squad_v2/dev-v2.0.json"]
    folder = shared / "oracles" / "qa_predictions"
    scores, averaged = score(
        "squad_v2",
        folder / "squad_v2.json",
        shared / "pack" / "squad_v2" / "dev-v2.0.json",
        no_answer=folder / "squad_v2_na_prob.json",
    )
    assert averaged.empty
    official = entry["official_v2_with_na_prob"]
    names = {"squad2_f1": "f1", "squad2_exact_match": "exact"}
    for row in scores.itertuples():
        name = names.get(str(row.metric), str(row.metric))
        assert row.value == pytest.approx(official[name], abs=EXACT)
        prefix = name.partition("Ans_")[0] + "Ans_" if "Ans_" in name else ""
        assert row.n_examples == official[f"{prefix}total"]
    assert {"best_exact", "best_exact_thresh", "best_f1", "best_f1_thresh"} <= set(scores["metric"])


def test_tags_of_the_oracles_against_the_tasks_own_files(shared):
    oracles = json.loads((shared / "oracles" / "tagging_expected_seqeval1.2.2.json").read_text())
    for name, entry in oracles.items():
        task = name.partition("/")[0]
        scores = score_file(task, shared / "oracles" / entry["pred"], shared / "pack" / name)
        assert scores["value"].iloc[0] == pytest.approx(100 * entry["f1"], abs=EXACT)
        if task == "udpos":
            assert value(scores, "token_accuracy") == pytest.approx(100 * entry["token_acc"], abs=EXACT)
        assert scores["language"].iloc[0] == name[-6:-4]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("xnli", "dev-sw.tsv"),
        ("pawsx", "dev-de.tsv"),
        ("xcopa", "data/sw/val.sw.jsonl"),
        ("udpos", "dev-ta.tsv"),
    ],
)
def test_a_labelled_file_scores_100_against_itself(shared, task, name):
    gold = shared / "pack" / task / name
    assert score_file(task, gold, gold)["value"].tolist()[0] == 100.0


def test_quoted_fields_of_pawsx_are_read_as_csv(tmp_path):
    gold = write(tmp_path / "dev-de.tsv", '"He said ""a\tb"" twice"\tother\t1\nplain\tother\t0\n')
    found = score_file("pawsx", write(tmp_path / "test-de.tsv", "1\n1\n"), gold)
    assert (found["value"].tolist(), found["n_examples"].tolist()) == ([50.0], [2])
    unlabelled = write(tmp_path / "test-en.tsv", '"a\tb"\tother\n')
    with pytest.raises(InputError, match="line 1 has two columns and no label"):
        score_file("pawsx", write(tmp_path / "out.tsv", "1"), unlabelled)
    lone = write(tmp_path / "dev-sw.tsv", '"so\tx\tneutral\ny\tz"\tneutral\n')  # XNLI is not quoted
    assert score_file("xnli", write(tmp_path / "out.tsv", "neutral\nneutral"), lone)["value"].tolist() == [
        100.0
    ]


# Every layout


def test_rankings_by_hand(tmp_path):
    gold = write(tmp_path / "gold.json", '{"q1": ["a", "b"], "q2": ["c"]}')
    predictions = write(tmp_path / "test-de.json", '{"q2": ["x", "c"], "q1": ["a", "x", "b"]}')
    assert value(score_file("lareqa", predictions, gold), "map_at_20") == pytest.approx(
        100 * ((1 + 2 / 3) / 2 + 1 / 2) / 2
    )
    assert value(score_file("mewslix", predictions, gold), "mrr_at_20") == 75.0


def test_the_whole_of_xtreme_r_has_an_overall_score(tmp_path):
    """Perfect predictions of every task and language: 100 everywhere, and everything is there."""
    questions = {"data": [{"paragraphs": [{"qas": [{"id": "q", "answers": [{"text": "one"}]}]}]}]}
    texts: dict[str, tuple[str, str]] = {
        "labels": ("{label}\n{other}\n", "{label}\n{other}\n"),
        "indices": ("3\n1\n", "3\n1\n"),
        "tags": ("{label}\n\n{other}\n", "{label}\n\n{other}\n"),
        "answers": (json.dumps(questions), '{"q": "one"}'),
        "rankings": ('{"q": ["a"]}', '{"q": ["a", "b"]}'),
    }
    for task, languages in BENCHMARKS["xtreme-r"].tasks.items():
        layout = LAYOUTS[task]
        for language in languages:
            for side, text in zip(("gold", "out"), texts[layout.form], strict=True):
                if layout.labels:
                    text = text.replace("{label}", layout.labels[1]).replace("{other}", layout.labels[0])
                write(tmp_path / side / task / f"test-{language}.{layout.suffix}", text)
    scores, table = score("xtreme-r", tmp_path / "out", tmp_path / "gold")
    assert (scores["value"] == 100.0).all()
    assert (table["value"] == 100.0).all() and (table["missing"] == "").all()
    assert table[table["task"] == "all"][["n", "expected"]].values.tolist() == [[10, 10]]
    for name in ("udpos/test-pl.tsv", "mlqa/test-zh.json"):
        (tmp_path / "out" / name).unlink()
    _, table = score("xtreme-r", tmp_path / "out", tmp_path / "gold")
    assert average(table, "udpos", "n", "expected", "missing") == [37, 38, "pl"]
    assert average(table, "all", "n", "missing") == [8, "udpos,mlqa"]
    assert math.isnan(*average(table, "all", "value"))


def test_layouts_and_benchmarks_fit_together():
    for layout in LAYOUTS.values():
        assert set(layout.metrics) <= set(METRICS) and 1 <= layout.averaged <= len(layout.metrics)
        assert len(set(layout.languages)) == len(layout.languages)
    for benchmark in BENCHMARKS.values():
        assert {task for tasks in benchmark.groups.values() for task in tasks} == set(benchmark.tasks)
        for task, languages in benchmark.tasks.items():
            assert set(languages) <= set(LAYOUTS[task].languages)


def test_benchmarks_have_the_published_numbers_of_languages():
    """Hu et al. 2020, table 1; Ruder et al. 2021, table 1 (XQuAD's Romanian came with XTREME-R)."""
    counts = {name: {task: len(codes) for task, codes in b.tasks.items()} for name, b in BENCHMARKS.items()}
    both = {"xnli": 15, "mlqa": 7, "tydiqa": 9}
    xtreme = {"pawsx": 7, "udpos": 33, "panx": 40, "xquad": 11, "bucc2018": 4, "tatoeba": 36}
    xtreme_r = {"xcopa": 11, "udpos": 38, "panx": 48, "xquad": 12, "tatoeba": 41, "mewslix": 11, "lareqa": 11}
    assert counts == {"xtreme": both | xtreme, "xtreme-r": both | xtreme_r}


def test_labelled_files_outside_xtreme_are_gold(tmp_path):
    header = "id\tlanguage\tpremise\thypothesis\tlabel\n"
    rows = "".join(f"{i}\tquy\t{i}\tb\t{label}\n" for i, label in enumerate(("neutral", "entailment")))
    gold, out = write(tmp_path / "quy.tsv", header + rows), write(tmp_path / "out.tsv", "neutral\nneutral\n")
    assert value(score_file("americasnli", out, gold), "accuracy") == 50
    # MasakhaNER: a blank between word and tag, and dates, which are read as no entity
    gold = write(tmp_path / "test.txt", "Thandi B-PER\n2020 B-DATE\n\neGoli B-LOC\n")
    scores = score_file("masakhaner2", write(tmp_path / "out.txt", "B-PER\nO\n\nB-ORG\n"), gold, "zu")
    assert [value(scores, metric) for metric in ("chunk_f1", "token_accuracy")] == [
        50,
        pytest.approx(200 / 3),
    ]
    scores = score_file("ud", write(tmp_path / "out.txt", "NOUN\nVERB\n"), tmp_path / "out.txt", "gub")
    assert value(scores, "token_accuracy") == 100


def test_xnlis_spelling_of_its_translated_training_data(tmp_path):
    gold = write(tmp_path / "train-sw.tsv", "a\tb\tcontradictory\nc\td\tneutral\n")
    assert (
        value(score_file("xnli", write(tmp_path / "out.tsv", "contradiction\nneutral"), gold), "accuracy")
        == 100
    )


# The language


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("xnli", "test-sw.tsv", "sw"),
        ("xnli", "test-sw-seed1.tsv", "sw"),
        ("xquad", "xquad.de.json", "de"),
        ("mlqa", "dev-context-ar-question-de.json", "ar"),
        ("mlqa", "mlqa_zh.json", "zh"),
        ("tydiqa", "arabic_tydiqa_dev.json", "ar"),
        ("tydiqa", "tydiqa.goldp.sw.dev.json", "sw"),
        ("bucc2018", "zh-en.dev.gold", "zh"),
        ("xcopa", "val.ht.jsonl", "ht"),
        ("lareqa", "de.json", "de"),
        ("panx", "dev-sq.tsv", "sq"),
        ("xnli", "predictions.txt", ""),
        ("panx", "my_predictions.txt", ""),
        ("squad_v1", "dev-v1.1.json", ""),
        ("xnli", "test-out.tsv", ""),
    ],
)
def test_the_language_is_read_off_the_files_name(task, name, expected):
    assert language_of_name(Path("some/test-fr") / name, LAYOUTS[task]) == expected


# Guards


def test_ids_without_a_prediction_score_zero_and_others_nothing(tmp_path):
    """As evaluate-v1.1.py, which says so on stderr: "Unanswered question ... will receive score 0"."""
    gold = write(tmp_path / "gold.json", squad())
    whole = score_file("xquad", write(tmp_path / "all.json", json.dumps(RIGHT)), gold, "en")
    assert whole["value"].tolist() == [100.0, 100.0] and whole["flags"].tolist() == ["", ""]
    _, *others = RIGHT
    partial = {name: RIGHT[name] for name in others} | {"elsewhere": "one"}
    scores = score_file("xquad", write(tmp_path / "some.json", json.dumps(partial)), gold, "en")
    assert scores["value"].tolist() == pytest.approx([100 * len(others) / len(RIGHT)] * 2)
    assert set(scores["flags"]) == {"unanswered=1;unknown-ids=1"}
    assert set(scores["n_examples"]) == {len(RIGHT)}


def test_scores_at_chance_and_of_zero_are_flagged(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "entailment\nneutral\ncontradiction\n" * 100)
    constant = write(tmp_path / "constant.tsv", "entailment\n" * 300)
    assert score_file("xnli", constant, gold)["flags"].tolist() == ["chance-level"]
    wrong = write(tmp_path / "wrong.tsv", "neutral\ncontradiction\nentailment\n" * 100)
    scores = score_file("xnli", wrong, gold)
    assert scores["flags"].tolist() == ["all-zero"]
    assert score_warnings(scores) == ["warning: xnli accuracy 0.00 in sw: all-zero"]
    assert score_file("xnli", gold, gold)["flags"].tolist() == [""]
    both = pd.concat([scores, scores.assign(language="ur", value=1.5)])
    assert score_warnings(both) == ["warning: xnli accuracy 0.00 to 1.50 in sw, ur: all-zero"]


def test_a_score_just_above_chance_is_not_flagged(tmp_path):
    """400 examples of two labels: 50 + 1.645 * 2.5 = 54.1 points."""
    gold = write(tmp_path / "test-de.tsv", "1\n0\n" * 200)
    for right, flags in ((216, "chance-level"), (217, "")):
        labels = ["1" if (i % 2 == 0) == (i < right) else "0" for i in range(400)]
        scores = score_file("pawsx", write(tmp_path / "out.tsv", "\n".join(labels)), gold)
        assert scores[["value", "flags"]].values.tolist() == [[right / 4, flags]]


def test_a_perfect_score_of_few_examples_is_not_flagged(tmp_path):
    gold = write(tmp_path / "test-de.tsv", "1\n0\n")
    assert score_file("pawsx", gold, gold)["flags"].tolist() == [""]


def test_a_few_sentences_without_an_entity_are_no_placeholders(tmp_path):
    sentence = "O\n" * 12 + "\n"
    gold = write(tmp_path / "test-th.tsv", sentence * 9)
    assert score_file("panx", gold, gold)["flags"].tolist() == ["all-zero", ""]
    with pytest.raises(InputError, match="all 120 gold labels are 'O': placeholders"):
        score_file("panx", gold, write(tmp_path / "test-th.tsv", sentence * 10))


# A user's mistakes

SQUAD = {
    "data": [{"paragraphs": [{"qas": [{"id": f"q{i}", "answers": [{"text": "one"}]} for i in range(3)]}]}]
}
RIGHT = {f"q{i}": "one" for i in range(3)}


def squad(**answers: object) -> str:
    """SQuAD's JSON with three questions; a list of answers or an id may be replaced."""
    text = json.loads(json.dumps(SQUAD))
    for i, qa in enumerate(text["data"][0]["paragraphs"][0]["qas"]):
        qa |= answers.get(f"q{i}", {})
    return json.dumps(text)


EMPTY = {"answers": [{"text": "", "answer_start": 0}]}

MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "unknown task": ("xnly", "neutral", "neutral", r"unknown task 'xnly'. Did you mean 'xnli'\?"),
    "empty file": ("xnli", "\n\n", "neutral", r"test-sw.tsv is empty"),
    "wrong number of lines": ("xnli", "neutral\n", "neutral\nneutral\n", "has 1 lines and .* has 2"),
    "blank line": ("xnli", "neutral\n\nneutral\n", "neutral", "line 2 is blank"),
    "label outside": ("xnli", "neutral\nneutrl", "neutral\nneutral", r"line 2: label 'neutrl'.*'neutral'\?"),
    "gold label outside": ("xnli", "neutral", "maybe", "gold/test-sw.tsv, line 1: label 'maybe' is none of"),
    "gold without labels": ("xnli", "neutral", "one\ttwo", "line 1 has two columns and no label"),
    "placeholder labels": ("xnli", "neutral\n" * 10, "neutral\n" * 10, "all 10 gold labels are 'neutral'"),
    "gold without tags": ("panx", "O\nO", "Habari\nya", "label 'Habari' is none of .* without labels"),
    "fewer sentences": ("panx", "O\nO", "O\n\nB-PER", "has 1 sentences and .* has 2"),
    "shorter sentence": (
        "panx",
        "O\n\nO\nO",
        "O\n\nO\nO\nB-PER",
        r"sentence 2 has 2 tags \(.*, line 3\) and 3 in the gold file \(.*, line 3\)",
    ),
    "no index": ("tatoeba", "12\n-1", "12\n1", "line 2: got '-1', expected the index"),
    "one id": ("bucc2018", "de-1", "de-1\ten-1", "line 1: got 'de-1', expected two ids"),
    "pair twice": ("bucc2018", "de-1\ten-1\n" * 2, "de-1\ten-1", r"line 2: the pair .* stands in line 1"),
    "gold of another language": (
        "bucc2018",
        "de-1\ten-1",
        "fr-1\ten-1",
        "'fr-1' is of language 'fr', not 'de'",
    ),
    "JSON cut": ("xquad", '{"q0": "one", "q1', squad(), "no valid JSON: .* was it cut"),
    "no object": ("xquad", '["one"]', squad(), "got a JSON list, expected an object"),
    "answers with probabilities": (
        "xquad",
        json.dumps(RIGHT | {"q1": ["one"]}),
        squad(),
        r"answer to 'q1' is \['one'\]",
    ),
    "missing ids": (
        "xquad",
        '{"q0": "one"}',
        squad(),
        "2 of 3 ids of the gold file are missing .first: 'q1'.",
    ),
    "no common id": ("xquad", '{"z": "one"}', squad(), r"Is the gold file of another language or data set\?"),
    "id twice in the predictions": (
        "xquad",
        '{"q0": "one", "q0": "two"}',
        squad(),
        "the key 'q0' occurs 2 times",
    ),
    "id twice in the gold": ("xquad", '{"q0": "one"}', squad(q1={"id": "q0"}), "'q0' belongs to 2 questions"),
    "another form": ("xquad", json.dumps(RIGHT), '{"data": [{"qas": []}]}', "not in SQuAD's form"),
    "placeholder answers": (
        "xquad",
        json.dumps(RIGHT),
        squad(q0=EMPTY, q1=EMPTY, q2=EMPTY),
        "all 3 gold answers are empty: placeholders",
    ),
    "unanswerable": ("xquad", json.dumps(RIGHT), squad(q1={"answers": []}), "'q1'.*scored as task squad_v2"),
    "id of another language": (
        "tydiqa",
        '{"arabic-1": "one"}',
        '{"data": [{"paragraphs": [{"qas": [{"id": "arabic-1", "answers": [{"text": "one"}]}]}]}]}',
        "'arabic-1' is of language 'ar', not 'sw'",
    ),
    "no ranking": ("mewslix", '{"m": "Q1"}', '{"m": ["Q1"]}', "'m' has 'Q1', expected a list of ids"),
    "no gold id": ("mewslix", '{"m": ["Q1"]}', '{"m": []}', "1 of 1 queries have no gold id"),
}
LANGUAGE = {"bucc2018": "de", "xquad": "de", "mewslix": "de"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tmp_path, mistake):
    task, predictions, gold, said = MISTAKES[mistake]
    suffix = LAYOUTS[task].suffix if task in LAYOUTS else "tsv"
    name = f"test-{LANGUAGE.get(task, 'sw')}.{suffix}"
    with pytest.raises(InputError, match=rf"(?s){said}"):
        score_file(task, write(tmp_path / name, predictions), write(tmp_path / "gold" / name, gold))


def test_some_empty_gold_answers_are_flagged(tmp_path):
    predictions = write(tmp_path / "test-de.json", json.dumps(RIGHT))
    scores = score_file("xquad", predictions, write(tmp_path / "gold.json", squad(q0=EMPTY)))
    assert set(scores["flags"]) == {"placeholder-gold"}


def test_files_of_two_languages_and_unknown_languages_are_refused(tmp_path):
    predictions, gold = (write(tmp_path / f"test-{code}.tsv", "neutral") for code in ("sw", "de"))
    neutral = write(tmp_path / "out.tsv", "neutral")
    with pytest.raises(
        InputError, match=r"of different languages: the predictions test-sw.tsv \(sw\), the gold"
    ):
        score_file("xnli", predictions, gold)
    with pytest.raises(InputError, match="of different languages: --language ur"):
        score_file("xnli", neutral, gold, "ur")
    with pytest.raises(InputError, match=r"unknown language 'swa' for xnli. Did you mean 'sw'\?"):
        score_file("xnli", neutral, neutral, "swa")
    with pytest.raises(InputError, match=r"neither out.tsv nor out.tsv states the language"):
        score_file("xnli", neutral, neutral)
    with pytest.raises(InputError, match=r"unknown language 'avg' for panx.* and more"):
        score_file("panx", neutral, neutral, "avg")
    assert score_file("xnli", neutral, gold)["language"].tolist() == ["de"]


def test_a_missing_file_a_folder_and_latin_1_are_named(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral")
    with pytest.raises(InputError, match=r"does not exist. Did you mean 'test-sw.tsv'\?"):
        score_file("xnli", tmp_path / "test-sww.tsv", gold, "sw")
    with pytest.raises(InputError, match="is a folder; give a file"):
        score_file("xnli", tmp_path, gold, "sw")
    latin = tmp_path / "dev-de.tsv"
    latin.write_bytes("ja\tnein\tneutral\nschön\tja\tneutral\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 2: byte 0xf6 is not UTF-8.*iconv -f latin1"):
        score_file("xnli", gold.rename(tmp_path / "out.tsv"), latin)


def test_line_separators_of_unicode_and_windows_are_no_new_lines(tmp_path):
    gold = write(tmp_path / "dev-de.tsv", "eins\u2028zwei\tdrei\tneutral\r\nvier\tfünf\tneutral\r\n")
    assert score_file("xnli", write(tmp_path / "out.tsv", "neutral\nneutral"), gold)[
        "n_examples"
    ].tolist() == [2]


def test_probabilities_of_no_answer_must_fit(tmp_path):
    gold = write(tmp_path / "gold.json", squad(q2={"answers": []}))
    out = write(tmp_path / "out.json", json.dumps(RIGHT))
    missing = write(tmp_path / "missing.json", '{"q0": 0.5}')
    with pytest.raises(InputError, match=r"missing.json: 2 of 3 ids of the gold file are missing"):
        score_file("squad_v2", out, gold, no_answer=missing)
    logits = write(tmp_path / "logits.json", json.dumps(dict.fromkeys(RIGHT, -3.2)))
    with pytest.raises(InputError, match=r"'q0' has -3.2, expected a probability"):
        score_file("squad_v2", out, gold, no_answer=logits)
    with pytest.raises(InputError, match="squad_v1 has no unanswerable questions"):
        score_file("squad_v1", out, gold, no_answer=missing)


def test_faults_of_a_benchmark_are_reported_together(tmp_path):
    for side in ("out", "gold"):
        for language in ("sw", "ur", "de"):
            write(tmp_path / side / "xnli" / f"test-{language}.tsv", "neutral")
    for language in ("sw", "ur"):
        write(tmp_path / "out" / "xnli" / f"test-{language}.tsv", "yes")
    with pytest.raises(InputError, match=r"(?s)2 files cannot be scored.*test-sw.tsv.*test-ur.tsv"):
        score_benchmark("xtreme", tmp_path / "out", tmp_path / "gold")
    with pytest.raises(InputError, match="nothing to score"):
        score_benchmark("xtreme", tmp_path / "nowhere", tmp_path / "gold")
    with pytest.raises(InputError, match=r"unknown benchmark 'extreme'. Did you mean 'xtreme'\?"):
        score_benchmark("extreme", tmp_path / "out", tmp_path / "gold")
    with pytest.raises(InputError, match="xtreme takes no language"):
        score("xtreme", tmp_path / "out", tmp_path / "gold", "sw")


# The command


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from simxfer.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "score", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def test_the_command_prints_json_and_warnings_apart(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral\nentailment")
    out = write(tmp_path / "out.tsv", "neutral\nneutral")
    done = command("xnli", "--predictions", out, "--gold", gold, "--json")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["scores"]
    assert row == {
        "task": "xnli",
        "language": "sw",
        "metric": "accuracy",
        "value": 50.0,
        "n_examples": 2,
        "flags": "chance-level",
    }
    assert done.stderr.strip() == "simxfer: warning: xnli accuracy 50.00 in sw: chance-level"


def test_the_command_refuses_with_code_2_and_no_traceback(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral")
    done = command("xnly", "--predictions", gold, "--gold", gold)
    assert done.returncode == 2 and "Did you mean 'xnli'" in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_the_texts_hold_every_average(mock):
    tables = score("xtreme-r", mock / "predictions", mock / "labels")
    text = scores_text(*tables)
    assert "lt,pl,ro,uk,wo" in text and "70.2175" in text
    rows = json.loads(scores_json(*tables))
    assert rows["averages"][-1] == {
        "task": "all",
        "metric": "score",
        "value": None,
        "n": 4,
        "expected": 10,
        "missing": "xcopa,udpos,panx,xquad,tatoeba,lareqa",
    }
