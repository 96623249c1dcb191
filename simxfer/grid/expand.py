"""From a grid to its plan: every cell's path of stages, equal ones once.

Pure: no torch, and nothing is read but through the functions that are handed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import product

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.file import Grid
from simxfer.grid.parts import Block, DataChoice
from simxfer.grid.plan import TARGET, Cell, Part, Plan, Stage, Unlabelled
from simxfer.grid.selections import kept_for, target_dev
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.protocol import Evaluation, middle_layer
from simxfer.sources.perturb import parse
from simxfer.sources.perturb.examples import can_change
from simxfer.sources.request import HELD_OUT, KEPT, UNRESOLVED, DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE, TaskData, parse_intermediate
from simxfer.tasks.record import Task
from simxfer.training.methods import load_method, name_of, phases_of
from simxfer.training.recipes import BEST, LAST


def _protocol(grid: Grid, task: Task, encoder: Encoder) -> dict:
    """Return how a target's sentence vectors are made and compared; empty for other kinds.

    A bi-encoder is read as it is trained: cosine of the first tokens of the last layer.
    """
    if task.kind == "ranking":
        return {"layer": -1, "pooling": "first", "centre": False, "scoring": "cosine"}
    if task.kind not in ("retrieval", "mining"):
        return {}
    protocol: dict = {"scoring": "margin" if task.kind == "mining" else "cosine"}
    protocol |= grid.retrieval.model_dump(exclude_none=True)
    if task.kind == "mining":
        del protocol["direction"]
    if grid.retrieval.layer is None:
        protocol["layer"] = middle_layer(encoder.layers)
    return protocol


def _trains_on(data: TaskData, options: DataChoice) -> tuple[str, ...]:
    """Return whose training data are read: those of other tasks (XNLI: MNLI) are English; `xnli@sw` has its own."""
    by_default = options.trains_on == TASKS[data.task].data_tasks
    return (data.task,) if data.languages and by_default else options.trains_on or ()


def _train_parts(data: TaskData, options: DataChoice, chosen: bool) -> tuple[Part, ...]:
    """Return what a task is trained on: all but the held-out part where a checkpoint is chosen on that."""
    kept = KEPT if chosen and options.dev == "held-out" else ""
    return tuple((task, f"{options.train}{kept}") for task in _trains_on(data, options))


def _dev_parts(data: TaskData, options: DataChoice) -> tuple[Part, ...]:
    """Return what a task's checkpoint is chosen on; nothing for text, which has no score."""
    if TASKS[data.task].kind == "mlm":
        return ()
    if options.dev == "held-out":
        return tuple((task, f"{options.train}{HELD_OUT}") for task in _trains_on(data, options))
    return tuple((task, str(options.dev)) for task in TASKS[data.task].dev_tasks or _trains_on(data, options))


def joint_revision(requests: Iterable[DataRequest], revision: Callable[[DataRequest], str]) -> str:
    """Return one revision for data of several languages.

    Raises:
        InputError: files are missing; the message is about the first and names the languages of all.
    """
    found: dict[str, None] = {}
    faults: dict[str, InputError] = {}
    for request in requests:
        try:
            found[revision(request)] = None
        except InputError as error:
            faults.setdefault(request.language, error)
    if faults:
        first, *others = faults
        more = f". So it is in {', '.join(others)}: leave them out under languages" if others else ""
        raise InputError(f"{faults[first]}{more}")
    if len(found) == 1:
        return next(iter(found))
    unresolved = any(text.endswith(UNRESOLVED) for text in found)
    source = next(iter(found)).split(":")[0]
    return f"{source}:{content_id({'revisions': list(found)})}" + f":{UNRESOLVED}" * unresolved


def _learned(target: str, trains_on: tuple[str, ...]) -> str:
    """Return the task that a target's stage learns: the one whose data it is trained on, if that asks the same.

    XQuAD and MLQA are one stage that learns SQuAD: its data, its head, its random streams.
    """
    if len(trains_on) != 1:
        return target
    one, other = TASKS[target], TASKS[trains_on[0]]
    alike = (one.kind, one.labels, one.unanswerable, one.train_languages[:1])
    return (
        other.name
        if alike == (other.kind, other.labels, other.unanswerable, other.train_languages[:1])
        else target
    )


class _Planner:
    """Collects stages, evaluations and cells; equal ones fall together by their ids."""

    def __init__(self, grid: Grid, revision: Callable[[DataRequest], str]) -> None:
        self.grid = grid
        # Asked for once: a grid names the same tasks and data in thousands of stages.
        self.revision = cache(revision)
        self.hyperparameters, self.task_data = cache(grid.hyperparameters), cache(grid.task_data)
        self.values = cache(lambda task, method: grid.hyperparameters(task, name_of(method)).as_dict())
        self.evaluation, self.perturbed = cache(self._evaluation), cache(self._perturbed)
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
                deterministic=self.grid.deterministic,
                seed=seed if encoder.random else None,
                world=self.world(encoder),
            )
        )

    def world(self, encoder: Encoder) -> int:
        return self.grid.world if encoder.world is None else encoder.world

    def train(
        self,
        parent: Stage,
        data: tuple[TaskData, ...],
        phase: str,
        method: str,
        seed: int,
        trains_on: tuple[str, ...] = (),
        head: str = "",
        learned: str = "",
        selections: tuple[str, ...] = (),
    ) -> Stage:
        grid = self.grid
        part = {"trains_on": trains_on} if trains_on else {}
        options = [self.task_data(item.task).model_copy(update=part) for item in data]
        kept = kept_for(selections)
        ending = {"selection": LAST if kept else selections[0]} if selections else {}
        values = tuple(self.values(item.task, method) | ending for item in data)
        chosen = BEST in (*kept, *(row["selection"] for row in values))
        looked_at = chosen or TARGET_DEV in kept
        parts = tuple(_train_parts(item, o, looked_at) for item, o in zip(data, options, strict=True))
        dev_parts = tuple(map(_dev_parts, data, options)) if chosen else ()
        stage = Stage(
            encoder=parent.encoder,
            fingerprint=parent.fingerprint,
            parent=parent.id,
            phase=phase,
            data=(TaskData(learned),) if learned else data,
            parts=parts,
            dev_parts=dev_parts,
            folder=grid.data.folder or "",
            hyperparameters=values,
            method=method,
            unlabelled=self.unlabelled(data) if load_method(method).reads_text else None,
            numerics=grid.numerics,
            deterministic=grid.deterministic,
            seed=seed,
            kept=kept,
            head=head or grid.head,
            mixture_temperature=grid.mixture_temperature if len(data) > 1 else 1.0,
            world=parent.world,
        )
        return self.add(replace(stage, revisions=tuple(map(self.revision, stage.requests))))

    def unlabelled(self, data: tuple[TaskData, ...]) -> Unlabelled | None:
        """Return the text that stands beside some training data: in languages that these are not in."""
        asked = self.grid.unlabelled
        if asked is None:
            return None
        labelled = {code for item in data for code in item.languages or TASKS[item.task].train_languages[:1]}
        languages = tuple(code for code in self.grid.unlabelled_languages if code not in labelled)
        if not languages:
            raise InputError(
                f"unlabelled text of {asked.task} is in {', '.join(self.grid.unlabelled_languages)}, the languages of "
                f"{'+'.join(map(str, data))} itself; name others under unlabelled: {{languages: [...]}}"
            )
        return Unlabelled(asked.task, asked.split, languages, asked.examples)

    def target(self, parent: Stage, target: str, method: str, seed: int) -> Stage:
        """Train a target in one stage, or in one for each task that it is trained on where they come in turn."""
        trains_on, selections = self.task_data(target).trains_on or (), self.grid.target_selections(target)
        if not self.hyperparameters(target).in_turn:
            data, learned = (TaskData(target),), _learned(target, trains_on)
            return self.train(parent, data, TARGET, method, seed, learned=learned, selections=selections)
        stage = parent
        for i, name in enumerate(trains_on, start=1):
            last = i == len(trains_on)
            phase = TARGET if last else f"before-target-{i}"
            head = self.grid.head if i == 1 else "reuse"
            rules = selections if last else ()
            stage = self.train(
                stage, (TaskData(target),), phase, method, seed, (name,), head, selections=rules
            )
        return stage

    def _evaluation(self, encoder: Encoder, target: str, world: int, draw: int, selection: str) -> Evaluation:
        grid, values, task = self.grid, self.hyperparameters(target), TASKS[target]
        options = self.task_data(target)
        split, languages = str(options.test), grid.test_languages(target)
        tuned_on = "dev" if task.kind == "mining" and split != "dev" else ""
        if selection == TARGET_DEV:
            tuned_on = target_dev(task, options, languages)
        evaluation = Evaluation(
            target=target,
            split=split,
            tuned_on=tuned_on,
            languages=languages,
            folder=grid.data.folder or "",
            fields=options.fields,
            revision="",
            draw=draw,
            world=world,
            selection=selection,
            limit=grid.test_examples,
            max_length=values.max_length,
            stride=values.stride,
            protocol=_protocol(grid, task, encoder),
        )
        return replace(evaluation, revision=joint_revision(evaluation.requests, self.revision))

    def _perturbed(
        self, encoder: Encoder, target: str, world: int, draw: int, selection: str
    ) -> list[Evaluation]:
        """Return the same evaluation under every perturbation; a lexicon that one reads is data as well."""
        if not can_change(TASKS[target].kind):
            return []
        clean = self.evaluation(encoder, target, world, draw, selection)
        folder = self.grid.data.lexicons or ""
        others = [
            replace(clean, perturbation=text, lexicons=folder if parse(text).mixed_in else "")
            for text in self.grid.perturbations
        ]
        return [replace(e, revision=joint_revision(e.requests, self.revision)) for e in others]

    def cell(
        self, encoder: Encoder, stage: Stage, intermediate: str, target: str, method: str, seed: int
    ) -> None:
        task = TASKS[target]
        selections: tuple[str, ...] = (LAST,)
        if task.kind in ("retrieval", "mining"):
            _refuse_resting_layer(encoder, target, method, _protocol(self.grid, task, encoder)["layer"])
        if task.training_data:
            stage = self.target(stage, target, phases_of(method)[1], seed)
            selections = self.grid.target_selections(target)
        # All seeds share one test set, unless its labels are theirs.
        draw = seed if task.drawn_labels else 0
        for selection in selections:
            scored = (encoder, target, stage.world, draw, selection if stage.kept else "")
            evaluation, others = self.evaluation(*scored), self.perturbed(*scored)
            self.evaluations.setdefault(stage.id, {}).update({e.id: e for e in (evaluation, *others)})
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
                perturbed=tuple(other.id for other in others),
            )
            self.cells[cell] = None  # a cell that two blocks name is one cell


def _refuse_resting_layer(encoder: Encoder, target: str, method: str, layer: int) -> None:
    """Refuse a target that is read at a layer which training leaves as it is: every gain would be exactly 0."""
    resting = getattr(load_method(phases_of(method)[0]), "freeze", 0)
    read = layer if layer >= 0 else encoder.layers + 1 + layer
    if resting and read <= resting:
        raise InputError(
            f"{target} is read at hidden state {read} of {encoder.name}, and {method} leaves layers up to {resting} as "
            "they are: every gain would be 0. Read a higher layer under retrieval, or freeze fewer"
        )


def expand(
    grid: Grid, revision: Callable[[DataRequest], str], resolve: Callable[[str], Encoder] = resolve_encoder
) -> Plan:
    """Expand a grid into its plan.

    Args:
        grid: what is asked for.
        revision: the revision of the data of a request, such as `simxfer.sources.revision`; asked once a request.
        resolve: the encoder that a name means.

    Raises:
        InputError: an encoder or native files cannot be found.
    """
    planner = _Planner(grid, revision)
    for name in grid.encoders:
        for method, block in product(grid.methods, grid.blocks):
            _expand_block(planner, resolve(name), method, block, block.intermediates)
            if block.no_pretraining_control:
                _expand_block(planner, resolve(f"random({name})"), method, block, (NONE,))
    return Plan(planner.stages, planner.evaluations, tuple(planner.cells))


def _expand_block(
    planner: _Planner, encoder: Encoder, method: str, block: Block, intermediates: tuple[str, ...]
) -> None:
    fingerprint, (first, _) = encoder.fingerprint(), phases_of(method)
    for intermediate, seed in product(intermediates, block.seeds or planner.grid.seeds):
        stage = planner.root(encoder, fingerprint, seed)
        for i, data in enumerate(parse_intermediate(intermediate), start=1):
            stage = planner.train(stage, data, f"intermediate-{i}", first, seed)
        for target in block.targets:
            planner.cell(encoder, stage, intermediate, target, method, seed)
