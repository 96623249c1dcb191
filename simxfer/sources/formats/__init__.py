"""The native file formats: each a reader from a file to rows, and the files that it reads beside it.

A reader takes the path, the language's code in file names and the options of the task's record, and yields rows (see
`simxfer.sources.rows`). Faults of a file are InputErrors that name the file and, where it has lines, the line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simxfer.sources.formats import conll, mewslix, sentences, squad, table
from simxfer.sources.formats.text import nothing_beside


@dataclass(frozen=True)
class Format:
    """One format."""

    read: Callable[..., Iterator[dict[str, Any]]]
    """(path, language code, **options) -> rows."""
    beside: Callable[..., tuple[Path, ...]] = nothing_beside
    """(path, **options) -> other files that it reads: gold pairs, the English side, a list of labels."""


FORMATS: dict[str, Format] = {
    "table": Format(table.read_table),
    "conll": Format(conll.read_conll, conll.beside_conll),
    "conllu": Format(conll.read_conllu),
    "squad": Format(squad.read_squad),
    "lareqa": Format(squad.read_lareqa),
    "tatoeba": Format(sentences.read_tatoeba, sentences.beside_tatoeba),
    "bucc": Format(sentences.read_bucc, sentences.beside_bucc),
    "lines": Format(sentences.read_lines),
    "mewslix": Format(mewslix.read_mewslix, mewslix.beside_mewslix),
}
