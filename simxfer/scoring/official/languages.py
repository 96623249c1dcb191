"""The language of a file of predictions: asked for, or read off the names that the benchmarks use.

Ids state a language in TyDiQA's and BUCC's files alone; elsewhere `de-0001` is a name like any other.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from simxfer.common.errors import InputError, nearest
from simxfer.schema.tables import is_language
from simxfer.scoring.official.layouts import LAYOUTS, native
from simxfer.tasks.questions import TYDIQA_LANGUAGES
from simxfer.tasks.record import Task

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"context-([a-z]{2})-question-",  # dev-context-ar-question-de.json: the context decides
        r"^(?:train|dev|val|valid|test)[-_.]([a-z]{2,3})(?:[-_.]|$)",  # test-sw.tsv, val.sw.jsonl
        r"^([a-z]{2,3})\.[a-z]+$",  # de.json
        r"^([a-z]{2})-en\.",  # zh-en.dev.gold
        r"^([a-z]{2,3})_\w+-ud-",  # en_ewt-ud-test.conllu
        rf"^(?:{'|'.join(LAYOUTS)}|tydiqa\.goldp)[-_.]([a-z]{{2,3}})(?:[-_.]|$)",  # xquad.de.json
        rf"^({'|'.join(TYDIQA_LANGUAGES.values())})[-_.]",  # arabic_tydiqa_dev.json
    )
)


def language_of_name(path: Path, task: Task) -> str:
    """Return the language that a file's name states in one of the known ways, or an empty string.

    The known ways are the patterns of the task's record, which may state it in the folder (`swa/test.txt`), and the
    names that the benchmarks and others use.
    """
    more = LAYOUTS[task.name].more_languages
    for code in _stated(path, task):
        if code in task.languages or (more and len(code) == 2 and is_language(code)):
            return code
    return ""


def _stated(path: Path, task: Task) -> Iterator[str]:
    """Yield what a name may state: languages of the record's patterns, then what the known names have in the place."""
    files = native(task)
    patterns = {_stating(Path(pattern)) for paths in files.paths.values() for pattern in paths} - {""}
    for language in task.languages:
        code = files.code(language)
        filled = (pattern.replace("{language}", code).replace("{bcp47}", language) for pattern in patterns)
        if any(path.match(pattern) for pattern in filled):
            yield language
    languages = {files.code(language): language for language in task.languages}
    for pattern in _PATTERNS:
        found = pattern.search(path.name.lower())
        if found:
            yield found[1] if found[1] in task.languages else languages.get(found[1], found[1])


def _stating(pattern: Path) -> str:
    """Return what of a pattern states the language: the file's name, or the whole where a folder does."""
    named = [part for part in (pattern.name, str(pattern)) if "{language}" in part or "{bcp47}" in part]
    return named[0] if named else ""


def resolve_language(task: Task, asked: str, predictions: Path, gold: Path) -> str:
    """Return the one language that the option and the names of both files agree on.

    Raises:
        InputError: they contradict each other, none states a language, or the task has no such language.
    """
    of_predictions, of_gold = language_of_name(predictions, task), language_of_name(gold, task)
    stated = {
        f"--language {asked}": asked,
        f"the predictions {predictions.name} ({of_predictions})": of_predictions,
        f"the gold file {gold.name} ({of_gold})": of_gold,
    }
    stated = {source: code for source, code in stated.items() if code}
    if asked:
        check_language(task, asked)
    if len(set(stated.values())) > 1:
        raise InputError(
            f"the files are of different languages: {', '.join(stated)}. Give the gold file of the predictions' "
            "language, or rename the file"
        )
    if not stated and len(task.languages) > 1:
        raise InputError(
            f"neither {predictions.name} nor {gold.name} states the language; give it with --language, one of "
            + ", ".join(sorted(task.languages))
        )
    return next(iter(stated.values()), task.languages[0])


def check_language(task: Task, code: str) -> None:
    """Refuse a language that the task has no test set in."""
    more = LAYOUTS[task.name].more_languages
    if code in task.languages or (more and is_language(code)):
        return
    raise InputError(
        f"unknown language {code!r} for {task.name}.{nearest(code, task.languages)} "
        f"Known: {', '.join(sorted(task.languages))}" + (", and more" if more else "")
    )
