"""Worker processes on this machine: one thread each on the CPU, or one process a GPU."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from simxfer.common.errors import InputError, StageFailed
from simxfer.grid.plan import Plan
from simxfer.run.progress import Progress, Watch
from simxfer.run.worker import AT, BAD_INPUT, BY, work
from simxfer.schema.directory import RunDirectory

POLL_SECONDS = 0.5
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


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
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Execute the plan with worker processes and wait for them.

    Args:
        run: the run directory, grid file and all.
        plan: the plan of its grid.
        workers: number of processes.
        report: called about twice a second with how far the run is.

    Raises:
        InputError: a worker refused its input.
        StageFailed: a worker ended by an error, or was ended; what it had finished is kept.
    """
    context = multiprocessing.get_context("spawn")
    started = []
    for device in devices(workers):
        told, tell = context.Pipe(duplex=False)
        process = context.Process(
            target=work, args=(str(run.root), device, 1, os.getpid(), tell), daemon=True
        )
        with _one_thread():
            process.start()
        tell.close()  # the worker has its own end: what it said last can be read when it is gone
        started.append(_Worker(process, told))
    try:
        _wait(started, run, plan, report)
    finally:
        for worker in started:
            worker.process.terminate()
            worker.process.join()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a process that is started compute in one thread: BLAS counts its threads when it is loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


@dataclass
class _Worker:
    """A worker process and what it told."""

    process: BaseProcess
    told: Connection
    last: dict[str, str] = field(default_factory=dict)

    def listen(self) -> None:
        """Read what the worker told since."""
        try:
            while self.told.poll():
                kind, text = self.told.recv()
                self.last[kind] = text
        except EOFError:
            return

    def raise_for_end(self) -> None:
        """Raise what ended the worker, if it did not end by itself."""
        code = self.process.exitcode
        if not code:
            return
        self.listen()
        where = self.last.get(AT, "the run")
        if code == BAD_INPUT and BY in self.last:
            raise InputError(f"{where}: {self.last[BY]}. What was finished is kept")
        ended = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise StageFailed(
            f"{where}: a worker ended by {self.last.get(BY, ended)}. What was finished is kept: run the same "
            "command again to go on"
        )


def _wait(
    workers: Sequence[_Worker], run: RunDirectory, plan: Plan, report: Callable[[Progress], None]
) -> None:
    alive, watch = True, Watch(run, plan, len(workers))
    while alive:
        alive = any(worker.process.is_alive() for worker in workers)
        for worker in workers:
            worker.listen()
            worker.raise_for_end()
        report(watch.look())
        time.sleep(POLL_SECONDS * alive)
