"""A tiny encoder, a small grid on it, and the command line in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import write_xlmr_checkpoint

GRID = """\
name: tiny
encoders: [{encoder}]
blocks:
  - intermediates: [none, w-nli, w-qa, w-qa>w-nli, w-nli+w-roles]
    targets: [w-xnli, w-xqa, w-pos, w-xcloze, w-tatoeba]
    no_pretraining_control: true
languages: [x-pivot, x-sov, x-cyrl]
seeds: [0]
test_examples: 40
overrides:
  "*": {{steps: 6, train_examples: 64}}
"""

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random XLM-R with the world's tokenizer, in the files that XLM-R ships."""
    return write_xlmr_checkpoint(tmp_path_factory.mktemp("encoder") / "tiny")


@pytest.fixture
def grid(tmp_path: Path, encoder: Path) -> Path:
    """The grid file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(GRID.format(encoder=encoder))
    return path


def command(*arguments: object) -> list[str]:
    """Return the command line of `simxfer` with these arguments."""
    return [sys.executable, "-c", "from simxfer.cli import main; main()", *map(str, arguments)]


@pytest.fixture(scope="session")
def simxfer() -> Cli:
    """Run `simxfer` with some arguments and return what it did."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment, timeout=300)

    return run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, encoder: Path, simxfer: Cli) -> Path:
    """The run directory of the grid, made by one worker in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = folder / "tiny.yaml"
    path.write_text(GRID.format(encoder=encoder))
    done = simxfer("train", path, "--out", folder / "runs", "--workers", 1)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny"
