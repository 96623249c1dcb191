"""What is read for a task, as text of 100 columns and as JSON."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from simxfer.encoder.inspect import Row, Subwords
from simxfer.run.inspection import Inspection, Shown

WIDTH, INDENT, NAMES = 100, 2, 12
"""Columns: of a line, before a name, from a name to its value."""
LINES = 4
"""A value of more lines is shown by its first ones and its last."""
MOST = 20
"""How many labels or files are listed."""

NOTES = {
    "without-text": "rows left out, a text of theirs is empty",
    "no-sentence-breaks": "sentences of a file that has no blank lines between them",
    "placeholder-texts": "examples with a text that only stands for one (NS, N/A)",
    "labels-not-as-english": "examples whose label is not that of their English item",
    "unmatched-with-english": "items that either this language or English lacks",
    "questions-from-english": "questions that are taken from the English item, which they contradict",
    "questions-unchecked": "questions that no English item at hand confirms",
}
"""What is counted under the name of a flag."""


def inspections_json(found: Sequence[Inspection]) -> str:
    """Return a list with one object a data set."""
    return json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False, allow_nan=False)


def inspection_text(found: Inspection) -> str:
    """Return the counts, and below them the examples."""
    title = f"{found.data_task} ({found.kind}), {found.split}, {found.language}"
    trained = f": what {found.task} is trained on" if found.task != found.data_task else ""
    parts = ["\n".join([title + trained, *_lines(_head(found))])]
    for number, shown in enumerate(found.examples, start=1):
        parts.append("\n".join([f"example {number}", *_lines(_example(shown, found.kind))]))
    if found.examples and not found.encoding:
        parts.append("No encoder, no subwords: name one with --encoder.")
    return "\n\n".join(parts)


def _head(found: Inspection) -> Iterator[tuple[str, str]]:
    yield "source", f"{found.source}, revision {found.revision}"
    for name, identity in _few(found.places):
        yield "", f"{name} {identity[:12]}"
    yield "counts", ", ".join(f"{count:,} {name}" for name, count in found.counts.items())
    if found.labels:
        yield "labels", ", ".join(f"{name} {count:,}" for name, count in _few(found.labels))
    if found.without_gold:
        yield "left out", f"{found.without_gold:,} rows without gold"
    for name, count in found.noted.items():
        yield "noted", f"{count:,} {NOTES.get(name, '')} ({name})"
    if found.flags:
        yield "flags", "; ".join(found.flags)
    if found.encoding:
        yield from _encoding(found.encoding, found.kind)


def _few(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the first entries, and how many there are where that is not all."""
    yield from list(found.items())[:MOST]
    if len(found) > MOST:
        yield (
            f"... {len(found)} in all,",
            sum(found.values()) if isinstance(next(iter(found.values())), int) else "",
        )


def _encoding(found: Subwords, kind: str) -> Iterator[tuple[str, str]]:
    windows = f", stride {found.stride}" if kind == "span" else ""
    yield "encoder", f"{found.encoder}, at most {found.max_length} subwords a row{windows}"
    made = f"{found.subwords:,} in {found.rows:,} rows, the longest of {found.longest} with special ones"
    yield "subwords", f"{made}; {found.unknown / max(1, found.subwords):.2%} unknown"
    if found.in_windows:
        yield "windows", f"{found.in_windows:,} examples are too long for one row and are cut into windows"
    if found.truncated:
        what = (
            "examples have an answer that no window holds whole"
            if kind == "span"
            else "rows lack a part of their text"
        )
        yield "truncated", f"{found.truncated:,} {what}"
    if found.segments:
        yield "segments", "the encoder tells the two parts of a pair apart"


def _example(shown: Shown, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the fields as they are read, what gold names, and the rows."""
    fields = dict(shown.fields)
    yield "id", str(fields.pop("id"))
    words, tags = fields.pop("words", ()), fields.pop("tags", ())
    if words:
        yield "words", " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
    choices = fields.get("choices", ())
    for name, value in fields.items():
        if name == "choices":
            yield from ((f"choice {i}", choice) for i, choice in enumerate(choices))
        elif name == "answers":
            yield from _answers(value)
        elif isinstance(value, tuple) and value:
            yield name, ", ".join(value)
        elif isinstance(value, str | int) and value != "":
            yield name, str(value)
    for name, text in shown.named.items():
        yield "gold names", f"{name}: {text}"
    for number, row in enumerate(shown.rows):
        yield _row_name(number, len(shown.rows), kind), _subwords(row)
        yield from _parts(row, kind)
    if shown.cut:
        yield (
            "truncated",
            "no window holds the answer whole" if kind == "span" else "the rows lack a part of the text",
        )


def _answers(found: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Yield each gold answer once, with how many annotators gave it."""
    for (start, text), times in Counter(found).items():
        yield "answer", f"{text}  (at character {start}{f', {times} times' * (times > 1)})"
    if not found:
        yield "answer", "none"


def _row_name(number: int, n_rows: int, kind: str) -> str:
    if kind == "multiple_choice":
        return f"row {number}"
    if kind == "retrieval":
        return ("of text", "of transl.")[number]
    return "subwords" if n_rows == 1 else f"window {number + 1}/{n_rows}"


def _subwords(row: Row) -> str:
    tags = row.tags or ("",) * len(row.subwords)
    return " ".join(f"{piece}/{tag}" if tag else piece for piece, tag in zip(row.subwords, tags, strict=True))


def _parts(row: Row, kind: str) -> Iterator[tuple[str, str]]:
    """Yield which part of its example a row holds, where the answer is, where the second segment begins."""
    said = [f"{len(row.subwords)} subwords"]
    if row.covers:
        unit = "words" if kind == "tagging" else "characters of the context"
        said.append(f"{unit} {row.covers[0]} to {row.covers[1] - 1}")
    if row.overlap:
        said.append(f"the first {row.overlap} subwords of the context stand in the window before as well")
    if 1 in row.segments:
        said.append(f"segment 1 from subword {row.segments.index(1)} on")
    if row.answer:
        first, last = row.answer
        said.append(f"answer: subwords {first} to {last}, {' '.join(row.subwords[first : last + 1])}")
    elif kind == "span":
        said.append("no answer here")
    yield "", "; ".join(said)


def _lines(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    """Yield names and values, wrapped; the middle of a long value is left out."""
    room = WIDTH - INDENT - NAMES
    for name, value in pairs:
        lines = [line.plain.rstrip() for line in Text(_visible(value)).wrap(Console(width=room), room)]
        if len(lines) > LINES:
            lines = [*lines[: LINES - 2], f"... ({len(value):,} characters in all) ...", lines[-1]]
        for i, line in enumerate(lines or [""]):
            yield f"{'':{INDENT}}{'' if i else name:{NAMES}}{line}".rstrip()


def _visible(text: str) -> str:
    """Return a text with what a terminal would not show, or obey, spelled out; the joiners of scripts stay."""
    return "".join(
        c if c.isprintable() or c in "\u200c\u200d" else c.encode("unicode_escape").decode() for c in text
    )
