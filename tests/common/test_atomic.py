import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

from simxfer.common.atomic import write_file, write_json, write_table, write_text
from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.run.claims import claim
from simxfer.schema.directory import RunDirectory


def test_a_writer_that_raises_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "first")

    def torn(temporary) -> None:
        temporary.write_text("sec")
        raise RuntimeError("disk gone")

    with pytest.raises(RuntimeError, match="disk gone"):
        write_file(path, torn)
    assert path.read_text() == "first"
    assert os.listdir(path.parent) == ["a.txt"]


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def slow(temporary) -> None:
        temporary.write_text("half")
        assert path.read_text() == "old"
        temporary.write_text("whole")

    write_file(path, slow)
    assert path.read_text() == "whole"


def test_an_unwritable_place_is_bad_input(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*choose a folder that you may write to"):
        write_text(tmp_path / "file" / "a.txt", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_text(tmp_path / "folder", "")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_system_that_takes_no_files_is_bad_input():
    with pytest.raises(InputError, match="cannot write"):
        write_text(RunDirectory(Path("/proc/simxfer")).plan, "")


def test_equal_frames_and_values_give_equal_bytes(tmp_path):
    frame = pd.DataFrame({"a": [1, None], "b": ["x", "ü"]})
    for name in ("1", "2"):
        write_table(tmp_path / f"{name}.parquet", frame)
        write_json(tmp_path / f"{name}.json", {"b": "ü", "a": [1.5]})
    assert sha256(tmp_path / "1.parquet") == sha256(tmp_path / "2.parquet")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert "ü" in (tmp_path / "1.json").read_text(encoding="utf-8")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "1.parquet"), frame)


def hold(path, connection) -> None:
    with claim(path) as mine:
        connection.send(mine)
        connection.recv()


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the lock file until it is told or killed."""
    context = multiprocessing.get_context("spawn")
    started = []

    def start():
        here, there = context.Pipe()
        process = context.Process(target=hold, args=(tmp_path / "stage" / ".lock", there), daemon=True)
        process.start()
        started.append(process)
        assert here.poll(30)
        return process, here, here.recv()

    yield start
    for process in started:
        process.kill()
        process.join()


def test_a_claim_is_one_processs_until_it_ends_however_it_ends(holder, tmp_path):
    lock = tmp_path / "stage" / ".lock"
    first, _, mine = holder()
    assert mine
    with claim(lock) as here:
        assert not here
    second, _, also = holder()
    assert not also
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    with claim(lock) as here:
        assert here
        with claim(lock) as again:
            assert not again
    third, told, mine = holder()
    assert mine
    told.send("end")
    third.join()
    with claim(lock) as here:
        assert here
    assert second.is_alive()


def test_checkpoint_names_with_slashes_are_one_file(tmp_path):
    path = RunDirectory(tmp_path).representations("org/name@v1.0")
    assert path.parent == tmp_path / "representations"
    assert path.with_suffix(".parquet").name == "org__name@v1.0.parquet"
