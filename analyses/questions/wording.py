"""How numbers are written in texts: the only way from a number to a sentence."""

import math
from collections.abc import Sequence

from analyses.inference.result import Inference
from analyses.similarity.codes import english_name


def points(value: float) -> str:
    """Return a difference in points with its sign: `+4.2`."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")  # + 0.0: no minus zero


def number(value: float, digits: int = 2) -> str:
    """Return a plain number with a true minus sign."""
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def p_value(p: float) -> str:
    """Return `p = .012`, `p < .001`, or `no p value`."""
    if math.isnan(p):
        return "no p value"
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".")


def interval(low: float, high: float, level: float = 0.95, digits: int = 1) -> str:
    """Return `95 % interval 1.0 to 3.2`, or `no interval`."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{100 * level:.0f} % interval {number(low, digits)} to {number(high, digits)}"


def effect(inference: Inference, unit: str = "points", digits: int = 1) -> str:
    """Return the headline estimate with interval and p; without an interval, say so and give the replicates."""
    estimate = f"{inference.estimate:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
    text = f"{estimate} {unit}".strip()
    low, high = inference.interval
    if math.isnan(low):
        values = inference.distribution
        if not len(values):
            return f"{text} (no interval, {p_value(inference.p)})"
        spread = f"replicates from {number(values.min(), digits)} to {number(values.max(), digits)}"
        return f"{text} (no interval, {spread})"
    return f"{text} ({interval(low, high, inference.level, digits)}, {p_value(inference.p)})"


def verdict(inference: Inference) -> str:
    """Return `Yes` where the interval lies above zero, `The opposite` below, `Not shown` around it.

    `Not judged` stands where there is no interval because replicates are too few.
    """
    low, high = inference.interval
    if math.isnan(low):
        return "Not judged"
    return "Yes" if low > 0 else "The opposite" if high < 0 else "Not shown"


def count(n: int, noun: str) -> str:
    """Return `1 encoder`, `5 encoders`, `2 switches`, `0 losses`."""
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun}es" if noun.endswith(("ch", "ss")) else f"{n} {noun}s"


def language(code: str) -> str:
    """Return a language's code and its English name: `sw Swahili`; an artificial one has its code alone."""
    return f"{code} {english_name(code)}".strip()


def listed(names: Sequence[str], most: int = 6) -> str:
    """Return `a, b and c`; beyond `most`, `a, b, ... and 4 more`; `none` for no name."""
    names = list(names)
    if not names:
        return "none"
    if len(names) > most:
        return ", ".join(names[:most]) + f" and {len(names) - most} more"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
