"""`simxfer fetch` against a hub on this machine: what it brings, locks, refuses, and goes on with."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import pytest
from hub_cache import write_parquet
from hub_cases import nli
from hub_schemas import GLUE_NLI, QQP
from hub_server import Files, LocalHub
from support import write_xlmr_checkpoint

from simxfer.errors import InputError
from simxfer.fetch import fetch
from simxfer.lock import check_lock
from simxfer.store.atomic import sha256

datasets.disable_progress_bars()

PARQUET = "refs/convert/parquet"
GRID = """\
name: tiny
encoders: [tiny/xlmr]
blocks:
  - intermediates: [none, qqp]
    targets: [xnli]
languages: [en, sw]
seeds: [0]
overrides:
  "*": {steps: 2, batch_size: 4, train_examples: 8, max_length: 64, selection: last}
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
    """The files of every repository of the grid, and some that must not be fetched."""
    folder = tmp_path_factory.mktemp("files")

    def parquet(rows: list[dict], features: datasets.Features) -> bytes:
        return write_parquet(folder / "0.parquet", rows, features).read_bytes()

    encoder = write_xlmr_checkpoint(folder / "encoder")
    questions = [{"question1": f"why {i}", "question2": "how", "label": i % 2, "idx": i} for i in range(10)]

    def pairs(part: str) -> bytes:
        return parquet([nli(f"premise {part} {i}", "so", i % 3, idx=i) for i in range(12)], GLUE_NLI)

    return {
        "encoder": {path.name: path.read_bytes() for path in encoder.iterdir()}
        | {"pytorch_model.bin": b"pickle", "modeling.py": b"code", "onnx/config.json": b"{}"},
        "glue": {
            "mnli/train/0000.parquet": pairs("first"),
            "mnli/train/0001.parquet": pairs("second"),
            "mnli/test_matched/0000.parquet": pairs("hidden"),
            "qqp/train/0000.parquet": parquet(questions, QQP),
        },
        "xnli": {f"{code}/test/0000.parquet": pairs(code) for code in ("en", "sw", "de")},
    }


def publish(files: dict[str, Files]) -> LocalHub:
    """Return the hub with every repository of the grid; equal files, equal commits."""
    hub = LocalHub()
    hub.publish("model", "tiny/xlmr", "main", files["encoder"])
    hub.publish("dataset", "nyu-mll/glue", PARQUET, files["glue"])
    hub.publish("dataset", "facebook/xnli", PARQUET, files["xnli"])
    return hub


@contextmanager
def served(hub: LocalHub, home: Path) -> Iterator[dict[str, str]]:
    """Serve the hub in place of huggingface.co; yield the environment, with the cache in `home`."""
    server = hub.serve()
    yield {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "OMP_NUM_THREADS": "1",
        "HF_HOME": str(home),
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    hub.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def fetched_once(files: dict[str, Files], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid, its lock file and the cache, as one fetch leaves them."""
    folder = tmp_path_factory.mktemp("fetched")
    (folder / "tiny.yaml").write_text(GRID)
    with served(publish(files), folder / "home") as environment:
        done = execute(folder, environment, "fetch", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def hub(files: dict[str, Files]) -> LocalHub:
    """The hub as it was fetched from."""
    return publish(files)


@pytest.fixture
def environment(hub: LocalHub, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The hub, and a cache that is empty unless the test starts from `grid_fetched`."""
    with served(hub, tmp_path / "home") as environment:
        yield environment


@pytest.fixture
def simxfer(environment: dict[str, str], tmp_path: Path) -> Command:
    """Run `simxfer` in the folder of the grid."""

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return execute(tmp_path, environment | more, *arguments)

    return run


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(GRID)
    return path


@pytest.fixture
def grid_fetched(fetched_once: Path, tmp_path: Path) -> Path:
    """The grid, fetched."""
    shutil.copytree(fetched_once, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "tiny.yaml"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from simxfer.cli import main; main()", *arguments]


def execute(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, env=environment, timeout=120
    )


def locked(grid: Path) -> dict[str, dict]:
    """Return the repositories of the lock file by id."""
    lock = json.loads(grid.with_suffix(".lock.json").read_text())
    return {entry["id"]: entry for entry in lock["repositories"]}


def fetched(simxfer: Command) -> None:
    done = simxfer("fetch", "tiny.yaml")
    assert done.returncode == 0, done.stderr


def refused(done: subprocess.CompletedProcess[str], *said: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr, done.stderr


def refused_lock(grid: Path, environment: dict[str, str], *said: str) -> None:
    """Check the lock as training does before anything else (`train` itself imports torch first)."""
    check = "from pathlib import Path; from simxfer.lock import check_lock; check_lock(Path('tiny.yaml'))"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=grid.parent, capture_output=True, text=True, env=environment
    )
    assert "InputError" in done.stderr and all(words in done.stderr for words in said), done.stderr


def cached_file(tmp_path: Path, name: str) -> Path:
    return next((tmp_path / "home" / "hub").glob(f"*/snapshots/*/{name}"))


def test_everything_a_grid_reads_is_fetched_and_locked(
    simxfer: Command, grid: Path, hub: LocalHub, files: dict[str, Files], tmp_path: Path
) -> None:
    fetched(simxfer)
    repositories = locked(grid)
    assert set(repositories) == {"tiny/xlmr", "nyu-mll/glue", "facebook/xnli"}
    glue = repositories["nyu-mll/glue"]
    assert glue["type"] == "dataset" and glue["revision"] == PARQUET
    assert glue["commit"] == hub.revisions["datasets/nyu-mll/glue", PARQUET]
    assert glue["rows"] == {"mnli/train": 24, "qqp/train": 10}  # XNLI is trained on MNLI; two shards
    assert repositories["facebook/xnli"]["rows"] == {"en/test": 12, "sw/test": 12}
    encoder = repositories["tiny/xlmr"]["files"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(encoder)
    assert all("/" not in name and name.endswith((".json", ".safetensors")) for name in encoder)
    for name, entry in encoder.items():
        assert entry["sha256"] == sha256(cached_file(tmp_path, name))
        assert entry["bytes"] == len(files["encoder"][name])
    assert sorted(hub.downloads) == sorted(
        {*encoder, *glue["files"], *repositories["facebook/xnli"]["files"]}
    )


@pytest.mark.slow
def test_what_was_fetched_trains_without_a_connection(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    assert simxfer("plan", "tiny.yaml").returncode == 0  # before anything is there
    assert hub.calls == 0
    fetched(simxfer)
    calls = hub.calls
    done = simxfer("train", "tiny.yaml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert hub.calls == calls
    plan = (grid.parent / "runs" / "tiny" / "plan.json").read_text()
    repositories = locked(grid)
    assert f"hub:tiny/xlmr@{repositories['tiny/xlmr']['commit']}" in plan
    assert f"hub:nyu-mll/glue:mnli:train@{repositories['nyu-mll/glue']['commit']}" in plan
    assert "unresolved" not in plan


def test_a_second_fetch_brings_nothing_and_changes_nothing(
    simxfer: Command, grid_fetched: Path, hub: LocalHub
) -> None:
    before = grid_fetched.with_suffix(".lock.json").read_bytes()
    hub.downloads.clear()
    fetched(simxfer)
    assert hub.downloads == []
    assert grid_fetched.with_suffix(".lock.json").read_bytes() == before


def test_a_changed_hub_counts_only_when_asked_for(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, files: dict[str, Files]
) -> None:
    old = locked(grid_fetched)["facebook/xnli"]["commit"]
    changed = files["xnli"] | {"sw/test/0000.parquet": files["xnli"]["sw/test/0000.parquet"], "new": b"1"}
    new = hub.publish("dataset", "facebook/xnli", PARQUET, changed)
    fetched(simxfer)
    assert locked(grid_fetched)["facebook/xnli"]["commit"] == old != new
    done = simxfer("fetch", "tiny.yaml", "--update")
    assert done.returncode == 0, done.stderr
    assert locked(grid_fetched)["facebook/xnli"]["commit"] == new


def test_a_lock_brings_its_commits_to_another_machine(
    simxfer: Command, grid_fetched: Path, hub: LocalHub, files: dict[str, Files], tmp_path: Path
) -> None:
    before = grid_fetched.with_suffix(".lock.json").read_bytes()
    hub.publish("dataset", "facebook/xnli", PARQUET, files["xnli"] | {"new": b"1"})
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
    files: dict[str, Files],
    tmp_path: Path,
    environment: dict[str, str],
) -> None:
    ours = grid_fetched.with_suffix(".lock.json").read_bytes()
    hub.publish("dataset", "facebook/xnli", PARQUET, files["xnli"] | {"new": b"1"})
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


def test_a_killed_fetch_goes_on_with_the_next_one(
    environment: dict[str, str], simxfer: Command, grid: Path, hub: LocalHub, tmp_path: Path
) -> None:
    hub.stalled.add("mnli/train/0001.parquet")
    with subprocess.Popen(command("fetch", "tiny.yaml"), cwd=tmp_path, env=environment) as running:
        assert hub.reached.wait(60)
        running.kill()
    hub.stalled.clear()
    hub.released.set()
    assert not grid.with_suffix(".lock.json").exists()
    hub.downloads.clear()
    fetched(simxfer)
    assert "mnli/train/0001.parquet" in hub.downloads
    assert "model.safetensors" not in hub.downloads
    assert locked(grid)["nyu-mll/glue"]["rows"]["mnli/train"] == 24


def test_a_file_that_never_comes_whole_is_refused(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    hub.spoilt.add("en/test/0000.parquet")
    refused(simxfer("fetch", "tiny.yaml"), "en/test/0000.parquet was fetched twice", "checksum")
    assert not grid.with_suffix(".lock.json").exists()


def test_what_the_hub_does_not_have_is_named(
    simxfer: Command, grid: Path, hub: LocalHub, files: dict[str, Files]
) -> None:
    hub.publish(
        "dataset", "facebook/xnli", PARQUET, {"en/test/0000.parquet": b"", "sw/dev/0000.parquet": b""}
    )
    refused(simxfer("fetch", "tiny.yaml"), "'sw/test'", "Did you mean", "en/test")
    hub.publish("dataset", "facebook/xnli", PARQUET, {"sw/partial-test/0000.parquet": b"", **files["glue"]})
    grid.write_text(GRID.replace("[en, sw]", "[sw]"))
    refused(simxfer("fetch", "tiny.yaml"), "only a part of sw/test")


def test_an_encoder_without_safetensors_is_refused(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    hub.publish("model", "tiny/xlmr", "main", {"config.json": b"{}", "pytorch_model.bin": b"pickle"})
    refused(simxfer("fetch", "tiny.yaml"), "lacks model.safetensors and a tokenizer", "save_pretrained")
    assert hub.downloads == []


def test_a_hub_that_cannot_be_asked_is_explained(simxfer: Command, grid: Path, hub: LocalHub) -> None:
    refused(simxfer("fetch", "tiny.yaml", HF_HUB_OFFLINE="1"), "connected machine", "HF_HUB_OFFLINE")
    refused(simxfer("fetch", "tiny.yaml", HF_ENDPOINT="http://127.0.0.1:9"), "connected machine")
    hub.gated.add("models/tiny/xlmr")
    refused(simxfer("fetch", "tiny.yaml"), "tiny/xlmr", "gated", "hf auth login")
    grid.write_text(GRID.replace("tiny/xlmr", "tiny/none"))
    refused(simxfer("fetch", "tiny.yaml"), "tiny/none", "not on the hub")
    hub.gated.clear()
    grid.write_text(GRID.replace("tiny/xlmr", "tiny/xlmr@v9"))
    refused(simxfer("fetch", "tiny.yaml"), "tiny/xlmr has no revision 'v9'")


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
    check_lock(grid)
    test.write_text(row + row)
    for again in (check_lock, fetch):
        with pytest.raises(InputError, match=r"(?s)test-en.tsv: got sha256 .* expected .*--update|--update.*test-en.tsv: got sha256"):
            again(grid)
    fetch(grid, update=True)
    check_lock(grid)
