"""One worker: takes the most urgent stage that is free, until nothing is left that it could do."""

import json
import os
import signal
import sys
import threading
import time
from functools import cache
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
LONGEST_POLL_SECONDS = 1.0
"""How long a worker waits before it looks for work again: twice as long after every look in vain."""
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
    left, pause = order, POLL_SECONDS
    while True:
        look = _Look(run, plan)
        left = [stage for stage in left if not look.is_over(stage)]
        if not left:
            return
        try:
            worked = any(_try(runner, stage, told) for stage in left if look.is_ready(stage))
        except DamagedCheckpoint:
            left, worked = order, True  # what was complete is trained anew
        if worked:
            pause = POLL_SECONDS
        else:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)


class _Look:
    """One look at a run, at each marker once: a thousand stages wait for a few."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self.trained = cache(lambda name: is_trained(run, plan.stages[name]))
        self.blocked = cache(self._blocked)

    def is_ready(self, stage: Stage) -> bool:
        """Tell whether all that a stage needs is trained."""
        return all(map(self.trained, self.plan.needs[stage.id]))

    def is_over(self, stage: Stage) -> bool:
        """Tell whether a stage is complete or blocked; of one that waits only what it needs is looked at."""
        if self.is_ready(stage):
            return self.blocked(stage.id) or is_complete(self.run, self.plan, stage)
        return any(map(self.blocked, self.plan.needs[stage.id]))

    def _blocked(self, name: str) -> bool:
        """Tell whether a stage or something that it needs failed for good."""
        return self.run.stage(name).failed.exists() or any(map(self.blocked, self.plan.needs[name]))


def _try(runner: StageRunner, stage: Stage, told: Connection) -> bool:
    """Work on a stage if what it needs is trained and nobody else does; tell whether anything was done.

    Raises:
        DamagedCheckpoint: it, or one that it needs, is to be trained anew.
    """
    run, plan = runner.run, runner.plan
    if not all(is_trained(run, plan.stages[name]) for name in plan.needs[stage.id]):
        return False
    with claim(run.stage(stage.id).lock) as mine:
        if not mine or is_complete(run, plan, stage):
            return False
        _tell(told, AT, stage.title)
        try:
            runner.work(stage)
        except StageFailed:
            return True  # the stage's folder says why, and its children are blocked
    return True


def _end_with(parent: int) -> None:
    """End this process when its parent is gone: a killed run leaves no worker behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        # Not sys.exit, which would end this thread alone.
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, daemon=True).start()
