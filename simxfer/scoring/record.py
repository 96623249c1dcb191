"""What is scored, whether a model or a file answered: gold and predictions, and the warnings that a score deserves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simxfer.metrics import METRICS, Scored, guards
from simxfer.tasks.record import Task

FEWEST_FOR_LABELS = 30
"""Test examples below which nothing is said about labels that the gold does not have."""
UNKNOWN_LIMIT = 0.05
"""Share of unknown subwords in a language's test data above which its scores are flagged."""


@dataclass(frozen=True)
class Answers:
    """Gold and predictions, one entry an example that is scored; mining: lists of the ids of target sentences."""

    ids: list[str]
    subsets: list[str]
    gold: list
    predictions: list
    flags: tuple[str, ...] = ()

    def score(self, metric: str, language: str) -> Scored:
        """Return the score under a metric."""
        if METRICS[metric].paired:
            return METRICS[metric](self.gold, self.predictions, language)
        return METRICS[metric](pairs(self.ids, self.gold), pairs(self.ids, self.predictions), language)

    def score_flags(self, task: Task, metric: str, scored: Scored) -> list[str]:
        """Return the warnings that a score deserves by itself, and the labels that its gold does not have."""
        flags = guards.flags(metric, scored.value, self.gold)
        if task.kind != "classification" or len(self.gold) < FEWEST_FOR_LABELS:
            return flags
        missing = [label for label in task.labels if label not in set(self.gold)]
        return flags + [f"labels-without-gold={','.join(missing)}"] * bool(missing)

    def subset(self, name: str) -> "Answers":
        """Return those of the examples of a subset; all where the name is empty."""
        chosen = [i for i, names in enumerate(self.subsets) if not name or name in names.split()]
        columns = (self.ids, self.subsets, self.gold, self.predictions)
        ids, subsets, gold, predictions = ([column[i] for i in chosen] for column in columns)
        return Answers(ids, subsets, gold, predictions, self.flags)

    def counts(self) -> list[tuple[int, int, int]]:
        """Return (tp, fp, fn) of every example of mining; they add up to the F1."""
        sets = [(set(gold), set(found)) for gold, found in zip(self.gold, self.predictions, strict=True)]
        return [(len(gold & found), len(found - gold), len(gold - found)) for gold, found in sets]


def lowest(draws: Sequence[Answers], metric: str, language: str) -> Answers:
    """Return of every example what it has in the draw with its lowest score under a metric, of equal ones the first.

    All draws have the same examples. A score that is no mean over examples (F1 of chunks) may be lower in one draw
    than that of the lowest examples.
    """
    if len(draws) == 1:
        return draws[0]
    chosen = np.argmin([found.score(metric, language).examples for found in draws], axis=0)
    gold = [draws[k].gold[i] for i, k in enumerate(chosen)]
    return replace(draws[0], gold=gold, predictions=[draws[k].predictions[i] for i, k in enumerate(chosen)])


def pairs(ids: Sequence[str], targets: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Return every source sentence of mining with each of its target sentences."""
    return [(source, target) for source, found in zip(ids, targets, strict=True) for target in found]


def data_flags(without_gold: int, noted: Mapping[str, int], unknown: int, subwords: int) -> list[str]:
    """Return what every score on some data is flagged with.

    Args:
        without_gold: rows that were left out because they have no gold.
        noted: what `Examples.noted` says of the data.
        unknown: how many of the subwords are unknown.
        subwords: how many there are.
    """
    flags = ["unknown-subwords"] * bool(unknown > UNKNOWN_LIMIT * max(1, subwords))
    flags += [f"without-gold={without_gold}"] * bool(without_gold)
    return flags + [f"{name}={count}" for name, count in noted.items()]
