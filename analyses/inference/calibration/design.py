"""The form of a calibration: one procedure under one known truth, and whether it rejects or covers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

NOMINAL = 0.05
NAIVE = "least squares"
"""What stands beside the procedures: no procedure of the project."""

Run = Callable[[np.random.Generator], bool]


@dataclass(frozen=True)
class Design:
    """One procedure under one known truth; `run` simulates once and tells of a rejection (a coverage)."""

    procedure: str
    design: str
    measure: Literal["type I", "coverage"]
    run: Run
    runs: int = 2000
    instead: str = ""
    """What to use where this design breaks the procedure's assumptions on purpose."""
    needs: str = ""
    """What the procedure needs and this design lacks."""


def rejects(procedure: str, design: str, test: Callable[[np.random.Generator], float], **more) -> Design:
    """Return the design of a test's p values."""
    return Design(procedure, design, "type I", lambda rng: test(rng) <= NOMINAL, **more)


def covers(procedure: str, design: str, estimate: Callable, truth: float, **more) -> Design:
    """Return the design of an `Inference`'s intervals about the truth."""

    def run(rng: np.random.Generator) -> bool:
        low, high = estimate(rng).interval
        return low <= truth <= high

    return Design(procedure, design, "coverage", run, **more)
