"""Where the reference outputs of other implementations of training methods stand."""

import os
from pathlib import Path

FOLDER = Path(
    os.environ.get("SIMXFER_METHOD_ORACLES", Path(__file__).parents[3] / "shared" / "oracles" / "methods")
)
