"""From a grid to its run directory: check, plan, execute, gather. The command line calls `train_grid`."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from simxfer.config import Grid, load_grid
from simxfer.encoders import resolve_encoder
from simxfer.errors import InputError, StageFailed
from simxfer.lock import check_lock
from simxfer.plan import Plan
from simxfer.planner import make_plan
from simxfer.preflight import TestData, read_tests
from simxfer.progress import Status, status
from simxfer.schema import LANGUAGES, validate
from simxfer.sources import UNRESOLVED
from simxfer.store.atomic import write_file, write_json, write_table
from simxfer.store.claims import turn
from simxfer.store.layout import RunDirectory
from simxfer.tasks import get_task

_DECIDES_NO_SCORE = ("description", "task_embeddings")
"""Keys of a grid that may change while its run directory stays."""
_VERSIONED = ("torch", "transformers", "tokenizers", "numpy", "pandas", "simxfer")


def train_grid(
    grid_file: Path,
    out: Path = Path("runs"),
    workers: int = 0,
    report: Callable[[float, float], None] = lambda done, total: None,
) -> RunDirectory:
    """Train and evaluate a grid, or go on with it where it was left; write its results table.

    Args:
        grid_file: YAML; see `simxfer.config.Grid`.
        out: folder of the runs.
        workers: processes; 0 means one a GPU, or one a CPU core.
        report: called with (work done, work in all) as it goes on.

    Returns:
        The run directory.

    Raises:
        InputError: the grid file is wrong, data are missing, cannot be scored or differ from its lock file, or the
            directory belongs to another grid.
        StageFailed: some stages diverged; everything else is done and gathered.
    """
    grid = load_grid(grid_file)
    check_lock(grid_file)
    plan = make_plan(grid)
    _refuse_missing_data(plan, grid_file)
    tests = read_tests(plan, RunDirectory(out / grid.name).receipts)
    run = open_run(grid_file, grid, plan, out, tests)
    return _train(run, grid, plan, workers, report)


def _train(
    run: RunDirectory,
    grid: Grid,
    plan: Plan,
    workers: int,
    report: Callable[[float, float], None],
) -> RunDirectory:
    import torch

    from simxfer.engine.local import default_workers, devices, run_local
    from simxfer.fisher import write_task_embeddings
    from simxfer.represent import write_labelled_features, write_samples
    from simxfer.results import gather
    from simxfer.stages import StageRunner

    _retry_failed(run, plan)
    workers = min(workers or default_workers(), len(plan.stages))
    write_json(run.environment, environment(devices(workers)))
    if not status(run, plan).complete:
        run_local(run, plan, workers, report)
    gather(run, plan)
    [device] = devices(1)
    write_samples(run, grid, plan, device)
    if grid.task_embeddings:
        runner = StageRunner(run, plan, torch.device(device), grid.keep_checkpoints)
        write_task_embeddings(run, plan, runner)
        write_labelled_features(run, plan, runner)
    found = status(run, plan)
    if found.failed:
        raise StageFailed("; ".join(found.failed) + f". All other scores are in {run.results}")
    return run


def _refuse_missing_data(plan: Plan, grid_file: Path) -> None:
    """Refuse a plan of data or encoders that are not at hand, before anything is written."""
    encoders = {resolve_encoder(stage.encoder) for stage in plan.stages.values()}
    missing = {f"encoder {encoder.hub}" for encoder in encoders if not encoder.is_local}
    for stage in plan.stages.values():
        read = [_data(*part) for parts in (*stage.parts, *stage.dev_parts) for part in parts]
        missing |= set(read) if any(UNRESOLVED in text for text in stage.revisions) else set()
        scored = plan.evaluations.get(stage.id, {}).values()
        missing |= {_data(e.target, e.split) for e in scored if UNRESOLVED in e.revision}
    if missing:
        listed = "\n".join(f"  {text}" for text in sorted(missing))
        raise InputError(
            f"{len(missing)} of the data sets and encoders of {grid_file} are not on this machine:\n{listed}\n"
            f"On a connected machine run `simxfer fetch {grid_file}` and bring its Hugging Face cache (HF_HOME) "
            "here, or give native files with `data: {folder: ...}`"
        )


def _data(task: str, split: str) -> str:
    hub = get_task(task).hub
    return f"{task}, {split} ({hub.id} on the hub)" if hub else f"{task}, {split} (native files only)"


def open_run(
    grid_file: Path, grid: Grid, plan: Plan, out: Path, tests: TestData | None = None
) -> RunDirectory:
    """Make the run directory of a grid, or find it as it was left; `tests` go into its receipts.

    Raises:
        InputError: the directory holds the run of another grid, or cannot be written.
    """
    with turn(out / f".{grid.name}.lock"):  # a second process must not see a directory in the making
        return _open_run(RunDirectory(out / grid.name), grid_file, grid, plan, tests or {})


def _open_run(run: RunDirectory, grid_file: Path, grid: Grid, plan: Plan, tests: TestData) -> RunDirectory:
    resolved = _resolved(grid, plan)
    if run.grid_json.exists():
        _refuse_other_grid(run, resolved)
    elif run.root.exists() and any(run.root.iterdir()):
        raise InputError(
            f"{run.root} exists and is no run directory; nothing was changed. Choose another name: in the grid "
            "file, or another folder with --out"
        )
    write_file(run.grid_file, lambda temporary: _copy(grid_file, temporary))
    write_json(run.plan, plan.as_dict())
    write_json(run.receipts, receipts(grid, plan, tests))
    _write_languages(run, grid)
    write_json(run.grid_json, resolved)
    return run


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def receipts(grid: Grid, plan: Plan, tests: TestData) -> dict:
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
        "targets": {name: _receipt(grid, plan, name, tests) for name in grid.targets},
        "head": grid.head,
        "numerics": grid.numerics,
        "recipe": grid.recipe,
    }


def _receipt(grid: Grid, plan: Plan, target: str, tests: TestData) -> dict:
    task, values = get_task(target), grid.hyperparameters(target)
    evaluations = [e for found in plan.evaluations.values() for e in found.values() if e.target == target]
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
        "training": values.as_dict() if task.training_data else None,
        "retrieval": evaluations[0].protocol or None,
        "licence": task.licence,
        "citation": task.citation,
    }


def environment(devices: list[str]) -> dict:
    """Return what the numbers may depend on beside the plan: versions, commit, machine, device of each worker."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "versions": {name: version(name) for name in _VERSIONED},
        "devices": devices,
        "threads_per_worker": 1,
        "cores": os.cpu_count(),
    }


def _commit() -> str | None:
    """Return the commit of the checkout that runs, with `+` where it has changes; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True)
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return head.stdout.strip() + "+" * bool(changes.stdout) if head.returncode == 0 else None


def run_status(root: Path) -> tuple[Grid, Plan, Status]:
    """Return grid, plan and counts of a run directory.

    Raises:
        InputError: it is no run directory.
    """
    run = RunDirectory(root)
    if not run.grid_file.exists():
        raise InputError(f"{root} is no run directory (it has no grid.yaml); `simxfer train GRID` makes one")
    grid = load_grid(run.grid_file)
    plan = make_plan(grid)
    return grid, plan, status(run, plan)


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


def _retry_failed(run: RunDirectory, plan: Plan) -> None:
    for stage_id in plan.stages:
        run.stage(stage_id).failed.unlink(missing_ok=True)
