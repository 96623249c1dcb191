"""A sentence a line: plain text, Tatoeba's aligned sides, BUCC's two corpora with gold pairs."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError
from simxfer.sources.formats.text import read_lines as text_lines
from simxfer.sources.rows import LINE

Row = dict[str, Any]


def read_lines(path: Path, code: str) -> Iterator[Row]:
    """Yield a row a line of plain text; empty lines are left out."""
    for number, line in enumerate(text_lines(path), start=1):
        if line.strip():
            yield {"id": number, "text": line.strip(), LINE: number}


def read_tatoeba(path: Path, code: str) -> Iterator[Row]:
    """Yield the pairs of LASER's Tatoeba: line i of `tatoeba.swh-eng.swh` translates line i of `.eng`.

    Raises:
        InputError: XTREME's form, whose English side is sorted and has lost the alignment; sides of unequal length.
    """
    if not path.name.startswith("tatoeba."):
        raise InputError(
            f"{path} is in XTREME's form: its English side is sorted, so that its lines do not align and there is no "
            f"gold; give LASER's files tatoeba.{code}-eng.{code} and tatoeba.{code}-eng.eng"
        )
    texts, translations = text_lines(path), text_lines(_present(path.with_suffix(".eng"), path))
    if len(texts) != len(translations):
        raise InputError(
            f"{path} has {len(texts)} lines, its English side {len(translations)}; they must align"
        )
    for number, (text, translation) in enumerate(zip(texts, translations, strict=True), start=1):
        yield {"text": text.strip(), "translation": translation.strip(), LINE: number}


def beside_tatoeba(path: Path) -> tuple[Path, ...]:
    """Return the English side."""
    return (path.with_suffix(".eng"),)


def read_bucc(path: Path, code: str) -> Iterator[Row]:
    """Yield the sentences of both corpora of the BUCC shared task, each `id TAB sentence`, with the gold pairs.

    Raises:
        InputError: gold pairs without corpora (as on the hub), corpora without gold, a line that is no id and
            sentence, a gold pair of an unknown sentence.
    """
    if path.suffix == ".gold":
        raise InputError(
            f"{path} stands alone: the hub's copy has gold pairs only, and mining searches the full corpora; give "
            f"{path.with_suffix('.' + code).name} and {path.with_suffix('.en').name} of the shared task as well"
        )
    english, gold = (_present(beside, path) for beside in beside_bucc(path))
    sources, targets = _corpus(path), _corpus(english)
    matches = _gold(gold, {name for _, name, _ in sources}, {name for _, name, _ in targets})
    for line, name, text in sources:
        yield {"id": name, "text": text, "side": "source", "matches": tuple(matches[name]), LINE: line}
    for line, name, text in targets:
        yield {"id": name, "text": text, "side": "target", LINE: line}


def beside_bucc(path: Path) -> tuple[Path, ...]:
    """Return the English corpus and the gold pairs."""
    return () if path.suffix == ".gold" else (path.with_suffix(".en"), path.with_suffix(".gold"))


def _corpus(path: Path) -> list[tuple[int, str, str]]:
    rows = []
    for number, line in enumerate(text_lines(path), start=1):
        name, tab, text = line.partition("\t")
        if not tab or not name or not text.strip():
            raise InputError(f"{path}, line {number}: expected id TAB sentence, got {line[:60]!r}")
        rows.append((number, name, text.strip()))
    return rows


def _gold(path: Path, sources: set[str], targets: set[str]) -> dict[str, list[str]]:
    matches: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(text_lines(path), start=1):
        source, _, target = line.partition("\t")
        if source not in sources or target not in targets:
            raise InputError(f"{path}, line {number}: {line[:60]!r} is no pair of ids of the two corpora")
        matches[source].append(target)
    return matches


def _present(path: Path, beside: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} is missing: {beside.name} cannot be used without it; put it beside it")
    return path
