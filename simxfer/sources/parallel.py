"""Parallel test sets against their English by id: what must be equal and is not, what only stands for a text.

Translations keep the label, the question and the number of the English items. Published files do not always: XCOPA's
upstream asks all Thai items for the effect (250 ask for the cause), PAWS-X has `NS` for texts nobody translated, whose
labels contradict the English ones. What is found is noted under the name of a flag, with its count.
"""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from simxfer.common.errors import InputError
from simxfer.sources.origin import answered_by, at_hand
from simxfer.sources.request import DataRequest
from simxfer.sources.texts import is_placeholder, read_texts
from simxfer.tasks import get_task
from simxfer.tasks.examples import AnyExample, ChoiceExample, ClassificationExample, Examples

AS_IS = "as-is"
"""Choice of a grid: fields that parallel test sets share stay as the language's own files have them."""
PLACEHOLDER_RATIO = 10
"""A text that stands for several English ones, each so many times as long, is a placeholder: translations of short
answers may be equal, and a text may be a third as long in Chinese."""

_KINDS = ("classification", "multiple_choice", "span")
_log = logging.getLogger(__name__)


def english_of(request: DataRequest) -> DataRequest | None:
    """Return the request for the English items of a parallel test set; None where there are none at hand."""
    return next(filter(at_hand, english_places(request)), None)


def english_places(request: DataRequest) -> list[DataRequest]:
    """Return where the English items of a parallel test set may be: with the task's own, or with its `pivot_task`."""
    task = get_task(request.task)
    pivot = task.train_languages[:1]
    compared = task.parallel and not task.world and task.kind in _KINDS and request.split in ("dev", "test")
    if not compared or not set(pivot) <= set(task.languages) or pivot == (request.language,):
        return []
    names = filter(None, (task.name, task.pivot_task))
    return [replace(request, task=name, language=pivot[0], limit=None, fields="english") for name in names]


def _revision(english: DataRequest) -> str:
    return str(answered_by(english, "revision")(english))


def mark_of(request: DataRequest) -> str:
    """Return what the revision of a parallel test set has of its English, which decides questions and flags."""
    english = english_of(request)
    if english is None:
        return ""
    return "+" + hashlib.sha256(f"{_revision(english)} {request.fields}".encode()).hexdigest()[:16]


def checked(examples: Examples, request: DataRequest) -> Examples:
    """Return the examples with the questions of their English items, and what is to be said of them.

    Notes: `placeholder-texts`; against the English items `labels-not-as-english`, `unmatched-with-english` (items that
    one of the two lacks), `questions-from-english`, or `questions-not-as-english` where the request has them as they
    are; `questions-unchecked` where there is no English at hand.
    """
    task, english = get_task(request.task), english_of(request)
    items = _items(english, _revision(english)) if english else {}
    found = Examples(examples, examples.without_gold, examples.noted)
    stand_ins = {e.id for e in examples if any(map(is_placeholder, read_texts(e)))}
    found.noted["placeholder-texts"] = len(stand_ins | _stand_ins(examples, items))
    if items:
        pairs = [(e, items[e.id]) for e in examples if e.id in items]
        found.noted["labels-not-as-english"] = sum(_label(a) not in (None, _label(b)) for a, b in pairs)
        found.noted["unmatched-with-english"] = len(items.keys() ^ {e.id for e in examples})
    if task.pivot_task and request.language not in task.train_languages:
        questions = _questions(english, _revision(english)) if english else {}
        _ask_as(questions, found, request.fields)
    found.noted = +found.noted
    for flag, count in (found.noted - examples.noted).items():
        where = f"{request.task}, {request.split}, {request.language}"
        _log.warning("%s, %d examples: %s=%d", where, len(found), flag, count)
    return found


def _ask_as(questions: Mapping[str, str], examples: Examples, fields: str) -> None:
    """Take the question of the English item where the two disagree, or note alone that they do."""
    examples.noted["questions-unchecked"] = sum(e.id not in questions for e in examples)
    wrong = [
        (i, e, questions[e.id])
        for i, e in enumerate(examples)
        if isinstance(e, ChoiceExample) and e.id in questions and e.question != questions[e.id]
    ]
    if fields == AS_IS:
        examples.noted["questions-not-as-english"] = len(wrong)
        return
    examples.noted["questions-from-english"] = len(wrong)
    for i, example, question in wrong:
        context = example.context.removesuffix(example.question) + question
        examples[i] = replace(example, context=context, question=question)


@lru_cache(maxsize=2)  # the other languages of the test set come next
def _items(english: DataRequest, _revision: str) -> dict[str, AnyExample]:
    """Return the English items by id; none if they have no gold, or the file of all languages has no English."""
    try:
        return {example.id: example for example in answered_by(english, "read_examples")(english)}
    except InputError as error:
        _log.info("%s is not compared with its English: %s", english.task, error)
        return {}


@lru_cache(maxsize=2)
def _questions(english: DataRequest, _revision: str) -> dict[str, str]:
    """Return what the English items ask, by id, those without gold as well."""
    try:
        return dict(answered_by(english, "read_questions")(english))
    except InputError as error:
        _log.info("the questions of %s are not compared with its English: %s", english.task, error)
        return {}


def _label(example: AnyExample) -> str | int | None:
    return example.label if isinstance(example, ClassificationExample | ChoiceExample) else None


def _stand_ins(examples: Sequence[AnyExample], items: Mapping[str, AnyExample]) -> set[str]:
    """Return the ids of examples with a text that stands for several English ones, all much longer."""
    behind: dict[tuple[int, str], set[str]] = defaultdict(set)
    holders: dict[tuple[int, str], set[str]] = defaultdict(set)
    for example in examples:
        if example.id in items:
            pairs = zip(read_texts(example), read_texts(items[example.id]), strict=False)
            for part, (text, english) in enumerate(pairs):
                behind[part, text.strip()].add(english)
                holders[part, text.strip()].add(example.id)
    return {
        name
        for (part, text), english in behind.items()
        if len(english) > 1 and min(map(len, english)) >= PLACEHOLDER_RATIO * len(text)
        for name in holders[part, text]
    }
