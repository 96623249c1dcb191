"""Sizes and hyperparameters of the tasks of a stage -> how often each is drawn. Pure: no torch, no data.

A mixture draws examples, not batches: at temperature 1 every task gets the epochs that it asks for, whatever its batch
size is. A cap comes before the temperature: min(units, cap)^(1/T) (T5, Raffel et al. 2020, section 3.5.2). Counts are
whole, by largest remainder, so that they are the same for every seed; the seed draws their order.
"""

from collections.abc import Sequence
from math import ceil, floor

from simxfer.training.recipes import Hyperparameters

Temperature = float | str
"""T, at least 1; or `uniform`, what it goes to as it grows."""


def steps_asked(size: int, values: Hyperparameters) -> int:
    """Return the steps that a task of so many units asks for, from `steps` or from `epochs` of whole batches."""
    return values.steps or ceil(values.epochs * (size // _batch(size, values)))


def step_shares(
    sizes: Sequence[int],
    tasks: Sequence[Hyperparameters],
    temperature: Temperature = 1.0,
    cap: int | None = None,
) -> list[float]:
    """Return the probability of each task at a step of their mixture, summing to 1.

    The share of a task's examples is proportional to (units times epochs)^(1/temperature), and that of its steps to the
    same over its batch size; no task has more than `cap` units. Where all tasks count steps, none asks for epochs: the
    units alone count, and the steps are those of all together.
    """
    exponent = 0.0 if isinstance(temperature, str) else 1 / temperature
    epochs = any(values.epochs for values in tasks)
    pairs = list(zip(_capped(sizes, cap), tasks, strict=True))
    examples = [_examples_asked(n, values) if epochs else n for n, values in pairs]
    weights = [
        asked**exponent / _batch(n, values) for asked, (n, values) in zip(examples, pairs, strict=True)
    ]
    return [weight / sum(weights) for weight in weights]


def step_counts(
    sizes: Sequence[int],
    tasks: Sequence[Hyperparameters],
    temperature: Temperature = 1.0,
    cap: int | None = None,
) -> list[int]:
    """Return the steps that each task of a mixture gets; alone, a task gets what it asks for."""
    capped = _capped(sizes, cap) if len(sizes) > 1 else sizes
    steps = sum(map(steps_asked, capped, tasks))
    return largest_remainder(step_shares(sizes, tasks, temperature, cap), steps)


def largest_remainder(shares: Sequence[float], total: int) -> list[int]:
    """Return whole numbers in these shares that sum to a total; of equal remainders the first is rounded up."""
    exact = [share * total for share in shares]
    # Remainders that differ by rounding alone are equal.
    remainders = [round(value - floor(value + 1e-9), 9) for value in exact]
    counts = [floor(value + 1e-9) for value in exact]
    order = sorted(range(len(exact)), key=lambda i: -remainders[i])
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


def epochs_of(updates: float, size: int, values: Hyperparameters) -> float:
    """Return how often so many updates pass over the units of a task."""
    return updates * _batch(size, values) / size


def epochs_to_keep(tasks: Sequence[Hyperparameters]) -> int:
    """Return the number of epochs, of a mixture the mean, at whose ends checkpoints are kept; 10 where steps count."""
    epochs = sum(values.epochs for values in tasks) / len(tasks)
    return max(1, round(epochs)) if epochs else 10


def _capped(sizes: Sequence[int], cap: int | None) -> list[int]:
    return [min(size, cap or size) for size in sizes]


def _batch(size: int, values: Hyperparameters) -> int:
    return min(values.batch_size, size)


def _examples_asked(size: int, values: Hyperparameters) -> float:
    return values.steps * _batch(size, values) or values.epochs * size
