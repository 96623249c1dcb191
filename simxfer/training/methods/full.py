"""Full fine-tuning: every weight of the encoder and of the heads is trained."""

from torch import Tensor

from simxfer.encoder.network import Batch, TransferModel
from simxfer.tasks.record import Task
from simxfer.training.losses import loss_sum
from simxfer.training.recipes import Hyperparameters


class FullFineTuning:
    """What is trained, and the loss of a batch; the loop is `simxfer.training.loop`'s."""

    def parameter_groups(self, model: TransferModel, values: Hyperparameters) -> list[dict]:
        """Return AdamW's groups: decayed matrices of the encoder, or of heads as well; all else without decay."""
        encoder = list(model.encoder.parameters())
        tied = {id(p) for p in encoder}  # an MLM head shares its output matrix with the word embeddings
        heads = [p for p in model.heads.parameters() if id(p) not in tied]
        matrices = [p for p in encoder if p.ndim >= 2]
        matrices += [p for p in heads if p.ndim >= 2 and values.head_decay]
        rest = [p for p in encoder if p.ndim < 2]
        rest += [p for p in heads if p.ndim < 2 or not values.head_decay]
        return [
            {"params": matrices, "weight_decay": values.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]

    def loss(self, model: TransferModel, task: Task, batch: Batch) -> Tensor:
        """Return the summed loss of a (micro-)batch."""
        return loss_sum(model, task, batch)
