"""The log of a stage: one JSON line every few steps, kept over interruptions."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from simxfer.common.atomic import write_text


def open_log(path: Path, step: int) -> Callable[[Mapping[str, Any]], None]:
    """Return a function that appends a row to the log of a stage that goes on after so many steps.

    Rows of later steps are taken out: those steps are made again.
    """
    kept = [row for row in read_log(path) if step and row.get("step", step) <= step]
    write_text(path, "".join(json.dumps(row) + "\n" for row in kept))

    return partial(append_row, path)


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Write one more row, with the time."""
    with path.open("a") as stream:
        stream.write(json.dumps({**row, "time": round(time.time(), 3)}) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a log; [] where there is none."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:  # a killed process tears its last line
            continue
    return rows
