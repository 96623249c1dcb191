"""Language-adversarial training (DANN: Ganin et al. 2016): the encoder learns to hide which language it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from simxfer.training.methods.method import Course, Method

if TYPE_CHECKING:
    from simxfer.encoder.network import TransferModel
    from simxfer.training.settings import Training


@dataclass(frozen=True)
class AdversarialTraining(Method):
    """Everything is trained, against a discriminator of languages; strength 0 is `full`, bit for bit.

    Beside every batch of the task stands one of unlabelled text. A discriminator learns to tell the task's language
    and those of the texts apart; its gradient is reversed on its way into the encoder.
    """

    reads: Literal["mean", "first", "tokens"] = "mean"
    """What the discriminator reads of a text: the mean of its states, that of its first token, or each by itself."""
    strength: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """What the reversed gradient is multiplied by at the end of the schedule."""
    gamma: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 10.0
    """How steeply the schedule rises: 2 / (1 + exp(-gamma p)) - 1 after a share p of the steps."""
    width: Annotated[int, Field(ge=1)] = 500
    """Of the discriminator's hidden layer; AdvPicker's (Chen et al. 2021)."""
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    """Learning rate of the discriminator."""
    labels: Literal["true", "permuted"] = "true"
    """`permuted` is the control: every text has a language label that is drawn once, in the shares of the true ones."""

    spelled: ClassVar[tuple[str, ...]] = ("reads", "strength")

    @property
    def reads_text(self) -> bool:
        """Whether there is an adversary at all."""
        return self.strength > 0

    def begin(self, model: TransferModel, training: Training) -> Course:
        """Return the discriminator's course beside the stage; at strength 0 there is none.

        Raises:
            ValueError: there is no text.
        """
        if not self.reads_text:
            return Course(self, model)
        if not training.texts:
            raise ValueError("adversarial training reads unlabelled text of one language at least; got none")
        from simxfer.training.adversary import Adversary

        return Adversary(self, model, training)
