"""From a grid to what has to be done: stages trained once and shared, cells that read their scores.

Pure: no torch, no data. A stage's id hashes what decides its result, so that equal stages are trained once and
a finished one is recognised after any interruption.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from math import ceil

from simxfer.config import Block, Grid
from simxfer.config import TaskData as DataOptions
from simxfer.encoders import Encoder, resolve_encoder
from simxfer.sources import HELD_OUT, KEPT, UNRESOLVED, DataRequest, revision
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE, TaskData, parse_intermediate
from simxfer.tasks.record import Task

CODE_VERSION = 1
"""Bumped by hand whenever a change of the code changes what training or evaluation computes."""

TARGET = "target"
PRETRAINED = "pretrained"


def content_id(value: dict) -> str:
    """Return the id of a JSON-able value: 16 hexadecimal digits of its BLAKE2b hash."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


Part = tuple[str, str]
"""A task whose data are read, and the split (or path pattern) of them."""


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
    """pretrained, intermediate-1, intermediate-2, ..., or target: a name in the random streams."""
    data: tuple[TaskData, ...] = ()
    """Training tasks; several are a mixture."""
    parts: tuple[tuple[Part, ...], ...] = ()
    """What each training task is trained on."""
    dev_parts: tuple[tuple[Part, ...], ...] = ()
    """What each training task's checkpoint is chosen on; empty where it is the last one."""
    folder: str = ""
    """Folder of native files; empty: the hub."""
    revisions: tuple[str, ...] = ()
    """Revision of all these data."""
    hyperparameters: tuple[dict, ...] = ()
    """Hyperparameters of each training task."""
    method: str = "full"
    numerics: str = "fp32"
    seed: int | None = None
    head: str = "new"
    mixture_temperature: float = 1.0
    world: int = 0
    """World that artificial data come from."""
    code: int = CODE_VERSION

    @cached_property
    def id(self) -> str:
        """What decides the stage's result, hashed; encoder and data count by what they are, not by where."""
        spec = asdict(self)
        del spec["encoder"], spec["folder"]
        return content_id(spec)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the training tasks."""
        return tuple(data.task for data in self.data)

    @property
    def title(self) -> str:
        """A short name for people."""
        what = "+".join(str(data) for data in self.data) or PRETRAINED
        return f"{self.encoder} {self.phase} {what}" + (f" seed {self.seed}" if self.seed is not None else "")

    @property
    def sequences(self) -> tuple[int, ...]:
        """Training sequences of each task: steps times batch, or epochs times examples by the records' sizes."""
        return tuple(
            int(values["steps"] * values["batch_size"] or values["epochs"] * _examples(data, parts, values))
            for data, parts, values in zip(self.data, self.parts, self.hyperparameters, strict=True)
        )

    @property
    def cost(self) -> int:
        """Training sequences of all tasks."""
        return sum(self.sequences)


def _examples(data: TaskData, parts: tuple[Part, ...], values: dict) -> int:
    """Return how many examples a task of a stage is trained on, by the records' sizes."""
    languages = max(1, len(data.languages))
    limit = values["train_examples"] and ceil(values["train_examples"] / (max(1, len(parts)) * languages))
    sizes = [TASKS[task].size("train") for task, _ in parts]
    return languages * sum(min(n, limit or n) for n in sizes)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One target, scored in some languages by one stage's checkpoint, under one protocol."""

    target: str
    split: str
    tuned_on: str = ""
    """Split that a mining threshold is tuned on; empty where there is none but the scored one."""
    languages: tuple[str, ...]
    folder: str = ""
    """Folder of native files; empty: the hub."""
    revision: str
    draw: int
    world: int
    perturbation: str = "clean"
    limit: int | None = None
    max_length: int = 64
    stride: int = 16
    protocol: dict = field(default_factory=dict)
    code: int = CODE_VERSION

    @cached_property
    def id(self) -> str:
        """Name of the evaluation's files."""
        spec = asdict(self)
        del spec["folder"]
        return f"{self.target}-{content_id(spec)}"


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


@dataclass(frozen=True)
class Plan:
    """Stages in an order in which parents come first, the evaluations of each, and the cells."""

    stages: dict[str, Stage]
    evaluations: dict[str, dict[str, Evaluation]]
    cells: tuple[Cell, ...]

    def children(self, stage_id: str) -> list[Stage]:
        """Return the stages that start from a stage."""
        return [stage for stage in self.stages.values() if stage.parent == stage_id]

    @cached_property
    def urgency(self) -> dict[str, int]:
        """The cost of the longest path below each stage: what is started first, so that nobody waits last."""
        below: dict[str, int] = {}
        for stage_id in reversed(self.stages):
            children = [below[child.id] for child in self.children(stage_id)]
            below[stage_id] = self.stages[stage_id].cost + max(children, default=0)
        return below

    @property
    def unshared_stages(self) -> int:
        """The number of training runs if every cell trained its whole path itself."""
        return sum(len(self.path(cell.stage)) - 1 for cell in self.cells)

    def path(self, stage_id: str) -> list[Stage]:
        """Return the stages from the pretrained encoder to this one."""
        path: list[Stage] = []
        at: str | None = stage_id
        while at is not None:
            path.insert(0, self.stages[at])
            at = self.stages[at].parent
        return path

    def as_dict(self) -> dict:
        """Return the plan as JSON-able values, for the run directory and for people."""
        return {
            "stages": [{"id": s.id, "title": s.title, **asdict(s)} for s in self.stages.values()],
            "evaluations": {
                stage: [{"id": e.id, **asdict(e)} for e in found.values()]
                for stage, found in self.evaluations.items()
            },
            "cells": [asdict(cell) for cell in self.cells],
        }


def _protocol(grid: Grid, task: Task) -> dict:
    """Return how a target's sentence vectors are made and compared; empty for other kinds.

    A bi-encoder is read as it is trained: cosine of the first tokens of the last layer.
    """
    if task.kind == "ranking":
        return {"layer": -1, "pooling": "first", "centre": False, "scoring": "cosine"}
    if task.kind not in ("retrieval", "mining"):
        return {}
    by_kind = {"scoring": "margin" if task.kind == "mining" else "cosine"}
    return by_kind | grid.retrieval.model_dump(exclude_none=True)


def _train_parts(options: DataOptions, chosen: bool) -> tuple[Part, ...]:
    """Return what a task is trained on: all but the held-out part where a checkpoint is chosen on that."""
    kept = KEPT if chosen and options.dev == "held-out" else ""
    return tuple((task, f"{options.train}{kept}") for task in options.trains_on or ())


def _dev_parts(data: TaskData, options: DataOptions) -> tuple[Part, ...]:
    """Return what a task's checkpoint is chosen on; nothing for text, which has no score."""
    if TASKS[data.task].kind == "mlm":
        return ()
    if options.dev == "held-out":
        return tuple((task, f"{options.train}{HELD_OUT}") for task in options.trains_on or ())
    return tuple((task, str(options.dev)) for task in options.trains_on or ())


def _joint(revisions: Iterable[str]) -> str:
    """Return one revision for data of several languages."""
    found = list(dict.fromkeys(revisions))
    if len(found) == 1:
        return found[0]
    unresolved = any(text.endswith(UNRESOLVED) for text in found)
    return f"{found[0].split(':')[0]}:{content_id({'revisions': found})}" + f":{UNRESOLVED}" * unresolved


class _Planner:
    """Collects stages, evaluations and cells; equal ones fall together by their ids."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.stages: dict[str, Stage] = {}
        self.evaluations: dict[str, dict[str, Evaluation]] = {}
        self.cells: dict[Cell, None] = {}

    def add(self, stage: Stage) -> Stage:
        return self.stages.setdefault(stage.id, stage)

    def root(self, encoder: Encoder, fingerprint: str, seed: int) -> Stage:
        return self.add(
            Stage(
                encoder=encoder.name,
                fingerprint=("random:" if encoder.random else "") + fingerprint,
                seed=seed if encoder.random else None,
                world=self.world(encoder),
            )
        )

    def world(self, encoder: Encoder) -> int:
        return self.grid.world if encoder.world is None else encoder.world

    def train(self, parent: Stage, data: tuple[TaskData, ...], phase: str, method: str, seed: int) -> Stage:
        grid = self.grid
        values = [grid.hyperparameters(item.task) for item in data]
        options = [grid.task_data(item.task) for item in data]
        chosen = any(v.selection != "last" for v in values)
        parts = tuple(_train_parts(o, chosen) for o in options)
        dev_parts = tuple(map(_dev_parts, data, options)) if chosen else ()
        folder = grid.data.folder or ""
        return self.add(
            Stage(
                encoder=parent.encoder,
                fingerprint=parent.fingerprint,
                parent=parent.id,
                phase=phase,
                data=data,
                parts=parts,
                dev_parts=dev_parts,
                folder=folder,
                revisions=tuple(
                    revision(DataRequest(task, split, language, parent.world, seed, folder=folder))
                    for item, read in zip((*data, *data[: len(dev_parts)]), (*parts, *dev_parts), strict=True)
                    for task, split in read
                    for language in item.languages or TASKS[item.task].train_languages[:1]
                ),
                hyperparameters=tuple(v.as_dict() for v in values),
                method=method,
                numerics=grid.numerics,
                seed=seed,
                head=grid.head,
                mixture_temperature=grid.mixture_temperature,
                world=parent.world,
            )
        )

    def evaluation(self, target: str, world: int, draw: int) -> Evaluation:
        grid, values, task = self.grid, self.grid.hyperparameters(target), TASKS[target]
        split, folder = str(grid.task_data(target).test), grid.data.folder or ""
        languages = grid.test_languages(target)
        tuned_on = "dev" if task.kind == "mining" and split != "dev" else ""
        return Evaluation(
            target=target,
            split=split,
            tuned_on=tuned_on,
            languages=languages,
            folder=folder,
            revision=_joint(
                revision(DataRequest(target, part, language, world, draw, folder=folder))
                for part in (split, tuned_on)
                if part
                for language in languages
            ),
            draw=draw,
            world=world,
            limit=grid.test_examples,
            max_length=values.max_length,
            stride=values.stride,
            protocol=_protocol(grid, task),
        )

    def cell(
        self, encoder: Encoder, stage: Stage, intermediate: str, target: str, method: str, seed: int
    ) -> None:
        task, selection = TASKS[target], "last"
        if task.training_data:
            stage = self.train(stage, (TaskData(target),), TARGET, method, seed)
            selection = self.grid.hyperparameters(target).selection
        # All seeds share one test set, unless its labels are theirs.
        evaluation = self.evaluation(target, stage.world, seed if task.drawn_labels else 0)
        self.evaluations.setdefault(stage.id, {})[evaluation.id] = evaluation
        cell = Cell(
            model=encoder.model,
            checkpoint=encoder.name,
            method=method,
            intermediate=intermediate,
            target=target,
            seed=seed,
            selection=selection,
            stage=stage.id,
            evaluation=evaluation.id,
        )
        self.cells[cell] = None  # a cell that two blocks name is one cell


def make_plan(grid: Grid) -> Plan:
    """Expand a grid into its plan.

    Raises:
        InputError: an encoder cannot be found.
    """
    planner = _Planner(grid)
    for name in grid.encoders:
        for method, block in product(grid.methods, grid.blocks):
            _plan_block(planner, resolve_encoder(name), method, block, block.intermediates)
            if block.no_pretraining_control:
                _plan_block(planner, resolve_encoder(f"random({name})"), method, block, (NONE,))
    return Plan(planner.stages, planner.evaluations, tuple(planner.cells))


def _plan_block(
    planner: _Planner, encoder: Encoder, method: str, block: Block, intermediates: tuple[str, ...]
) -> None:
    fingerprint = encoder.fingerprint()
    for intermediate, seed in product(intermediates, block.seeds or planner.grid.seeds):
        stage = planner.root(encoder, fingerprint, seed)
        for i, data in enumerate(parse_intermediate(intermediate), start=1):
            stage = planner.train(stage, data, f"intermediate-{i}", method, seed)
        for target in block.targets:
            planner.cell(encoder, stage, intermediate, target, method, seed)
