"""A grid and its plan -> a run directory, new or found as it was left; another grid's is refused."""

import json
import shutil
from pathlib import Path

from simxfer.common.atomic import write_file, write_json, write_table
from simxfer.common.errors import InputError
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.file import Grid
from simxfer.grid.plan import Plan
from simxfer.run.claims import turn
from simxfer.run.inputs import inputs_of, recorded, refuse_changed
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import LANGUAGES, validate
from simxfer.tasks import get_task

_DECIDES_NO_SCORE = ("description", "task_embeddings")
"""Keys of a grid that may change while its run directory stays."""


def open_run(grid_file: Path, grid: Grid, plan: Plan, out: Path) -> RunDirectory:
    """Make the run directory of a grid, or find it as it was left.

    Raises:
        InputError: the directory holds the run of another grid, or cannot be written.
    """
    with turn(out / f".{grid.name}.lock"):  # a second process must not see a directory in the making
        return _open_run(RunDirectory(out / grid.name), grid_file, grid, plan)


def _open_run(run: RunDirectory, grid_file: Path, grid: Grid, plan: Plan) -> RunDirectory:
    resolved, inputs = _resolved(grid, plan), inputs_of(plan)
    if run.grid_json.exists():
        refuse_changed(run, inputs)
        _refuse_other_grid(run, resolved)
    elif run.root.exists() and any(run.root.iterdir()):
        raise InputError(
            f"{run.root} exists and is no run directory; nothing was changed. Choose another name: in the grid "
            "file, or another folder with --out"
        )
    write_file(run.grid_file, lambda temporary: _copy(grid_file, temporary))
    write_json(run.plan, plan.as_dict())
    write_json(run.inputs, recorded(run) | inputs)
    write_json(run.receipts, receipts(grid, plan))
    _write_languages(run, grid)
    write_json(run.grid_json, resolved)
    return run


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


def receipts(grid: Grid, plan: Plan) -> dict:
    """Return the protocol behind every score, by target and checkpoint."""
    return {
        "encoders": {
            name: {
                "model": resolve_encoder(name).model,
                "location": resolve_encoder(name).location,
                "fingerprint": resolve_encoder(name).fingerprint(),
            }
            for name in grid.encoders
        },
        "targets": {name: _receipt(grid, plan, name) for name in grid.targets},
        "head": grid.head,
        "numerics": grid.numerics,
        "recipe": grid.recipe,
    }


def _receipt(grid: Grid, plan: Plan, target: str) -> dict:
    task, values = get_task(target), grid.hyperparameters(target)
    evaluations = [e for found in plan.evaluations.values() for e in found.values() if e.target == target]
    return {
        "kind": task.kind,
        "metrics": list(task.metrics),
        "source": evaluations[0].revision.split(":")[0],
        "data_revisions": sorted({e.revision for e in evaluations}),
        "split": evaluations[0].split,
        "test_examples": grid.test_examples or dict(task.sizes).get("test"),
        "parallel_test_sets": task.parallel,
        "max_length": values.max_length,
        "training": values.as_dict() if task.training_data else None,
        "retrieval": evaluations[0].protocol or None,
        "licence": task.licence,
        "citation": task.citation,
    }


def _resolved(grid: Grid, plan: Plan) -> dict:
    """Return the grid with its defaults filled in, and the ids that its results depend on."""
    pivots = {get_task(name).train_languages[:1] for name in grid.targets} - {()}
    return {
        **grid.model_dump(mode="json"),
        "pivot": next(iter(pivots))[0] if len(pivots) == 1 else None,
        "stages": list(plan.stages),
    }


def _refuse_other_grid(run: RunDirectory, resolved: dict) -> None:
    stored = json.loads(run.grid_json.read_text())
    now = json.loads(json.dumps(resolved))
    differing = [key for key in now if stored.get(key) != now[key] and key not in _DECIDES_NO_SCORE]
    if not differing:
        return
    said = "; ".join(
        f"{key}: {_short(stored.get(key))} there, {_short(now[key])} here" for key in differing[:4]
    )
    raise InputError(
        f"{run.root} holds another grid ({said}); nothing was changed. Give this grid another name, choose "
        "another folder with --out, or delete the old run"
    )


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _write_languages(run: RunDirectory, grid: Grid) -> None:
    """Write the typological record of the artificial languages; real ones are in data/typology."""
    if any(get_task(name).world for name in grid.targets):
        from simxfer import world

        write_table(run.languages, validate(world.languages_table(), LANGUAGES))
