"""From a grid to its plan: every cell's path of stages, equal ones once.

Pure: no torch, and nothing is read but through the functions that are handed in.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.file import Grid
from simxfer.grid.parts import Block, DataChoice
from simxfer.grid.plan import COMPARED, LANGUAGE, TARGET, Cell, Part, Plan, Stage, Unlabelled, part_of
from simxfer.grid.selections import kept_for, target_dev
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.protocol import Evaluation, middle_layer
from simxfer.sources.leaks import Leaks, ScoredItems
from simxfer.sources.perturb import parse
from simxfer.sources.perturb.examples import can_change
from simxfer.sources.request import HELD_OUT, KEPT, UNRESOLVED, DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE, TaskData, parse_intermediate
from simxfer.tasks.plain_text import TEXT
from simxfer.tasks.record import Task
from simxfer.training.methods import load_method, name_of, phases_of, spelled
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

    def __init__(
        self, grid: Grid, revision: Callable[[DataRequest], str], leaks: Callable[[DataRequest], Leaks]
    ) -> None:
        self.grid = grid
        # Asked for once: a grid names the same tasks and data in thousands of stages.
        self.revision, self.leaks = cache(revision), cache(leaks)
        self.hyperparameters, self.task_data = cache(grid.hyperparameters), cache(grid.task_data)
        self.values = cache(lambda task, method: grid.hyperparameters(task, name_of(method)).as_dict())
        self.evaluation = cache(self._evaluation)
        self.stages: dict[str, Stage] = {}
        self.evaluations: dict[str, dict[str, Evaluation]] = {}
        self.cells: dict[Cell, None] = {}
        self.leaking: dict[str, Leaks] = {}

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
        fused_with: str = "",
        selections: tuple[str, ...] = (),
    ) -> Stage:
        grid, method = self.grid, self.in_stage(parent, phase, method)
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
            fused_with=fused_with,
            numerics=grid.numerics,
            deterministic=grid.deterministic,
            seed=seed,
            kept=kept,
            head=head or grid.head,
            mixture_temperature=grid.mixture_temperature if len(data) > 1 else 1.0,
            mixture_cap=grid.mixture_cap if len(data) > 1 else None,
            world=parent.world,
        )
        return self.read(stage)

    def in_stage(self, parent: Stage, phase: str, method: str) -> str:
        """Return the method of a stage, without what does not count in it."""
        below = part_of(parent.phase) if load_method(parent.method).beside else ""
        return spelled(load_method(method).in_stage(part_of(phase), below), name_of(method))

    def language(self, root: Stage, code: str, method: str, seed: int) -> Stage:
        """Train the adapter of a language on text in it, whatever task the text is the input of."""
        asked = self.grid.unlabelled
        assert asked is not None  # the grid has been checked
        stage = Stage(
            encoder=root.encoder,
            fingerprint=root.fingerprint,
            parent=root.id,
            phase=LANGUAGE,
            data=(TaskData(TEXT, (code,)),),
            parts=(((asked.task, asked.split),),),
            folder=self.grid.data.folder or "",
            hyperparameters=(
                {**self.values(TEXT, method), "train_examples": asked.examples, "selection": "last"},
            ),
            method=spelled(load_method(method).beneath, name_of(method)),
            numerics=self.grid.numerics,
            deterministic=self.grid.deterministic,
            seed=seed,
            head=self.grid.head,
            world=root.world,
        )
        return self.read(stage)

    def languages(self, root: Stage, source: str, method: str, seed: int) -> dict[str, Stage]:
        """Train the adapters of the language that is trained in, and of every tested one that there is text in."""
        codes = dict.fromkeys((source, *self.grid.unlabelled_languages))
        return {code: self.language(root, code, method, seed) for code in codes}

    def read(self, stage: Stage) -> Stage:
        """Add a stage once it is known which data it reads, and what of them is left out."""
        revisions = tuple(map(self.revision, stage.requests))
        return self.add(replace(stage, revisions=revisions, left_out=self.left_out(stage)))

    def left_out(self, stage: Stage) -> str:
        """Return the hash of the rows that are left out of a stage's training data; empty if there are none."""
        leaks = {request.place: self.leaks(request.whole) for request in stage.trained_on}
        leaking = {place: found for place, found in leaks.items() if found.ids}
        self.leaking |= leaking
        return content_id({place: found.ids for place, found in leaking.items()}) if leaking else ""

    def unlabelled(self, data: tuple[TaskData, ...]) -> Unlabelled | None:
        """Return the text that stands beside some training data: in languages that these are not in."""
        asked = self.grid.unlabelled
        if asked is None:
            return None
        labelled = {code for item in data for code in item.read_in}
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
        alone = ""
        if getattr(load_method(self.in_stage(parent, TARGET, method)), "phases", "") == "fused":
            alone = self.target(self.root_of(parent), target, method, seed).id
        if not self.hyperparameters(target).in_turn:
            return self.train(
                parent,
                (TaskData(target),),
                TARGET,
                method,
                seed,
                learned=_learned(target, trains_on),
                fused_with=alone,
                selections=selections,
            )
        stage = parent
        for i, name in enumerate(trains_on, start=1):
            first, last = i == 1, i == len(trains_on)
            stage = self.train(
                stage,
                (TaskData(target),),
                TARGET if last else f"before-target-{i}",
                method,
                seed,
                (name,),
                self.grid.head if first else "reuse",
                fused_with=alone if first else "",
                selections=selections if last else (),
            )
        return stage

    def root_of(self, stage: Stage) -> Stage:
        """Return the pretrained encoder that a stage's path begins at."""
        return stage if stage.parent is None else self.root_of(self.stages[stage.parent])

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

    def swapped(self, evaluation: Evaluation, languages: dict[str, Stage]) -> Evaluation:
        """Return the same evaluation with the adapters of the tested languages, where there is text for them."""
        beneath = tuple((code, languages[code].id) for code in evaluation.languages if code in languages)
        found = replace(evaluation, languages=tuple(code for code, _ in beneath), beneath=beneath)
        return replace(found, revision=joint_revision(found.requests, self.revision))

    def perturbed(self, clean: Evaluation) -> list[Evaluation]:
        """Return the same evaluation under every perturbation; a lexicon that one reads is data as well."""
        folder, kind = self.grid.data.lexicons or "", TASKS[clean.target].kind
        others = [
            replace(clean, perturbation=text, lexicons=folder if parse(text).mixed_in else "")
            for text in self.grid.perturbations
            if can_change(kind, parse(text).name)
        ]
        return [replace(e, revision=joint_revision(e.requests, self.revision)) for e in others]

    def cell(
        self,
        encoder: Encoder,
        stage: Stage,
        intermediate: str,
        target: str,
        method: str,
        seed: int,
        languages: dict[str, Stage],
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
        for selection, (spelling, over) in product(selections, _spellings(method, task, languages)):
            rule = selection if stage.kept else ""
            clean = self.evaluation(encoder, target, stage.world, draw, rule)
            clean = self.swapped(clean, over) if over else clean
            others = self.perturbed(clean)
            self.evaluations.setdefault(stage.id, {}).update({one.id: one for one in (clean, *others)})
            cell = Cell(
                model=encoder.model,
                checkpoint=encoder.name,
                method=spelling,
                intermediate=intermediate,
                target=target,
                seed=seed,
                selection=selection,
                stage=stage.id,
                evaluation=clean.id,
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
    grid: Grid,
    revision: Callable[[DataRequest], str],
    resolve: Callable[[str], Encoder] = resolve_encoder,
    items: Callable[[Iterable[DataRequest]], ScoredItems] = ScoredItems,
) -> Plan:
    """Expand a grid into its plan.

    Args:
        grid: what is asked for.
        revision: the revision of the data of a request, such as `simxfer.sources.revision`; asked once a request.
        resolve: the encoder that a name means.
        items: the items of what is scored, which tell the training rows that are left out; data are read for them.

    Raises:
        InputError: an encoder or native files cannot be found.
    """
    planner = _Planner(grid, revision, items(_scored(grid)).leaks)
    for name in grid.encoders:
        for method, block in product(grid.methods, grid.blocks):
            _expand_block(planner, resolve(name), method, block, block.intermediates)
            if block.no_pretraining_control:
                _expand_block(planner, resolve(f"random({name})"), method, block, (NONE,))
    compared = _compared(grid, revision)
    return Plan(planner.stages, planner.evaluations, tuple(planner.cells), planner.leaking, compared)


def _compared(grid: Grid, revision: Callable[[DataRequest], str]) -> tuple[DataRequest, ...]:
    """Return the text by which languages are compared where an adversary is trained; none of fewer than two."""
    asked = grid.unlabelled
    if asked is None or not any(load_method(one).reads_text for m in grid.methods for one in phases_of(m)):
        return ()
    trained_in = {code for target in grid.targets for code in TASKS[target].train_languages[:1]}
    wanted = [
        code for code in TASKS[asked.task].languages if code in {*trained_in, *grid.unlabelled_languages}
    ]
    text = Unlabelled(asked.task, asked.split, tuple(wanted), asked.examples)
    # Of an artificial task no seed draws: before and after training the texts are the same.
    requests = text.requests(COMPARED, grid.world, 0, grid.data.folder or "")
    found = tuple(r for r in requests if r.language in grid.unlabelled_languages or _is_there(r, revision))
    return found if len(found) > 1 else ()


def _is_there(request: DataRequest, revision: Callable[[DataRequest], str]) -> bool:
    try:
        revision(request)
    except InputError:
        return False
    return True


def _scored(grid: Grid) -> Iterator[DataRequest]:
    """Yield what a grid scores, as it is scored."""
    for target in grid.targets:
        options = grid.task_data(target)
        for code in grid.test_languages(target):
            yield DataRequest(
                target,
                str(options.test),
                code,
                limit=grid.test_examples,
                folder=grid.data.folder or "",
                fields=options.fields,
            )


def _expand_block(
    planner: _Planner, encoder: Encoder, method: str, block: Block, intermediates: tuple[str, ...]
) -> None:
    fingerprint, (first, last) = encoder.fingerprint(), phases_of(method)
    source = _source(block, method) if load_method(last).beneath else ""
    for intermediate, seed in product(intermediates, block.seeds or planner.grid.seeds):
        stage = planner.root(encoder, fingerprint, seed)
        languages = planner.languages(stage, source, last, seed) if source else {}
        stage = languages.get(source, stage)
        for i, data in enumerate(parse_intermediate(intermediate), start=1):
            stage = planner.train(stage, data, f"intermediate-{i}", first, seed)
        for target in block.targets:
            planner.cell(encoder, stage, intermediate, target, method, seed, languages)


def _source(block: Block, method: str) -> str:
    """Return the one language that everything in a block is trained in: its adapter stands beneath.

    Raises:
        InputError: there are several.
    """
    phases = [phase for name in block.intermediates for phase in parse_intermediate(name)]
    codes = {code for phase in phases for data in phase for code in data.read_in}
    codes |= {code for name in block.targets for code in TASKS[name].train_languages[:1]}
    if len(codes) != 1:
        raise InputError(
            f"method {method!r} trains on top of the adapter of one language, and a block of the grid trains in "
            f"{', '.join(sorted(codes)) or 'none'}; give each training language a block or a grid of its own"
        )
    return codes.pop()


def _spellings(method: str, task: Task, languages: dict[str, Stage]) -> list[tuple[str, dict[str, Stage]]]:
    """Return how a method is called in the results, and over which adapters of languages it is tested so.

    With adapters of languages it is tested twice: over the training language's, and over the tested ones'.
    """
    if not languages:
        return [(method, {})]
    found = load_method(method)
    swapped, source = (spelled(replace(found, swap=swap), name_of(method)) for swap in (True, False))
    # Of retrieval two languages are read at once.
    return [(source, {}), *([(swapped, languages)] if task.training_data else [])]
