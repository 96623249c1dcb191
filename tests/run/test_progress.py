"""How long a run will take: rates by what was measured, and a run whose durations are known."""

import json
from types import SimpleNamespace

import pytest

from simxfer.run import progress
from simxfer.run.progress import Rates, Watch
from simxfer.schema.directory import RunDirectory

TRAINING, SCORING = {"a": 0.01, "b": 0.05}, {"x": 2.0, "y": 7.0}
"""Seconds a sequence of training a task, and a language of scoring a target."""
STEPS = 100


def simulated(folder, workers: int, stages: int):
    """Return a run of stages none of which has begun, and a function that works on it for so many seconds."""
    made = {
        f"s{k}": SimpleNamespace(
            id=f"s{k}", encoder="e", tasks=("ab"[k % 2],), method="full", cost=4000.0, title=f"stage {k}"
        )
        for k in range(stages)
    }
    evaluations = {
        id: {
            f"{id}-{target}": SimpleNamespace(
                id=f"{id}-{target}", target=target, languages=("l",) * 4, passes=1, limit=150
            )
            for target in "xy"
        }
        for id in made
    }
    plan = SimpleNamespace(stages=made, evaluations=evaluations)
    run = RunDirectory(folder)
    return run, plan, _events(run, plan, workers)


def _events(run, plan, workers):
    """Return (second, what is written then) of the whole run, in order: workers take stage after stage."""
    free, events = [0.0] * workers, []
    for stage in plan.stages.values():
        worker = free.index(min(free))
        at, folder = free[worker], run.stage(stage.id)
        seconds = stage.cost * TRAINING[stage.tasks[0]]
        for step in range(10, STEPS + 1, 10):
            row = {"step": step, "steps": STEPS, "subwords": 500}
            events.append((at + seconds * step / STEPS, folder.log, row))
        at += seconds
        events.append((at, folder.done, {"seconds": seconds}))
        for evaluation in plan.evaluations[stage.id].values():
            took = 4 * SCORING[evaluation.target]
            at += took
            events.append((at, folder.log, {"evaluation": evaluation.id, "seconds": took}))
            events.append((at, folder.scores(evaluation.id), {}))
        free[worker] = at
    return sorted(events, key=lambda event: event[0])


def write(at, path, what, began):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        with path.open("a") as stream:
            stream.write(json.dumps({**what, "time": began + at}) + "\n")
    else:
        path.write_text(json.dumps(what))


@pytest.mark.parametrize("workers", [1, 3])
def test_after_a_tenth_of_the_work_the_time_left_is_known_to_a_quarter(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(progress.time, "time", lambda: 1000.0)
    run, plan, events = simulated(tmp_path, workers, 60)
    watch, whole = Watch(run, plan, workers), events[-1][0]
    assert watch.look() == progress.Progress(0.0, None)
    shares = []
    for at, path, what in events:
        write(at, path, what, 1000.0)
        found = watch.look()
        shares.append(found.share)
        if 0.1 * whole < at < 0.9 * whole:
            assert found.left == pytest.approx(whole - at, rel=0.25), at
    assert found.share == 1.0 and found.left == 0.0 and found.at_work == ()


def test_a_run_that_is_taken_up_is_measured_from_then_on(tmp_path, monkeypatch):
    """A stage that stood still for a day is not slow."""
    run, plan, _ = simulated(tmp_path, 1, 12)
    log = run.stage("s0").log
    for at, step in ((0.0, 10), (1.0, 20), (86400.0, 30), (86401.0, 40)):
        write(at, log, {"step": step, "steps": STEPS, "subwords": 500}, 1000.0)
    monkeypatch.setattr(progress.time, "time", lambda: 1000.0 + 86399)
    found = Watch(run, plan, 1).look()
    assert found.at_work == ("stage 0",) and found.speed == 500.0
    # One second for ten of a hundred steps; scoring 150 examples is taken to be as training on 50.
    sequences = 12 * 4000 - 0.4 * 4000 + 24 * 4 * 50
    assert found.left == pytest.approx(sequences * 10 / 4000)


def test_what_is_finished_is_read_once(tmp_path, monkeypatch):
    run, plan, events = simulated(tmp_path, 1, 12)
    for event in events:
        write(*event, 1000.0)
    watch = Watch(run, plan, 1)
    assert watch.look().share == 1.0
    monkeypatch.setattr(progress, "read_log", None)
    monkeypatch.setattr(progress.json, "loads", None)
    assert watch.look().share == 1.0


def test_a_rate_is_of_the_nearest_that_was_measured():
    rates = Rates()
    rates.add(("e", "a", "full"), 10, 20)
    rates.add(("e", "b", "full"), 10, 40)
    assert rates.of(("e", "a", "full")) == 2 and rates.of(("e", "a", "lora")) == 2
    assert rates.of(("e", "c", "full")) == rates.of(("f",)) == 3
