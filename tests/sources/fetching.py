"""A small grid that reads from a hub on this machine, and the command line that fetches it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hub_server import Files, LocalHub

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


def publish(hub_files: dict[str, Files]) -> LocalHub:
    """Return the hub with every repository of the grid; equal files, equal commits."""
    hub = LocalHub()
    hub.publish("model", "tiny/xlmr", "main", hub_files["encoder"])
    hub.publish("dataset", "nyu-mll/glue", PARQUET, hub_files["glue"])
    hub.publish("dataset", "facebook/xnli", PARQUET, hub_files["xnli"])
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


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from simxfer.cli.main import main; main()", *arguments]


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
    check = (
        "from pathlib import Path; from simxfer.grid.expand import expand; from simxfer.grid.file import load_grid; "
        "from simxfer.grid.lock import check_lock; from simxfer.sources import revision; "
        "grid = Path('tiny.yaml'); check_lock(grid, expand(load_grid(grid), revision))"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=grid.parent, capture_output=True, text=True, env=environment
    )
    assert "InputError" in done.stderr and all(words in done.stderr for words in said), done.stderr


def cached_file(tmp_path: Path, name: str) -> Path:
    return next((tmp_path / "home" / "hub").glob(f"*/snapshots/*/{name}"))
