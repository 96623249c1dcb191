"""The lock file: what is trained on is what was fetched, on every machine, until somebody asks for news."""

import json
from pathlib import Path

import pytest
from fetching import GRID, PARQUET, Command, cached_file, fetched, locked, refused, refused_lock
from hub_server import Files, LocalHub

from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.grid.expand import expand
from simxfer.grid.fetch import fetch
from simxfer.grid.file import load_grid
from simxfer.grid.lock import check_lock
from simxfer.sources import revision


def test_a_changed_hub_counts_only_when_asked_for(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, hub_files: dict[str, Files]
) -> None:
    old = locked(grid_fetched)["facebook/xnli"]["commit"]
    changed = hub_files["xnli"] | {
        "sw/test/0000.parquet": hub_files["xnli"]["sw/test/0000.parquet"],
        "new": b"1",
    }
    new = hub.publish("dataset", "facebook/xnli", PARQUET, changed)
    fetched(simxfer)
    assert locked(grid_fetched)["facebook/xnli"]["commit"] == old != new
    done = simxfer("fetch", "tiny.yaml", "--update")
    assert done.returncode == 0, done.stderr
    assert locked(grid_fetched)["facebook/xnli"]["commit"] == new


def test_a_lock_brings_its_commits_to_another_machine(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, hub_files: dict[str, Files], tmp_path: Path
) -> None:
    before = grid_fetched.with_suffix(".lock.json").read_bytes()
    hub.publish("dataset", "facebook/xnli", PARQUET, hub_files["xnli"] | {"new": b"1"})
    elsewhere = {"HF_HOME": str(tmp_path / "elsewhere")}
    assert simxfer("fetch", "tiny.yaml", **elsewhere).returncode == 0
    assert grid_fetched.with_suffix(".lock.json").read_bytes() == before
    refs = tmp_path / "elsewhere" / "hub" / "datasets--facebook--xnli" / "refs" / PARQUET
    assert refs.read_text() == locked(grid_fetched)["facebook/xnli"]["commit"]


def test_a_damaged_file_is_refused_and_fetched_anew(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, tmp_path: Path
) -> None:
    path = cached_file(tmp_path, "sw/test/0000.parquet").resolve()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(
        simxfer("train", "tiny.yaml"),
        "differ from",
        "sw/test/0000.parquet: got sha256",
        "expected",
        "simxfer fetch",
    )
    assert not (tmp_path / "runs" / "tiny").exists()
    hub.downloads.clear()
    fetched(simxfer)
    assert hub.downloads == ["sw/test/0000.parquet"]
    assert cached_file(tmp_path, "sw/test/0000.parquet").read_bytes() == whole


def test_another_commit_in_the_cache_is_refused(
    simxfer: Command,
    grid_fetched: Path,
    hub: LocalHub,
    hub_files: dict[str, Files],
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    ours = grid_fetched.with_suffix(".lock.json").read_bytes()
    hub.publish("dataset", "facebook/xnli", PARQUET, hub_files["xnli"] | {"new": b"1"})
    assert simxfer("fetch", "tiny.yaml", "--update").returncode == 0
    grid_fetched.with_suffix(".lock.json").write_bytes(ours)
    refused_lock(grid_fetched, environment, "facebook/xnli", "got commit", "expected")


def test_a_grid_that_reads_more_than_is_locked_is_refused(
    simxfer: Command, grid_fetched: Path, environment: dict[str, str]
) -> None:
    grid_fetched.write_text(GRID.replace("[en, sw]", "[en, sw, de]"))
    refused_lock(grid_fetched, environment, "de/test/*.parquet is not locked")
    fetched(simxfer)
    assert "de/test" in locked(grid_fetched)["facebook/xnli"]["rows"]


def test_a_file_that_is_no_lock_is_refused(simxfer: Command, grid: Path) -> None:
    grid.with_suffix(".lock.json").write_text('{"version": 7}')
    refused(simxfer("fetch", "tiny.yaml"), "tiny.lock.json is no lock file of this version")


def test_native_files_are_locked_as_they_are(grid: Path, tmp_path: Path) -> None:
    (tmp_path / "native" / "mnli").mkdir(parents=True)
    (tmp_path / "native" / "xnli").mkdir()
    head, row = "sentence1\tsentence2\tgold_label\n", "A man sat.\tHe sat.\tentailment\n"
    train, test = tmp_path / "native/mnli/train.tsv", tmp_path / "native/xnli/test-en.tsv"
    train.write_text(head + row)
    test.write_text(row)
    grid.write_text(
        GRID.replace("tiny/xlmr", "world/w0-s0").replace("none, qqp", "none").replace("en, sw", "en")
        + f"data: {{folder: {tmp_path / 'native'}}}\n"
    )
    lock = json.loads(fetch(grid, say=pytest.fail).read_text())
    assert lock["files"] == {
        str(path): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in (train, test)
    }

    def check(grid: Path) -> None:
        check_lock(grid, expand(load_grid(grid), revision))

    check(grid)
    test.write_text(row + row)
    for again in (check, fetch):
        with pytest.raises(InputError, match=r"test-en.tsv: got sha256 .* expected") as refusal:
            again(grid)
        assert "--update" in str(refusal.value)
    fetch(grid, update=True)
    check(grid)


def test_a_locked_commit_that_is_gone_is_explained(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, tmp_path: Path
) -> None:
    hub.revisions = {key: commit for key, commit in hub.revisions.items() if key[1] != commit}
    refused(simxfer("fetch", "tiny.yaml", HF_HOME=str(tmp_path / "empty")), "has no revision", "--update")
