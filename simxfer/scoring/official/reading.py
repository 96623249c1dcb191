"""Files of predictions and gold answers as Python values; every fault is said with its line.

Gold is in the task's own native form, read by the readers of `simxfer.sources.formats` as in a run, or in the form of
XTREME's folder of labels. Predictions are in that form, or as the example scripts of Hugging Face write them.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError, nearest
from simxfer.scoring.official.layouts import native
from simxfer.sources.formats import FORMATS
from simxfer.sources.formats.conll import read_conllu
from simxfer.sources.formats.table import read_table
from simxfer.sources.formats.text import read_json, read_lines
from simxfer.sources.rows import LINE
from simxfer.tasks.record import Task

Row = dict[str, Any]

Line = tuple[int, str]
"""Number of a line, from 1, and what stands in it."""

GOLD, PREDICTED = ("gold_label", "label"), ("prediction", "label")
"""Columns of a table that hold the label."""

_CONLLU = re.compile(r"\d+([-.]\d+)?(\t[^\t]*){9}$")
_TATOEBA = re.compile(r"tatoeba\.\w+-eng\.\w+")


def present(path: Path) -> Path:
    """Return the path of a file, or refuse it: it is a folder, or there is none."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file")
    if not path.exists():
        known = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{path} does not exist.{nearest(path.name, known)}")
    return path


def read_labels(path: Path, task: Task, language: str, columns: Sequence[str]) -> list[Line]:
    """Return one label an example: a line, the last of its columns, or the field of a table.

    Tables have a header (XNLI's, PAWS-X's and AmericasNLI's own files; run_xnli.py's `index TAB prediction`), are
    JSON lines, CSV, or COPA's XML. Rows of other languages are left out.

    Raises:
        InputError: a line is blank, a row has no label, an index is missing, there is no row of the language.
    """
    lines = read_lines(path)
    if not _is_table(path, lines[0], columns):
        return [(n, _last(path, n, line)) for n, line in enumerate(lines, start=1)]
    code = native(task).code(language)
    rows = _in_order(path, list(read_table(path, code, header=columns, language_column="language")))
    if not rows:
        raise InputError(f"{path} has a header and no row; expected one an example")
    return [(row.get(LINE, i), _label(path, row, task, columns)) for i, row in enumerate(rows, start=1)]


def _is_table(path: Path, line: str, columns: Sequence[str]) -> bool:
    """Tell by ending and first line whether a file is a table: JSON lines, XML, or a header that names the label."""
    if line.startswith(("{", "<")):
        return path.suffix in (".jsonl", ".json", ".xml")
    names = line.split("," if path.suffix == ".csv" else "\t")
    return any(name.strip('"') in columns for name in names)


def _last(path: Path, number: int, line: str) -> str:
    """Return the last column of a line, without the quotes that a writer of CSV may put around every field."""
    if not line.strip():
        raise InputError(f"{path}, line {number} is blank; expected one label a line")
    return line.rpartition("\t")[2].strip().strip('"')


def _label(path: Path, row: Row, task: Task, columns: Sequence[str]) -> str:
    """Return the label of a row: of a column that is named for it, or where COPA's conversion finds it."""
    convert = native(task).convert
    if path.suffix == ".xml" and convert:
        try:
            converted = convert(row)
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: {row} is no element of {task.name} ({error!r})") from None
        row = converted or row
    for column in columns:
        if column in row:
            return str(row[column]).strip()
    raise InputError(
        f"{path}, line {row[LINE]}: expected a label as {' or '.join(columns)}; the row has "
        f"{[name for name in row if name != LINE]}"
    )


def _in_order(path: Path, rows: list[Row]) -> list[Row]:
    """Return the rows by their `index`, which the example scripts of Hugging Face count from 0."""
    if not rows or not {"index", "prediction"} <= rows[0].keys():
        return rows
    placed = {str(row["index"]): row for row in rows}
    missing = [i for i in range(len(rows)) if str(i) not in placed]
    if missing:
        raise InputError(
            f"{path}: no row has index {missing[0]}, though there are {len(rows)}; expected 0 to {len(rows) - 1}, "
            "each once"
        )
    return [placed[str(i)] for i in range(len(rows))]


def read_tags(path: Path, labels: Collection[str]) -> list[list[Line]]:
    """Return the tags of each sentence.

    - CoNLL-U: the UPOS of its words; multiword tokens, empty nodes and comments are none.
    - A sentence a line, its tags separated by blanks (run_ner.py).
    - A word a line, blank lines between sentences: the last column, after a tab or, as in MasakhaNER, a blank.
    """
    lines = read_lines(path)
    if any(_CONLLU.match(line) for line in lines):
        return [[(row[LINE], tag) for tag in row["tags"]] for row in read_conllu(path, "")]
    full = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if _sentence_a_line([line for _, line in full], labels):
        return [[(number, tag) for tag in line.split()] for number, line in full]
    groups = groupby(enumerate(lines, start=1), key=lambda line: bool(line[1].strip()))
    return [[(number, line.split()[-1]) for number, line in group] for text, group in groups if text]


def _sentence_a_line(lines: list[str], labels: Collection[str]) -> bool:
    """Tell whether tags stand before the last column, where a word a line has words; a few tags may be unknown."""
    before = [field for line in lines for field in line.split()[:-1]]
    return not any("\t" in line for line in lines) and 2 * sum(f in labels for f in before) > len(before)


def read_indices(path: Path) -> list[Line]:
    """Return one index a line; of Tatoeba's own files, whose lines are translations of each other, the line's."""
    lines = read_lines(path)
    if _TATOEBA.fullmatch(path.name):
        return [(number, str(number - 1)) for number, _ in enumerate(lines, start=1)]
    return [(number, _last(path, number, line)) for number, line in enumerate(lines, start=1)]


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Return two ids a line, separated by a tab.

    Raises:
        InputError: a line has not two columns, or a pair occurs twice.
    """
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise InputError(f"{path}, line {number}: got {line!r}, expected two ids separated by a tab")
        pair = (columns[0], columns[1])
        if pair in seen:
            raise InputError(f"{path}, line {number}: the pair {pair} stands in line {seen[pair]} already")
        seen[pair] = number
    return list(seen)


def read_questions(path: Path, task: Task, language: str) -> dict[str, list[str]]:
    """Return the gold answers of every question of a language, by id, in the file's order.

    Raises:
        InputError: the file has another form or no question of the language, or an id occurs twice.
    """
    files = native(task)
    rows = FORMATS[files.format].read(path, files.code(language), **files.options)
    questions = [(str(row["id"]), _texts(path, row)) for row in rows]
    if not questions:
        raise InputError(f"{path} holds no question")
    [(key, times)] = Counter(key for key, _ in questions).most_common(1)
    if times > 1:
        raise InputError(
            f"{path}: the id {key!r} belongs to {times} questions ({len(dict(questions))} ids for {len(questions)} "
            "questions), so predictions by id are ambiguous; use a file with distinct ids"
        )
    return dict(questions)


def _texts(path: Path, row: Row) -> list[str]:
    """Return the texts of the gold answers: SQuAD has a list of objects, Hugging Face one object of lists."""
    found = row["answers"]
    listed = found.get("text") if isinstance(found, dict) else found
    answers: list[Any] = listed if isinstance(listed, list) else [None]
    texts: list[Any] = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"{path}: question {row['id']!r} has the answers {found!r}, expected a list of {{text, answer_start}}; "
            "is it a test file without gold?"
        )
    return texts


def read_answers(path: Path) -> dict[str, str]:
    """Return the predicted answers by id.

    Files hold {id: answer}, or what run_qa.py makes: {id: [the n best, the best one first]}, or a list of
    {id, prediction_text}.
    """
    found = read_json(path, _distinct(path))
    if isinstance(found, list) and all(isinstance(row, dict) and "prediction_text" in row for row in found):
        found = _distinct(path)([(str(row.get("id")), row["prediction_text"]) for row in found])
    answers = _object(path, found)
    for key, answer in answers.items():
        best = answer[0].get("text") if _is_list_of_objects(answer) else answer
        if not isinstance(best, str):
            raise InputError(f"{path}: the answer to {key!r} is {answer!r}, expected a text")
        answers[key] = best
    return answers


def _is_list_of_objects(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(entry, dict) for entry in found)


def read_rankings(path: Path, task: Task, language: str) -> dict[str, list[str]]:
    """Return a list of ids by id: of Mewsli-X's own mentions the entity of each mention of the language.

    Raises:
        InputError: the file has another form, or no mention in the language.
    """
    if path.suffix == ".jsonl":
        return _entities(path, language)
    found = read_object(path)
    if "data" in found:
        raise InputError(
            f"{path} is in SQuAD's form: it has the sentences of one language, and those of all languages answer a "
            f"question of {task.name}; give {{id of the question: [ids of the sentences that answer it]}}"
        )
    for key, ids in found.items():
        if not isinstance(ids, list) or not all(isinstance(i, str | int) for i in ids):
            raise InputError(f"{path}: {key!r} has {ids!r}, expected a list of ids")
    return found


def _entities(path: Path, language: str) -> dict[str, list[str]]:
    try:
        found = {
            mention["example_id"]: [mention["entity_id"]]
            for row in read_table(path, language)
            if row["context"]["language"] == language
            for mention in row["mentions"]
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not Mewsli-X's schema ({error!r}); bring the file anew") from None
    if not found:
        raise InputError(f"{path} has no mention in {language!r}; give the file of the language")
    return found


def read_object(path: Path) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        InputError: it is no valid JSON (cut in the middle), no object, empty, or has a key twice.
    """
    return _object(path, read_json(path, _distinct(path)))


def _object(path: Path, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise InputError(f"{path}: got a JSON {type(found).__name__}, expected an object")
    if not found:
        raise InputError(f"{path} holds an empty object; expected {{id: prediction}}")
    return found


def _distinct(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return what makes an object of keys and values, and refuses a key that occurs twice."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        [(key, times)] = Counter(key for key, _ in pairs).most_common(1) or [("", 0)]
        if times > 1:
            raise InputError(f"{path}: the key {key!r} occurs {times} times; keep one of them")
        return dict(pairs)

    return made
