"""The one place for metrics: what each computes, its range, and where it is defined. All scores are in points.

A metric sees gold answers and predictions, one of each an example:

    accuracy, retrieval_accuracy   gold: a label            prediction: a label
    token_accuracy, chunk_f1       gold: a list of tags     prediction: a list of tags, as long
    exact_match, squad_f1          gold: a list of texts    prediction: a text
"""

import re
import string
from collections import Counter
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
    score: Callable[[Sequence, Sequence], Scored]
    meaning: str
    reference: str
    low: float = 0.0
    high: float = 100.0

    def __call__(self, gold: Sequence, predicted: Sequence) -> Scored:
        """Score predictions against gold answers.

        Raises:
            ValueError: there are no examples, or not as many predictions as gold answers.
        """
        if len(gold) != len(predicted):
            raise ValueError(f"{self.name}: {len(predicted)} predictions for {len(gold)} gold answers")
        if not len(gold):
            raise ValueError(f"{self.name}: no examples to score")
        return self.score(gold, predicted)


def _from_examples(scores: list[float]) -> Scored:
    array = np.asarray(scores, dtype=np.float64)
    return Scored(100.0 * float(array.mean()), array)


def accuracy(gold: Sequence, predicted: Sequence) -> Scored:
    """Share of examples whose prediction equals the gold answer."""
    return _from_examples([float(g == p) for g, p in zip(gold, predicted, strict=True)])


def token_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scored:
    """Share of words whose tag is right, over all words of the test set; counts are (right, wrong, wrong)."""
    right = np.array(
        [sum(g == p for g, p in zip(gs, ps, strict=True)) for gs, ps in zip(gold, predicted, strict=True)]
    )
    total = np.array([len(gs) for gs in gold])
    wrong = total - right
    value = 100.0 * float(right.sum()) / max(1, int(total.sum()))
    return Scored(value, right / np.maximum(total, 1), np.stack([right, wrong, wrong], axis=1))


def chunk_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Scored:
    """F1 of chunks with the right type and the right borders, over the whole test set (conlleval).

    An I- tag that continues nothing starts a chunk, as in conlleval and in seqeval's default mode.
    """
    counts = []
    for gs, ps in zip(gold, predicted, strict=True):
        if len(gs) != len(ps):
            raise ValueError(f"chunk_f1: {len(ps)} predicted tags for {len(gs)} words")
        g, p = chunks(gs), chunks(ps)
        counts.append((len(g & p), len(p - g), len(g - p)))
    array = np.asarray(counts, dtype=np.int64)
    tp, fp, fn = array.T
    examples = np.where(tp + fp + fn == 0, 1.0, 2 * tp / np.maximum(1, 2 * tp + fp + fn))
    total = array.sum(axis=0)
    value = 100.0 * 2 * total[0] / max(1, 2 * total[0] + total[1] + total[2])
    return Scored(float(value), examples, array)


def chunks(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the chunks of a BIO-tagged sentence as (type, first word, word after the last)."""
    found, start, kind = set(), 0, ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            found.add((kind, start, i))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = name, i
    return found


def exact_match(gold: Sequence[Sequence[str]], predicted: Sequence[str]) -> Scored:
    """Share of predictions that equal one of the gold answers after SQuAD's normalisation."""
    return _from_examples(
        [max(float(normalise(g) == normalise(p)) for g in gs) for gs, p in zip(gold, predicted, strict=True)]
    )


def squad_f1(gold: Sequence[Sequence[str]], predicted: Sequence[str]) -> Scored:
    """Mean F1 of the words of prediction and gold answer (the best one) after SQuAD's normalisation."""
    return _from_examples([max(_word_f1(g, p) for g in gs) for gs, p in zip(gold, predicted, strict=True)])


def normalise(text: str) -> str:
    """SQuAD v1.1's normalisation: lower case, no ASCII punctuation, no English articles, single blanks."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _word_f1(gold: str, predicted: str) -> float:
    g, p = normalise(gold).split(), normalise(predicted).split()
    common = sum((Counter(g) & Counter(p)).values())
    return 2 * common / (len(g) + len(p)) if common else 0.0


_SQUAD = "Rajpurkar et al. 2016, evaluate-v1.1.py"
_CONLL = "Tjong Kim Sang and De Meulder 2003, conlleval"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, "examples answered right", "share of right answers"),
        Metric("token_accuracy", token_accuracy, "words tagged right", "share of right tags"),
        Metric("chunk_f1", chunk_f1, "F1 of typed chunks", _CONLL),
        Metric("exact_match", exact_match, "answers that equal a gold answer", _SQUAD),
        Metric("squad_f1", squad_f1, "mean F1 of answer words", _SQUAD),
        Metric(
            "retrieval_accuracy",
            accuracy,
            "sentences whose nearest neighbour is their translation",
            "Artetxe and Schwenk 2019; Tatoeba in Hu et al. 2020",
        ),
        Metric("f1", chunk_f1, "F1 as printed by a published source", "the source named in the row"),
    )
}
