"""The folder of reference outputs; tests that read it skip where it is absent."""

from pathlib import Path

import pytest
from oracle_folder import FOLDER


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder named by SIMXFER_METHOD_ORACLES, by default the one beside the project."""
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is absent: training methods were NOT compared with other implementations")
    return FOLDER
