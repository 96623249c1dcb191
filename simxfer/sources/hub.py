"""Parquet data sets of the Hugging Face hub, read from the local cache that `simxfer fetch` fills.

The hub converts every public data set to `CONFIG/SPLIT/NNNN.parquet` on the branch refs/convert/parquet
(https://huggingface.co/docs/dataset-viewer/parquet); columns of type ClassLabel hold numbers, whose names stand in
the schema. No loading script is run, and no connection is opened: training is offline.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simxfer.common.errors import InputError, unknown
from simxfer.common.hubcache import Repository, cached
from simxfer.sources.rows import examples_of, questions_of
from simxfer.tasks import get_task
from simxfer.tasks.examples import Examples
from simxfer.tasks.record import Hub

if TYPE_CHECKING:
    import pyarrow

    from simxfer.sources.request import DataRequest

CONFIG = "@config"
"""Key of a row where a place is several configurations: the one that it comes from."""

_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Location:
    """Where the rows of a request stand on the hub."""

    task: str
    hub: Hub
    config: str
    splits: tuple[str, ...]
    """The data set's names of the splits; their rows follow each other."""
    language: str

    @property
    def repository(self) -> Repository:
        """The data set."""
        return Repository(self.hub.id, "dataset", self.hub.revision)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the Parquet files, one a split."""
        return tuple(f"{self.config}/{split}" for split in self.splits)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files, as patterns."""
        return tuple(f"{folder}/*.parquet" for folder in self.folders)

    def __str__(self) -> str:
        part = f"{self.config}[{self.language}]" if self.hub.language_of else self.config
        return f"{self.hub.id}:{part}:{'+'.join(self.splits)}"


def on_hub(request: "DataRequest") -> bool:
    """Tell whether the hub has a Parquet data set with what is asked for."""
    hub = get_task(request.task).hub
    return hub is not None and request.language not in hub.lacks


def place_of(request: "DataRequest") -> Location:
    """Find where the rows of a request stand on the hub.

    Raises:
        InputError: the task has no such language, no Parquet data set, or that has no such split.
    """
    task = get_task(request.task)
    known, hub = dict.fromkeys((*task.languages, *task.train_languages)), task.hub
    if request.language not in known:
        raise InputError(unknown(f"language of {request.task}", request.language, known))
    if hub is None or not on_hub(request):
        raise InputError(
            f"{request.task} in {request.language}: no Parquet data set on the hub holds all it needs; give its "
            f"native files: 'data: {{folder: FOLDER}}' in the grid file, --folder of `simxfer data` (`simxfer tasks "
            f"{request.task}` shows their layout)"
        )
    if request.split not in hub.splits:
        raise InputError(unknown(f"split of {request.task} on the hub", request.split, hub.splits))
    config = hub.config.format(language=hub.code(request.language))
    return Location(request.task, hub, config, tuple(hub.splits[request.split].split("+")), request.language)


def revision(request: "DataRequest") -> str:
    """Return `hub:ID:CONFIG:SPLIT@COMMIT`; the commit is `UNRESOLVED` where the data are not in the cache."""
    from simxfer.sources.request import UNRESOLVED

    if not on_hub(request):
        return f"hub:{request.task}@{UNRESOLVED}"
    place = place_of(request)
    files = files_of(place)
    return f"hub:{place}@{files[0].parents[2].name if files else UNRESOLVED}"


def read_examples(request: "DataRequest") -> Examples:
    """Return the examples of the request.

    Raises:
        InputError: the data are not in the cache, or their rows are not what the record says.
    """
    place, files = _at_hand(request)
    task = get_task(request.task)
    return examples_of(_rows(place, files), task, place.hub, f"hub:{place}", labelled=request.labelled)


def read_questions(request: "DataRequest") -> dict[str, str]:
    """Return what the rows of a request ask, by their ids, those without gold as well."""
    place, files = _at_hand(request)
    return questions_of(_rows(place, files), get_task(request.task), place.hub, f"hub:{place}")


def _at_hand(request: "DataRequest") -> tuple[Location, list[Path]]:
    """Return the place of a request and its cached files, or raise an InputError."""
    place = place_of(request)
    files = files_of(place)
    if not files:
        raise InputError(
            f"{request.task} in {request.language}: data set {place.hub.id}, {' and '.join(place.folders)}, is not "
            "in the local Hugging Face cache (HF_HOME). Run `simxfer fetch GRID` on a connected machine and bring "
            "the cache here, or give native files: 'data: {folder: FOLDER}' in the grid file, --folder of `simxfer "
            "data`"
        )
    return place, files


def files_of(place: Location) -> list[Path]:
    """Return the cached Parquet files of a place, in the order of their rows; none if any is missing."""
    snapshot = cached(place.repository, place.patterns)
    if snapshot is None:
        return []
    found = [sorted(snapshot.glob(pattern)) for pattern in place.patterns]
    return [path for files in found for path in files] if all(found) else []


def _rows(place: Location, files: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the place's language."""
    language_of, code = place.hub.language_of, place.hub.code(place.language)
    for path in files:
        common = {CONFIG: path.parent.parent.name} if "*" in place.config else {}
        for row in _file_rows(path):
            if language_of is None or language_of(row) == code:
                yield row | common


def _file_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file, the numbers of ClassLabel columns replaced by their names."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            decoders = _decoders(table.schema_arrow)
            for batch in table.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    yield row | {name: decode(row[name]) for name, decode in decoders.items()}
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is cut off or damaged ({error}); run `simxfer fetch GRID` again on a connected machine"
        ) from error


def _decoders(schema: "pyarrow.Schema") -> dict[str, Callable[[Any], Any]]:
    """Return a function for each column that holds numbers of a ClassLabel, alone or in lists."""
    from datasets import ClassLabel, Features

    found: dict[str, Callable[[Any], Any]] = {}
    for name, feature in Features.from_arrow_schema(schema).items():
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, ClassLabel):
            names = dict(enumerate(inner.names))
            found[name] = _names_of_list(names) if inner is not feature else names.get
    return found


def _names_of_list(names: dict[int, str]) -> Callable[[list[int]], list[str | None]]:
    return lambda numbers: [names.get(number) for number in numbers]
