"""Mewsli-X (Ruder et al. 2021): mentions in WikiNews articles, entities by their descriptions.

Text is made as XTREME-R's baseline makes it: a query is the mention, and its sentence with the mention marked; a
candidate is the description of an entity. Candidates of all languages are one pool of a million. A candidate belongs
to the language of its description; those in a language without mentions come with English, so that the pool is whole
when all languages are scored.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.formats.table import read_table
from simxfer.sources.rows import LINE

Row = dict[str, Any]

ENTITIES = "candidate_set_entities.jsonl"


def read_mewslix(path: Path, code: str, home: Sequence[str]) -> Iterator[Row]:
    """Yield queries and candidates of a language: of training pairs, or of mentions and the candidate set beside them.

    Args:
        path: `wikipedia_pairs-*.jsonl` or `wikinews_mentions-*.jsonl`.
        code: the language asked for.
        home: the languages that have mentions, English first.

    Raises:
        InputError: files whose text was not filled in yet, a mention that does not stand at its offset.
    """
    rows = _pairs(path) if "pairs" in path.name else _mentions(path, code, home)
    try:
        yield from rows
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not Mewsli-X's schema ({error!r}); bring the file anew") from None


def beside_mewslix(path: Path, **options: Any) -> tuple[Path, ...]:
    """Return the candidate set of the mentions; training pairs bring their own entities."""
    return () if "pairs" in path.name else (path.parent / ENTITIES,)


def _pairs(path: Path) -> Iterator[Row]:
    seen = set()
    for row in read_table(path, "en"):
        yield _query(
            path, row[LINE], row["contextual_mention"]["context"], row["contextual_mention"]["mention"]
        )
        if row["entity"]["entity_id"] not in seen:
            seen.add(row["entity"]["entity_id"])
            yield _candidate(row["entity"], row[LINE])


def _mentions(path: Path, code: str, home: Sequence[str]) -> Iterator[Row]:
    for row in read_table(path, code):
        if row["context"]["language"] == code:
            for mention in row["mentions"]:
                yield _query(path, row[LINE], row["context"], mention)
    for entity in read_table(path.parent / ENTITIES, code):
        language = entity["description_language"]
        if language == code or (code == home[0] and language not in home):
            yield _candidate(entity, entity[LINE])


def _query(path: Path, line: int, context: Row, mention: Row) -> Row:
    """Return a mention: its text, a colon, and its sentence with the mention in braces."""
    span, text = mention["mention_span"], context["text"]
    start, end = span["start"], span["end"]
    if not text:
        raise InputError(
            f"{path}, line {line}: the article has no text; fill it in with Mewsli-X's get-mewsli-x.sh"
        )
    if text[start:end] != span["text"]:
        got = text[start:end]
        raise InputError(f"{path}, line {line}: at {start} stands {got!r}, not the mention {span['text']!r}")
    spans = [
        (s["start"], s["end"]) for s in context["sentence_spans"] if s["start"] < end and start < s["end"]
    ]
    first, last = min((s for s, _ in spans), default=start), max((e for _, e in spans), default=end)
    sentence = f"{_unbraced(text[first:start])} {{ {span['text']} }} {_unbraced(text[end:last])}"
    marked = " ".join(f"{span['text']}: {sentence}".split())
    key = mention["entity_id"]
    return {"id": mention["example_id"], "text": marked, "side": "query", "keys": (key,), LINE: line}


def _candidate(entity: Row, line: int) -> Row:
    key = entity["entity_id"]
    return {
        "id": f"{entity['description_language']}:{key}",
        "text": " ".join(entity["description"].split()),
        "side": "candidate",
        "keys": (key,),
        LINE: line,
    }


def _unbraced(text: str) -> str:
    """Keep the marks of the mention the only braces."""
    return text.replace("{", "(").replace("}", ")")
