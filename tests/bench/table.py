"""Rows -> a table on the screen, JSON or CSV."""

import json
import os
import platform
import sys
from dataclasses import asdict
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from .measure import Row, Timer

WIDTH = 160
"""Columns of the table where the output is no terminal."""
_COLUMNS = ("bench", "what", "unit", "ours", "against", "theirs", "ratio", "target", "met", "note")
_RIGHT = {"ours", "theirs", "ratio", "target"}


def show(rows: list[Row], timer: Timer) -> None:
    """Print all rows as one table, and under it what the numbers are."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    table = Table(show_lines=False, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold")
    for row in rows:
        table.add_row(*cells(row))
    console.print(table)
    facts = environment(timer)
    console.print(
        f"{facts['clock']} time, one thread a process, {timer.rounds} rounds at most, load "
        f"{facts['load']:.1f} on {facts['cores']} cores, {facts['machine']}, {facts['processor']}, "
        f"{facts['instructions']}, numpy {facts['numpy']}",
        highlight=False,
    )


def write(rows: list[Row], timer: Timer, path: Path) -> None:
    """Write the rows as CSV, or as JSON with the environment; missing numbers are empty or null."""
    frame = pd.DataFrame([asdict(row) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
        return
    records = json.loads(frame.to_json(orient="records", double_precision=15))
    whole = {"environment": environment(timer), "rows": records}
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def environment(timer: Timer) -> dict[str, str | int | float]:
    """Return what the numbers depend on."""
    return {
        "clock": timer.clock,
        "rounds": timer.rounds,
        "load": os.getloadavg()[0],
        "cores": os.cpu_count() or 0,
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    """Return the model of the processor, as Linux tells it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def cells(row: Row) -> list[str]:
    """Return a row as text, in the order of the columns."""
    met = {True: "yes", False: "NO", None: ""}[row.met]
    ratio = "" if isnan(row.ratio) else f"{row.ratio:.3g}x [{row.ratio_low:.3g}, {row.ratio_high:.3g}]"
    numbers = (number(row.ours), row.against, number(row.theirs), ratio)
    # rich reads [..] as markup unless the bracket is escaped.
    return [
        text.replace("[", r"\[")
        for text in (row.bench, row.what, row.unit, *numbers, row.target, met, row.note)
    ]


def number(value: float) -> str:
    """Return three digits that count, thousands separated; empty for a missing number."""
    if isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
