"""Facts that the records of the real tasks state, against the benchmarks' own files and published counts."""

import json
from pathlib import Path

import pytest

from simxfer.metrics import METRICS
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import LANGUAGE_GROUPS, shares_data

REFERENCE = Path(__file__).parents[1] / "reference" / "tasks" / "mean_characters.json"

INTERMEDIATES = {
    "anli_plus",
    "mnli",
    "qqp",
    "squad_v1",
    "squad_v2",
    "hellaswag",
    "ccg",
    "cosmosqa",
    "commonsenseqa",
}
XTREME = {"xnli", "pawsx", "udpos", "panx", "xquad", "mlqa", "tydiqa", "bucc2018", "tatoeba"}
XTREME_R = XTREME - {"pawsx", "bucc2018"} | {"xcopa", "lareqa", "mewslix"}

ADDED_BY_XTREME_R = {"az", "gu", "ht", "lt", "pa", "pl", "qu", "ro", "uk", "wo"}


def test_all_tasks_are_there_in_their_roles():
    for name in INTERMEDIATES:
        assert "intermediate" in TASKS[name].roles
    for name in XTREME | XTREME_R | {"masakhaner2", "americasnli", "ud", "mlqa_cross"}:
        assert "target" in TASKS[name].roles


@pytest.mark.parametrize("name", sorted((XTREME | XTREME_R) - {"xcopa", "lareqa"}))
def test_languages_hold_those_of_xtremes_own_label_files(shared, name):
    folder = shared / "pack" / "xtreme_mock_test_data" / "labels" / name
    benchmark = {path.stem.removeprefix("test-") for path in folder.iterdir()}
    mine = set(TASKS[name].languages)
    # The mock data are XTREME's; XTREME-R's ten languages come on top, and in Tatoeba all of LASER's.
    assert benchmark <= mine
    assert (
        mine & set(LANGUAGE_GROUPS["xtreme-r"]) if name == "tatoeba" else mine
    ) <= benchmark | ADDED_BY_XTREME_R


@pytest.mark.parametrize(
    ("name", "count"),
    # Ruder et al. 2021, table 1 (languages of each task); XQuAD's Romanian came after it, Tatoeba has 41 there and
    # LASER's 112 here, XCOPA's 11 and COPA's English.
    [
        ("xnli", 15),
        ("xcopa", 12),
        ("udpos", 38),
        ("panx", 48),
        ("xquad", 12),
        ("mlqa", 7),
        ("tydiqa", 9),
        ("mewslix", 11),
        ("lareqa", 11),
        ("tatoeba", 112),
    ],
)
def test_number_of_languages(name, count):
    assert len(TASKS[name].languages) == count


def test_xtreme_r_has_fifty_languages():
    known = {language for name in XTREME_R - {"tatoeba"} for language in TASKS[name].languages}
    assert known == set(LANGUAGE_GROUPS["xtreme-r"]) and len(known) == 50
    assert len(set(TASKS["tatoeba"].languages) & known) == 41


def test_training_sources():
    assert TASKS["xnli"].data_tasks == ("mnli",)
    assert TASKS["anli_plus"].data_tasks == ("anli", "mnli", "snli")
    assert (
        TASKS["xquad"].data_tasks == TASKS["mlqa"].data_tasks == TASKS["lareqa"].data_tasks == ("squad_v1",)
    )
    assert TASKS["xcopa"].data_tasks == ("socialiqa", "copa")
    assert TASKS["pawsx"].data_tasks == ("pawsx",) and TASKS["tatoeba"].data_tasks == ()
    for task in TASKS.values():
        for source in task.trains_on:
            assert TASKS[source].training_data and set(TASKS[source].training_data) <= set(task.training_data)
            if task.kind != "ranking":  # LAReQA trains a bi-encoder on SQuAD's questions and sentences
                assert TASKS[source].kind == task.kind
            if task.labels:
                assert set(TASKS[source].labels) <= set(task.labels), (
                    f"{task.name} cannot name {source}'s labels"
                )


def test_pairs_that_share_training_data():
    for intermediate in ("mnli", "anli_plus"):
        assert shares_data(intermediate, "xnli")
    for intermediate in ("squad_v1", "squad_v2"):
        assert all(shares_data(intermediate, target) for target in ("xquad", "mlqa", "mlqa_cross", "lareqa"))
    assert not shares_data("qqp", "pawsx") and not shares_data("squad_v1", "tydiqa")
    assert not shares_data("cosmosqa", "xcopa")


def test_the_score_of_each_target_is_that_of_its_official_scorer():
    first = {name: TASKS[name].metric for name in XTREME | XTREME_R}
    assert first == {
        "xnli": "accuracy",
        "pawsx": "accuracy",
        "udpos": "tag_f1",
        "panx": "chunk_f1",
        "xquad": "squad_f1",
        "mlqa": "mlqa_f1",
        "tydiqa": "squad_f1",
        "bucc2018": "mining_f1",
        "tatoeba": "retrieval_accuracy",
        "xcopa": "accuracy",
        "lareqa": "map_at_20",
        "mewslix": "mrr_at_20",
    }
    assert set(first.values()) <= set(METRICS) and "token_accuracy" in TASKS["udpos"].metrics


def test_labels_as_found_are_spelled_as_in_the_label_space():
    assert TASKS["qqp"].label("1") == "duplicate" and TASKS["pawsx"].label("0") == "not_paraphrase"
    assert TASKS["masakhaner2"].label("I-DATE") == "O"
    assert len(TASKS["udpos"].labels) == 17 and len(TASKS["ccg"].labels) == 1363


def test_mean_lengths_are_those_measured():
    measured = json.loads(REFERENCE.read_text(encoding="utf-8"))
    real = {task.name: task.mean_characters for task in TASKS.values() if not task.world}
    assert real == measured  # tests/reference/tasks/mean_characters.py measures them on the pack
