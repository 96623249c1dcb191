"""What rows look like in the wild: conversions to the standard columns of `Rows`, shared by files and the hub."""

from collections.abc import Callable, Sequence
from typing import Any

Row = dict[str, Any]


def either(**columns: Sequence[str]) -> Callable[[Row], Row]:
    """Return a conversion that takes each standard column from the first of several columns that is there.

    A row without any of them goes without the column: a missing label is missing gold, a missing text is refused. A
    second text that is named has to be there: a pair without it is no single sentence.

    Raises:
        KeyError: a row has none of the columns of the second text.
    """

    def convert(row: Row) -> Row:
        found = {
            name: next((row[c] for c in places if row.get(c) is not None), None)
            for name, places in columns.items()
        }
        if found.get("text_pair", "") is None:
            raise KeyError(" or ".join(columns["text_pair"]))
        return {**row, **found}

    return convert


def letter_index(letter: str | None) -> int | None:
    """Return the index that A, B, C, ... stand for; None stays None (no gold)."""
    if letter is None or not letter.strip():
        return None
    index = ord(letter.strip().upper()) - ord("A")
    if not 0 <= index < 26:
        raise ValueError(f"the answer is {letter!r}, expected a letter A, B, C, ...")
    return index


def codes(text: str) -> tuple[str, ...]:
    """Return the language codes, or tags, of a text that lists them."""
    return tuple(text.split())
