"""A model whose answers are looked for where it errs: embeddings move against it inside a ball (PGD)."""

from typing import Any

import torch
from torch import Tensor

from simxfer.encoder.embedding_attack import climb
from simxfer.encoder.losses import loss_sum
from simxfer.encoder.network import Batch, TransferModel
from simxfer.scoring.protocol import PGD_STEPS
from simxfer.tasks.record import Task


class Attacked(TransferModel):
    """Reads every row with its word embeddings moved up the loss of its gold answer.

    PGD (Madry et al. 2018): `PGD_STEPS` steps from the embeddings as they are, each 2.5 radius / steps long along the
    gradient, so that the border of the ball is reached and can be followed; the ball is L2 over all tokens of a
    row. Nothing is drawn.
    """

    def __init__(self, model: TransferModel, task: Task, radius: float) -> None:
        super().__init__(model.encoder)
        self.attacked, self.heads, self.beside = model, model.heads, model.beside
        self.task, self.radius = task, radius

    def states(self, batch: Batch, layer: int = -1) -> Tensor:
        """Return the hidden states of a layer where the embeddings have moved to."""
        return super().states({**batch, "delta": self.delta(batch)}, layer)

    def delta(self, batch: Batch) -> Tensor:
        """Return by what the word embeddings of a batch move, (rows, length, dimensions)."""
        # Prediction keeps no gradients; copies, as tensors made there cannot stand in a graph.
        with torch.inference_mode(False), torch.enable_grad():
            given = {name: values.clone() for name, values in batch.items()}
            network: Any = self.encoder
            weight = network.get_input_embeddings().weight
            start = weight.new_zeros(*given["ids"].shape, weight.shape[1])
            return climb(
                lambda delta: loss_sum(self.attacked, self.task, {**given, "delta": delta}),
                start,
                given["mask"],
                self.radius,
                2.5 * self.radius / PGD_STEPS,
                PGD_STEPS,
                "l2-example",
            )
