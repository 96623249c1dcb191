"""What a metric is, and what it returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scored:
    """A score in points, the scores of the examples (0-1), and for tagging their (tp, fp, fn)."""

    value: float
    examples: np.ndarray
    counts: np.ndarray | None = None


@dataclass(frozen=True)
class Metric:
    """A metric: its function, its range in points, and the source of its definition."""

    name: str
    score: Callable[..., Scored]
    """Takes gold and predicted, and the language where it needs one."""
    meaning: str
    reference: str
    low: float = 0.0
    high: float = 100.0
    needs_language: bool = False
    """Whether the definition depends on the language of the answers."""
    paired: bool = True
    """Whether there is one prediction a gold answer; otherwise two collections are compared."""

    def __call__(self, gold: Sequence, predicted: Sequence, language: str = "") -> Scored:
        """Score predictions against gold answers.

        Args:
            gold: the gold answers.
            predicted: the predictions, one a gold answer where the metric is paired.
            language: code of the language of the answers; only metrics that need it look at it.

        Raises:
            ValueError: there are no examples, not as many predictions as gold answers, or no language where
                one is needed.
        """
        if self.paired and len(gold) != len(predicted):
            raise ValueError(f"{self.name}: {len(predicted)} predictions for {len(gold)} gold answers")
        if not len(gold):
            raise ValueError(f"{self.name}: no examples to score")
        if not self.needs_language:
            return self.score(gold, predicted)
        if not language:
            raise ValueError(f"{self.name}: needs the language of the answers, such as language='de'")
        return self.score(gold, predicted, language)


def from_examples(scores: Sequence[float]) -> Scored:
    """Return the mean of the examples' scores (0-1), in points."""
    array = np.asarray(scores, dtype=np.float64)
    return Scored(100.0 * float(array.mean()), array)
