"""Which files a request reads, and the revision that says what they hold."""

import os

from simxfer.sources import read_examples, revision
from simxfer.sources.formats import FORMATS
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS


def _read(folder, pattern):
    return read_examples(DataRequest("mnli", pattern, "en", folder=str(folder)))


def test_training_data_by_a_pattern(write, tmp_path):
    for seed in (13, 21):
        write(f"mnli/16-{seed}/train.tsv", f"sentence1\tsentence2\tgold_label\np{seed}\th\tneutral\n")
    assert [e.id for e in _read(tmp_path, "16-*/train.tsv")] == [
        "16-13/train.tsv:0",
        "16-21/train.tsv:0",
    ]
    assert [e.text for e in _read(tmp_path, "16-21/train.tsv")] == ["p21"]


def test_a_revision_changes_with_what_the_files_hold(write, tmp_path):
    path = write("panx/dev-sw.tsv", "a\tO\n")
    request = DataRequest("panx", "dev", "sw", folder=str(tmp_path))
    first = revision(request)
    assert first.startswith("files:") and first == revision(request)
    os.utime(path, ns=(1, 1))
    assert revision(request) == first  # the time alone does not matter
    write("panx/dev-sw.tsv", "b\tO\n")
    second = revision(request)
    assert second != first
    write("panx/dev-sw.tsv", "a\tO\n")
    assert revision(request) == first
    assert revision(DataRequest("panx", "dev-sw.tsv", "sw", folder=str(tmp_path))) == first


def test_a_revision_covers_the_files_beside(write, tmp_path):
    for ending, text in (
        ("de", "de-1\tEin Satz.\nde-2\tNoch einer.\n"),
        ("en", "en-2\tA.\n"),
        ("gold", "de-1\ten-2\n"),
    ):
        write(f"bucc2018/de-en.dev.{ending}", text)
    request = DataRequest("bucc2018", "dev", "de", folder=str(tmp_path))
    first = revision(request)
    write("bucc2018/de-en.dev.gold", "de-2\ten-2\n")
    assert revision(request) != first


def test_every_record_has_paths_of_known_splits_and_a_known_format():
    for task in TASKS.values():
        if task.files is not None:
            assert task.files.format in FORMATS, task.name
            assert set(task.files.paths) <= {"train", "dev", "test"} and task.files.paths, task.name
            assert set(task.files.codes) <= {*task.languages, *task.train_languages}, task.name
            own = task.training_data and not task.trains_on
            assert not own or "train" in task.files.paths, task.name
