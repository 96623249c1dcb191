"""Where the files that ship with the project stand."""

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2] / "data"
_INSTALLED = Path(sys.prefix) / "share" / "simxfer"


def data_path(*parts: str) -> Path:
    """Return a path below the project's data folder, in a checkout or where a wheel put it."""
    root = _CHECKOUT if (_CHECKOUT / "grids").is_dir() else _INSTALLED
    return root.joinpath(*parts)
