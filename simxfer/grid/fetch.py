"""Bring what a grid reads into the local Hugging Face cache, and write down what it was: `simxfer fetch GRID`.

The only part of the project that opens a connection. What is fetched: configuration, safetensors and tokenizer of
encoders, Parquet files of data sets. Finished files stay, so that a fetch that was killed goes on with the next one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from simxfer.common.errors import InputError, unknown
from simxfer.common.hubcache import TOKENIZER_FILES, Repository, cached, point
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.grid.lock import (
    Lock,
    LockedRepository,
    differing,
    differing_files,
    lock_path,
    locked_file,
    read_lock,
    write_lock,
)
from simxfer.grid.needs import Needs, needs_of
from simxfer.sources import revision

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

    Tree = dict[str, RepoFile]
    """Path -> the hub's record of the file."""


def fetch(
    grid_file: Path,
    lock_file: Path | None = None,
    update: bool = False,
    say: Callable[[str], None] = print,
) -> Path | None:
    """Fetch what a grid reads, check it and lock it.

    Args:
        grid_file: the grid.
        lock_file: default: beside the grid file, where training looks for it.
        update: whether branches are resolved anew; otherwise what the lock file names is fetched.
        say: called with a line for each repository.

    Returns:
        The lock file, or None if there is nothing to fetch.

    Raises:
        InputError: the hub was not reached, does not have something, or native files differ from the lock.
    """
    needs = needs_of(expand(load_grid(grid_file), revision))
    path = lock_file or lock_path(grid_file)
    lock = read_lock(path) if path.exists() and not update else Lock()
    for task, languages in needs.not_on_hub.items():
        say(f"{task} in {', '.join(languages)}: not on the hub as it is needed; give native files")
    if not needs.repositories and not needs.files:
        say("nothing to fetch: all that the grid reads is part of the project")
        return None
    _refuse_changed(lock, needs, path)
    repositories = tuple(
        _bring(repository, patterns, lock.of(repository), say)
        for repository, patterns in needs.repositories.items()
    )
    cached.cache_clear()
    files = {str(file): locked_file(file) for file in needs.files}
    write_lock(path, Lock(repositories=repositories, files=files))
    return path


def _refuse_changed(lock: Lock, needs: Needs, path: Path) -> None:
    """Refuse native files that are not what was locked."""
    still_read = {name: file for name, file in lock.files.items() if Path(name) in needs.files}
    if listed := "\n".join(f"  {fault}" for fault in differing_files(still_read)):
        raise InputError(f"files differ from {path}; --update locks what there is now:\n{listed}")


def _bring(
    repository: Repository,
    patterns: tuple[str, ...],
    locked: LockedRepository | None,
    say: Callable[[str], None],
) -> LockedRepository:
    """Fetch the files of a repository that match, at the locked commit or the newest; check each one."""
    from huggingface_hub import snapshot_download

    if locked and not locked.lacks(patterns) and not any(differing(locked)):
        say(f"{repository}: commit {locked.commit[:12]} is here as it is locked")
        return locked
    with _explained(repository, locked.commit if locked else repository.revision):
        commit = locked.commit if locked else _newest(repository)
        tree = _tree(repository, commit)
        names = _matching(repository, tree, patterns)
        say(f"{repository}: commit {commit[:12]}, {len(names)} files, {_megabytes(tree, names)}")
        snapshot = Path(
            snapshot_download(repository.id, repo_type=repository.type, revision=commit, allow_patterns=names)
        )
        _check(repository, snapshot, names)
    point(repository, snapshot)
    return LockedRepository(
        id=repository.id,
        type=repository.type,
        revision=repository.revision,
        commit=commit,
        files={name: locked_file(snapshot / name) for name in names},
        rows=_rows(snapshot, names) if repository.type == "dataset" else {},
    )


def _newest(repository: Repository) -> str:
    from huggingface_hub import HfApi

    info = HfApi().repo_info(repository.id, repo_type=repository.type, revision=repository.revision)
    return str(info.sha)


def _tree(repository: Repository, commit: str) -> "Tree":
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    entries = HfApi().list_repo_tree(
        repository.id, repo_type=repository.type, revision=commit, recursive=True
    )
    return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}


def _matching(repository: Repository, tree: "Tree", patterns: tuple[str, ...]) -> list[str]:
    """Return the files that match.

    Raises:
        InputError: an encoder lacks weights as safetensors or a tokenizer, a data set a configuration or split.
    """
    names = sorted(name for name in tree if any(fnmatchcase(name, pattern) for pattern in patterns))
    if repository.type == "model":
        lacking = [name for name in ("config.json", "model.safetensors") if name not in names]
        lacking += ["a tokenizer"] * (not set(TOKENIZER_FILES) & set(names))
        if lacking:
            raise InputError(
                f"{repository} lacks {' and '.join(lacking)}; pickled weights are not loaded. Choose another "
                "encoder, or save this one with save_pretrained() and name the folder in the grid"
            )
        return names
    for pattern in patterns:
        _find_folder(repository, tree, pattern.rpartition("/")[0])
    return names


def _find_folder(repository: Repository, tree: "Tree", folder: str) -> None:
    """Refuse a configuration and split that a data set does not have, or not all of."""
    folders = {name.rpartition("/")[0] for name in tree if name.endswith(".parquet")}
    if any(fnmatchcase(name, folder) for name in folders):
        return
    config, _, split = folder.partition("/")
    if f"{config}/partial-{split}" in folders:
        raise InputError(f"{repository}: the hub converted only a part of {folder}; give native files")
    raise InputError(unknown(f"configuration and split of {repository}", folder, folders))


def _check(repository: Repository, snapshot: Path, names: list[str]) -> None:
    """Compare cached files with the hub's checksums; damaged ones are fetched once more."""
    from huggingface_hub import hf_hub_download

    damaged = _damaged(repository, snapshot, names)
    for name in damaged:
        hf_hub_download(
            repository.id, name, repo_type=repository.type, revision=snapshot.name, force_download=True
        )
    if damaged and (damaged := _damaged(repository, snapshot, names)):
        raise InputError(
            f"{repository}: {', '.join(damaged)} was fetched twice and differs from the hub's checksum; try again "
            "later, and ask whoever runs the network or the mirror"
        )


def _damaged(repository: Repository, snapshot: Path, names: list[str]) -> list[str]:
    """Return which files differ from what the hub has: SHA-256 of large files, git's SHA-1 of the small ones."""
    from huggingface_hub import HfApi

    found = HfApi().verify_repo_checksums(repository.id, repo_type=repository.type, revision=snapshot.name)
    return sorted({mismatch["path"] for mismatch in found.mismatches} & set(names))


def _rows(snapshot: Path, names: list[str]) -> dict[str, int]:
    """Return the number of rows by `CONFIG/SPLIT`."""
    from pyarrow.parquet import read_metadata

    rows: dict[str, int] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        rows[folder] = rows.get(folder, 0) + read_metadata(snapshot / name).num_rows
    return rows


def _megabytes(tree: "Tree", names: list[str]) -> str:
    return f"{sum(tree[name].size for name in names) / 1e6:,.1f} MB"


@contextmanager
def _explained(repository: Repository, revision: str) -> Iterator[None]:
    """Turn the errors of a connection into one that says what to do."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        yield
    except GatedRepoError:
        raise InputError(
            f"{repository} is gated: accept its terms on its page, then `hf auth login`"
        ) from None
    except RepositoryNotFoundError:
        raise InputError(f"{repository} is not on the hub, or private (`hf auth login`)") from None
    except RevisionNotFoundError:
        raise InputError(
            f"{repository.id} has no revision {revision!r} on the hub; if it stands in the lock file, bring the "
            "cache from a machine that has it, or lock what there is now with --update"
        ) from None
    except (HTTPError, OSError) as error:
        raise InputError(
            f"{repository} was not fetched ({type(error).__name__}: {error}). `simxfer fetch` needs a connected "
            "machine (HF_ENDPOINT, HF_HUB_OFFLINE); run it again to go on where it stopped"
        ) from error
