"""What a design can answer, said before anything is trained: replicates, detectable effects, attainable equivalence.

Formulas of a paired difference over n replicates: detectable with power .8 is (t_{.975} + t_{.8}) SD / sqrt(n) with
n - 1 degrees of freedom (Bloom 1995, Evaluation Review 19: 547-556); two one-sided tests can say "equivalent" only
where t_{.95} SD / sqrt(n) is below the margin.
"""

from collections.abc import Sequence
from importlib import import_module

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.student import detectable_ses
from analyses.questions.replicates import FEWEST_LEVELS
from analyses.questions.wording import count, number

ASSUMED = (0.3, 0.7, 1.5)
"""SDs over fine-tuning seeds that are assumed of real encoders without a pilot, in points."""
ASSUMED_WORLD = (2.0, 4.0, 8.0)
"""The same of differences between encoders of the embedded world, whose scores vary more."""


def design(study: str, cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a study's module says of a planned grid: lines of text.

    Args:
        study: name in `analyses.questions.QUESTIONS`.
        cells: a row a planned score: checkpoint, method, intermediate, target, language, perturbation, seed.
        margin: points within which a difference counts as none.
    """
    from analyses.questions import QUESTIONS

    return import_module(QUESTIONS[study]).design(cells, margin)


def planned_replicates(cells: pd.DataFrame) -> tuple[int, str]:
    """Return how many replicates a grid has and what they are: encoders, or the seeds of one encoder."""
    encoders = cells["checkpoint"].nunique()
    return (encoders, "encoder") if encoders > 1 else (cells["seed"].nunique(), "seed")


def assumed_sds(cells: pd.DataFrame) -> tuple[float, ...]:
    """Return the SDs of a replicate's difference that stand in for a pilot."""
    return ASSUMED_WORLD if cells["checkpoint"].str.startswith("world/").all() else ASSUMED


def detectable_sds(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest mean difference that n replicates show with the given power, in SDs of the difference.

    Example:
        >>> from analyses.questions.design import detectable_sds
        >>> round(detectable_sds(6), 2)
        1.42
    """
    return detectable_ses(n - 1, power, alpha) / float(np.sqrt(n))


def attainable_sd(n: int, margin: float, alpha: float = 0.05) -> float:
    """Return the SD of the difference below which two one-sided tests of n replicates can say "equivalent"."""
    return float(margin * np.sqrt(n) / stats.t.ppf(1 - alpha, n - 1))


def paired_difference(n: int, unit: str, margin: float, sds: Sequence[float]) -> tuple[str, ...]:
    """Return what n replicates of a paired difference can show."""
    if n < FEWEST_LEVELS:
        return (
            f"{count(n, unit)}: values and range only, no verdict; from {count(FEWEST_LEVELS, unit)} on there is an "
            "interval",
        )
    smallest = detectable_sds(n)
    points = " / ".join(number(smallest * sd, 1) for sd in sds)
    assumed = " / ".join(f"{sd:g}" for sd in sds)
    return (
        f"{count(n, unit)}: the smallest difference found with power .8 is {number(smallest)} SDs of a replicate's "
        f"difference: {points} points at SDs of {assumed} (assumed, not measured)",
        f'"equivalent" within {margin:g} points is attainable while that SD is below '
        f"{number(attainable_sd(n, margin))} points",
    )
