"""Where examples come from. A source answers two questions: which revision its data have, and what they are."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from simxfer.errors import InputError
from simxfer.tasks import get_task
from simxfer.tasks.examples import AnyExample

Split = Literal["train", "test"]


@dataclass(frozen=True)
class DataRequest:
    """What decides the examples of a task: the split, the language, and for artificial data world and draw."""

    task: str
    split: Split
    language: str
    world: int = 0
    draw: int = 0
    """The seed that draws the planted attributes and the training sample; parallel test sets ignore it."""
    limit: int | None = None
    """At most so many examples; None means all."""


SOURCES: dict[str, str] = {"world": "simxfer.sources.world"}


def revision(task: str, world: int, draw: int) -> str:
    """Return the revision of a task's data: equal revisions are equal data."""
    return _call(task, "revision")(task, world, draw)


def read_examples(request: DataRequest) -> list[AnyExample]:
    """Return the examples, or raise an InputError that says what is missing and how to get it."""
    examples = _call(request.task, "read_examples")(request)
    if not examples:
        raise InputError(f"{request.task} has no {request.split} examples in {request.language}")
    return examples


def _call(task: str, function: str) -> Callable:
    source = get_task(task).source
    if source not in SOURCES:
        raise InputError(f"task {task!r} comes from source {source!r}, which this version cannot read yet")
    return getattr(import_module(SOURCES[source]), function)
