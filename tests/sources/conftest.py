"""A hub on this machine, a grid that reads from it, and a cache; native files written by hand."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest
from fetching import GRID, Command, execute, publish, served
from hub_cache import write_parquet
from hub_rows import nli
from hub_schemas import GLUE_NLI, QQP
from hub_server import Files, LocalHub
from support import write_xlmr_checkpoint

datasets.disable_progress_bars()


@pytest.fixture(scope="session")
def hub_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Files]:
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


@pytest.fixture(scope="session")
def fetched_once(hub_files: dict[str, Files], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the grid, its lock file and the cache, as one fetch leaves them."""
    folder = tmp_path_factory.mktemp("fetched")
    (folder / "tiny.yaml").write_text(GRID)
    with served(publish(hub_files), folder / "home") as environment:
        done = execute(folder, environment, "fetch", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def hub(hub_files: dict[str, Files]) -> LocalHub:
    """The hub as it was fetched from."""
    return publish(hub_files)


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


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | dict], Path]:
    """Write a native file below the test's folder: a text as it is, anything else as JSON."""

    def write(name: str, content: str | dict) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write
