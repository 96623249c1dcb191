"""One worker: takes the most urgent stage that is free, until nothing is left that it could do."""

import json
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from simxfer.common.errors import InputError, StageFailed
from simxfer.grid.plan import Plan, Stage
from simxfer.run.checkpoints import DamagedCheckpoint, is_trained
from simxfer.run.claims import claim
from simxfer.run.opening import read_plan
from simxfer.run.stages import StageRunner, is_complete
from simxfer.schema.directory import RunDirectory

POLL_SECONDS = 0.1
BAD_INPUT, INTERRUPTED = 2, 75
AT, BY = "at", "by"
"""What a worker tells its parent: where it is, by what it ended."""


def work(root: str, device: str, threads: int, parent: int, told: Connection) -> None:
    """Work on the run in `root` until all its stages are complete or blocked by a failed one.

    Args:
        root: the run directory; its plan says what to do.
        device: `cpu`, `cuda:0`, ...
        threads: CPU threads of this worker.
        parent: process that started it; the worker ends when that one is gone.
        told: gets (`AT`, title of a stage) when one is begun, and (`BY`, cause) when an exception ends the worker.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the parent ends its workers
    _end_with(parent)
    torch.set_num_threads(threads)
    try:
        _work(RunDirectory(Path(root)), torch.device(device), told)
    except InputError as error:
        _tell(told, BY, str(error))
        sys.exit(BAD_INPUT)
    except Exception as error:
        _tell(told, BY, f"{type(error).__name__}: {error}")
        raise


def _tell(told: Connection, what: str, text: str) -> None:
    """Tell the parent; where nobody listens it was killed, and its worker ends quietly."""
    try:
        told.send((what, text))
    except BrokenPipeError:
        sys.exit(1)


def _work(run: RunDirectory, device: torch.device, told: Connection) -> None:
    plan, kept = read_plan(run), json.loads(run.grid_json.read_text())["keep_checkpoints"]
    runner = StageRunner(run, plan, device, kept)
    order = sorted(plan.stages.values(), key=lambda stage: -plan.urgency[stage.id])
    while todo := [s for s in order if not is_complete(run, plan, s) and not _blocked(run, plan, s)]:
        if not any(_try(runner, stage, told) for stage in todo):
            time.sleep(POLL_SECONDS)


def _try(runner: StageRunner, stage: Stage, told: Connection) -> bool:
    """Work on a stage if what it needs is trained and nobody else does; tell whether anything was done."""
    run, plan = runner.run, runner.plan
    if not all(is_trained(run, plan.stages[name]) for name in plan.needs[stage.id]):
        return False
    with claim(run.stage(stage.id).lock) as mine:
        if not mine or is_complete(run, plan, stage):
            return False
        _tell(told, AT, stage.title)
        try:
            runner.work(stage)
        except (StageFailed, DamagedCheckpoint):
            return True  # the stage's folder says why; its children are blocked, or it is trained anew
    return True


def _blocked(run: RunDirectory, plan: Plan, stage: Stage) -> bool:
    """Tell whether the stage or something that it needs failed for good."""
    return run.stage(stage.id).failed.exists() or any(
        _blocked(run, plan, plan.stages[name]) for name in plan.needs[stage.id]
    )


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: a killed run leaves no worker behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        # Not sys.exit, which would end this thread alone.
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
