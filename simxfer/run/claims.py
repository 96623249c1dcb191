"""Who works on what: a lock that the kernel drops when its process dies, however it dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from simxfer.common.errors import InputError


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Try to take the lock file `path`; yield whether it is ours, and give it back at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until the lock file `path` is ours, and give it back at the end.

    Raises:
        InputError: the lock file cannot be made.
    """
    lock = _lock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise InputError(
            f"cannot write {path.parent}: {error.strerror}; choose a folder that you may write to"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _lock(path: Path) -> FileLock:
    # A lock that falls back to the mere presence of a file would outlive a killed process.
    return FileLock(path, fallback_to_soft=False)
