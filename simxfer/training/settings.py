"""What a stage is trained on, and what else decides how."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from simxfer.encoder.ragged import Features
from simxfer.tasks.record import Task
from simxfer.training.mixture import Temperature, steps_asked
from simxfer.training.recipes import Hyperparameters


@dataclass(frozen=True, kw_only=True)
class TrainingTask:
    """One task of a stage with its data and hyperparameters."""

    task: Task
    features: Features
    values: Hyperparameters

    @property
    def steps(self) -> int:
        """Number of steps, from `steps` or from `epochs`."""
        return steps_asked(self.features.n_units, self.values)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What else decides how a stage is trained."""

    seed: int
    phase: str
    method: str = "full"
    numerics: str = "fp32"
    mixture_temperature: Temperature = 1.0
    mixture_cap: int | None = None
    pad: int = 1
    mask: int = 4
    special: tuple[int, ...] = (0, 1, 2, 3, 4)
    masked_share: float = 0.15
    """Share of subwords that masked language modelling masks (Devlin et al. 2019)."""
    log_every: int = 25
    save_every_seconds: float = 600.0


class Mark(NamedTuple):
    """What is done with a model in the middle of its training."""

    steps: frozenset[int]
    """After which steps."""
    act: Callable[[int], None]
    """Called with the number of steps done; it may leave the model in evaluation mode."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """All that a method is told of a stage when its training begins."""

    tasks: Sequence[TrainingTask]
    texts: Sequence[Features]
    """Unlabelled text, by language; empty where the method reads none."""
    settings: Settings
    steps: int
