"""What each task of a mixture gets: examples by size and epochs, whatever the batch sizes are."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import Stage
from simxfer.sources import revision
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import TaskData
from simxfer.training.loop import _turns, updates
from simxfer.training.mixture import epochs_of, largest_remainder, step_counts, step_shares, steps_asked
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
    planned = list(map(epochs_of, step_counts(sizes, rows), sizes, rows))
    for seed in range(3):
        drawn = epochs([task("w-nli", *first), task("w-qa", *second)], replace(SETTINGS, seed=seed))
        assert drawn == planned
        for got, right, size, b in zip(drawn, asked, n, batch, strict=True):
            assert abs(got - right) <= 2 * b / size  # the rest of a batch is dropped, and counts are whole


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_shares_of_examples_are_by_what_is_asked_to_one_over_the_temperature(temperature):
    sizes, rows = [4000, 1000, 250], [values(8, 1.0), values(32, 2.0), values(16, 4.0)]
    shares = step_shares(sizes, rows, temperature)
    examples = np.array([share * row.batch_size for share, row in zip(shares, rows, strict=True)])
    expected = np.array([4000.0, 2000.0, 1000.0]) ** (1 / temperature)
    np.testing.assert_allclose(examples / examples.sum(), expected / expected.sum())
    assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("temperature", [1.0, 3.0, "uniform"])
def test_a_seed_draws_the_order_of_a_mixture_and_not_its_counts(temperature):
    tasks = [task(name, n, 16, epochs=3.0) for name, n in (("w-nli", 3000), ("w-qa", 700), ("w-roles", 90))]
    turns = [
        _turns(tasks, replace(SETTINGS, seed=seed, mixture_temperature=temperature)) for seed in (0, 1, 0)
    ]
    assert turns[0] == turns[2] != turns[1] and sorted(turns[0]) == sorted(turns[1])
    # In any stretch of it the tasks come as often as they do in all, as far as chance goes.
    names = [name for name, _ in turns[0]]
    for name in set(names):
        whole, half = names.count(name), names[: len(names) // 2].count(name)
        assert abs(half - whole / 2) < 5 * math.sqrt(max(1, whole) / 4)


def test_a_cap_comes_before_the_temperature_and_shortens_the_mixture():
    sizes, rows = [4000, 1000, 250], [values(10, 1.0)] * 3
    counts = {cap: step_counts(sizes, rows, cap=cap) for cap in (None, 500, 10_000)}
    assert counts[None] == counts[10_000] == [400, 100, 25]
    assert counts[500] == [50, 50, 25]
    assert step_counts(sizes, rows, 2.0, cap=1000) == largest_remainder(
        [w / sum((1000**0.5, 1000**0.5, 250**0.5)) for w in (1000**0.5, 1000**0.5, 250**0.5)], 225
    )
    assert step_counts([4000], rows[:1], cap=500) == [400]  # alone it is no mixture


def test_uniform_gives_every_task_as_many_examples():
    rows = [values(8, 1.0), values(32, 2.0), values(16, 4.0)]
    counts = step_counts([4000, 1000, 250], rows, "uniform")
    examples = [count * row.batch_size for count, row in zip(counts, rows, strict=True)]
    assert max(examples) - min(examples) <= 32
    assert sum(counts) == sum(map(steps_asked, [4000, 1000, 250], rows))


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=9), st.integers(0, 10_000))
def test_whole_counts_sum_to_the_total_and_are_next_to_their_shares(weights, total):
    shares = [weight / sum(weights) for weight in weights]
    counts = largest_remainder(shares, total)
    assert sum(counts) == total
    assert all(abs(count - share * total) < 1 + 1e-6 for count, share in zip(counts, shares, strict=True))


def test_steps_beside_epochs_are_the_steps_asked_for():
    rows = [values(16, steps=100), values(16, epochs=3.0)]
    assert step_counts([16_000, 1600], rows) == [100, 300]
    assert step_counts([16_000], [values(16, steps=123)]) == [123]
    assert steps_asked(100, values(16, epochs=2.0)) == 12  # the rest of a batch is dropped


def test_fewer_units_than_a_batch_are_a_whole_batch():
    sizes, rows = [5, 320], [values(16, 4.0), values(16, 4.0)]
    assert step_counts(sizes, rows) == [4, 80]


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
        "  a mixture    w-nli 1,000 updates (2 epochs); w-roles 125 updates (1 epochs)"
    ]
    [mixed, *_] = [stage for stage in plan.stages.values() if len(stage.data) == 2]
    assert mixed.sequences == (8000, 4000) and mixed.cost == 12_000
    stages = plan_text(grid, plan, stages=True)
    assert stages.count("w-pos seed 0: w-pos 15 updates (3 epochs)") == 1


def test_a_plan_says_what_a_mixture_gets_by_every_method():
    from simxfer.cli.show import plan_text

    text = """\
name: g
encoders: [world/w0-s0]
seeds: [0, 1]
methods: [full, full(freeze=1), adapter]
blocks: [{intermediates: [w-nli+w-roles], targets: [w-pos]}]
overrides: {"*": {epochs: 1, batch_size: 40, train_examples: 4000}}
method_overrides: {adapter: {"*": {epochs: 2}}}
"""
    grid = parse_grid(text)
    lines = plan_text(grid, expand(grid, revision)).splitlines()
    assert [line for line in lines if line.startswith("  a mixture")] == [
        "  a mixture    w-nli 100 updates (1 epochs); w-roles 100 updates (1 epochs) by full, full(freeze=1)",
        "  a mixture    w-nli 200 updates (2 epochs); w-roles 200 updates (2 epochs) by adapter(pfeiffer,r=16)",
    ]


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
    assert [each.updates for each in stage.expected] == [680, 170]
