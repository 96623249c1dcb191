"""What the official scorers print."""

import json

import pytest
from official_files import value

from simxfer.scoring.official import (
    BENCHMARKS,
    COLUMNS,
    LAYOUTS,
    averages,
    score,
    score_benchmark,
    score_file,
)
from simxfer.tasks import get_task

EXACT = 1e-9
"""Points: the same sums in another order differ by rounding alone."""

OFFICIAL = {"f1": ("tag_f1", "chunk_f1", "squad_f1", "mlqa_f1", "mining_f1"), "map@20": ("mrr_at_20",)}
OFFICIAL |= {
    "accuracy": ("accuracy", "retrieval_accuracy"),
    "exact_match": ("exact_match", "mlqa_exact_match"),
}
"""evaluate.py's name of a score -> ours; precision and recall have none."""


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
                [metric] = set(OFFICIAL[key]) & set(get_task(task).metrics)
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


def test_every_file_of_the_question_answering_oracles(shared):
    oracles = json.loads((shared / "oracles" / "qa_expected.json").read_text())
    for name, entry in oracles.items():
        task = name.partition("/")[0]
        official = next(v for k, v in entry.items() if k in ("official_mlqa", "xtreme_squad", "official_v2"))
        scores = score_file(task, shared / "oracles" / entry["pred"], shared / "pack" / name)
        f1, exact = get_task(task).metrics
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
