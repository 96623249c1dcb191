"""A worker that breaks, however it does, is named by its parent with the stage and the cause; logs outlive that."""

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from simxfer.common.errors import InputError, StageFailed
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.run import local, worker
from simxfer.run.checkpoints import DamagedCheckpoint
from simxfer.run.log import open_log, read_log
from simxfer.run.opening import open_run
from simxfer.run.stages import StageRunner
from simxfer.sources import revision
from simxfer.training import loop

GRID = """\
name: small
encoders: [{checkpoint}]
blocks: [{{intermediates: [none], targets: [w-which-a]}}]
seeds: [0]
languages: [x-pivot]
overrides: {{'*': {{steps: 4, batch_size: 4, train_examples: 12}}}}
test_examples: 8
"""


@pytest.fixture
def made(tmp_path, checkpoint):
    file = tmp_path / "grid.yaml"
    file.write_text(GRID.format(checkpoint=checkpoint))
    grid = load_grid(file)
    plan = expand(grid, revision)
    return SimpleNamespace(run=open_run(file, grid, plan, tmp_path / "runs"), plan=plan)


def raises(error: Exception, told) -> None:
    raise error


def ended(how, told) -> None:
    told.send(("at", "some stage"))
    how()


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def broken() -> None:
    sys.exit(3)


def refused(root, device, threads, parent, told) -> None:
    told.send(("at", "some stage"))
    told.send(("by", "panx/dev.tsv, line 3: no tab"))
    sys.exit(2)


def ending_by(how):
    def work(root, device, threads, parent, told):
        ended(how, told)

    return work


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        (refused, InputError, "some stage: panx/dev.tsv, line 3: no tab. What was finished is kept"),
        (ending_by(killed), StageFailed, "some stage: a worker ended by signal SIGKILL. What was"),
        (ending_by(broken), StageFailed, "some stage: a worker ended by exit code 3. What was"),
        (
            ending_by(lambda: raises(KeyError("x"), None)),
            StageFailed,
            "some stage: a worker ended by exit code 1",
        ),
    ],
)
def test_the_parent_names_stage_and_cause_also_of_the_last_worker(made, monkeypatch, target, error, message):
    monkeypatch.setattr(local, "work", target)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: multiprocessing.context.ForkContext())
    monkeypatch.setattr(local, "POLL_SECONDS", 0.5)  # all have ended before the first look
    with pytest.raises(error) as raised:
        local.run_local(made.run, made.plan, 2)
    assert str(raised.value).startswith(message)


def test_an_exception_in_a_worker_is_named_whatever_it_is(made):
    root, stage = made.plan.stages.values()
    done = made.run.stage(root.id).done
    done.parent.mkdir(parents=True)
    done.write_text("{")  # nobody expects that
    with pytest.raises(StageFailed) as raised:
        local.run_local(made.run, made.plan, 1)
    assert str(raised.value).startswith(
        f"{stage.title}: a worker ended by JSONDecodeError: Expecting property"
    )


def said(root, device, threads, parent, told) -> None:
    """Stand in for a worker: tell how many threads the BLAS of this process has."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    told.send(("by", str([pool["num_threads"] for pool in threadpool_info()])))
    sys.exit(2)


def test_a_worker_computes_in_one_thread_whatever_the_environment_says(made, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(local, "work", said)
    with pytest.raises(InputError, match=r"the run: \[1(, 1)*\]\. "):
        local.run_local(made.run, made.plan, 1)
    assert os.environ["OPENBLAS_NUM_THREADS"] == "2" and "OMP_NUM_THREADS" not in os.environ


def test_a_log_keeps_what_came_before_the_step_that_is_taken_up(tmp_path):
    path = tmp_path / "stage" / "log.jsonl"
    log = open_log(path, 0)
    for row in ({"step": 2, "loss": 1.0}, {"step": 4, "dev_score": 3.0}, {"step": 5, "loss": 0.5}):
        log(row)
    with path.open("a") as stream:
        stream.write('{"step": 6, "lo')
    open_log(path, 4)({"step": 5, "loss": 0.4})
    assert [(row["step"], row.get("loss")) for row in read_log(path)] == [(2, 1.0), (4, None), (5, 0.4)]
    open_log(path, 0)
    assert read_log(path) == []


def test_an_interrupted_stage_has_the_log_of_an_undisturbed_one(made, tmp_path, checkpoint, monkeypatch):
    root, stage = made.plan.stages.values()
    settings, step = StageRunner._settings, loop._step
    always = {"save_every_seconds": -1.0, "log_every": 1}  # the state is written after every step
    monkeypatch.setattr(StageRunner, "_settings", lambda self, s: replace(settings(self, s), **always))

    def stopping(*arguments):
        if arguments[-1] == 2:
            raise KeyboardInterrupt
        return step(*arguments)

    runner = StageRunner(made.run, made.plan, torch.device("cpu"), "all")
    runner.work(root)
    monkeypatch.setattr(loop, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        runner.work(stage)
    monkeypatch.setattr(loop, "_step", step)
    runner.environment = {**runner.environment, "threads": 7}
    runner.work(stage)
    folder = made.run.stage(stage.id)
    rows = read_log(folder.log)
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4]
    done = json.loads(folder.done.read_text())
    assert done["environment"]["threads"] == 7 and [e["threads"] for e in done["begun_under"]] == [1]


class Marking:
    """Stands in for a runner: it writes what a stage leaves behind, the first time without its child's."""

    def __init__(self, run, plan, *_) -> None:
        self.run, self.plan, self.worked = run, plan, []

    def work(self, stage) -> None:
        self.worked.append(stage.id)
        folder = self.run.stage(stage.id)
        if self.worked.count(stage.id) == 1 and stage.parent:
            self.run.stage(stage.parent).done.unlink()
            raise DamagedCheckpoint
        folder.done.write_text("{}")
        for name in self.plan.evaluations.get(stage.id, {}):
            folder.scores(name).parent.mkdir(exist_ok=True)
            folder.scores(name).touch()


def test_a_worker_does_what_is_ready_and_looks_no_more_at_what_is_complete(made, monkeypatch):
    root, stage = made.plan.stages.values()
    runner = Marking(made.run, made.plan)
    looked_at = []

    def is_complete(run, plan, one):
        looked_at.append(one.id)
        return complete(run, plan, one)

    complete = worker.is_complete
    monkeypatch.setattr(worker, "is_complete", is_complete)
    monkeypatch.setattr(worker, "StageRunner", lambda *_: runner)
    worker._work(made.run, torch.device("cpu"), SimpleNamespace(send=lambda _: None))
    assert runner.worked == [root.id, stage.id, root.id, stage.id]  # its parent was damaged
    # Twice each time before it is worked on, once after; the child never while its parent is not trained.
    assert looked_at == [*[root.id] * 3, *[stage.id] * 2, *[root.id] * 3, *[stage.id] * 3]
