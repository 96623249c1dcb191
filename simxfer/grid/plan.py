"""What has to be done: stages trained once and shared, cells that read their scores.

Pure: no torch, no data. A stage's id hashes what decides its result, so that equal stages are trained once and
a finished one is recognised after any interruption.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from simxfer.common.identity import CODE_VERSION, FEATURES_VERSION, READER_VERSION, content_id
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.protocol import Evaluation
from simxfer.sources.leaks import Leaks
from simxfer.sources.perturb import CLEAN, parse
from simxfer.sources.perturb.examples import can_change
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import TaskData
from simxfer.training.methods import load_method
from simxfer.training.mixture import Temperature, epochs_of, epochs_to_keep, step_counts
from simxfer.training.recipes import Hyperparameters

TARGET = "target"
PRETRAINED = "pretrained"
LANGUAGE = "language"
PLACES = ("encoder", "folder", "lexicons")
"""Fields of stages that say where something is: in ids it counts by what it is."""
LATER = ("deterministic", "unlabelled", "left_out", "fused_with", "mixture_cap", "kept")
"""Fields of stages that came later: silent in ids where they say nothing, so that ids of before stand."""
READ, COMPARED = 0, 1
"""The hands of unlabelled text: what training reads, and what it is seen on whether languages are told apart."""


def part_of(phase: str) -> str:
    """Return the part of a path that a phase is of: `language`, `intermediate`, `target`."""
    return TARGET if TARGET in phase else phase.partition("-")[0]


Part = tuple[str, str]
"""A task whose data are read, and the split (or path pattern) of them."""


class Draw(NamedTuple):
    """Which examples of a set are trained on; see `DataRequest`."""

    limit: int | None
    share: tuple[int, int]


class Expected(NamedTuple):
    """How long a task of a stage is trained."""

    task: str
    updates: int
    epochs: float
    examples: int
    """Training examples; of span QA and tagging each is one window or more."""


@dataclass(frozen=True)
class Unlabelled:
    """Inputs without labels: an adversary reads them beside a stage's task."""

    task: str
    split: str
    languages: tuple[str, ...]
    examples: int
    """Of each language, at most."""

    def requests(self, hand: int, world: int, draw: int, folder: str) -> tuple[DataRequest, ...]:
        """Return what is read, a request each language; the text is dealt out to two hands, `READ` and `COMPARED`."""
        return tuple(
            DataRequest(
                self.task,
                self.split,
                code,
                world,
                draw,
                2 * self.examples,
                folder,
                share=(hand, 2),
                labelled=False,
            )
            for code in self.languages
        )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training run from a parent checkpoint; the root of every path is the pretrained encoder itself."""

    encoder: str
    """Name of the pretrained encoder at the root."""
    fingerprint: str
    """What identifies its weights and tokenizer."""
    parent: str | None = None
    """Id of the stage it starts from."""
    phase: str = PRETRAINED
    """pretrained, language, intermediate-1, intermediate-2, ..., or target: a name in the random streams."""
    data: tuple[TaskData, ...] = ()
    """Training tasks; several are a mixture."""
    parts: tuple[tuple[Part, ...], ...] = ()
    """What each training task is trained on."""
    dev_parts: tuple[tuple[Part, ...], ...] = ()
    """What each training task's checkpoint is chosen on; empty where it is the last one."""
    folder: str = ""
    """Folder of native files; empty: the hub."""
    lexicons: str = ""
    """Folder of the lexicons that its training data are perturbed by; empty: none."""
    revisions: tuple[str, ...] = ()
    """Revisions of all these data, in the order of `requests`."""
    left_out: str = ""
    """Hash of the training rows that are left out because they share an item with scored ones; counts in the id."""
    hyperparameters: tuple[dict, ...] = ()
    """Hyperparameters of each training task."""
    method: str = "full"
    unlabelled: Unlabelled | None = None
    """Text in other languages, where the method reads any; counts in the id where it does."""
    fused_with: str = ""
    """Id of the stage whose adapter is fused with the parent's; counts in the id where there is one."""
    numerics: str = "fp32"
    deterministic: bool = False
    """Whether torch is held to deterministic operations; counts in the id where it is."""
    seed: int | None = None
    kept: tuple[str, ...] = ()
    """Selection rules whose checkpoints are kept beside the last one; count in the id where there are any."""
    head: str = "new"
    mixture_temperature: Temperature = 1.0
    mixture_cap: int | None = None
    """Units of a task beyond which a mixture takes no notice of its size; counts in the id where it is given."""
    world: int = 0
    """World that artificial data come from."""
    code: int = CODE_VERSION
    features: int = FEATURES_VERSION
    readers: int = READER_VERSION

    @cached_property
    def id(self) -> str:
        """What decides the stage's result, hashed."""
        silent = (*PLACES, *(name for name in LATER if not getattr(self, name)))
        return content_id({k: value for k, value in self._values().items() if k not in silent})

    def as_dict(self) -> dict[str, Any]:
        """Return the stage as JSON-able values, with its id and title."""
        return {"id": self.id, "title": self.title, **self._values()}

    def _values(self) -> dict[str, Any]:
        # As dataclasses.asdict, which copies every hyperparameter: of 20,000 stages that takes half a minute.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        texts = self.unlabelled and asdict(self.unlabelled)
        return {**values, "data": [asdict(data) for data in self.data], "unlabelled": texts}

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the training tasks."""
        return tuple(data.task for data in self.data)

    @property
    def title(self) -> str:
        """A short name for people."""
        what = "+".join(str(data) for data in self.data) or PRETRAINED
        how = f" {self.method}" if self.method != "full" else ""
        seed = f" seed {self.seed}" if self.seed is not None else ""
        return f"{self.encoder} {self.phase} {what}{how}{seed}"

    @cached_property
    def expected(self) -> tuple[Expected, ...]:
        """What each task gets, by the records' sizes."""
        values = [Hyperparameters(**row) for row in self.hyperparameters]
        trained = zip(self.data, self.parts, self.hyperparameters, strict=True)
        sizes = [len(self.inputs) * _examples(data, parts, row) for data, parts, row in trained]
        updates = step_counts(sizes, values, self.mixture_temperature, self.mixture_cap)
        epochs = map(epochs_of, updates, sizes, values)
        return tuple(map(Expected, self.tasks, updates, epochs, sizes))

    @property
    def inputs(self) -> tuple[str, ...]:
        """How its training data are read, a copy each; see `Method.inputs`."""
        return load_method(self.method).inputs

    def draw_of(self, task: str) -> int:
        """Return the seed that draws a task's data: the stage's for artificial ones, else 0, which seeds share."""
        return self.seed or 0 if TASKS[task].world else 0

    @property
    def requests(self) -> Iterator[DataRequest]:
        """All data that are read: what is trained on, what a checkpoint is chosen on, what has no labels."""
        yield from map(self._read, self._whole(self.parts))
        yield from self._whole(self.dev_parts)
        yield from (replace(request, limit=None) for request in self.texts)

    @property
    def trained_on(self) -> Iterator[DataRequest]:
        """What gradients come from: training data, and text without labels."""
        yield from self._whole(self.parts)
        yield from (replace(request, limit=None) for request in self.texts)

    def _read(self, request: DataRequest) -> DataRequest:
        """Return training data as they are read: with the lexicon that perturbs them, which is data as well."""
        return self.as_read(request, self.inputs[0]) if self.lexicons else request

    def as_read(self, request: DataRequest, how: str) -> DataRequest:
        """Return training data in one of the ways that they are read; what cannot be perturbed is read as it is."""
        if how == CLEAN or not can_change(TASKS[request.task].kind, parse(how)):
            return request
        return replace(request, perturbation=how, lexicons=self.lexicons)

    def _whole(self, parts: tuple[tuple[Part, ...], ...]) -> Iterator[DataRequest]:
        for data, read in zip(self.data[: len(parts)], parts, strict=True):
            for task, split in read:
                draw = self.draw_of(task)
                for language in data.read_in:
                    text = TASKS[data.task].kind == "mlm"
                    yield DataRequest(
                        task, split, language, self.world, draw, folder=self.folder, labelled=not text
                    )

    @property
    def texts(self) -> tuple[DataRequest, ...]:
        """The unlabelled texts that are read, a request each language."""
        asked = self.unlabelled
        if asked is None:
            return ()
        return asked.requests(READ, self.world, self.draw_of(asked.task), self.folder)

    @property
    def sequences(self) -> tuple[int, ...]:
        """Training sequences of each task, by the records' sizes."""
        return tuple(round(each.epochs * each.examples) for each in self.expected)

    @property
    def checkpoints(self) -> int:
        """Number of checkpoints that it writes, if it has a step for each."""
        if self.phase == PRETRAINED:
            return 0
        values = [Hyperparameters(**row) for row in self.hyperparameters]
        return 1 + sum(epochs_to_keep(values) if rule == TARGET_DEV else 1 for rule in self.kept)

    @property
    def cost(self) -> int:
        """Training sequences of all tasks."""
        return sum(self.sequences)


def draws(task: str, languages: int, parts: int, train_examples: int | None) -> list[Draw]:
    """Return what each language of a task's data draws of `train_examples`, which its parts share evenly.

    Languages of a parallel set share the items that one language alone would get: no item comes twice, so that several
    languages buy no more of them. Of other sets each language draws its share of examples.
    """
    if train_examples is None:
        return [Draw(None, (0, 1))] * languages
    of_part = ceil(train_examples / max(1, parts))
    if TASKS[task].parallel:
        return [Draw(of_part, (turn, languages)) for turn in range(languages)]
    return [Draw(ceil(of_part / max(1, languages)), (0, 1))] * languages


def _examples(data: TaskData, parts: tuple[Part, ...], values: dict) -> int:
    """Return how many examples a task of a stage is trained on, by the records' sizes."""
    languages = max(1, len(data.languages))
    return sum(
        len(range(min(TASKS[task].size("train"), draw.limit or sys.maxsize))[draw.share[0] :: draw.share[1]])
        for task, _ in parts
        for draw in draws(task, languages, len(parts), values["train_examples"])
    )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One path of stages ending in a target: the key columns of its rows, and where the scores stand."""

    model: str
    checkpoint: str
    method: str
    intermediate: str
    target: str
    seed: int
    selection: str
    stage: str
    evaluation: str
    perturbed: tuple[str, ...] = ()
    """Evaluations of the same path under perturbations."""


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which parents come first, the evaluations of each, and the cells."""

    stages: dict[str, Stage]
    evaluations: dict[str, dict[str, Evaluation]]
    cells: tuple[Cell, ...]
    leaks: dict[str, Leaks] = field(default_factory=dict)
    """Place of training data (`DataRequest.place`) -> its rows that share an item with scored ones."""
    compared: tuple[DataRequest, ...] = ()
    """Text, a language each, by whose states it is seen how well every stage tells languages apart."""

    @cached_property
    def compared_as(self) -> str:
        """A name for the compared text, wherever it stands; empty where none is compared."""
        return content_id([asdict(replace(one, folder="")) for one in self.compared]) if self.compared else ""

    def left_out(self, request: DataRequest, languages: Iterable[str]) -> tuple[str, ...]:
        """Return the ids that are left out of training data; an item of a parallel set is left out in all languages.

        Args:
            request: the training data.
            languages: what else they are trained on in.
        """
        if not self.leaks:
            return ()
        together = languages if TASKS[request.task].parallel else (request.language,)
        places = [replace(request, language=language).place for language in together]
        return tuple(sorted({i for place in places if place in self.leaks for i in self.leaks[place].ids}))

    @cached_property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """What has to be trained before a stage is trained and scored: its parent, and whose adapters it takes."""
        found = {}
        for stage in self.stages.values():
            swapped = [name for e in self.evaluations.get(stage.id, {}).values() for _, name in e.beneath]
            found[stage.id] = tuple(dict.fromkeys(filter(None, (stage.parent, stage.fused_with, *swapped))))
        return found

    @cached_property
    def children(self) -> dict[str, list[Stage]]:
        """The stages that need each stage."""
        below: dict[str, list[Stage]] = {stage_id: [] for stage_id in self.stages}
        for stage in self.stages.values():
            for name in self.needs[stage.id]:
                below[name].append(stage)
        return below

    @cached_property
    def urgency(self) -> dict[str, int]:
        """The cost of the longest path below each stage: what is started first, so that nobody waits last."""
        below: dict[str, int] = {}
        for stage_id in reversed(self.stages):
            children = [below[child.id] for child in self.children[stage_id]]
            below[stage_id] = self.stages[stage_id].cost + max(children, default=0)
        return below

    @property
    def encoders(self) -> tuple[str, ...]:
        """The names of the pretrained encoders, each once."""
        return tuple(dict.fromkeys(stage.encoder for stage in self.stages.values()))

    @property
    def unshared_stages(self) -> int:
        """The number of training runs if every cell trained its whole path itself."""
        return sum(len(self.path(cell.stage)) - 1 for cell in self.cells)

    def path(self, stage_id: str) -> list[Stage]:
        """Return the stages from the pretrained encoder to this one."""
        path: list[Stage] = []
        at: str | None = stage_id
        while at is not None:
            path.append(self.stages[at])
            at = path[-1].parent
        return path[::-1]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able values, for the run directory and for people; each evaluation once."""
        evaluations = {e.id: e for found in self.evaluations.values() for e in found.values()}
        return {
            "stages": [stage.as_dict() for stage in self.stages.values()],
            "evaluations": [{"id": e.id, **asdict(e)} for e in evaluations.values()],
            "cells": [vars(cell) for cell in self.cells],
            "leaks": {place: asdict(leaks) for place, leaks in self.leaks.items()},
            "compared": [asdict(request) for request in self.compared],
            "compared_as": self.compared_as,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Plan":
        """Return the plan that `as_dict` gave.

        Raises:
            ValueError: these are not the values of a plan.
        """
        written = _WRITTEN.validate_python(values)
        evaluations = {evaluation.id: evaluation for evaluation in written.evaluations}
        asked = [(cell.stage, name) for cell in written.cells for name in (cell.evaluation, *cell.perturbed)]
        if lost := {name for _, name in asked} - evaluations.keys():
            raise ValueError(f"cells name evaluations that are not there: {', '.join(sorted(lost))}")
        scored: dict[str, dict[str, Evaluation]] = {}
        for stage, name in asked:
            scored.setdefault(stage, {})[name] = evaluations[name]
        stages = {stage.id: stage for stage in written.stages}
        return Plan(stages, scored, written.cells, written.leaks, written.compared)


@dataclass(frozen=True)
class _Written:
    """A plan as it stands in a file."""

    stages: tuple[Stage, ...]
    evaluations: tuple[Evaluation, ...]
    cells: tuple[Cell, ...]
    leaks: dict[str, Leaks]
    compared: tuple[DataRequest, ...]


_WRITTEN = TypeAdapter(_Written)
