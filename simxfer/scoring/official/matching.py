"""Two files -> gold answers and predictions that belong together, or what is wrong with them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from simxfer.common.errors import InputError, nearest
from simxfer.scoring.official.layouts import native
from simxfer.scoring.official.reading import (
    GOLD,
    PREDICTED,
    Line,
    read_answers,
    read_indices,
    read_labels,
    read_pairs,
    read_questions,
    read_rankings,
    read_tags,
)
from simxfer.scoring.record import Answers
from simxfer.tasks.record import Kind, Task

PLACEHOLDER_FROM = 10
"""Gold labels that are all the same are placeholders from this number of examples on."""

_CHOICES = ("0", "1")
"""What COPA's and XCOPA's files call the two choices."""


def _answers(gold: list, predictions: list, ids: Iterable[str] = (), flags: Sequence[str] = ()) -> Answers:
    """Return the answers; examples without ids are named by their position."""
    return Answers(
        list(ids) or [str(i) for i in range(len(gold))], [""] * len(gold), gold, predictions, tuple(flags)
    )


def _read_labels(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    right = read_labels(gold, task, language, GOLD)
    found = read_labels(predictions, task, language, PREDICTED)
    _refuse_other_length(right, found, predictions, gold)
    labels = _known(right, task, gold, True)
    _refuse_placeholders(labels, len(right), gold)
    return _answers(labels, _known(found, task, predictions, False))


def _refuse_other_length(right: list, found: list, predictions: Path, gold: Path) -> None:
    if len(right) != len(found):
        raise InputError(
            f"{predictions} has {len(found)} lines and {gold} has {len(right)}; expected as many"
        )


def _read_tags(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    labels = {*task.labels, *task.spellings}
    right, found = read_tags(gold, labels), read_tags(predictions, labels)
    if len(right) != len(found):
        raise InputError(
            f"{predictions} has {len(found)} sentences and {gold} has {len(right)}; expected as many, with a blank "
            "line between sentences, or a sentence a line"
        )
    for i, (gs, ps) in enumerate(zip(right, found, strict=True), start=1):
        if len(gs) != len(ps):
            cut = " The end of a sentence that was too long for the encoder is missing?" * (len(ps) < len(gs))
            raise InputError(
                f"sentence {i} has {len(ps)} tags ({predictions}, line {ps[0][0]}) and {len(gs)} in the gold file "
                f"({gold}, line {gs[0][0]}); expected one tag a word.{cut}"
            )
    tags = [_known(sentence, task, gold, True) for sentence in right]
    _refuse_placeholders([tag for sentence in tags for tag in sentence], len(right), gold)
    return _answers(tags, [_known(sentence, task, predictions, False) for sentence in found])


def _known(lines: list[Line], task: Task, path: Path, gold: bool) -> list[str]:
    """Return the labels; refuse those outside the label space."""
    labels = task.labels or _CHOICES
    for number, label in lines:
        if task.label(label) not in labels:
            hint = " A test file without labels cannot be scored on; the dev file has some." if gold else ""
            raise InputError(
                f"{path}, line {number}: label {label[:60]!r} is none of {', '.join(labels)}."
                + nearest(label, labels)
                + hint
            )
    return [task.label(label) for _, label in lines]


def _refuse_placeholders(labels: list[str], n_examples: int, path: Path) -> None:
    """Refuse gold labels that are all the same; a few sentences without any entity are no placeholders."""
    if n_examples >= PLACEHOLDER_FROM and len(set(labels)) == 1:
        raise InputError(
            f"{path}: all {len(labels)} gold labels are {labels[0]!r}: placeholders of an unlabelled test file. "
            "Score on a labelled file, such as the task's dev file"
        )


def _read_indices(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_indices(gold), read_indices(predictions)
    _refuse_other_length(right, found, predictions, gold)
    return _answers(_indices(right, gold), _indices(found, predictions))


def _indices(lines: list[Line], path: Path) -> list[int]:
    for number, text in lines:
        if not text.isascii() or not text.isdigit():
            raise InputError(f"{path}, line {number}: got {text!r}, expected the index of a sentence, from 0")
    return [int(text) for _, text in lines]


def _read_answers(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = read_questions(gold, task, language), read_answers(predictions)
    if native(task).options.get("language_in_ids"):
        found = _of_language(found, native(task).code(language), set(native(task).codes.values()))
    unmatched = unmatched_ids(found, right, predictions)
    flags = (*_check_gold(task, right, gold), *unmatched)
    return _answers(list(right.values()), [found.get(key, "") for key in right], right, flags)


def _of_language(found: dict[str, str], code: str, codes: set[str]) -> dict[str, str]:
    """Return the predictions whose id states no other language: one file may answer for all languages."""
    return {key: answer for key, answer in found.items() if key.partition("-")[0] not in codes - {code}}


def _check_gold(task: Task, right: dict[str, list[str]], gold: Path) -> tuple[str, ...]:
    """Return the flags of the gold answers; refuse those that no prediction can be scored against."""
    placeholders = [key for key, answers in right.items() if answers and not any(map(str.strip, answers))]
    if len(placeholders) == len(right):
        raise InputError(
            f"{gold}: all {len(right)} gold answers are empty: placeholders of an unlabelled test file. Score on a "
            "labelled file, such as the task's dev file"
        )
    without = [key for key, answers in right.items() if not answers]
    if without and not task.unanswerable:
        raise InputError(
            f"{gold}: {len(without)} questions have no answer (first: {without[0]!r}); unanswerable questions are "
            "scored as task squad_v2"
        )
    return ("placeholder-gold",) if placeholders else ()


def _read_pairs(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    sources: dict[str, None] = {}
    targets: dict[Path, dict[str, list[str]]] = {path: defaultdict(list) for path in (gold, predictions)}
    for path, found in targets.items():
        for source, target in read_pairs(path):
            _refuse_other_language(source, language, path)
            sources[source] = None
            found[source].append(target)
    right, extracted = (
        [found[source] for source in sources] for found in (targets[gold], targets[predictions])
    )
    return _answers(right, extracted, sources)


def _refuse_other_language(name: str, language: str, path: Path) -> None:
    """Refuse an id of BUCC that states another language: `de-000000003`."""
    stated = re.match(r"([a-z]{2})-", name)
    if stated and stated[1] != language:
        raise InputError(f"{path}: the id {name!r} is of language {stated[1]!r}, not {language!r}")


def _read_rankings(task: Task, predictions: Path, gold: Path, language: str) -> Answers:
    right, found = (read_rankings(path, task, language) for path in (gold, predictions))
    without = [key for key, ids in right.items() if not any(str(i) for i in ids)]
    if without:
        raise InputError(
            f"{gold}: {len(without)} of {len(right)} queries have no gold id (first: {without[0]!r}); it is "
            "unlabelled or cut"
        )
    flags = unmatched_ids(found, right, predictions)
    return _answers(list(right.values()), [found.get(key, []) for key in right], right, flags)


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


READERS: dict[Kind, Callable[[Task, Path, Path, str], Answers]] = {
    "classification": _read_labels,
    "multiple_choice": _read_labels,
    "retrieval": _read_indices,
    "tagging": _read_tags,
    "span": _read_answers,
    "mining": _read_pairs,
    "ranking": _read_rankings,
}
"""How the files of each kind of task are read."""
