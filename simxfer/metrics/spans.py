"""Scores of answer texts: SQuAD 1.1, SQuAD 2.0, MLQA."""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from simxfer.metrics.record import Scored, from_examples

Normalise = Callable[[str], str]
Answers = Sequence[Sequence[str]]

_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "hi": "",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "ال",  # anywhere in a word, as in the official script, whose first alternative never matches
    "zh": "",
}
"""Articles by language, as mlqa_evaluation_v1.py removes them."""


def normalise(text: str) -> str:
    """SQuAD v1.1's normalisation: lower case, no ASCII punctuation, no English articles, single blanks."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(_ARTICLES["en"], " ", text).split())


def normalise_mlqa(text: str, language: str) -> str:
    """MLQA's normalisation: lower case, no Unicode punctuation, no articles of the language, single blanks.

    Chinese is cut into characters, so that its F1 is one of characters.

    Raises:
        ValueError: the language is none of MLQA's seven.
    """
    if language not in _ARTICLES:
        raise ValueError(
            f"MLQA has no rules for language {language!r}; it has {', '.join(sorted(_ARTICLES))}"
        )
    text = "".join(c for c in text.lower() if not _is_punctuation(c))
    if _ARTICLES[language]:
        text = re.sub(_ARTICLES[language], " ", text)
    if language == "zh":
        text = re.sub("([\u4e00-\u9fa5])", r" \1 ", text)
    return " ".join(text.split())


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def exact_match(gold: Answers, predicted: Sequence[str]) -> Scored:
    """Share of predictions that equal one of the gold answers after SQuAD's normalisation."""
    return _best_of(_equal, normalise, gold, predicted)


def squad_f1(gold: Answers, predicted: Sequence[str]) -> Scored:
    """Mean F1 of the words of prediction and gold answer (the best one) after SQuAD's normalisation."""
    return _best_of(_word_f1, normalise, gold, predicted)


def mlqa_exact_match(gold: Answers, predicted: Sequence[str], language: str) -> Scored:
    """Share of predictions that equal one of the gold answers after MLQA's normalisation."""
    return _best_of(_equal, lambda text: normalise_mlqa(text, language), gold, predicted)


def mlqa_f1(gold: Answers, predicted: Sequence[str], language: str) -> Scored:
    """Mean F1 of words (Chinese: characters) after MLQA's normalisation, by the context's language."""
    return _best_of(_word_f1, lambda text: normalise_mlqa(text, language), gold, predicted)


def squad2_exact_match(gold: Answers, predicted: Sequence[str]) -> Scored:
    """Share of predictions that equal a gold answer, or are empty where the question is unanswerable."""
    return _best_of(_equal, normalise, _with_no_answer(gold), predicted)


def squad2_f1(gold: Answers, predicted: Sequence[str]) -> Scored:
    """Mean F1 of answer words; no answer scores 1 where the question is unanswerable and 0 elsewhere."""
    return _best_of(_word_f1_or_none, normalise, _with_no_answer(gold), predicted)


def best_thresholds(
    gold: Answers,
    predicted: Sequence[str],
    no_answer: Sequence[float] | None = None,
) -> dict[str, float]:
    """Return what evaluate-v2.0.py prints, under its names.

    Args:
        gold: the gold answers of each question, none where it is unanswerable.
        predicted: the predicted answer of each question, "" for no answer.
        no_answer: a number that grows as no answer becomes more likely: a probability, or how much better no answer
            scores than the best one; questions of equal numbers enter the search for the best threshold one by one
            in the order given, as in the script.

    Returns:
        exact, f1 and total, the same for the questions with and without answers (HasAns_..., NoAns_...) where
        there are any, and with such numbers best_exact, best_exact_thresh, best_f1, best_f1_thresh: the score
        in points if only the questions up to the best threshold were answered. The threshold is 0 where none should
        be answered, as in the script, which expects probabilities.

    Raises:
        ValueError: not one finite number a question.
    """
    scores = {
        "exact": squad2_exact_match(gold, predicted).examples,
        "f1": squad2_f1(gold, predicted).examples,
    }
    answerable = np.array([len(answers) > 0 for answers in gold])
    report: dict[str, float] = {}
    every = np.ones_like(answerable)
    for prefix, chosen in (("", every), ("HasAns_", answerable), ("NoAns_", ~answerable)):
        if chosen.any():
            report |= {f"{prefix}{name}": 100.0 * float(s[chosen].mean()) for name, s in scores.items()}
            report[f"{prefix}total"] = int(chosen.sum())
    if no_answer is not None:
        numbers = np.asarray(no_answer, dtype=np.float64)
        if len(numbers) != len(gold) or not np.isfinite(numbers).all():
            raise ValueError(f"best_thresholds: expected {len(gold)} finite numbers, one a question")
        for name, found in scores.items():
            best = _best_threshold(found, answerable, predicted, numbers)
            report[f"best_{name}"], report[f"best_{name}_thresh"] = best
    return report


def _best_threshold(
    scores: np.ndarray, answerable: np.ndarray, predicted: Sequence[str], no_answer: np.ndarray
) -> tuple[float, float]:
    """Return the best score in points over all thresholds, and the lowest threshold that has it.

    Answering nothing is right for every unanswerable question. Each question answered then adds its score
    where it has an answer, and takes its point away where it has none.
    """
    answered = np.array([bool(text) for text in predicted])
    change = np.where(answerable, scores, -1.0 * answered)
    order = np.argsort(no_answer, kind="stable")
    path = np.cumsum(np.append(float((~answerable).sum()), change[order]))
    best = int(path.argmax())
    return 100.0 * float(path[best]) / len(scores), float(no_answer[order[best - 1]]) if best else 0.0


def _best_of(
    compare: Callable[[str, str], float], normal: Normalise, gold: Answers, predicted: Sequence[str]
) -> Scored:
    """Score each prediction by the gold answer that it fits best."""
    for i, answers in enumerate(gold):
        if not len(answers):
            raise ValueError(
                f"example {i + 1} has no gold answer; score unanswerable questions with squad2_exact_match and "
                "squad2_f1"
            )
    return from_examples(
        [
            max(compare(normal(g), normal(p)) for g in answers)
            for answers, p in zip(gold, predicted, strict=True)
        ]
    )


def _with_no_answer(gold: Answers) -> list[list[str]]:
    """Return the gold answers that normalisation leaves something of, or "" where there is none."""
    return [[g for g in answers if normalise(g)] or [""] for answers in gold]


def _equal(gold: str, predicted: str) -> float:
    return float(gold == predicted)


def _word_f1(gold: str, predicted: str) -> float:
    g, p = gold.split(), predicted.split()
    common = sum((Counter(g) & Counter(p)).values())
    return 2 * common / (len(g) + len(p)) if common else 0.0


def _word_f1_or_none(gold: str, predicted: str) -> float:
    return _word_f1(gold, predicted) if gold and predicted else _equal(gold, predicted)
