"""R packages as another implementation: scripts that time themselves, so that R's start is not counted."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from .measure import Clock, Seconds


@cache
def has_r(package: str) -> bool:
    """Tell whether Rscript is there and has a package."""
    if shutil.which("Rscript") is None:
        return False
    code = f"quit(status = !requireNamespace('{package}', quietly = TRUE))"
    return subprocess.run(["Rscript", "-e", code], capture_output=True).returncode == 0


def run_r(script: str, clock: Clock, *arguments: str | Path) -> tuple[Seconds, list[float]]:
    """Run a script of this folder; return its seconds and the numbers that it computed.

    A script prints CPU seconds, wall seconds and its results in one line.
    """
    command = ["Rscript", str(Path(__file__).with_name(script)), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu, wall, *results = map(float, done.stdout.split())
    return Seconds(cpu if clock == "cpu" else wall), results
