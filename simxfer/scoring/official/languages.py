"""The language of a file of predictions: asked for, or read off the names that the benchmarks use."""

import re
from pathlib import Path

from simxfer.common.errors import InputError, nearest
from simxfer.schema.tables import is_language
from simxfer.scoring.official.layouts import LAYOUTS, Layout
from simxfer.tasks.questions import TYDIQA_LANGUAGES

TYDIQA_NAMES = {name: code for code, name in TYDIQA_LANGUAGES.items()}
"""Language names in TyDiQA's files and ids."""

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"context-([a-z]{2})-question-",  # dev-context-ar-question-de.json: the context decides
        r"^(?:train|dev|val|valid|test)[-_.]([a-z]{2,3})(?:[-_.]|$)",  # test-sw.tsv, val.sw.jsonl
        r"^([a-z]{2,3})\.[a-z]+$",  # de.json
        r"^([a-z]{2})-en\.",  # zh-en.dev.gold
        rf"^(?:{'|'.join(LAYOUTS)}|tydiqa\.goldp)[-_.]([a-z]{{2,3}})(?:[-_.]|$)",  # xquad.de.json
        rf"^({'|'.join(TYDIQA_NAMES)})[-_.]",  # arabic_tydiqa_dev.json
    )
)


def language_of_name(path: Path, layout: Layout) -> str:
    """Return the language that a file's name states in one of the known ways, or an empty string."""
    for pattern in _PATTERNS:
        found = pattern.search(path.name.lower())
        if found:
            code = TYDIQA_NAMES.get(found[1], found[1])
            if code in layout.languages or (layout.more_languages and len(code) == 2 and is_language(code)):
                return code
    return ""


def resolve_language(task: str, layout: Layout, asked: str, predictions: Path, gold: Path) -> str:
    """Return the one language that the option and the names of both files agree on.

    Raises:
        InputError: they contradict each other, none states a language, or the task has no such language.
    """
    stated = {
        f"--language {asked}": asked,
        f"the predictions {predictions.name} ({language_of_name(predictions, layout)})": language_of_name(
            predictions, layout
        ),
        f"the gold file {gold.name} ({language_of_name(gold, layout)})": language_of_name(gold, layout),
    }
    stated = {source: code for source, code in stated.items() if code}
    if asked:
        check_language(task, layout, asked)
    if len(set(stated.values())) > 1:
        raise InputError(
            f"the files are of different languages: {', '.join(stated)}. Give the gold file of the predictions' "
            "language, or rename the file"
        )
    if not stated and len(layout.languages) > 1:
        raise InputError(
            f"neither {predictions.name} nor {gold.name} states the language; give it with --language, one of "
            + ", ".join(sorted(layout.languages))
        )
    return next(iter(stated.values()), layout.languages[0])


def check_language(task: str, layout: Layout, code: str) -> None:
    """Refuse a language that the task has no test set in."""
    if code in layout.languages or (layout.more_languages and is_language(code)):
        return
    raise InputError(
        f"unknown language {code!r} for {task}.{nearest(code, layout.languages)} "
        f"Known: {', '.join(sorted(layout.languages))}" + (", and more" if layout.more_languages else "")
    )


def check_ids(language: str, ids: list[str], path: Path) -> None:
    """Refuse ids that state another language: `arabic-123-4` of TyDiQA, `de-000000003` of BUCC."""
    for text in ids:
        prefix = text.partition("-")[0]
        code = TYDIQA_NAMES.get(prefix, prefix)
        if re.fullmatch(r"[a-z]{2}", code) and text != prefix and code != language:
            raise InputError(f"{path}: the id {text!r} is of language {code!r}, not {language!r}")
