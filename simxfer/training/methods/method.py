"""What a training method says: what is trained, how a batch is stepped, what a stage stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from torch import Tensor, nn

    from simxfer.encoder.network import Batch, TransferModel
    from simxfer.tasks.record import Task
    from simxfer.training.recipes import Hyperparameters
    from simxfer.training.settings import Training


@dataclass(frozen=True)
class Step:
    """The batch of one step."""

    number: int
    """Of the step in its stage, from 0."""
    task: Task
    units: np.ndarray
    """Which units of the task's data make the batch."""
    parts: Sequence[Batch]
    """The (micro-)batches that they are cut into, in their order."""
    count: int
    """What the losses of the whole batch are divided by."""
    autocast: Any
    """Gives the context of a forward pass."""


class Course:
    """What a method keeps while it trains one stage, beside the model: here nothing."""

    def __init__(self, method: Method, model: TransferModel) -> None:
        self.method, self.model = method, model

    def add_gradients(self, step: Step) -> float:
        """Add the gradients of a batch to those of the model's weights; return its mean loss."""
        return sum(
            self.method.add_gradients(self.model, step.task, part, step.count, step.autocast)
            for part in step.parts
        )

    def update(self) -> None:
        """Take the step of what is kept beside the model; the model's own was taken."""

    def noted(self) -> dict[str, float]:
        """Return what the log says beside loss, rate and norm, of the steps since it was asked last."""
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """Return what `load` needs to go on from here."""
        return {}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` were taken."""


class Method:
    """Everything is trained. Methods change parts of it; their parameters are fields of a frozen dataclass."""

    beside: ClassVar[bool] = False
    """Whether what is trained stands beside the encoder, which stays as its parent stage left it."""
    spelled: ClassVar[tuple[str, ...]] = ()
    """Parameters that are named even at their default."""

    @property
    def reads_text(self) -> bool:
        """Whether it reads unlabelled text of other languages beside its task."""
        return False

    @property
    def untouched(self) -> int:
        """How many of the lowest layers, and the embeddings below, give the states that they gave before."""
        return 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """How training data are read, `clean` or as `simxfer.sources.perturb` spells it; several are several copies."""
        return ("clean",)

    @property
    def beneath(self) -> Method | None:
        """What stands beneath all its stages, a stage each language, trained on unlabelled text; None for most."""
        return None

    def in_stage(self, part: str, below: str) -> Method:
        """Return the method of one stage, without what does not count in it.

        Args:
            part: `intermediate` or `target`.
            below: part of the path whose adapter stands below the stage, `language` among them; empty: there is none.
        """
        return self

    def stored(self, hidden: int, layers: int) -> int | None:
        """Return how many weights a stage stores of an encoder of these sizes, heads not counted; None for all."""
        return None

    def prepare(self, model: TransferModel, seed: int) -> None:
        """Make the model ready: add what is trained, let rest what is not. `seed` draws new weights.

        Raises:
            InputError: the encoder has not what the method needs.
        """
        for module in self.resting(model):
            module.requires_grad_(False)

    def train(self, model: TransferModel) -> None:
        """Switch dropout on where something is trained."""
        model.train()
        for module in self.resting(model):
            module.eval()

    def parameter_groups(self, model: TransferModel, values: Hyperparameters) -> list[dict]:
        """Return AdamW's groups: decayed matrices of the encoder, or of heads as well; all else without decay."""
        encoder = [p for p in self.trained(model).parameters() if p.requires_grad]
        tied = {
            id(p) for p in model.encoder.parameters()
        }  # an MLM head's matrix is that of the word embeddings
        heads = [p for p in model.heads.parameters() if id(p) not in tied]
        matrices = [p for p in encoder if p.ndim >= 2]
        matrices += [p for p in heads if p.ndim >= 2 and values.head_decay]
        rest = [p for p in encoder if p.ndim < 2]
        rest += [p for p in heads if p.ndim < 2 or not values.head_decay]
        return [
            {"params": matrices, "weight_decay": values.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]

    def begin(self, model: TransferModel, training: Training) -> Course:
        """Return the course of one stage."""
        return Course(self, model)

    def loss(self, model: TransferModel, task: Task, batch: Batch) -> Tensor:
        """Return the summed loss of a (micro-)batch."""
        from simxfer.encoder.losses import loss_sum

        return loss_sum(model, task, batch)

    def add_gradients(
        self, model: TransferModel, task: Task, batch: Batch, count: int, autocast: Any
    ) -> float:
        """Add the gradients of a (micro-)batch; return its part of the batch's mean loss.

        Args:
            model, task, batch: as for `loss`.
            count: what the losses of the whole batch are divided by.
            autocast: gives the context of the forward pass.
        """
        with autocast():
            loss = self.loss(model, task, batch) / count
        # Outside of autocast, as PyTorch advises: the backward pass takes the types of the forward pass.
        loss.backward()
        return float(loss.detach())

    def trained(self, model: TransferModel) -> nn.Module:
        """Return the module whose weights a stage stores, heads not counted."""
        return model.encoder

    def changes_nothing(self, model: TransferModel, batch: Batch) -> bool:
        """Tell whether the states of a batch are what they are without what was trained beside the encoder."""
        return False

    def resting(self, model: TransferModel) -> list[Any]:
        """Return the modules of the encoder that stay as they are and run without dropout."""
        return []
