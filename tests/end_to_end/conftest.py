"""A tiny encoder, a small grid on it, and the command line in a process of its own."""

import os
import subprocess
from pathlib import Path

import pytest
from support import write_xlmr_checkpoint
from tiny import GRID, Cli, command


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


@pytest.fixture(scope="session")
def simxfer() -> Cli:
    """Run `simxfer` with some arguments and return what it did."""

    def run(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        return subprocess.run(
            command(*arguments), capture_output=True, text=True, env=environment, timeout=timeout
        )

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
