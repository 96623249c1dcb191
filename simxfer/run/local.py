"""Worker processes on this machine: one thread each on the CPU, or one process a GPU."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess

import torch

from simxfer.common.errors import InputError
from simxfer.grid.plan import Plan
from simxfer.run.progress import stage_progress
from simxfer.run.worker import BAD_INPUT, work
from simxfer.schema.directory import RunDirectory

POLL_SECONDS = 0.25


def default_workers() -> int:
    """Return the number of GPUs, or of the CPU cores that this process may use."""
    return torch.cuda.device_count() or len(os.sched_getaffinity(0))


def devices(workers: int) -> list[str]:
    """Return the device of each worker."""
    gpus = torch.cuda.device_count()
    return [f"cuda:{i % gpus}" if gpus else "cpu" for i in range(workers)]


def run_local(
    run: RunDirectory,
    plan: Plan,
    workers: int,
    report: Callable[[float, float], None] = lambda done, total: None,
) -> None:
    """Execute the plan with worker processes and wait for them.

    Args:
        run: the run directory, grid file and all.
        plan: the plan of its grid.
        workers: number of processes.
        report: called a few times a second with the work done and the work in all (plan cost units).

    Raises:
        RuntimeError: a worker ended by an error; what it had finished is kept.
    """
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work, args=(str(run.root), device, 1, os.getpid()), daemon=True)
        for device in devices(workers)
    ]
    for process in processes:
        process.start()
    try:
        _wait(processes, run, plan, report)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _wait(
    processes: Sequence[BaseProcess], run: RunDirectory, plan: Plan, report: Callable[[float, float], None]
) -> None:
    while any(process.is_alive() for process in processes):
        broken = [process for process in processes if process.exitcode not in (None, 0)]
        if broken and broken[0].exitcode == BAD_INPUT:
            raise InputError(
                "a worker refused its input; its message stands above. What was finished is kept"
            )
        if broken:
            raise RuntimeError(
                f"a worker ended with exit code {broken[0].exitcode}; its error stands above. "
                "What was finished is kept: run the same command again to go on"
            )
        report(*stage_progress(run, plan))
        time.sleep(POLL_SECONDS)
    report(*stage_progress(run, plan))
