"""Measured error rates of the procedures, as `analyses.inference.calibration.calibrate` recorded them."""

import csv
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("calibration.csv")


@cache
def error_rates() -> tuple[dict[str, str], ...]:
    """Return the recorded rates, one dict a design: procedure, design, measure, nominal, rate, runs.

    Example:
        >>> from analyses import error_rates
        >>> first = next(row for row in error_rates() if row["procedure"] == "pair_regression")
        >>> first["measure"], first["nominal"], 0 <= float(first["rate"]) <= 1
        ('type I', '0.05', True)
    """
    if not TABLE.exists():
        return ()
    with TABLE.open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def measured(procedure: str) -> list[str]:
    """Return the measured error rates of a procedure as notes."""
    return [
        f"measured {row['measure']} {float(row['rate']):.3f} at nominal {row['nominal']} ({row['design']})"
        for row in error_rates()
        if row["procedure"] == procedure
    ]
