"""Randomised smoothing: training on copies of the data whose words are perturbed (Huang et al. 2021, 2104.08645)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field

from simxfer.common.errors import unknown
from simxfer.sources.perturb import CLEAN, MIXES, PERTURBATIONS, Perturbation
from simxfer.training.methods.method import Method


@dataclass(frozen=True)
class SmoothedTraining(Method):
    """Everything is trained, on several draws of the perturbed training data; a pass is over all of them.

    Copies that are not perturbed are the control: what several passes over the data give without any smoothing is
    `smoothing(substitute,strength=0,copies=3)`, and of one such copy the method is `full`, bit for bit.
    """

    by: str = "substitute"
    """The perturbation; of a lexicon it is Huang et al.'s, whose neighbours are counter-fitted synonyms."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of words that are drawn anew; 0 leaves the copies as they are."""
    copies: Annotated[int, Field(ge=1)] = 3
    """How many draws of every example are trained on; 3 for XNLI and 10 for PAWS-X in the paper."""

    spelled: ClassVar[tuple[str, ...]] = ("by", "strength", "copies")

    def __post_init__(self) -> None:
        """Refuse what is no perturbation of the words of one language."""
        known = set(PERTURBATIONS) - set(MIXES)
        if self.by not in known:
            raise ValueError(unknown("perturbation of words", self.by, known))

    @property
    def inputs(self) -> tuple[str, ...]:
        """How the training data are read, a copy each."""
        if self.strength == 0:
            return (CLEAN,) * self.copies
        one = Perturbation(self.by, self.strength)
        return tuple(str(replace(one, draw=i)) for i in range(self.copies))
