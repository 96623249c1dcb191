"""From a grid to its run directory: check, plan, execute, gather. The command line calls `train_grid`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from simxfer.common.atomic import write_json
from simxfer.common.errors import InputError, StageFailed
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.expand import expand
from simxfer.grid.file import Grid, load_grid
from simxfer.grid.lock import check_lock
from simxfer.grid.plan import Plan
from simxfer.run.environment import differences, environment
from simxfer.run.numerics import settled
from simxfer.run.opening import open_run, read_plan
from simxfer.run.preflight import read_tests, refuse_encoders, refuse_leaks
from simxfer.run.progress import Progress, Status, status
from simxfer.run.results import OTHER_ENVIRONMENT
from simxfer.schema.directory import RunDirectory
from simxfer.sources import revision
from simxfer.sources.request import UNRESOLVED
from simxfer.tasks import get_task


def train_grid(
    grid_file: Path,
    out: Path = Path("runs"),
    workers: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> RunDirectory:
    """Train and evaluate a grid, or go on with it where it was left; write its results table.

    Args:
        grid_file: YAML; see `simxfer.grid.file.Grid`.
        out: folder of the runs.
        workers: processes; 0 means one a GPU, or one a CPU core.
        report: called with how far it is as it goes on.

    Returns:
        The run directory.

    Raises:
        InputError: the grid file is wrong, data are missing, cannot be scored or differ from its lock file, or the
            directory belongs to another grid.
        StageFailed: some stages diverged; everything else is done and gathered.
    """
    grid = load_grid(grid_file)
    grid = settled(grid, RunDirectory(out / grid.name))
    plan = expand(grid, revision)
    check_lock(grid_file, plan)
    _refuse_missing_data(plan, grid_file)
    refuse_encoders(plan)
    tests = read_tests(plan, RunDirectory(out / grid.name).receipts)
    refuse_leaks(plan)
    run = open_run(grid_file, grid, plan, out, tests)
    return _train(run, grid, plan, workers, report)


def _train(
    run: RunDirectory,
    grid: Grid,
    plan: Plan,
    workers: int,
    report: Callable[[Progress], None],
) -> RunDirectory:
    import torch

    from simxfer.run.checkpoints import Checkpoints
    from simxfer.run.determinism import deterministic
    from simxfer.run.fisher import write_task_embeddings
    from simxfer.run.local import default_workers, devices, run_local
    from simxfer.run.representations import write_labelled_features, write_samples
    from simxfer.run.results import gather
    from simxfer.run.stage_data import StageData
    from simxfer.run.stages import device_name

    _retry_failed(run, plan)
    workers = min(workers or default_workers(), len(plan.stages))
    with deterministic(grid.deterministic):  # here as well: workers inherit what is set for cuBLAS
        if not status(run, plan).complete:
            _note(
                run, environment(device_name(torch.device(devices(1)[0])), 1) | {"devices": devices(workers)}
            )
            run_local(run, plan, workers, report)
            # Another process may have let the run grow meanwhile: the table is the whole grid's.
            plan = read_plan(run)
        if (found := status(run, plan)).failed and not found.evaluated:
            raise StageFailed("; ".join(found.failed))
        gather(run, plan)
        [device] = devices(1)
        write_samples(run, grid, plan, device)
        if grid.task_embeddings:
            data, checkpoints = StageData(run, plan), Checkpoints(run, plan, torch.device(device))
            write_task_embeddings(run, plan, data, checkpoints)
            write_labelled_features(run, plan, data, checkpoints)
    found = status(run, plan)
    if found.failed:
        raise StageFailed("; ".join(found.failed) + f". All other scores are in {run.results}")
    return run


def _note(run: RunDirectory, now: dict) -> None:
    """Write what computes; in a run that began under another environment add it and say so."""
    first = json.loads(run.environment.read_text()) if run.environment.exists() else now
    if differing := differences(first, now):
        first["resumed"] = [*first.get("resumed", []), now]
        print(
            f"simxfer: {run.root} began under another environment ({'; '.join(differing)}): what is computed from "
            f"now on is flagged {OTHER_ENVIRONMENT}",
            file=sys.stderr,
        )
    write_json(run.environment, first)


def _refuse_missing_data(plan: Plan, grid_file: Path) -> None:
    """Refuse a plan of data or encoders that are not at hand, before anything is written."""
    encoders = map(resolve_encoder, plan.encoders)
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


def run_status(root: Path) -> Status:
    """Return the counts of a run directory.

    Raises:
        InputError: it is no run directory.
    """
    run = RunDirectory(root)
    if not run.plan.exists():
        raise InputError(f"{root} is no run directory (it has no plan.json); `simxfer train GRID` makes one")
    return status(run, read_plan(run))


def _retry_failed(run: RunDirectory, plan: Plan) -> None:
    for stage_id in plan.stages:
        run.stage(stage_id).failed.unlink(missing_ok=True)
