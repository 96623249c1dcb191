"""Who works on what: a lock that the kernel drops when its process dies, however it dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simxfer.common.errors import InputError


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Try to take the lock file `path`; yield whether it is ours, and give it back at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until the lock file `path` is ours, and give it back at the end.

    Raises:
        InputError: the lock file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w")
    except OSError as error:
        raise InputError(
            f"cannot write {path.parent}: {error.strerror}; choose a folder that you may write to"
        ) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
