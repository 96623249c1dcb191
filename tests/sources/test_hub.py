"""Every record with a data set on the hub reads it as the hub has it, from the cache alone."""

import logging
import socket
from pathlib import Path

import huggingface_hub.constants
import pytest
from datasets import ClassLabel, Features
from hub_cache import COMMIT, write_cached, write_parquet
from hub_cases import CASES
from hub_rows import HubCase, nli, qa
from hub_schemas import GLUE_NLI, NLI, SQUAD, TEXT

from simxfer.common.errors import InputError
from simxfer.common.hubcache import cached
from simxfer.run.inspection import inspect
from simxfer.sources import read_examples, revision
from simxfer.sources.request import UNRESOLVED, DataRequest
from simxfer.tasks import TASKS


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    cached.cache_clear()
    return tmp_path


def write_case(hub: Path, case: HubCase) -> DataRequest:
    write_cached(hub, TASKS[case.task].hub.id, case.folders | case.unasked, case.features)
    return DataRequest(case.task, case.split, case.language)


def write_xnli(hub: Path, rows: list[dict], features: Features = NLI) -> DataRequest:
    write_cached(hub, "facebook/xnli", {"sw/test": rows}, features)
    return DataRequest("xnli", "test", "sw")


def test_what_is_shown_of_a_task_is_the_first_language_in_the_cache_and_its_commit(hub):
    write_xnli(hub, [nli("a", "b", 1), nli("c", "d", -1)])
    [found] = inspect("xnli")
    assert (found.source, found.language, found.encoding) == ("hub", "sw", None)
    assert found.places == {"hub:facebook/xnli:sw:test": COMMIT}
    assert (found.without_gold, found.examples[0].fields["label"]) == (1, "neutral")
    with pytest.raises(InputError, match=r"not in the local Hugging Face cache.*--folder of `simxfer data`"):
        inspect("xnli", language="de")


def test_every_record_on_the_hub_has_a_case() -> None:
    assert sorted(case.task for case in CASES) == sorted(name for name, task in TASKS.items() if task.hub)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task)
def test_examples_come_out_right(case: HubCase, hub: Path, caplog: pytest.LogCaptureFixture) -> None:
    request = write_case(hub, case)
    with caplog.at_level(logging.WARNING):
        assert read_examples(request) == case.expected
    if case.left_out:
        assert f"{case.left_out} rows without gold" in caplog.text


def test_the_revision_names_data_set_part_and_commit(hub: Path) -> None:
    request = write_xnli(hub, [nli("A", "B", 0)])
    assert revision(request) == f"hub:facebook/xnli:sw:test@{COMMIT}"


def test_languages_of_one_configuration_have_different_revisions(hub: Path) -> None:
    write_cached(
        hub,
        "google-research-datasets/tydiqa",
        {"secondary_task/validation": [qa("english-1", "A", "B", "A")]},
        SQUAD,
    )
    found = {revision(DataRequest("tydiqa", "dev", language)) for language in ("en", "sw")}
    assert len(found) == 2 and not any(text.endswith(UNRESOLVED) for text in found)


def test_data_that_are_not_in_the_cache_can_be_planned_not_read() -> None:
    request = DataRequest("xnli", "test", "sw")
    assert revision(request) == f"hub:facebook/xnli:sw:test@{UNRESOLVED}"
    with pytest.raises(InputError, match=r"facebook/xnli.*sw/test.*simxfer fetch GRID.*folder: FOLDER"):
        read_examples(request)


@pytest.mark.parametrize(("task", "language"), [("bucc2018", "zh"), ("ccg", "en"), ("xcopa", "en")])
def test_what_the_hub_does_not_have_can_be_planned_not_read(task: str, language: str) -> None:
    request = DataRequest(task, "test", language)
    assert revision(request).endswith(UNRESOLVED)
    with pytest.raises(InputError, match=rf"{task} in {language}: no Parquet data set.*native files"):
        read_examples(request)


def test_another_language_or_split_in_the_cache_does_not_stand_in(hub: Path) -> None:
    write_cached(hub, "facebook/xnli", {"en/test": [nli("A", "B", 0)], "sw/train": [nli("A", "B", 0)]}, NLI)
    assert revision(DataRequest("xnli", "test", "sw")).endswith(UNRESOLVED)
    with pytest.raises(InputError, match="not in the local Hugging Face cache"):
        read_examples(DataRequest("xnli", "test", "sw"))


def test_one_of_several_splits_is_not_enough(hub: Path) -> None:
    case = next(case for case in CASES if case.task == "anli")
    write_cached(
        hub, "facebook/anli", {"plain_text/dev_r1": case.folders["plain_text/dev_r1"]}, case.features
    )
    assert revision(DataRequest("anli", "dev", "en")).endswith(UNRESOLVED)


def test_a_half_finished_download_does_not_count(hub: Path) -> None:
    snapshot = write_cached(hub, "facebook/xnli", {"sw/train": [nli("A", "B", 0)]}, NLI)
    trees = snapshot.parents[1] / "trees" / f"{COMMIT}.json"
    trees.parent.mkdir()
    entry = '{"size": 1, "blob_id": "b"}'
    trees.write_text(
        f'{{"format_version": 1, "files": {{"sw/train/0000.parquet": {entry}, "sw/train/0001.parquet": {entry}}}}}'
    )
    assert revision(DataRequest("xnli", "train", "sw")).endswith(UNRESOLVED)
    write_parquet(snapshot / "sw/train/0001.parquet", [nli("C", "D", 1)], NLI)
    cached.cache_clear()
    assert [e.text for e in read_examples(DataRequest("xnli", "train", "sw"))] == ["A", "C"]


def test_shards_are_read_in_their_order(hub: Path) -> None:
    snapshot = write_cached(hub, "facebook/xnli", {"sw/test": [nli("0", "so", 0)]}, NLI)
    for i in reversed(range(1, 12)):
        write_parquet(snapshot / f"sw/test/{i:04}.parquet", [nli(str(i), "so", 0)], NLI)
    assert [e.text for e in read_examples(DataRequest("xnli", "test", "sw"))] == [str(i) for i in range(12)]


def test_english_data_do_not_pass_for_another_language(hub: Path) -> None:
    write_cached(hub, "nyu-mll/glue", {"mnli/train": [nli("A", "B", 0, idx=0)]}, GLUE_NLI)
    with pytest.raises(InputError, match=r"unknown language of mnli 'sw'.*Known: en"):
        read_examples(DataRequest("mnli", "train", "sw"))


def test_an_unknown_split_is_explained() -> None:
    with pytest.raises(InputError, match=r"unknown split of xquad on the hub 'train'.*Known: test"):
        revision(DataRequest("xquad", "train", "en"))


def test_a_label_outside_the_label_space_is_refused_with_its_row(hub: Path) -> None:
    features = Features(premise=TEXT, hypothesis=TEXT, label=ClassLabel(names=["entailment", "maybe"]))
    request = write_xnli(hub, [nli("A", "B", 0), nli("A", "B", 1)], features)
    with pytest.raises(
        InputError, match=r"facebook/xnli:sw:test, row 2: label 'maybe' .* label space of xnli"
    ):
        read_examples(request)


def test_a_missing_column_is_named(hub: Path) -> None:
    write_cached(
        hub,
        "google/xquad",
        {"xquad.en/validation": [{"id": "a", "context": "C"}]},
        Features(id=TEXT, context=TEXT),
    )
    with pytest.raises(InputError, match="the column 'answers' is missing; it has"):
        read_examples(DataRequest("xquad", "test", "en"))


def test_data_without_gold_are_refused(hub: Path) -> None:
    request = write_xnli(hub, [nli("A", "B", -1)] * 3)
    with pytest.raises(InputError, match="none of the 3 rows has gold"):
        read_examples(request)


def test_an_answer_that_stands_nowhere_is_refused(hub: Path) -> None:
    rows = [qa("swahili-1", "Mwaka 1999.", "Lini?", "2001", 6)]
    write_cached(hub, "google-research-datasets/tydiqa", {"secondary_task/validation": rows}, SQUAD)
    with pytest.raises(InputError, match="2001"):
        read_examples(DataRequest("tydiqa", "dev", "sw"))


def test_a_cut_file_is_refused(hub: Path) -> None:
    request = write_xnli(hub, [nli("A", "B", 0)])
    path = next(hub.rglob("0000.parquet"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"0000.parquet is cut off or damaged .*simxfer fetch GRID"):
        read_examples(request)
