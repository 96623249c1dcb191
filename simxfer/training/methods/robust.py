"""Adversarial training on word embeddings: FreeLB (Zhu et al. 2020) and PGD (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from simxfer.training.methods.method import Method

if TYPE_CHECKING:
    from torch import Tensor

    from simxfer.encoder.network import Batch, TransferModel
    from simxfer.tasks.record import Task


@dataclass(frozen=True)
class RobustTraining(Method):
    """Everything is trained, on embeddings that are moved against the model; radius 0 is `full`, bit for bit."""

    attack: Literal["freelb", "pgd"] = "freelb"
    """`freelb` averages the gradients of all its passes; `pgd` trains on the last perturbation alone."""
    radius: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.3
    """Of the ball in which an example is moved; FreeLB's value for RoBERTa-large on MNLI."""
    passes: Annotated[int, Field(ge=2)] = 2
    """Forward and backward passes a batch; the perturbation moves between them."""
    size: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    """Of a step."""
    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.1
    """Of the random start; 0 starts unmoved."""
    ball: Literal["l2-example", "l2-token", "linf-sign", "linf-scaled"] = "l2-example"
    """See `simxfer.encoder.embedding_attack`."""

    spelled: ClassVar[tuple[str, ...]] = ("attack", "radius")

    def add_gradients(
        self, model: TransferModel, task: Task, batch: Batch, count: int, autocast: Any
    ) -> float:
        """Add the gradients of all passes over a batch; return the mean of their losses (pgd: the last one).

        Dropout is the same in all passes, and the generator ends where one pass leaves it.
        """
        if self.radius == 0:
            return super().add_gradients(model, task, batch, count, autocast)
        import torch

        from simxfer.encoder.embedding_attack import ascend, project, random_start
        from simxfer.encoder.network import dropout_generator

        generator = dropout_generator(batch["ids"].device)
        network: Any = model.encoder
        width = network.get_input_embeddings().weight.shape[1]
        start = random_start(
            batch["ids"],
            batch["mask"],
            width,
            self.start,
            self.ball,
            generator.initial_seed(),
        )
        delta = project(start, self.radius, self.ball)
        before, total = generator.get_state(), 0.0
        for step in range(self.passes):
            last = step == self.passes - 1
            generator.set_state(before)
            delta = delta.detach().requires_grad_(not last)
            with autocast():
                # In the batch: a loss that reads some of its rows (ranking) takes their part of it.
                loss = self.loss(model, task, {**batch, "delta": delta}) / count
            if self.attack == "freelb":
                total += float(loss.detach()) / self.passes
                gradient = _back(loss / self.passes, delta)
            else:
                total = float(loss.detach())
                gradient = _back(loss, None) if last else torch.autograd.grad(loss, delta)[0]
            if not last and gradient is not None:
                # Of padding there is no gradient: attention and pooling leave it out, the mask makes sure of it.
                moved = ascend(delta.detach(), gradient * batch["mask"][..., None], self.size, self.ball)
                delta = project(moved, self.radius, self.ball)
        return total


def _back(loss: Tensor, delta: Tensor | None) -> Tensor | None:
    loss.backward()
    return None if delta is None else delta.grad
