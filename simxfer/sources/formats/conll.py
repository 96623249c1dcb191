"""One word a line, an empty line between sentences: CoNLL-like columns, and CoNLL-U."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.formats.text import read_lines
from simxfer.sources.rows import LINE

Row = dict[str, Any]

CONLLU_COLUMNS = 10

_PREFIX = re.compile(r"^([a-z][a-z-]*[a-z]):")


def read_conll(
    path: Path, code: str, separator: str = "\t", language_prefix: bool = False, numbered_by: str = ""
) -> Iterator[Row]:
    """Yield a row a sentence: words and tags, or words without tags where the whole file has none.

    A word may be empty: XTREME's Thai PAN-X is tagged by characters and has lost the blanks among them, not their tags.

    Args:
        path: the file.
        code: the language asked for.
        separator: what stands between word and tag: a tab (XTREME), a blank (MasakhaNER).
        language_prefix: words may have their language before them, `sw:Kenya`, as Rahimi et al. publish PAN-X.
        numbered_by: file in the same folder with a tag a line; a tag becomes the number of its line, from 0.

    Raises:
        InputError: a line that is no word, separator, tag; a file in another language; a tag outside the list.
    """
    lines = read_lines(path)
    width = 0
    prefix = _prefix(path, lines, code) if language_prefix else ""
    number = _numbering(path, numbered_by) if numbered_by else None
    for start, sentence in _sentences(lines):
        pairs = [line.split(separator) for line in sentence]
        width = width or _width(path, start, sentence[0], separator)
        for offset, pair in enumerate(pairs):
            if len(pair) != width:
                raise InputError(_wrong_line(path, start + offset, sentence[offset], separator, width))
        words = [pair[0].removeprefix(prefix) for pair in pairs]
        tags = [pair[1] for pair in pairs] if width == 2 else None
        if number is not None and tags is not None:
            tags = [number(tag, start + offset) for offset, tag in enumerate(tags)]
        yield {"words": words, "tags": tags, LINE: start}


def beside_conll(path: Path, numbered_by: str = "", **options: Any) -> tuple[Path, ...]:
    """Return the list of tags, where there is one."""
    return (path.parent / numbered_by,) if numbered_by else ()


def read_conllu(path: Path, code: str) -> Iterator[Row]:
    """Yield a row a sentence of CoNLL-U: forms and UPOS, under its `sent_id`.

    Rows of multiword tokens (`3-4`, UPOS `_`) and empty nodes (`8.1`) are no words of the sentence; comments that
    stand alone (`# newdoc`) are no sentence.

    Raises:
        InputError: a row that has not ten columns.
    """
    for start, lines in _sentences(read_lines(path)):
        comments = [line for line in lines if line.startswith("#")]
        rows = [
            _conllu_row(path, start + i, line) for i, line in enumerate(lines) if not line.startswith("#")
        ]
        if not rows:
            continue
        words = [row for row in rows if row[0].isdigit()]
        named = [line.partition("=")[2].strip() for line in comments if line.startswith("# sent_id")]
        yield {
            "id": named[0] if named else None,
            "words": [row[1] for row in words],
            "tags": [row[3] for row in words],
            LINE: start,
        }


def _conllu_row(path: Path, number: int, line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != CONLLU_COLUMNS:
        raise InputError(
            f"{path}, line {number}: {len(fields)} columns, expected {CONLLU_COLUMNS}; got {line[:60]!r}"
        )
    return fields


def _sentences(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the lines of every sentence."""
    sentence: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip("\r\t "):
            sentence.append(line)
        elif sentence:
            yield number - len(sentence), sentence
            sentence = []


def _prefix(path: Path, lines: list[str], code: str) -> str:
    """Return what stands before every word: the language and a colon, or nothing."""
    found = {match.group(1) if (match := _PREFIX.match(line)) else "" for line in lines if line.strip()}
    if len(found) != 1 or "" in found:
        return ""
    [language] = found
    if language != code:
        raise InputError(
            f"{path} is in {language!r} (before every word), asked for is {code!r}; give the right file"
        )
    return f"{language}:"


def _numbering(path: Path, name: str) -> Callable[[str, int], str]:
    """Return what numbers the tags of a file by the list beside it."""
    listed = path.parent / name
    if not listed.is_file():
        raise InputError(
            f"{listed} is missing: the list of tags, one a line, that {path.name} is read with; write it"
        )
    numbers = {tag: str(i) for i, tag in enumerate(read_lines(listed))}

    def number(tag: str, line: int) -> str:
        if tag not in numbers:
            raise InputError(
                f"{path}, line {line}: the tag {tag!r} is not listed in {listed}; add it at the end"
            )
        return numbers[tag]

    return number


def _width(path: Path, number: int, line: str, separator: str) -> int:
    """Return the columns of a file by its first line: two, or one if it has no tags."""
    width = len(line.split(separator))
    other = {"\t": " ", " ": "\t"}[separator]
    if width > 2 or (width == 1 and other in line.strip()):
        raise InputError(_wrong_line(path, number, line, separator))
    return width


def _wrong_line(path: Path, number: int, line: str, separator: str, width: int = 2) -> str:
    mark = {"\t": "TAB", " ": "BLANK"}[separator]
    expected = f"word {mark} tag" if width == 2 else "a word (no line above has a tag)"
    return (
        f"{path}, line {number}: {len(line.split(separator))} columns, expected {expected}; got {line[:60]!r}"
    )
