"""The lock file of a grid: which commits and files it was fetched with, so that every machine trains on the same.

`GRID.lock.json` stands beside `GRID.yaml`. `simxfer fetch` writes it; training refuses data that differ from it.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from simxfer.common.atomic import write_json
from simxfer.common.errors import InputError
from simxfer.common.hubcache import Repository, cached
from simxfer.common.identity import sha256
from simxfer.grid.needs import Needs, needs_of
from simxfer.grid.parts import Strict
from simxfer.grid.plan import Plan


class LockedFile(Strict):
    """What a file was when it was locked."""

    sha256: str
    bytes: int


class LockedRepository(Strict):
    """A model or data set of the hub at one commit."""

    id: str
    type: Literal["model", "dataset"]
    revision: str
    """As asked for: the branch or tag that stood for the commit."""
    commit: str
    files: dict[str, LockedFile]
    """Path in the repository -> file."""
    rows: dict[str, int] = Field(default_factory=dict)
    """Data sets: `CONFIG/SPLIT` -> number of rows."""

    @property
    def repository(self) -> Repository:
        """What was asked for."""
        return Repository(self.id, self.type, self.revision)

    def lacks(self, patterns: tuple[str, ...]) -> list[str]:
        """Return the patterns of a data set's files that no locked file matches; an encoder is locked as a whole."""
        if self.type == "model":
            return []
        return [p for p in patterns if not any(fnmatchcase(name, p) for name in self.files)]


class Lock(Strict):
    """All that a grid reads and that is not part of the project."""

    version: Literal[1] = 1
    repositories: tuple[LockedRepository, ...] = ()
    files: dict[str, LockedFile] = Field(default_factory=dict)
    """Native files, by the path that the grid file gives."""

    def of(self, repository: Repository) -> LockedRepository | None:
        """Return what is locked of a repository."""
        return next((locked for locked in self.repositories if locked.repository == repository), None)


def lock_path(grid_file: Path) -> Path:
    """Return where the lock file of a grid stands."""
    return grid_file.with_suffix(".lock.json")


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        InputError: it is no lock file.
    """
    try:
        return Lock.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"{path} is no lock file of this version ({error.errors()[0]['msg']}); bring the one that "
            "`simxfer fetch` wrote, or delete it and fetch again"
        ) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file, its entries sorted: equal locks are equal bytes."""
    repositories = sorted(lock.repositories, key=lambda locked: locked.repository)
    files = dict(sorted(lock.files.items()))
    write_json(path, Lock(repositories=tuple(repositories), files=files).model_dump())


def locked_file(path: Path) -> LockedFile:
    """Return what a file is now."""
    return LockedFile(sha256=sha256(path), bytes=path.stat().st_size)


def check_lock(grid_file: Path, plan: Plan) -> None:
    """Compare what the plan of a grid reads with the grid's lock file; a grid without one is not checked.

    Raises:
        InputError: files are missing or differ, or the grid reads something that is not locked; all are listed.
    """
    path = lock_path(grid_file)
    if not path.exists():
        return
    lock, needs = read_lock(path), needs_of(plan)
    faults = [fault for locked in lock.repositories for fault in differing(locked)]
    faults += differing_files(lock.files)
    faults += _not_locked(lock, needs)
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise InputError(
            f"the data differ from {path}:\n{listed}\nRun `simxfer fetch {grid_file}` on a connected machine to "
            "get what is locked, or with --update to lock what there is now"
        )


def differing(locked: LockedRepository) -> Iterator[str]:
    """Say what of a locked repository is missing from the cache or differs there."""
    snapshot = cached(locked.repository, tuple(locked.files))
    if snapshot is None:
        yield f"{locked.repository}: not in the local Hugging Face cache, or not all of it"
    elif snapshot.name != locked.commit:
        yield f"{locked.repository}: got commit {snapshot.name}, expected {locked.commit}"
    else:
        files = {str(snapshot / name): file for name, file in locked.files.items()}
        yield from (f"{locked.repository}: {fault}" for fault in differing_files(files))


def differing_files(files: Mapping[str, LockedFile]) -> Iterator[str]:
    """Say which files are missing or are not what they were."""
    # Not HfApi.verify_repo_checksums, which asks the hub: training compares offline, and native files as well.
    for name, expected in files.items():
        if not Path(name).expanduser().is_file():
            yield f"{name} is missing"
        elif (got := locked_file(Path(name).expanduser())) != expected:
            yield (
                f"{name}: got sha256 {got.sha256[:16]}... ({got.bytes} bytes), expected "
                f"{expected.sha256[:16]}... ({expected.bytes} bytes)"
            )


def _not_locked(lock: Lock, needs: Needs) -> Iterator[str]:
    """Say what the grid reads that the lock does not name: the grid was changed since."""
    for repository, patterns in needs.repositories.items():
        locked = lock.of(repository)
        if locked is None:
            yield f"{repository} is not locked"
        else:
            yield from (f"{repository}: {pattern} is not locked" for pattern in locked.lacks(patterns))
    yield from (f"{path} is not locked" for path in needs.files if str(path) not in lock.files)
