"""Tables: JSON lines, comma-separated and tab-separated values, XML with an element a row."""

import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from simxfer.common.errors import InputError
from simxfer.sources.formats.text import parse_json, read_lines, read_text
from simxfer.sources.rows import LINE

Row = dict[str, Any]
Record = tuple[int, list[str]]
"""A line number and the fields of the record that begins there."""

_log = logging.getLogger(__name__)


def read_table(
    path: Path,
    code: str,
    columns: Sequence[str] = (),
    header: Sequence[str] = (),
    quoted: bool = False,
    language_column: str = "",
    partial_rows: bool = False,
) -> Iterator[Row]:
    """Yield the rows of JSON lines, `.csv` (header, quoting), `.xml` (the root's elements) or tab-separated values.

    Args:
        path: the file; its ending decides how it is read.
        code: the language asked for.
        columns: names of the columns of a tab-separated file without header; the last one, the label, may be
            missing from the whole file.
        header: columns of which one tells the header of a tab-separated file; files with header have no quoting.
        quoted: whether tab-separated values without header are quoted (csv.writer's, as XTREME writes them). No field
            holds a tab or a line end: one that does was opened by a quotation mark that is part of the text.
        language_column: column that holds the language of a row; rows of other languages are left out.
        partial_rows: leave out rows with too few columns and log their number (GLUE's QQP has some).

    Raises:
        InputError: broken JSON or quoting, a wrong number of columns (with file and line), no row of the language.
    """
    if path.suffix in (".jsonl", ".json"):
        rows = _json_lines(path)
    elif path.suffix == ".xml":
        rows = _elements(path)
    elif path.suffix == ".csv":
        rows = _with_header(path, _quoted(path, ","), partial_rows)
    else:
        rows = _tab_separated(path, columns, header, quoted, partial_rows)
    return _of_language(path, rows, code, language_column)


def _tab_separated(
    path: Path, columns: Sequence[str], header: Sequence[str], quoted: bool, partial_rows: bool
) -> Iterator[Row]:
    first = read_lines(path)[0]
    if set(header) & set(first.split("\t")):
        return _with_header(path, _split(path), partial_rows)
    if columns:
        return _headless(path, _one_line(path) if quoted else _split(path), columns)
    expected = f"a header with one of {', '.join(header)}"
    raise InputError(f"{path}, line 1: expected {expected}; got {first[:60]!r}")


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        row = parse_json(line, path, number)
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {line[:60]!r}")
        yield {**row, LINE: number}


def _elements(path: Path) -> Iterator[Row]:
    """Yield a row an element: its attributes, and the texts of the elements in it."""
    try:
        root = ElementTree.fromstring(read_text(path))
    except ElementTree.ParseError as error:
        raise InputError(
            f"{path}, line {error.position[0]}: broken XML ({error}); bring the file anew"
        ) from None
    for item in root:
        yield {**item.attrib, **{part.tag: (part.text or "").strip() for part in item}}


def _split(path: Path) -> Iterator[Record]:
    for number, line in enumerate(read_lines(path), start=1):
        if line:
            yield number, line.split("\t")


def _quoted(path: Path, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(StringIO(read_text(path), newline="\n"), delimiter=delimiter, strict=True)
    before = 0
    try:
        for fields in reader:
            if fields:
                yield before + 1, fields
            before = reader.line_num
    except csv.Error as error:
        raise InputError(
            f"{path}, line {before + 1}: broken quoting ({error}); double the quotes inside"
        ) from None


def _one_line(path: Path) -> Iterator[Record]:
    """Yield quoted tab-separated records; refuse a field that has swallowed a separator or the lines behind it."""
    for line, fields in _quoted(path, "\t"):
        swallowed = [field for field in fields if any(mark in field for mark in "\t\r\n")]
        if swallowed:
            raise InputError(
                f"{path}, line {line}: a quotation mark opens a field that goes on over a tab or a line end, "
                f"{swallowed[0][:60]!r}; quote the fields that hold quotation marks and double those inside, as "
                "csv.writer does"
            )
        yield line, fields


def _with_header(path: Path, records: Iterator[Record], partial_rows: bool) -> Iterator[Row]:
    _, names = next(records)
    partial = 0
    for line, fields in records:
        if partial_rows and len(fields) < len(names):
            partial += 1
            continue
        if len(fields) != len(names):
            raise InputError(_wrong_count(path, line, fields, str(len(names))))
        yield {**dict(zip(names, fields, strict=True)), LINE: line}
    if partial:
        _log.warning("%s: %d rows with too few columns left out", path, partial)


def _headless(path: Path, records: Iterable[Record], columns: Sequence[str]) -> Iterator[Row]:
    width = 0
    for line, fields in records:
        width = width or len(fields)
        if len(fields) != width or width not in (len(columns), len(columns) - 1):
            expected = f"{len(columns)} ({', '.join(columns)})"
            raise InputError(_wrong_count(path, line, fields, expected))
        yield {**dict(zip(columns, fields, strict=False)), LINE: line}


def _wrong_count(path: Path, line: int, fields: Sequence[str], expected: str) -> str:
    return (
        f"{path}, line {line}: {len(fields)} columns, expected {expected}; the line begins {fields[0][:60]!r}"
    )


def _of_language(path: Path, rows: Iterator[Row], code: str, column: str) -> Iterator[Row]:
    """Yield the rows of a language; all of them where the file has no such column."""
    others: set[str] = set()
    kept = 0
    for row in rows:
        if column and row.get(column, code) != code:
            others.add(str(row[column]))
            continue
        kept += 1
        yield row
    if others and not kept:
        raise InputError(
            f"{path} has no row in {code!r}; its column {column!r} says {', '.join(sorted(others))}"
        )
