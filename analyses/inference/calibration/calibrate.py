"""Error rates of the procedures under known truth: simulated here, recorded in calibration.csv, shown in
docs/calibration.md.

    python -m analyses.inference.calibration.calibrate
    python -m analyses.inference.calibration.calibrate --docs docs/calibration.md

The first runs the designs that the table lacks (about half an hour for all) and adds them; delete rows to run
them anew. The second writes the page. Type I: share of data sets without an effect in which p <= .05.
Coverage: share in which a .95 interval holds the truth.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy import stats

from analyses.inference import PROCEDURES
from analyses.inference.calibration.design import NOMINAL, Design
from analyses.inference.calibration.designs import DESIGNS
from analyses.inference.rates import TABLE, error_rates
from simxfer.common.streams import stream

COLUMNS = ("procedure", "design", "measure", "nominal", "rate", "runs")
_HEAD = """# Measured error rates

Data sets were simulated under a known truth, and each procedure was run on them as it stands. Type I: share of
data sets without an effect in which p <= .05. Coverage: share in which a .95 interval holds the truth. In
brackets the .95 interval that the number of data sets leaves (Wilson). Grids have 9 x 9 tasks unless told
otherwise. "no: X" marks a design that breaks the procedure's assumptions on purpose, and tells what to use
there, or one that is too small, and what size it takes; on such a small grid, and by every procedure marked "no",
the measured error is printed with the result.

Generated from `analyses/inference/calibration.csv` by `python -m analyses.inference.calibration.calibrate --docs
docs/calibration.md`; the designs are in `analyses/inference/calibration/designs.py`.

| procedure | design | measure | rate | data sets | recommended |
|---|---|---|---|---|---|
"""


def calibrate(design: Design, runs: int) -> float:
    """Return the share of simulated data sets in which the design rejects (covers)."""
    rng = stream("calibration", design.procedure, design.design)
    return float(np.mean([design.run(rng) for _ in range(runs)]))


def recommended(design: Design) -> str:
    """Return yes, no, or what to use instead or in addition."""
    if design.instead or design.needs:
        return f"no: {design.instead or design.needs}"
    return "yes" if PROCEDURES[design.procedure].recommended else "no"


def page() -> str:
    """Return the table of the docs, from the recorded rates."""
    designs = {(design.procedure, design.design): design for design in DESIGNS}
    lines = []
    for row in error_rates():
        rate, runs = float(row["rate"]), int(row["runs"])
        error = stats.binomtest(round(rate * runs), runs).proportion_ci(method="wilson")
        marked = recommended(designs[row["procedure"], row["design"]])
        shown = f"{rate:.3f} [{error.low:.3f}, {error.high:.3f}]"
        cells = (row["procedure"], row["design"], row["measure"], shown, f"{runs:,}", marked)
        lines.append(f"| {' | '.join(cells)} |\n")
    return _HEAD + "".join(lines)


def run_missing() -> None:
    """Run the designs that the table lacks, writing it after each."""
    recorded = {(row["procedure"], row["design"]): row for row in error_rates()}
    for design in DESIGNS:
        key = (design.procedure, design.design)
        if key not in recorded:
            nominal = NOMINAL if design.measure == "type I" else 1 - NOMINAL
            rate = calibrate(design, design.runs)
            values = (*key, design.measure, f"{nominal:g}", f"{rate:.4f}", str(design.runs))
            recorded[key] = dict(zip(COLUMNS, values, strict=True))
            _write([recorded[d.procedure, d.design] for d in DESIGNS if (d.procedure, d.design) in recorded])
            print(*values, sep=", ", flush=True)


def _write(rows: list[dict[str, str]]) -> None:
    """Replace the table at once, so that a reader never sees half of it."""
    unfinished = TABLE.with_suffix(".tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(TABLE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the page instead")
    docs = parser.parse_args().docs
    if docs:
        docs.write_text(page(), encoding="utf-8")
    else:
        run_missing()
