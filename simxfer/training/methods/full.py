"""Full fine-tuning: every weight of the encoder and of the heads is trained, or all above the lowest layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from simxfer.training.methods.method import Method

if TYPE_CHECKING:
    from simxfer.encoder.network import TransferModel


@dataclass(frozen=True)
class FullFineTuning(Method):
    """All weights, or those above the lowest layers."""

    freeze: Annotated[int, Field(ge=0)] = 0
    """Embeddings and so many of the lowest layers stay as they are and run without dropout."""

    @property
    def untouched(self) -> int:
        """Return how many of the lowest layers."""
        return self.freeze

    def resting(self, model: TransferModel) -> list[Any]:
        """Return embeddings and lowest layers.

        Raises:
            InputError: the encoder has no layer above them.
        """
        from simxfer.encoder.lower import lowest

        return lowest(model.encoder, self.freeze) if self.freeze else []
