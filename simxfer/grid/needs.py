"""What a grid reads that is not part of the project: encoders and Parquet data sets of the hub, native files."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from simxfer.common.hubcache import ENCODER_FILES, Repository
from simxfer.encoder.pretrained import hub_repository
from simxfer.grid.expand import make_plan
from simxfer.grid.file import Grid
from simxfer.grid.plan import Stage
from simxfer.scoring.protocol import Evaluation
from simxfer.sources.files import used_files
from simxfer.sources.hub import on_hub, place_of
from simxfer.sources.origin import source_of
from simxfer.sources.parallel import AS_IS, english_of, english_places
from simxfer.sources.request import HELD_OUT, KEPT, DataRequest
from simxfer.tasks import TASKS, get_task


@dataclass
class Needs:
    """What a grid reads."""

    repositories: dict[Repository, tuple[str, ...]] = field(default_factory=dict)
    """Repository of the hub -> patterns of the files that are read."""
    files: dict[Path, None] = field(default_factory=dict)
    """Native files, each once."""
    not_on_hub: dict[str, list[str]] = field(default_factory=dict)
    """Task -> languages of which the hub has no data set."""


def needs_of(grid: Grid) -> Needs:
    """Return what a grid reads, in the order of its first use."""
    found = Needs()
    for name in grid.encoders:
        if repository := hub_repository(name):
            found.repositories[repository] = ENCODER_FILES
    for request in requests_of(grid):
        _add(found, request)
    return found


def _add(found: Needs, request: DataRequest) -> None:
    source = source_of(request)
    if source == "files":
        found.files |= dict.fromkeys(used_files(request))
    elif not on_hub(request):
        languages = found.not_on_hub.setdefault(request.task, [])
        languages += [request.language] * (request.language not in languages)
    else:
        place = place_of(request)
        there = found.repositories.get(place.repository, ())
        found.repositories[place.repository] = tuple(dict.fromkeys((*there, *place.patterns)))


def requests_of(grid: Grid) -> list[DataRequest]:
    """Return the requests for the data of real tasks that the plan of a grid makes, each once."""
    plan = make_plan(grid)
    asked: dict[DataRequest, None] = {}
    for stage in plan.stages.values():
        asked |= dict.fromkeys(_trained_on(stage))
    for evaluations in plan.evaluations.values():
        for evaluation in evaluations.values():
            asked |= dict.fromkeys(_tested_on(evaluation))
    return [request for request in asked if not get_task(request.task).world]


def _trained_on(stage: Stage) -> Iterator[DataRequest]:
    for parts in (stage.parts, stage.dev_parts):
        for data, read in zip(stage.data[: len(parts)], parts, strict=True):
            for task, split in read:
                for language in data.languages or TASKS[data.task].train_languages[:1]:
                    whole = split.removesuffix(KEPT).removesuffix(HELD_OUT)
                    yield DataRequest(task, whole, language, folder=stage.folder)


def _tested_on(evaluation: Evaluation) -> Iterator[DataRequest]:
    for split in filter(None, (evaluation.split, evaluation.tuned_on)):
        for language in evaluation.languages:
            request = DataRequest(evaluation.target, split, language, folder=evaluation.folder)
            yield request
            if TASKS[evaluation.target].pivot_task and evaluation.fields != AS_IS:
                yield from _english(request)


def _english(request: DataRequest) -> Iterator[DataRequest]:
    """Yield the request for the English items that decide what a language is asked: at hand, or to be fetched."""
    there = english_of(request)
    yield from (
        [there] if there else [r for r in english_places(request) if source_of(r) == "hub" and on_hub(r)]
    )
