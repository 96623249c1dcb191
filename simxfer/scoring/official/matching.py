"""Two files -> gold answers and predictions that belong together, or what is wrong with them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from simxfer.common.errors import InputError, nearest
from simxfer.scoring.official.languages import check_ids
from simxfer.scoring.official.layouts import Form, Layout
from simxfer.scoring.official.reading import (
    Line,
    read_labels,
    read_object,
    read_pairs,
    read_questions,
    read_tags,
)

PLACEHOLDER_FROM = 10
"""Gold labels that are all the same are placeholders from this number of examples on."""


@dataclass(frozen=True)
class Answers:
    """Gold answers and predictions in the form that the task's metrics take, and the warnings on them."""

    gold: list
    predicted: list
    ids: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def _read_labels(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_labels(gold, layout), read_labels(predictions, layout)
    if len(right) != len(found):
        raise InputError(
            f"{predictions} has {len(found)} lines and {gold} has {len(right)}; expected as many"
        )
    labels = _known(right, layout, gold, True)
    _refuse_placeholders(labels, len(right), gold)
    return Answers(labels, _known(found, layout, predictions, False))


def _read_tags(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_tags(gold), read_tags(predictions)
    if len(right) != len(found):
        raise InputError(
            f"{predictions} has {len(found)} sentences and {gold} has {len(right)}; expected as many, with a blank "
            "line between sentences"
        )
    for i, (gs, ps) in enumerate(zip(right, found, strict=True), start=1):
        if len(gs) != len(ps):
            raise InputError(
                f"sentence {i} has {len(ps)} tags ({predictions}, line {ps[0][0]}) and {len(gs)} in the gold file "
                f"({gold}, line {gs[0][0]}); expected one tag a word"
            )
    tags = [_known(sentence, layout, gold, True) for sentence in right]
    _refuse_placeholders([tag for sentence in tags for tag in sentence], len(right), gold)
    return Answers(tags, [_known(sentence, layout, predictions, False) for sentence in found])


def _known(lines: list[Line], layout: Layout, path: Path, gold: bool) -> list[str]:
    """Return the labels; refuse those outside the label space."""
    for number, label in lines:
        if label not in layout.labels and label not in layout.spellings:
            hint = " Is it a test file without labels?" if gold and layout.form == "tags" else ""
            raise InputError(
                f"{path}, line {number}: label {label!r} is none of {', '.join(layout.labels)}."
                + nearest(label, layout.labels)
                + hint
            )
    return [layout.spellings.get(label, label) for _, label in lines]


def _refuse_placeholders(labels: list[str], n_examples: int, path: Path) -> None:
    """Refuse gold labels that are all the same; a few sentences without any entity are no placeholders."""
    if n_examples >= PLACEHOLDER_FROM and len(set(labels)) == 1:
        raise InputError(
            f"{path}: all {len(labels)} gold labels are {labels[0]!r}: placeholders of an unlabelled test file. "
            "Score on a labelled file, such as the task's dev file"
        )


def _read_indices(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_labels(gold, layout), read_labels(predictions, layout)
    if len(right) != len(found):
        raise InputError(
            f"{predictions} has {len(found)} lines and {gold} has {len(right)}; expected as many"
        )
    return Answers(_indices(right, gold), _indices(found, predictions))


def _indices(lines: list[Line], path: Path) -> list[int]:
    for number, text in lines:
        if not text.isascii() or not text.isdigit():
            raise InputError(f"{path}, line {number}: got {text!r}, expected the index of a sentence, from 0")
    return [int(text) for _, text in lines]


def _read_answers(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_questions(gold), read_object(predictions)
    check_ids(language, list(right), gold)
    unmatched = unmatched_ids(found, right, predictions)
    for key, answer in found.items():
        if not isinstance(answer, str):
            raise InputError(f"{predictions}: the answer to {key!r} is {answer!r}, expected a text")
    flags = (*_check_gold(layout, right, gold), *unmatched)
    return Answers(list(right.values()), [found.get(key, "") for key in right], tuple(right), flags)


def _check_gold(layout: Layout, right: dict[str, list[str]], gold: Path) -> tuple[str, ...]:
    """Return the flags of the gold answers; refuse those that no prediction can be scored against."""
    placeholders = [key for key, answers in right.items() if answers and not any(map(str.strip, answers))]
    if len(placeholders) == len(right):
        raise InputError(
            f"{gold}: all {len(right)} gold answers are empty: placeholders of an unlabelled test file. Score on a "
            "labelled file, such as the task's dev file"
        )
    without = [key for key, answers in right.items() if not answers]
    if without and not layout.unanswerable:
        raise InputError(
            f"{gold}: {len(without)} questions have no answer (first: {without[0]!r}); unanswerable questions are "
            "scored as task squad_v2"
        )
    return ("placeholder-gold",) if placeholders else ()


def _read_pairs(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_pairs(gold), read_pairs(predictions)
    for pairs, path in ((right, gold), (found, predictions)):
        check_ids(language, [source for source, _ in pairs], path)
    return Answers(right, found)


def _read_rankings(layout: Layout, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_object(gold), read_object(predictions)
    for path, lists in ((gold, right), (predictions, found)):
        for key, ids in lists.items():
            if not isinstance(ids, list) or not all(isinstance(i, str | int) for i in ids):
                raise InputError(f"{path}: {key!r} has {ids!r}, expected a list of ids")
    without = [key for key, ids in right.items() if not any(str(i) for i in ids)]
    if without:
        raise InputError(
            f"{gold}: {len(without)} of {len(right)} queries have no gold id (first: {without[0]!r}); it is "
            "unlabelled or cut"
        )
    flags = unmatched_ids(found, right, predictions)
    return Answers(list(right.values()), [found.get(key, []) for key in right], tuple(right), flags)


def unmatched_ids(found: Iterable[str], wanted: Iterable[str], path: Path) -> tuple[str, ...]:
    """Return flags for ids without a prediction, which score 0, and predictions without gold, which score nothing.

    So do the official scorers. Files of which less than half belongs together are refused: they are of another
    language or data set.
    """
    missing, strange, n = _differing(found, wanted)
    if 2 * len(missing) > n:
        raise InputError(
            _fault(missing, strange, n, path) + " Is the gold file of another language or data set?"
        )
    flags = (f"unanswered={len(missing)}", f"unknown-ids={len(strange)}")
    return tuple(flag for flag, ids in zip(flags, (missing, strange), strict=True) if ids)


def refuse_other_ids(found: Iterable[str], wanted: Iterable[str], path: Path) -> None:
    """Refuse a file that has not exactly the ids of the gold file."""
    missing, strange, n = _differing(found, wanted)
    if missing or strange:
        raise InputError(_fault(missing, strange, n, path))


def _differing(found: Iterable[str], wanted: Iterable[str]) -> tuple[list[str], list[str], int]:
    """Return the ids that are missing, those that are not wanted, and how many are."""
    has, needs = dict.fromkeys(found), dict.fromkeys(wanted)
    return [key for key in needs if key not in has], [key for key in has if key not in needs], len(needs)


def _fault(missing: list[str], strange: list[str], n: int, path: Path) -> str:
    faults = (
        [f"{len(missing)} of {n} ids of the gold file are missing (first: {missing[0]!r})"] if missing else []
    )
    if strange:
        faults.append(f"{len(strange)} ids are not in the gold file (first: {strange[0]!r})")
    return f"{path}: {' and '.join(faults)}."


READERS: dict[Form, Callable[[Layout, Path, Path, str], Answers]] = {
    "labels": _read_labels,
    "indices": _read_indices,
    "tags": _read_tags,
    "answers": _read_answers,
    "pairs": _read_pairs,
    "rankings": _read_rankings,
}
"""How the files of each form are read."""
