"""A grid and its plan -> a run directory, new, as it was left or grown; another grid's is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from simxfer.common.atomic import write_file, write_json, write_table
from simxfer.common.errors import InputError
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.file import Grid
from simxfer.grid.growth import compare
from simxfer.grid.plan import PRETRAINED, Plan, Stage
from simxfer.run.claims import turn
from simxfer.run.inputs import inputs_of, recorded, refuse_changed
from simxfer.run.preflight import TestData
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import LANGUAGES, validate
from simxfer.scoring.protocol import Evaluation
from simxfer.sources.perturb import CLEAN
from simxfer.tasks import get_task
from simxfer.training.methods import name_of, phases_of

_SAID = 4
"""How many names a message lists."""


def open_run(
    grid_file: Path,
    grid: Grid,
    plan: Plan,
    out: Path,
    tests: TestData | None = None,
    say: Callable[[str], None] = print,
) -> RunDirectory:
    """Make the run directory of a grid, or find it as it was left; a grid may have grown since.

    Args:
        grid_file: the file of the grid.
        grid: what it says.
        plan: the plan of it.
        out: folder of the runs.
        tests: what its test data hold, for the receipts.
        say: called with what is new since, and with what is not in the grid any more.

    Raises:
        InputError: the directory holds the run of another grid, or cannot be written.
    """
    with turn(out / f".{grid.name}.lock"):  # a second process must not see a directory in the making
        return _open_run(RunDirectory(out / grid.name), grid_file, grid, plan, tests or {}, say)


def _open_run(
    run: RunDirectory, grid_file: Path, grid: Grid, plan: Plan, tests: TestData, say: Callable[[str], None]
) -> RunDirectory:
    inputs = inputs_of(plan)
    if run.plan.exists():
        refuse_changed(run, inputs)
        _refuse_redeclared(run, grid)
        for line in _grown(run, plan):
            say(line)
    elif run.root.exists() and any(not path.name.startswith(".") for path in run.root.iterdir()):
        raise InputError(
            f"{run.root} exists and is no run directory; nothing was changed. Choose another name: in the grid "
            "file, or another folder with --out"
        )
    write_json(run.plan, plan.as_dict())  # first: it makes the folder a run, whenever this is killed
    write_file(run.grid_file, lambda temporary: _copy(grid_file, temporary))
    write_json(run.inputs, recorded(run) | inputs)
    write_json(run.receipts, receipts(grid, plan, tests))
    _write_languages(run, grid)
    write_json(run.grid_json, _resolved(grid))
    return run


def _refuse_redeclared(run: RunDirectory, grid: Grid) -> None:
    """Refuse another study or margin than the run began with: what counts as no effect is said before any data."""
    began = json.loads(run.grid_json.read_text(encoding="utf-8")) if run.grid_json.exists() else {}
    for key, here in (("study", grid.study), ("margin", grid.margin)):
        if began.get(key, here) != here:
            raise InputError(
                f"{key} is {here} in the grid file, and was {began[key]} when {run.root} began: it is declared before "
                f"any data. Set {key}: {began[key]}, or give the grid another name; nothing was changed"
            )


def read_plan(run: RunDirectory) -> Plan:
    """Return the plan that stands in a run directory.

    Raises:
        InputError: it is cut off, or of another version of the project.
    """
    try:
        return Plan.from_dict(json.loads(run.plan.read_text(encoding="utf-8")))
    except ValueError as error:
        raise InputError(
            f"{run.plan} is no plan of this version of simxfer ({str(error).splitlines()[0]}); go on with the "
            "version that made the run, or give the grid another name"
        ) from None


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def receipts(grid: Grid, plan: Plan, tests: TestData) -> dict:
    """Return the protocol behind every score, by target and checkpoint."""
    return {
        "encoders": {name: _encoder_receipt(resolve_encoder(name)) for name in grid.encoders},
        "targets": {name: _receipt(grid, plan, name, tests) for name in grid.targets},
        "head": grid.head,
        "numerics": grid.numerics,
        "deterministic": grid.deterministic,
        "recipe": grid.recipe,
    }


def _encoder_receipt(encoder: Encoder) -> dict:
    said = {"about": encoder.about} if encoder.about else {}
    return {
        "model": encoder.model,
        "location": encoder.location,
        "fingerprint": encoder.fingerprint(),
        **said,
    }


def _receipt(grid: Grid, plan: Plan, target: str, tests: TestData) -> dict:
    task, values = get_task(target), grid.hyperparameters(target)
    every = [e for found in plan.evaluations.values() for e in found.values() if e.target == target]
    evaluations = [e for e in every if e.perturbation == CLEAN]
    return {
        "kind": task.kind,
        "metrics": list(task.metrics),
        "source": evaluations[0].revision.split(":")[0],
        "data_revisions": sorted({e.revision for e in evaluations}),
        "split": evaluations[0].split,
        "test_examples": grid.test_examples or dict(task.sizes).get("test"),
        "test_data": tests.get(target),
        "parallel_test_sets": task.parallel,
        "max_length": values.max_length,
        "training": _training(grid, target) if task.training_data else None,
        "retrieval": _protocols(evaluations) or None,
        "licence": task.licence,
        "citation": task.citation,
    }


def _training(grid: Grid, target: str) -> dict:
    """Return a target's hyperparameters by method: each has rows of its own in the recipe."""
    last = {method: name_of(phases_of(method)[1]) for method in grid.methods}
    rules = {"selection": ", ".join(grid.target_selections(target))}
    return {method: grid.hyperparameters(target, name).as_dict() | rules for method, name in last.items()}


def _protocols(evaluations: list[Evaluation]) -> dict:
    """Return the protocol of a target; what differs by encoder, the layer, as a list."""
    found = [evaluation.protocol for evaluation in evaluations]
    values = {key: [*dict.fromkeys(protocol[key] for protocol in found)] for key in found[0]}
    return {key: each if len(each) > 1 else each[0] for key, each in values.items()}


def _resolved(grid: Grid) -> dict:
    """Return the grid with its defaults filled in, and the language that all targets are trained in."""
    pivots = {get_task(name).train_languages[:1] for name in grid.targets} - {()}
    return {
        **grid.model_dump(mode="json"),
        "pivot": next(iter(pivots))[0] if len(pivots) == 1 else None,
    }


def _grown(run: RunDirectory, plan: Plan) -> list[str]:
    """Say how the plan of a run has grown since it was left.

    Raises:
        InputError: something has changed, or nothing of it is left.
    """
    before = read_plan(run)
    growth = compare(before, plan)
    changed = growth.changed
    if not changed and not growth.kept and growth.gone_cells:
        changed = ("none of its stages is in this one",)
    if changed:
        more = f" and {len(changed) - _SAID} more" * (len(changed) > _SAID)
        raise InputError(
            f"{run.root} holds another grid ({'; '.join(changed[:_SAID])}{more}); nothing was changed. A grid may "
            "grow, what it trained may not change: undo that, give this grid another name, choose another folder "
            "with --out, or delete the old run"
        )
    lines = []
    if new := [stage.title for stage in growth.new_stages]:
        lines.append(f"{run.root} goes on; new: {_listed('stages', new)}")
    known = [(stage, e) for stage, e in growth.new_evaluations if stage.id in before.stages]
    if again := [f"{stage.title} on {e.target}" for stage, e in known]:
        dropped = {s.id for s, _ in known if run.stage(s.id).done.exists() and not _kept(run, s)}
        anew = f"; {len(dropped)} of these stages are trained again, as their checkpoints were not kept"
        lines.append(
            f"{run.root} goes on; scored for the first time or in other languages: {_listed('', again)}"
            + anew * bool(dropped)
        )
    if growth.gone_cells:
        gone = list(dict.fromkeys(f"{c.intermediate} > {c.target} seed {c.seed}" for c in growth.gone_cells))
        lines.append(
            f"not in the grid any more: {_listed('cells', gone)}. Their files stay in {run.root}, the results table "
            "is without them"
        )
    return lines


def _kept(run: RunDirectory, stage: Stage) -> bool:
    return stage.phase == PRETRAINED or run.stage(stage.id).encoder.exists()


def _listed(what: str, names: list[str]) -> str:
    more = ", ..." * (len(names) > _SAID)
    return f"{len(names)} {what} ({', '.join(names[:_SAID])}{more})".replace("  ", " ")


def _write_languages(run: RunDirectory, grid: Grid) -> None:
    """Write the typological record of the artificial languages; real ones are in data/typology."""
    if any(get_task(name).world for name in grid.targets):
        from simxfer import world

        write_table(run.languages, validate(world.languages_table(), LANGUAGES))
