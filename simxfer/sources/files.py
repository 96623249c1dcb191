"""Examples of real tasks from a folder of native files, one subfolder a task.

The folder of a task has the task's name, or one of the names that its record gives (XTREME's download folder, the
official archive's). The record's patterns say which files hold a split in a language; training data may be asked for
by a pattern of one's own.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import filter as matching
from pathlib import Path
from typing import TYPE_CHECKING

from simxfer.common.errors import InputError, unknown
from simxfer.common.identity import READER_VERSION, known_sha256, sha256_of_text
from simxfer.sources.formats import FORMATS
from simxfer.sources.rows import examples_of, questions_of
from simxfer.tasks import get_task
from simxfer.tasks.examples import Examples
from simxfer.tasks.record import SPLITS, Files, Task

if TYPE_CHECKING:
    from simxfer.sources.request import DataRequest


class MissingFiles(InputError):
    """Files that were asked for and are not there; what there is instead is looked up when it is shown."""

    def __init__(self, request: "DataRequest", folder: Path, globs: Sequence[str]) -> None:
        super().__init__(request, folder, globs)
        self.request, self.folder, self.globs = request, folder, globs

    def __str__(self) -> str:
        """Return what was looked for, where, and what there is."""
        asked = f"{self.request.split} files of {self.request.task} in {self.request.language}"
        return (
            f"no {asked}: looked for {', '.join(self.globs) or 'nothing'} in {self.folder}; it has "
            f"{_present(get_task(self.request.task), self.folder)}. Put the files there, or ask for what is there"
        )


def revision(request: "DataRequest") -> str:
    """Return `files:` and a hash over what the files hold, under which paths, and the version of the readers.

    Raises:
        InputError: a file is missing; the message says what was looked for, where, and what there is.
    """
    folder = _folder(get_task(request.task), request.folder)
    lines = [str(READER_VERSION), request.language]
    lines += [f"{path.relative_to(folder).as_posix()} {known_sha256(path)}" for path in used_files(request)]
    text = "".join(f"{line}\n" for line in lines)
    return f"files:{sha256_of_text(text)[:32]}"


def read_examples(request: "DataRequest") -> Examples:
    """Return the examples of a request, or raise an InputError that names the file and what is wrong with it."""
    task = get_task(request.task)
    return read_files(find_files(request), task, request.language, labelled=request.labelled)


def read_questions(request: "DataRequest") -> dict[str, str]:
    """Return what the rows of a request ask, by their ids, those without gold as well."""
    task = get_task(request.task)
    files, found = _files(task), {}
    for path in find_files(request):
        rows = FORMATS[files.format].read(path, files.code(request.language), **files.options)
        found.update(questions_of(rows, task, files, str(path)))
    return found


def read_files(paths: Sequence[Path], task: Task, language: str, *, labelled: bool = True) -> Examples:
    """Return the examples of native files of a task; where gold is not needed, the text of files without any.

    Where there are several files, the ids begin with the path below the folder that they share, unless the file
    name says what tells the ids apart (MLQA's cross-language files).
    """
    files = _files(task)
    code, read = files.code(language), FORMATS[files.format].read
    found = Examples()
    shared = os.path.commonpath([path.parent for path in paths])
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is not there; asked for {task.name} in {language}")
        examples = examples_of(read(path, code, **files.options), task, files, str(path), labelled=labelled)
        found.without_gold += examples.without_gold
        found.noted += examples.noted
        if len(paths) > 1 and "file_name" not in files.options:
            prefix = path.relative_to(shared).as_posix()
            found += [replace(example, id=f"{prefix}:{example.id}") for example in examples]
        else:
            found += examples
    return found


def used_files(request: "DataRequest") -> list[Path]:
    """Return the files of a request and those that are read beside them (gold, label lists), sorted by path."""
    files, paths = _files(get_task(request.task)), find_files(request)
    beside = (b for path in paths for b in FORMATS[files.format].beside(path, **files.options) if b.is_file())
    return sorted({*paths, *beside})


def find_files(request: "DataRequest") -> list[Path]:
    """Return the files of a request, sorted by path.

    Raises:
        InputError: an unknown language, no folder of the task, no file.
    """
    task = get_task(request.task)
    if request.language not in _languages(task):
        raise InputError(unknown(f"language of {task.name}", request.language, _languages(task)))
    folder = _folder(task, request.folder)
    patterns = _patterns(task, request.split)
    paths = _first_match(folder, patterns, task, request.language)
    if not paths:
        globs = [glob for pattern in patterns for glob in _filled(pattern, task, request.language)]
        raise MissingFiles(request, folder, globs)
    return paths


def _files(task: Task) -> Files:
    if task.files is None:
        raise InputError(f"{task.name} has no native files; leave the folder out to read it from the hub")
    return task.files


def holds(task: Task, root: str) -> bool:
    """Tell whether there is a folder of the task."""
    return task.files is not None and any((Path(root) / name).is_dir() for name in _names(task))


def _names(task: Task) -> tuple[str, ...]:
    return (task.name, *_files(task).folders)


def _folder(task: Task, root: str) -> Path:
    """Return the task's folder: the first of its names that exists."""
    base = Path(root)
    names = _names(task)
    for name in names:
        if (base / name).is_dir():
            return base / name
    there = sorted(path.name for path in base.iterdir() if path.is_dir()) if base.is_dir() else []
    own = f"; it is that folder itself: give {base.resolve().parent}" * (base.resolve().name in names)
    raise InputError(
        f"no folder of {task.name} in {base}: looked for {', '.join(names)}; there is {', '.join(there) or 'nothing'}"
        f"{own}"
    )


def _patterns(task: Task, split: str) -> tuple[str, ...]:
    if split in SPLITS:
        return _files(task).paths.get(split, ())
    if Path(split).is_absolute() or ".." in Path(split).parts:
        raise InputError(f"data {split!r}: expected a path pattern below the folder of {task.name}")
    return (split,)


def is_pattern(split: str) -> bool:
    """Tell whether what stands for a split is a path pattern below the folder of a task."""
    return any(sign in split for sign in "*?./[")


def _filled(pattern: str, task: Task, language: str) -> list[str]:
    """Return the globs that a pattern stands for: one, or with `{other}` one for every other language."""
    files = _files(task)
    glob = pattern.replace("{language}", files.code(language)).replace("{bcp47}", language)
    if "{other}" not in glob:
        return [glob]
    return [glob.replace("{other}", files.code(code)) for code in task.languages if code != language]


def _first_match(folder: Path, patterns: Sequence[str], task: Task, language: str) -> list[Path]:
    """Return the files of the first pattern that any file matches."""
    for pattern in patterns:
        found = {
            path for glob in _filled(pattern, task, language) for path in folder.glob(glob) if path.is_file()
        }
        if found:
            return sorted(found)
    return []


def _present(task: Task, folder: Path) -> str:
    """Return the splits and languages that the folder does have."""
    parts = []
    for split, patterns in _files(task).paths.items():
        there = {code for pattern in patterns for code in _languages_at(pattern, task, folder)}
        listed = [code for code in _languages(task) if code in there]
        if listed:
            parts.append(f"{split}: {', '.join(listed)}")
    return "; ".join(parts) or "no file that the task knows"


def _languages_at(pattern: str, task: Task, folder: Path) -> list[str]:
    """Return the languages that have a file of a pattern; one look at the folder for all of them."""
    anywhere = re.sub(r"\{\w+\}", "*", pattern)
    paths = [path.relative_to(folder).as_posix() for path in folder.glob(anywhere) if path.is_file()]
    return [
        code
        for code in _languages(task)
        if any(matching(paths, glob) for glob in _filled(pattern, task, code))
    ]


def _languages(task: Task) -> tuple[str, ...]:
    """Return every language that the task may be asked for."""
    return tuple(dict.fromkeys((*task.languages, *task.train_languages)))
