"""What a plan reads that is not part of the project: encoders and Parquet data sets of the hub, native files."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from simxfer.common.hubcache import ENCODER_FILES, Repository
from simxfer.encoder.pretrained import hub_repository
from simxfer.grid.plan import Plan
from simxfer.sources.files import used_files
from simxfer.sources.hub import on_hub, place_of
from simxfer.sources.origin import source_of
from simxfer.sources.parallel import AS_IS, english_of, english_places
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS, get_task


@dataclass
class Needs:
    """What a plan reads."""

    repositories: dict[Repository, tuple[str, ...]] = field(default_factory=dict)
    """Repository of the hub -> patterns of the files that are read."""
    files: dict[Path, None] = field(default_factory=dict)
    """Native files, each once."""
    not_on_hub: dict[str, list[str]] = field(default_factory=dict)
    """Task -> languages of which the hub has no data set."""


def needs_of(plan: Plan) -> Needs:
    """Return what a plan reads, in the order of its first use."""
    found = Needs()
    for name in plan.encoders:
        if repository := hub_repository(name):
            found.repositories[repository] = ENCODER_FILES
    for request in requests_of(plan):
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


def requests_of(plan: Plan) -> list[DataRequest]:
    """Return the requests for the data of real tasks that a plan makes, each once and for whole splits."""
    asked = [request for stage in plan.stages.values() for request in stage.requests]
    for evaluation in (e for found in plan.evaluations.values() for e in found.values()):
        for request in evaluation.requests:
            asked.append(request)
            if TASKS[evaluation.target].pivot_task and evaluation.fields != AS_IS:
                asked += _english(request)
    whole = (replace(request.whole, world=0) for request in dict.fromkeys(asked))
    return [request for request in dict.fromkeys(whole) if not get_task(request.task).world]


def _english(request: DataRequest) -> list[DataRequest]:
    """Return the request for the English items that decide what a language is asked: at hand, or to be fetched."""
    there = english_of(request)
    return [there] if there else [r for r in english_places(request) if source_of(r) == "hub" and on_hub(r)]
