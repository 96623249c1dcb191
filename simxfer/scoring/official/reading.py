"""Files of predictions and gold answers as Python values; every fault is said with its line."""

import csv
import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError, nearest
from simxfer.scoring.official.layouts import Layout

Line = tuple[int, str]
"""Number of a line, from 1, and what stands in it."""


def read_lines(path: Path) -> list[Line]:
    """Return the lines of a text file, without the blank ones at its end.

    Raises:
        InputError: there is no such file, it is empty, or it is not UTF-8.
    """
    lines = _text(path).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return list(enumerate(lines, start=1))


def _text(path: Path) -> str:
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file")
    if not path.exists():
        known = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{path} does not exist.{nearest(path.name, known)}")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8. If the file is Latin-1, convert "
            f"it: iconv -f latin1 -t utf-8 {path.name}"
        ) from None
    if not text.strip():
        raise InputError(f"{path} is empty; expected at least one line")
    return text


def read_labels(path: Path, layout: Layout) -> list[Line]:
    """Return one label a line: the whole line, the last of several columns, or in JSON lines the field `label`.

    A first line that is a header, whose last column is `label`, is left out.

    Raises:
        InputError: a line is blank, has two columns (an unlabelled pair of sentences), or is no valid JSON.
    """
    lines = read_lines(path)
    header = lines[0][1].endswith("\tlabel")
    return [(number, _label(path, number, line, layout)) for number, line in lines[header:]]


def _label(path: Path, number: int, line: str, layout: Layout) -> str:
    where = f"{path}, line {number}"
    if not line.strip():
        raise InputError(f"{where} is blank; expected one label a line")
    if layout.suffix == "jsonl" and line.lstrip().startswith("{"):
        row = _json(line, where)
        if "label" not in row:
            raise InputError(f"{where}: the object has no 'label'; it has {sorted(row)}")
        return str(row["label"])
    columns = next(csv.reader([line], delimiter="\t")) if layout.quoted else line.split("\t")
    if len(columns) == 2:
        raise InputError(
            f"{where} has two columns and no label. XTREME's test files carry no gold labels: score on a "
            "labelled file, such as its dev file"
        )
    return columns[-1].strip()


def read_tags(path: Path) -> list[list[Line]]:
    """Return the tags of each sentence: the last column of its lines (after a tab or, as in MasakhaNER, a blank).

    Blank lines separate sentences.
    """
    groups = groupby(read_lines(path), key=lambda line: bool(line[1].strip()))
    return [[(number, line.split()[-1]) for number, line in group] for full, group in groups if full]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Return two ids a line, separated by a tab.

    Raises:
        InputError: a line has not two columns, or a pair occurs twice.
    """
    seen: dict[tuple[str, str], int] = {}
    for number, line in read_lines(path):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise InputError(f"{path}, line {number}: got {line!r}, expected two ids separated by a tab")
        pair = (columns[0], columns[1])
        if pair in seen:
            raise InputError(f"{path}, line {number}: the pair {pair} stands in line {seen[pair]} already")
        seen[pair] = number
    return list(seen)


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        InputError: it is no valid JSON (cut in the middle), no object, empty, or has a key twice.
    """
    found = _json(_text(path), str(path))
    if not found:
        raise InputError(f"{path} holds an empty object; expected {{id: prediction}}")
    return found


def _json(text: str, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        [(key, times)] = Counter(key for key, _ in pairs).most_common(1) or [("", 0)]
        if times > 1:
            raise InputError(f"{where}: the key {key!r} occurs {times} times; keep one of them")
        return dict(pairs)

    try:
        found = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        cut = " The file ends too early: was it cut?" if ends else ""
        raise InputError(f"{where} is no valid JSON: {error}.{cut}") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}: got a JSON {type(found).__name__}, expected an object")
    return found


def read_questions(path: Path) -> dict[str, list[str]]:
    """Return the gold answers of every question of a file in SQuAD's form, by id, in the file's order.

    Raises:
        InputError: the file has another form, or an id occurs twice.
    """
    try:
        questions = [
            (str(qa["id"]), [str(answer["text"]) for answer in qa["answers"]])
            for article in read_object(path)["data"]
            for paragraph in article["paragraphs"]
            for qa in paragraph["qas"]
        ]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not in SQuAD's form ({type(error).__name__}: {error}); expected "
            '{"data": [{"paragraphs": [{"qas": [{"id": ..., "answers": [{"text": ...}]}]}]}]}'
        ) from None
    if not questions:
        raise InputError(f"{path} holds no question")
    [(key, times)] = Counter(key for key, _ in questions).most_common(1)
    if times > 1:
        raise InputError(
            f"{path}: the id {key!r} belongs to {times} questions ({len(dict(questions))} ids for {len(questions)} "
            "questions), so predictions by id are ambiguous; use a file with distinct ids"
        )
    return dict(questions)
