"""Sizes and hyperparameters of the tasks of a stage -> how often each is drawn. Pure: no torch, no data.

A mixture draws examples, not batches: at temperature 1 every task gets the epochs that it asks for, whatever its batch
size is.
"""

from collections.abc import Sequence
from math import ceil

from simxfer.training.recipes import Hyperparameters


def steps_asked(size: int, values: Hyperparameters) -> int:
    """Return the steps that a task of so many units asks for, from `steps` or from `epochs` of whole batches."""
    return values.steps or ceil(values.epochs * (size // _batch(size, values)))


def step_shares(sizes: Sequence[int], tasks: Sequence[Hyperparameters], temperature: float) -> list[float]:
    """Return the probability of each task at a step of their mixture, summing to 1.

    The share of a task's examples is proportional to (units times epochs)^(1/temperature), and that of its steps to the
    same over its batch size. Where all tasks count steps, none asks for epochs: the units alone count, and the steps
    are those of all together.
    """
    epochs = any(values.epochs for values in tasks)
    pairs = list(zip(sizes, tasks, strict=True))
    examples = [_examples_asked(n, values) if epochs else n for n, values in pairs]
    weights = [
        asked ** (1 / temperature) / _batch(n, values)
        for asked, (n, values) in zip(examples, pairs, strict=True)
    ]
    return [weight / sum(weights) for weight in weights]


def expected_updates(
    sizes: Sequence[int], tasks: Sequence[Hyperparameters], temperature: float
) -> list[float]:
    """Return the steps that each task of a mixture gets in the mean; alone, a task gets what it asks for."""
    pairs = list(zip(sizes, tasks, strict=True))
    steps = sum(_examples_asked(n, values) / _batch(n, values) for n, values in pairs)
    return [steps * share for share in step_shares(sizes, tasks, temperature)]


def epochs_of(updates: float, size: int, values: Hyperparameters) -> float:
    """Return how often so many updates pass over the units of a task."""
    return updates * _batch(size, values) / size


def epochs_to_keep(tasks: Sequence[Hyperparameters]) -> int:
    """Return the number of epochs, of a mixture the mean, at whose ends checkpoints are kept; 10 where steps count."""
    epochs = sum(values.epochs for values in tasks) / len(tasks)
    return max(1, round(epochs)) if epochs else 10


def _batch(size: int, values: Hyperparameters) -> int:
    return min(values.batch_size, size)


def _examples_asked(size: int, values: Hyperparameters) -> float:
    return values.steps * _batch(size, values) or values.epochs * size
