"""What each task of a mixture gets: examples by size and epochs, whatever the batch sizes are."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from simxfer.common.streams import stream
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import Stage
from simxfer.sources import revision
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import TaskData
from simxfer.training.loop import _turns, updates
from simxfer.training.mixture import epochs_of, expected_updates, step_shares, steps_asked
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask

SETTINGS = Settings(seed=0, phase="intermediate-1")


def values(batch_size: int, epochs: float = 0.0, steps: int = 0) -> Hyperparameters:
    return Hyperparameters(learning_rate=1e-3, batch_size=batch_size, steps=steps, epochs=epochs)


def task(name: str, n: int, *asked, **more) -> TrainingTask:
    features = SimpleNamespace(n_units=n)  # a mixture looks at nothing else
    return TrainingTask(task=get_task(name), features=features, values=values(*asked, **more))  # type: ignore[arg-type]


def epochs(tasks: list[TrainingTask], settings: Settings = SETTINGS) -> list[float]:
    return [row["epochs"] for row in updates(tasks, settings)]


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ((2000, 8, 1.0), (2000, 64, 1.0), (1, 1)),  # batch sizes differ
        ((2000, 16, 1.0), (2000, 16, 5.0), (1, 5)),  # epochs differ
        ((20_000, 16, 3.0), (500, 16, 3.0), (3, 3)),  # sizes differ
        ((4000, 4, 2.0), (900, 32, 3.0), (2, 3)),  # all of them
    ],
)
def test_each_task_gets_the_epochs_that_it_asks_for(first, second, asked):
    n, batch, wanted = zip(first, second, strict=True)
    sizes, rows = list(n), [values(b, e) for b, e in zip(batch, wanted, strict=True)]
    means = map(epochs_of, expected_updates(sizes, rows, 1.0), sizes, rows)
    assert list(means) == pytest.approx(asked)
    for seed in range(3):
        drawn = epochs([task("w-nli", *first), task("w-qa", *second)], replace(SETTINGS, seed=seed))
        steps = [round(a * size / b) for a, size, b in zip(asked, n, batch, strict=True)]
        # Five standard deviations of a binomial, in epochs of either task.
        spread = 5 * math.sqrt(steps[0] * steps[1] / sum(steps))
        for got, right, size, b in zip(drawn, asked, n, batch, strict=True):
            assert abs(got - right) < spread * b / size


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_shares_of_examples_are_by_what_is_asked_to_one_over_the_temperature(temperature):
    sizes, rows = [4000, 1000, 250], [values(8, 1.0), values(32, 2.0), values(16, 4.0)]
    shares = step_shares(sizes, rows, temperature)
    examples = np.array([share * row.batch_size for share, row in zip(shares, rows, strict=True)])
    expected = np.array([4000.0, 2000.0, 1000.0]) ** (1 / temperature)
    np.testing.assert_allclose(examples / examples.sum(), expected / expected.sum())
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("asked", [{"epochs": 3.0}, {"steps": 400}])
def test_equal_batches_and_epochs_draw_what_sizes_alone_draw(temperature, asked):
    """The rule before batch sizes counted, with its own stream: not a step may differ."""
    sizes = [3000, 700, 90]
    tasks = [task(*pair, 16, **asked) for pair in zip(("w-nli", "w-qa", "w-roles"), sizes, strict=True)]
    weights = np.array(sizes, dtype=float) ** (1 / temperature)
    rng = stream(0, "w-nli+w-qa+w-roles", "intermediate-1", "mixture")
    drawn = rng.choice(3, size=sum(t.steps for t in tasks), p=weights / weights.sum())
    names = [t.task.name for t in tasks]
    found = [name for name, _ in _turns(tasks, replace(SETTINGS, mixture_temperature=temperature))]
    assert found == [names[k] for k in drawn]


def test_steps_beside_epochs_are_the_steps_asked_for():
    rows = [values(16, steps=100), values(16, epochs=3.0)]
    assert expected_updates([16_000, 1600], rows, 1.0) == pytest.approx([100, 300])
    alone = expected_updates([16_000], [values(16, steps=123)], 1.0)
    assert alone == pytest.approx([123.0])
    assert steps_asked(100, values(16, epochs=2.0)) == 12  # the rest of a batch is dropped


def test_fewer_units_than_a_batch_are_a_whole_batch():
    sizes, rows = [5, 320], [values(16, 4.0), values(16, 4.0)]
    assert expected_updates(sizes, rows, 1.0) == pytest.approx([4, 80])


def test_plans_say_what_the_tasks_of_a_mixture_get():
    from simxfer.cli.show import plan_text

    text = """\
name: g
encoders: [world/w0-s0]
seeds: [0, 1]
blocks: [{intermediates: [w-nli+w-roles], targets: [w-pos]}]
overrides:
  w-nli: {epochs: 2, batch_size: 8, train_examples: 4000}
  w-roles: {epochs: 1, batch_size: 32, train_examples: 4000}
  w-pos: {epochs: 3, batch_size: 10, train_examples: 50}
"""
    grid = parse_grid(text)
    plan = expand(grid, revision)
    lines = plan_text(grid, plan).splitlines()
    assert [line for line in lines if line.startswith("  a mixture")] == [
        "  a mixture    w-nli about 1,000 updates (2 epochs); w-roles about 125 updates (1 epochs)"
    ]
    [mixed, *_] = [stage for stage in plan.stages.values() if len(stage.data) == 2]
    assert mixed.sequences == (8000, 4000) and mixed.cost == 12_000
    stages = plan_text(grid, plan, stages=True)
    assert stages.count("w-pos seed 0: w-pos 15 updates (3 epochs)") == 1


def test_the_temperature_changes_what_a_plan_expects():
    rows = tuple(values(b, 1.0).as_dict() | {"train_examples": n} for b, n in ((8, 6400), (8, 400)))
    stage = Stage(
        encoder="e",
        fingerprint="f",
        data=(TaskData("w-nli"), TaskData("w-qa")),
        parts=((("w-nli", "train"),), (("w-qa", "train"),)),
        hyperparameters=rows,
        mixture_temperature=2.0,
    )
    assert [each.updates for each in stage.expected] == pytest.approx([850 * 0.8, 850 * 0.2])
