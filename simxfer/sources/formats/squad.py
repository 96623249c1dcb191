"""Question answering files: SQuAD's JSON, nested or flat, and LAReQA's, which knows the sentences."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.formats.text import read_json

Row = dict[str, Any]


def read_squad(path: Path, code: str, file_name: str = "", language_in_ids: bool = False) -> Iterator[Row]:
    """Yield a row a question: id, question, context, answers, title of the article.

    Nested files hold paragraphs with `qas`, flat ones (Hugging Face's) questions with their context. A question with
    `is_impossible` has no answer; `plausible_answers` are none.

    Args:
        path: the file.
        code: the language asked for.
        file_name: regular expression whose named groups in the file's name are added to every row.
        language_in_ids: ids may begin with their language (`swahili-...`, TyDiQA); those of others are left out.

    Raises:
        InputError: broken JSON, another structure, no question in the language.
    """
    extra = _groups(path, file_name)
    questions = list(_questions(path))
    kept = [row for row in questions if not language_in_ids or _language(row["id"]) in ("", code)]
    if questions and not kept:
        found = ", ".join(sorted({_language(row["id"]) for row in questions}))
        raise InputError(
            f"{path} has no question in {code!r}; its ids say {found}: give the file of the language"
        )
    for row in kept:
        yield {**row, **extra}


def read_lareqa(path: Path, code: str) -> Iterator[Row]:
    """Yield the queries and candidates of an XQuAD-R file (Roy et al. 2020).

    A candidate is a sentence of a paragraph as `sentence_breaks` cuts it, with its paragraph; its keys are the
    questions whose answer begins in it. A query is a question; its key is its id, which all languages share.

    Raises:
        InputError: broken JSON, another structure, an answer that stands in no sentence.
    """
    paragraphs = [
        (article.get("title"), paragraph)
        for article in _data(path)
        for paragraph in _part(path, article, "paragraphs")
    ]
    for title, paragraph in paragraphs:
        for asked in _part(path, paragraph, "qas"):
            key = str(asked["id"])
            yield {"id": key, "text": asked["question"], "side": "query", "keys": (key,), "title": title}
    for number, (title, paragraph) in enumerate(paragraphs):
        context, breaks = paragraph["context"], _part(path, paragraph, "sentence_breaks")
        keys = _keys_by_sentence(path, paragraph, breaks)
        for i, (start, end) in enumerate(breaks):
            yield {
                "id": f"{code}:{number}:{i}",
                "text": context[start:end],
                "text_pair": context,
                "side": "candidate",
                "keys": tuple(keys[i]),
                "title": title,
            }


def _keys_by_sentence(path: Path, paragraph: Row, breaks: list[list[int]]) -> list[list[str]]:
    """Return the ids of the questions whose answer begins in each sentence, or in the gap before it."""
    keys: list[list[str]] = [[] for _ in breaks]
    for asked in paragraph["qas"]:
        for answer in asked["answers"]:
            start, text = answer["answer_start"], answer["text"]
            open_still = [i for i, (_, last) in enumerate(breaks) if start < last]
            if not open_still or paragraph["context"][start : start + len(text)] != text:
                raise InputError(
                    f"{path}: the answer {text!r} of question {asked['id']} stands in no sentence at {start}"
                )
            if str(asked["id"]) not in keys[open_still[0]]:
                keys[open_still[0]].append(str(asked["id"]))
    return keys


def _questions(path: Path) -> Iterator[Row]:
    for entry in _data(path):
        if isinstance(entry, dict) and "context" in entry:
            yield _question(path, entry, entry["context"], entry.get("title"))
            continue
        for paragraph in _part(path, entry, "paragraphs"):
            for asked in _part(path, paragraph, "qas"):
                yield _question(path, asked, paragraph.get("context"), entry.get("title"))


def _question(path: Path, asked: Row, context: Any, title: Any) -> Row:
    if not isinstance(asked, dict) or "id" not in asked:
        raise InputError(
            f"{path}: a question is {str(asked)[:60]!r}, expected one with id, question, answers"
        )
    answers = [] if asked.get("is_impossible") else asked.get("answers")
    return {
        "id": asked["id"],
        "question": asked.get("question"),
        "context": context,
        "answers": answers,
        "title": title,
    }


def _data(path: Path) -> list[Row]:
    content = read_json(path)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise InputError(
            f"{path}: expected SQuAD's JSON, an object with a list `data`; got {str(content)[:60]!r}"
        )
    return data


def _part(path: Path, found: Any, key: str) -> list[Any]:
    if not isinstance(found, dict) or not isinstance(found.get(key), list):
        raise InputError(f"{path}: expected an object with a list `{key}`; got {str(found)[:60]!r}")
    return found[key]


def _language(name: Any) -> str:
    """Return the language that an id begins with, or nothing (XTREME's form keeps the last part only)."""
    match = re.match(r"([a-z]+)-", str(name))
    return match.group(1) if match else ""


def _groups(path: Path, pattern: str) -> dict[str, str]:
    match = re.search(pattern, path.name)
    if match is None:
        raise InputError(f"{path}: the name of the file does not say its languages, expected {pattern!r}")
    return match.groupdict()
