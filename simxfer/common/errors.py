"""Errors that a user can mend: what was got, what was expected, what to do."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The input is wrong; the message is complete and the command exits with code 2, without a traceback."""


class StageFailed(RuntimeError):
    """A stage ended before it was done (its loss diverged, its worker broke); the command exits with code 1."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean X?` for the known name nearest to `name`, or an empty string."""
    match = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not among the known ones, with the nearest known one."""
    known = sorted(str(k) for k in known)
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"unknown {what} {name!r}.{nearest(name, known)} Known: {shown}."
