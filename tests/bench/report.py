"""How long the report takes: of the default run, if it was trained, and of the published scores."""

import tempfile
from functools import partial
from pathlib import Path

import pandas as pd

from analyses.report import write_report

from .measure import Row, Timer, absent, alone

ROOT = Path(__file__).parents[2]


def run(timer: Timer) -> list[Row]:
    """Measure one report each, in a fresh folder."""
    rows = [_row(timer, ROOT / "data" / "published", "results.csv")]
    trained = ROOT / "runs" / "default"
    if (trained / "results.parquet").exists():
        return [*rows, _row(timer, trained, "results.parquet")]
    return [*rows, absent("report", "runs/default", "", "train it first (make train-grid)")]


def _row(timer: Timer, run_dir: Path, table: str) -> Row:
    """Measure once: answers are simulated and permuted for seconds, so that a warm-up changes nothing."""
    path = run_dir / table
    scores = len(pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path))
    with tempfile.TemporaryDirectory() as folder:
        write = partial(write_report, run_dir, folder)
        seconds = timer.interleave({"report": write}, most=1, warm=False)["report"]
    return alone("report", f"{run_dir.relative_to(ROOT)}, {scores:,} scores", seconds)
