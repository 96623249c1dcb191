"""One word a line, an empty line between sentences: CoNLL-like columns, and CoNLL-U; jiant's CCG, a sentence a line."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.formats.text import read_json, read_lines
from simxfer.sources.rows import LINE

Row = dict[str, Any]

CONLLU_COLUMNS = 10

_PREFIX = re.compile(r"^([a-z][a-z-]*[a-z]):")


def read_conll(
    path: Path,
    code: str,
    separator: str = "\t",
    language_prefix: bool = False,
    numbered_by: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield a row a sentence: words and tags, or words without tags where the whole file has none.

    A word may be empty: XTREME's Thai PAN-X is tagged by characters and has lost the blanks among them, not their tags.

    Args:
        path: the file.
        code: the language asked for.
        separator: what stands between word and tag: a tab (XTREME), a blank (MasakhaNER).
        language_prefix: words may have their language before them, `sw:Kenya`, as Rahimi et al. publish PAN-X.
        numbered_by: names of a file in the same folder, the first that is there, with a tag a line; a tag becomes the
            number of its line, from 0. A `.json` file says the numbers itself. Such files may have a sentence a line,
            its words before the separator and its tags behind it (jiant's layout).

    Raises:
        InputError: a line that is no word, separator, tag; a file in another language; a tag outside the list; a
            list with a blank line or a tag twice.
    """
    lines = read_lines(path)
    width = 0
    prefix = _prefix(path, lines, code) if language_prefix else ""
    number = _numbering(path, numbered_by) if numbered_by else None
    if number is not None and _has_sentences_as_lines(lines, separator):
        yield from _sentences_as_lines(path, lines, separator, number)
        return
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


def beside_conll(path: Path, numbered_by: Sequence[str] = (), **options: Any) -> tuple[Path, ...]:
    """Return the list of tags, where there is one."""
    return (_list_of_tags(path, numbered_by),) if numbered_by else ()


def _has_sentences_as_lines(lines: list[str], separator: str) -> bool:
    """Tell whether every line has words before the separator and tags behind it, several on some line."""
    fields = [line.split(separator) for line in lines if line.strip()]
    return all(len(parts) == 2 for parts in fields) and any(
        min(len(part.split()) for part in parts) > 1 for parts in fields
    )


def _sentences_as_lines(
    path: Path, lines: list[str], separator: str, number: Callable[[str, int], str]
) -> Iterator[Row]:
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        words, tags = (part.split() for part in line.split(separator))
        if len(words) != len(tags):
            raise InputError(
                f"{path}, line {place}: {len(words)} words before the tab and {len(tags)} tags behind it; the file "
                "has a sentence a line, whose words and tags must be as many"
            )
        yield {"words": words, "tags": [number(tag, place) for tag in tags], LINE: place}


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


def _list_of_tags(path: Path, names: Sequence[str]) -> Path:
    """Return the list of tags beside a file: the first of its names that is there, or else the first."""
    places = [path.parent / name for name in names]
    return next((place for place in places if place.is_file()), places[0])


def _numbering(path: Path, names: Sequence[str]) -> Callable[[str, int], str]:
    """Return what numbers the tags of a file by the list beside it."""
    listed = _list_of_tags(path, names)
    if not listed.is_file():
        raise InputError(
            f"{listed} is missing: the list of tags, one a line, that {path.name} is read with; write it"
        )
    numbers = _numbers_of_json(listed) if listed.suffix == ".json" else _numbers_of_lines(listed)

    def number(tag: str, line: int) -> str:
        if tag not in numbers:
            raise InputError(
                f"{path}, line {line}: the tag {tag!r} is not listed in {listed}; add it at the end"
            )
        return numbers[tag]

    return number


def _numbers_of_lines(listed: Path) -> dict[str, str]:
    """Return the number of every tag of a list, its line counted from 0; refuse what would shift the numbers."""
    lines: dict[str, int] = {}
    for line, tag in enumerate(read_lines(listed), start=1):
        if not tag.strip():
            raise InputError(f"{listed}, line {line}: is blank, and would count as a tag; take it out")
        if tag.strip() in lines:
            raise InputError(
                f"{listed}, line {line}: the tag {tag.strip()!r} stands in line {lines[tag.strip()]} as well; a tag "
                "has one number, list it once"
            )
        lines[tag.strip()] = line
    return {tag: str(line - 1) for tag, line in lines.items()}


def _numbers_of_json(listed: Path) -> dict[str, str]:
    """Return the numbers that a JSON object gives its tags (jiant's `tags_to_id.json`)."""
    pairs = read_json(listed, pairs=tuple)
    numbers: dict[str, str] = {}
    for tag, number in pairs if isinstance(pairs, tuple) else ():
        if not tag.strip() or tag in numbers or not str(number).isdigit() or str(number) in numbers.values():
            raise InputError(
                f"{listed}: {tag!r}: {number!r} is a blank tag, a tag or number that stands there twice, or no number "
                "from 0; correct it"
            )
        numbers[tag] = str(number)
    if not numbers:
        raise InputError(f"{listed}: expected a JSON object of tags and their numbers")
    return numbers


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
