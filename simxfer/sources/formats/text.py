"""Text of a file, strictly UTF-8, as lines or as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError


def read_text(path: Path) -> str:
    """Return the text of a file, or raise an InputError: it is empty, or not UTF-8 (with the line)."""
    data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path} is empty; expected at least one example, bring the file anew")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8 (Latin-1?); convert the file, for "
            "example with `iconv -f latin1 -t utf-8`"
        ) from None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file without their ends, and without the blank ones at its end.

    Only a line feed ends a line: texts in the wild hold U+2028, U+0085 and other characters that
    `str.splitlines` takes for an end.
    """
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    while not lines[-1].strip():
        lines.pop()
    return lines


def read_json(path: Path, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """Return the content of a JSON file, or raise an InputError with the line of the fault.

    Args:
        path: the file.
        pairs: what becomes of an object's keys and values, where keys that stand there twice matter; a dict if None.
    """
    return parse_json(read_text(path), path, 1, pairs)


def parse_json(
    text: str, path: Path, line: int, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """Return the value of a JSON text that begins in a line of a file; see `read_json`."""
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        reason = (
            "the JSON ends in the middle (a download cut short?)" if at_end else f"broken JSON ({error.msg})"
        )
        raise InputError(f"{path}, line {line + error.lineno - 1}: {reason}; bring the file anew") from None


def nothing_beside(path: Path, **options: Any) -> tuple[Path, ...]:
    """Return no path: the format is one file."""
    return ()
