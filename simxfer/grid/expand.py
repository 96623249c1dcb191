"""From a grid to its plan: every cell's path of stages, equal ones once.

Pure: no torch, and nothing is read but through the functions that are handed in.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import product

from simxfer.common.errors import InputError
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.file import Grid
from simxfer.grid.parts import Block
from simxfer.grid.plan import Cell, Plan, Stage
from simxfer.grid.reads import compared_text, joint_revision, scored_data
from simxfer.grid.selections import target_dev
from simxfer.grid.stages import Stages
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.protocol import Evaluation, middle_layer
from simxfer.sources.leaks import ScoredItems
from simxfer.sources.perturb import parse
from simxfer.sources.perturb.examples import can_change
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE, parse_intermediate
from simxfer.tasks.record import Task
from simxfer.training.methods import load_method, name_of, phases_of, spelled
from simxfer.training.recipes import LAST


class _Cells:
    """Collects the cells of a grid, their stages and evaluations; equal ones fall together by their ids."""

    def __init__(self, grid: Grid, stages: Stages) -> None:
        self.grid, self.stages = grid, stages
        self.evaluation = cache(self._evaluation)
        self.evaluations: dict[str, dict[str, Evaluation]] = {}
        self.found: dict[Cell, None] = {}

    def _evaluation(self, encoder: Encoder, target: str, world: int, draw: int, selection: str) -> Evaluation:
        grid, values, task = self.grid, self.stages.hyperparameters(target), TASKS[target]
        options = self.stages.task_data(target)
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
            numerics=grid.numerics,
        )
        return replace(evaluation, revision=joint_revision(evaluation.requests, self.stages.revision))

    def swapped(self, evaluation: Evaluation, languages: dict[str, Stage]) -> Evaluation:
        """Return the same evaluation with the adapters of the tested languages, where there is text for them."""
        beneath = tuple((code, languages[code].id) for code in evaluation.languages if code in languages)
        found = replace(evaluation, languages=tuple(code for code, _ in beneath), beneath=beneath)
        return replace(found, revision=joint_revision(found.requests, self.stages.revision))

    def perturbed(self, clean: Evaluation) -> list[Evaluation]:
        """Return the same evaluation under every perturbation; a lexicon that one reads is data as well."""
        folder, kind = self.grid.data.lexicons or "", TASKS[clean.target].kind
        others = [
            replace(clean, perturbation=text, lexicons=folder if parse(text).lexical else "")
            for text in self.grid.perturbations
            if can_change(kind, parse(text))
        ]
        return [replace(e, revision=joint_revision(e.requests, self.stages.revision)) for e in others]

    def add(
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
            stage = self.stages.target(stage, target, phases_of(method)[1], seed)
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
            self.found[cell] = None  # a cell that two blocks name is one cell


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
    cells = _Cells(grid, Stages(grid, revision, items(scored_data(grid)).leaks))
    for name in grid.encoders:
        for method, block in product(grid.methods, grid.blocks):
            _expand_block(cells, resolve(name), method, block, block.intermediates)
            if block.no_pretraining_control:
                _expand_block(cells, resolve(f"random({name})"), method, block, (NONE,))
    compared = compared_text(grid, revision)
    stages = cells.stages
    return Plan(stages.planned, cells.evaluations, tuple(cells.found), stages.leaking, compared)


def _expand_block(
    cells: _Cells, encoder: Encoder, method: str, block: Block, intermediates: tuple[str, ...]
) -> None:
    fingerprint, (first, last) = encoder.fingerprint(), phases_of(method)
    source = _source(block, method) if load_method(last).beneath else ""
    for intermediate, seed in product(intermediates, block.seeds or cells.grid.seeds):
        stage = cells.stages.root(encoder, fingerprint, seed)
        languages = cells.stages.languages(stage, source, last, seed) if source else {}
        stage = languages.get(source, stage)
        for i, data in enumerate(parse_intermediate(intermediate), start=1):
            stage = cells.stages.train(stage, data, f"intermediate-{i}", first, seed)
        for target in block.targets:
            cells.add(encoder, stage, intermediate, target, method, seed, languages)


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
