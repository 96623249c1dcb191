"""Where the reference outputs of other implementations of training methods stand."""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("SIMXFER_METHOD_ORACLES", Path(__file__).parents[3] / "shared" / "oracles" / "methods")
)


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder named by SIMXFER_METHOD_ORACLES, by default the one beside the project."""
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is absent: training methods were NOT compared with other implementations")
    return FOLDER
