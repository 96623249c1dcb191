"""What a score should not be read without: nothing right at all, or no more than an answer that looks at nothing."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

CHANCE_Z = 1.645
"""A share must exceed chance by this many standard errors (one-sided, 5 %), or it is flagged."""


def flags(metric: str, value: float, gold: Sequence) -> list[str]:
    """Return the flags that a score deserves by itself: `all-zero`, `chance-level`.

    Args:
        metric: name in `METRICS`.
        value: the score in points.
        gold: the gold answers, in the form that the metric takes.
    """
    if value == 0:
        return ["all-zero"]
    return ["chance-level"] * (metric in _CHANCE and _at_chance(value, *_CHANCE[metric](gold)))


def _most_frequent(labels: Sequence) -> tuple[float, int]:
    """Return the share of right answers of always the most frequent label, and the number of answers."""
    return max(Counter(labels).values()) / len(labels), len(labels)


_CHANCE: dict[str, Callable[[Sequence], tuple[float, int]]] = {
    "accuracy": _most_frequent,
    "token_accuracy": lambda gold: _most_frequent([tag for tags in gold for tag in tags]),
    "retrieval_accuracy": lambda gold: (1 / len(gold), len(gold)),
}


def _at_chance(value: float, share: float, n: int) -> bool:
    return value < 100 and value / 100 <= share + CHANCE_Z * math.sqrt(share * (1 - share) / n)
