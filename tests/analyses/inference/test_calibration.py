"""Error rates under known truth: the recorded table holds the promises, the docs show it, and simulating again
gives it back.
"""

from pathlib import Path

import numpy as np
import pytest

from analyses.inference import PROCEDURES, error_rates
from analyses.inference.calibration.calibrate import calibrate, page
from analyses.inference.calibration.design import NAIVE
from analyses.inference.calibration.designs import DESIGNS

PAGE = Path(__file__).parents[3] / "docs" / "calibration.md"
BY_NAME = {(design.procedure, design.design): design for design in DESIGNS}
# Nominal .95; 2,000 data sets leave .01, and t tails over few levels are an approximation for joint intervals.
LEAST_COVERAGE = 0.935


def test_every_design_is_recorded():
    recorded = {(row["procedure"], row["design"]): row for row in error_rates()}
    assert list(recorded) == list(BY_NAME)
    for key, design in BY_NAME.items():
        assert (recorded[key]["measure"], int(recorded[key]["runs"])) == (design.measure, design.runs)


def test_designs_name_procedures():
    assert {d.procedure for d in DESIGNS} - {NAIVE} <= set(PROCEDURES)
    assert all(name in PROCEDURES for d in DESIGNS if d.instead for name in d.instead.split(", "))
    assert len(BY_NAME) == len(DESIGNS)


def test_the_docs_show_the_table():
    assert PAGE.read_text(encoding="utf-8") == page()


MAIN = [  # what is not recommended, or misused on purpose, has its rate for the docs alone
    row
    for row in error_rates()
    if not (design := BY_NAME[row["procedure"], row["design"]]).instead
    and not design.needs
    and PROCEDURES[row["procedure"]].recommended
]


@pytest.mark.parametrize("row", MAIN, ids=lambda row: f"{row['procedure']}: {row['design']}")
def test_recommended_procedures_hold_their_level(row):
    if row["measure"] == "coverage":
        assert float(row["rate"]) >= LEAST_COVERAGE
    else:
        assert float(row["rate"]) <= 0.065


def test_naive_least_squares_does_not():
    """What the recommended procedures are for: rows that share tasks, taken as independent."""
    (rows,) = (float(r["rate"]) for r in error_rates() if r["procedure"] == NAIVE and "rows" in r["design"])
    assert rows > 0.5


@pytest.mark.parametrize("design", DESIGNS, ids=lambda d: f"{d.procedure}: {d.design}")
def test_every_design_runs(design):
    assert 0 <= calibrate(design, runs=2) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("row", error_rates(), ids=lambda row: f"{row['procedure']}: {row['design']}")
def test_simulating_again_gives_the_table_back(row):
    """The first tenth of the recorded stream, within 4 standard errors of all of it."""
    design = BY_NAME[row["procedure"], row["design"]]
    recorded, runs = float(row["rate"]), design.runs // 10
    spread = max(np.sqrt(recorded * (1 - recorded) / runs), 0.5 / runs)
    assert calibrate(design, runs=runs) == pytest.approx(recorded, abs=4 * spread)
