"""Rows, as a file or a Parquet data set gives them, become examples of a task's kind, or one clear error.

A row is a dict; `Rows` says which of its columns are the standard ones (see there). Rows of files tell their line
under `LINE`. A row without gold (label None, -1 or `-`, SNLI's mark for "annotators did not agree"), and one that lacks
a text, is left out and counted; data in which no row has gold, or all have the same label, are refused.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.texts import lacks_breaks, lacks_text, read_texts
from simxfer.tasks import get_task
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    Examples,
    MiningExample,
    RankingExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
    TextExample,
)
from simxfer.tasks.plain_text import TEXT
from simxfer.tasks.record import Rows, Task

LINE = "@line"
"""Key of a row: the line of the file that it begins in, counted from 1."""

NO_GOLD = (None, -1, "-1", "-")

FEWEST_OF_ONE_LABEL = 50
"""From so many examples on, one label for all of them is a placeholder (English COPA's test set: 500 times 0)."""

_log = logging.getLogger(__name__)

Row = dict[str, Any]


class _Fault(Exception):
    """What is wrong with one row; the caller knows which row it is."""


class _NoGold(Exception):
    """The row has no label or answer."""


class WithoutGold(InputError):
    """Data in which no row has a label or answer."""


def examples_of(rows: Iterable[Row], task: Task, how: Rows, where: str, *, labelled: bool = True) -> Examples:
    """Return the examples that the rows hold, in their order, and how many rows have no gold.

    Where gold is not needed and no row has any, they are plain text: the inputs alone.

    Notes: `without-text`, rows left out because they lack a text; `no-sentence-breaks`, sentences that a file to tag
    has no blank line in.

    Args:
        rows: as found; a row without `id` is named by its position, counted from 0.
        task: the record that decides kind, label space and spellings of labels.
        how: which columns hold what, and the conversion of odd rows.
        where: file or data set, for messages.
        labelled: whether gold is needed.

    Raises:
        InputError: a missing column, a label outside the label space, an answer that does not stand where its
            offset says, an id that occurs twice, no gold at all, no usable row.
    """
    if not labelled:
        rows = list(rows)
        try:
            return examples_of(rows, task, how, where)
        except WithoutGold:
            return examples_of(
                rows, get_task(TEXT), Rows(convert=partial(_inputs, task=task, how=how)), where
            )
    examples: list[AnyExample] = []
    seen: dict[str, str] = {}
    without_gold = without_text = left_out = 0
    for position, found in enumerate(rows):
        place = _place(found, position)
        try:
            example = _example(found, position, task, how)
        except _NoGold:
            without_gold += 1
            continue
        except _Fault as fault:
            raise InputError(f"{where}, {place}: {fault}") from None
        if example is None:
            left_out += 1
            continue
        if lacks_text(example):
            if _is_searched(example):
                raise InputError(f"{where}, {place}: a text that is searched is empty; bring the file anew")
            without_text += 1
            continue
        if example.id in seen:
            raise InputError(
                f"{where}, {place}: the id {example.id!r} stands in {seen[example.id]} as well; ids must be unique"
            )
        seen[example.id] = place
        examples.append(example)
    _check_any(examples, without_gold, without_text, left_out, task, where)
    noted = Counter(
        {"without-text": without_text, "no-sentence-breaks": len(examples) * lacks_breaks(examples)}
    )
    if noted["no-sentence-breaks"]:
        _log.warning(
            "%s: %d words in %d sentences; are the blank lines between sentences lost?",
            where,
            sum(len(example.words) for example in examples if isinstance(example, TaggingExample)),
            len(examples),
        )
    return Examples(examples, without_gold, +noted)


def questions_of(rows: Iterable[Row], task: Task, how: Rows, where: str) -> dict[str, str]:
    """Return what the rows ask, by their ids; those without gold as well. Arguments and errors as `examples_of`."""
    found = {}
    for position, raw in enumerate(rows):
        try:
            row = _standard(raw, task, how)
        except _Fault as fault:
            raise InputError(f"{where}, {_place(raw, position)}: {fault}") from None
        if row and row.get("question"):
            found[_name(row, position)] = str(row["question"])
    return found


def _check_any(
    examples: list[AnyExample], without_gold: int, without_text: int, left_out: int, task: Task, where: str
) -> None:
    """Refuse data without a usable row; log what was left out."""
    if not examples and without_gold:
        raise WithoutGold(
            f"{where}: none of the {without_gold} rows has gold ({task.name} is unlabelled here, as in XTREME's "
            "test files); score on the dev split, or give files with labels"
        )
    if not examples and not without_text:  # a treebank without text may stand beside others
        raise InputError(f"{where}: no usable {task.name} row ({left_out} left out); is it the right file?")
    labels = {label for example in examples for label in _labels(example)}
    if len(examples) >= FEWEST_OF_ONE_LABEL and len(labels) == 1:
        raise WithoutGold(
            f"{where}: all {len(examples)} labels of {task.name} are {labels.pop()!r}, which are placeholders and no "
            "gold; score on the dev split, or give files with labels"
        )
    if without_gold or without_text or left_out:
        _log.warning(
            "%s: %d rows without gold, %d without text and %d rows that are no %s examples left out, %d kept",
            where,
            without_gold,
            without_text,
            left_out,
            task.name,
            len(examples),
        )


def _is_searched(example: AnyExample) -> bool:
    """Tell whether gold of other rows may name this one, so that it cannot be left out."""
    return isinstance(example, MiningExample) or (
        isinstance(example, RankingExample) and example.side == "candidate"
    )


def _labels(example: AnyExample) -> tuple[str | int, ...]:
    if isinstance(example, TaggingExample):
        return example.tags
    return (example.label,) if isinstance(example, ClassificationExample | ChoiceExample) else ()


def _place(row: Row, position: int) -> str:
    """Return where a row stands, for people."""
    return f"line {row[LINE]}" if LINE in row else f"row {position + 1}"


def _name(row: Row, position: int) -> str:
    """Return the id of a row: its own, or its position."""
    return str(position) if row.get("id") is None else str(row["id"])


def _example(found: Row, position: int, task: Task, how: Rows) -> AnyExample | None:
    """Return the example of a row, or None if the task's conversion leaves it out."""
    row = _standard(found, task, how)
    if row is None:
        return None
    common = {"id": _name(row, position), "subsets": tuple(row.get("subsets", ()))}
    example = _BUILDERS[task.kind](row, task, common)
    _check_characters(example)
    return example


def _check_characters(example: AnyExample) -> None:
    """Refuse half a character, which JSON can spell and no tokenizer reads."""
    try:
        "".join((*example.texts, *read_texts(example))).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("unicode_escape").decode()
        raise _Fault(
            f"a text has half a character, {half} without its other half; correct the file"
        ) from None


def _standard(found: Row, task: Task, how: Rows) -> Row | None:
    """Return a row with the standard columns, or None if the task's conversion leaves it out."""
    row = dict(found)
    if how.convert is None and not set(how.columns.values()) <= set(found):
        raise _Fault(_missing(next(column for column in how.columns.values() if column not in found), row))
    row.update({standard: found[column] for standard, column in how.columns.items() if column in found})
    if how.convert is None:
        return row
    try:
        return how.convert(row)
    except KeyError as error:
        raise _Fault(_missing(str(error.args[0]), row)) from None
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise _Fault(f"is not a {task.name} row ({error}); it has the columns {_columns(row)}") from None


def _inputs(found: Row, task: Task, how: Rows) -> Row | None:
    """Return the row of plain text that the inputs of a row are, as `texts` of its example would be."""
    row = _standard(found, task, how)
    if row is None:
        return None
    first, second = _INPUTS[task.kind](row)
    return row | {"text": first, "text_pair": second}


_INPUTS: dict[str, Callable[[Row], tuple[Any, Any]]] = {
    "classification": lambda row: (_column(row, "text"), row.get("text_pair")),
    "tagging": lambda row: (" ".join(map(str, _column(row, "words"))), None),
    "multiple_choice": lambda row: (_column(row, "context"), _column(row, "choices")[0]),
    "span": lambda row: (_column(row, "question"), _column(row, "context")),
}
"""What masked language modelling reads of a row: one text or two. Rows of other kinds always have gold."""


def _classification(row: Row, task: Task, common: Row) -> ClassificationExample:
    pair = row.get("text_pair")
    return ClassificationExample(
        **common,
        text=_text(row, "text"),
        text_pair=None if pair is None else _text(row, "text_pair"),
        label=_label(_gold(row, "label"), task),
    )


def _tagging(row: Row, task: Task, common: Row) -> TaggingExample:
    words = tuple(str(word) for word in _column(row, "words"))
    found = _gold(row, "tags")
    if len(found) != len(words):
        raise _Fault(f"{len(words)} words but {len(found)} tags")
    if not words:
        raise _Fault("a sentence without a word")
    return TaggingExample(**common, words=words, tags=tuple(_label(tag, task) for tag in found))


def _choice(row: Row, task: Task, common: Row) -> ChoiceExample:
    choices = tuple(str(choice) for choice in _column(row, "choices"))
    gold = _gold(row, "label")
    if not str(gold).isdigit() or not int(gold) < len(choices):
        raise _Fault(f"label {gold!r}: expected the index of a choice, 0 to {len(choices) - 1}")
    context, question = _text(row, "context"), str(row.get("question") or "")
    return ChoiceExample(**common, context=context, choices=choices, label=int(gold), question=question)


def _span(row: Row, task: Task, common: Row) -> SpanExample:
    context = _text(row, "context")
    answers = _answers(_column(row, "answers"))
    if not answers and not task.unanswerable:
        raise _NoGold
    if answers and not any(
        text for _, text in answers
    ):  # XTREME's placeholder {"answer_start": 0, "text": ""}
        raise _NoGold
    for start, text in answers:
        _check_offset(context, start, text, common["id"])
    return SpanExample(
        **common,
        question=_text(row, "question"),
        context=context,
        answers=answers,
        title=str(row.get("title") or ""),
    )


def _answers(found: Any) -> tuple[tuple[int, str], ...]:
    """Return (offset, text) of each gold answer; nested JSON has a list of dicts, the hub one dict of lists."""
    try:
        if isinstance(found, dict):
            pairs = list(zip(found["answer_start"], found["text"], strict=True))
        else:
            pairs = [(answer["answer_start"], answer["text"]) for answer in found]
        return tuple((int(start), str(text)) for start, text in pairs)
    except (KeyError, TypeError, ValueError):
        raise _Fault(f"answers {found!r}: expected a list of {{text, answer_start}}") from None


def _check_offset(context: str, start: int, text: str, name: str) -> None:
    """Refuse an answer that does not stand at its offset; say what the offset counts, if it can be told."""
    if text and start >= 0 and context[start : start + len(text)] == text:
        return
    got = context[max(start, 0) : max(start, 0) + len(text)]
    message = f"question {name}: at offset {start} stands {got!r}, not the answer {text!r}"
    for encoding, unit, size in (("utf-8", "UTF-8 bytes", 1), ("utf-16-le", "UTF-16 code units", 2)):
        encoded, answer = context.encode(encoding), text.encode(encoding)
        if text and encoded[start * size : start * size + len(answer)] == answer:
            raise _Fault(
                f"{message}; the offset counts {unit}, expected characters (Unicode code points): convert the file"
            )
    hint = f"; the answer stands at {context.index(text)}" if text and text in context else ""
    raise _Fault(f"{message}{hint}; offsets count characters from 0, correct the file")


def _retrieval(row: Row, task: Task, common: Row) -> RetrievalExample:
    return RetrievalExample(**common, text=_text(row, "text"), translation=_text(row, "translation"))


def _mining(row: Row, task: Task, common: Row) -> MiningExample:
    matches = tuple(row.get("matches", ()))
    return MiningExample(**common, text=_text(row, "text"), side=_column(row, "side"), matches=matches)


def _ranking(row: Row, task: Task, common: Row) -> RankingExample:
    pair = row.get("text_pair")
    return RankingExample(
        **common,
        text=_text(row, "text"),
        text_pair=None if pair is None else str(pair),
        side=_column(row, "side"),
        keys=tuple(_column(row, "keys")),
        title=str(row.get("title") or ""),
    )


def _mlm(row: Row, task: Task, common: Row) -> TextExample:
    pair = row.get("text_pair")
    return TextExample(**common, text=_text(row, "text"), text_pair=None if pair is None else str(pair))


_BUILDERS: dict[str, Callable[[Row, Task, Row], AnyExample]] = {
    "classification": _classification,
    "tagging": _tagging,
    "multiple_choice": _choice,
    "span": _span,
    "retrieval": _retrieval,
    "mining": _mining,
    "ranking": _ranking,
    "mlm": _mlm,
}


def _column(row: Row, name: str) -> Any:
    if row.get(name) is None:
        raise _Fault(_missing(name, row))
    return row[name]


def _text(row: Row, name: str) -> str:
    text = _column(row, name)
    if not isinstance(text, str):
        raise _Fault(f"column {name!r}: got {text!r}, expected a text")
    return text


def _gold(row: Row, name: str) -> Any:
    found = row.get(name)
    if not isinstance(found, list | tuple) and found in NO_GOLD:
        raise _NoGold
    return found


def _label(found: Any, task: Task) -> str:
    """Return the label that a spelling stands for."""
    label = task.label(str(found).strip())
    if label not in task.labels:
        shown = ", ".join(task.labels[:20]) + (", ..." if len(task.labels) > 20 else "")
        raise _Fault(f"label {found!r} is not in the label space of {task.name}: {shown}")
    return label


def _missing(name: str, row: Row) -> str:
    return f"the column {name!r} is missing; it has {_columns(row)}"


def _columns(row: Row) -> list[str]:
    return [key for key, value in row.items() if key != LINE and value is not None]
