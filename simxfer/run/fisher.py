"""TaskEmb: a task as the diagonal empirical Fisher information of an encoder trained on it (Vu et al. 2020).

Two tasks are alike where they hold the same weights of the encoder in place (Task2Vec, Achille et al. 2019).
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from simxfer.common.atomic import write_file
from simxfer.common.streams import stream
from simxfer.encoder.batching import collate
from simxfer.encoder.losses import loss_count, loss_sum
from simxfer.encoder.network import TransferModel
from simxfer.grid.plan import TARGET, Plan, Stage
from simxfer.run.checkpoints import Checkpoints, is_trained
from simxfer.run.stage_data import StageData
from simxfer.schema.directory import RunDirectory
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import NONE, parse_intermediate
from simxfer.training.settings import TrainingTask

FISHER_UNITS = 200
"""Training units (examples, or windows of long ones) a task that the mean is taken over."""
MOST_WEIGHTS = 4_000_000
"""An encoder with more weights (XLM-R has 270 million and up) is embedded by the mean of each weight tensor."""


def write_task_embeddings(run: RunDirectory, plan: Plan, data: StageData, checkpoints: Checkpoints) -> None:
    """Write the task embeddings of every pretrained encoder of a run, where missing.

    One file an encoder, one array a task as named by `embedded_stages`. A task whose stage is not trained
    (its training diverged) is left out until it is.
    """
    for checkpoint, stages in embedded_stages(plan).items():
        path = run.task_embeddings(checkpoint)
        found = _read(path)
        trained = {name: stage for name, stage in stages.items() if is_trained(run, stage)}
        missing = {name: _embedding(data, checkpoints, s) for name, s in trained.items() if name not in found}
        if missing:
            _write(path, found | missing)


def embedded_stages(plan: Plan) -> dict[str, dict[str, Stage]]:
    """Return the stages whose tasks are embedded: pretrained encoder -> name of the task embedding -> stage.

    `intermediate/NAME` is the stage of an intermediate of one task, `target/NAME` that of a target after
    `none`; each with the first method and seed that the grid names for it. Controls are left out, and ranking: its
    loss compares the pairs of a batch, a pair by itself has none.
    """
    out: dict[str, dict[str, Stage]] = {}
    for cell in plan.cells:
        root, *stages = plan.path(cell.stage)
        if root.seed is not None or not stages:
            continue
        phases = parse_intermediate(cell.intermediate)
        if cell.intermediate == NONE and stages[-1].phase == TARGET:
            if get_task(cell.target).kind == "ranking":
                continue
            out.setdefault(cell.checkpoint, {}).setdefault(f"target/{cell.target}", stages[-1])
        elif [len(data) for data in phases] == [1]:
            out.setdefault(cell.checkpoint, {}).setdefault(f"intermediate/{cell.intermediate}", stages[0])
    return out


def empirical_fisher(
    model: TransferModel,
    training: TrainingTask,
    units: np.ndarray,
    pad: int,
    most_weights: int = MOST_WEIGHTS,
) -> np.ndarray:
    """Return the diagonal empirical Fisher information of the encoder's weights under the training loss.

    F_k = 1/n sum_i (d loss_i / d w_k)^2 with the gold labels, one unit a gradient and without dropout (Vu et
    al. 2020, TaskEmb; in Achille et al. 2019 the labels are sampled from the model instead). The loss of a
    unit is its mean training loss: over the labelled words of a sentence, over first and last token.

    Args:
        model: encoder and the task's trained head; the head's own weights are not looked at.
        training: the task and its training data.
        units: which units of them.
        pad: id of the padding subword.
        most_weights: an encoder with more weights is reduced to the mean of each weight tensor.

    Returns:
        (weights,) or (weight tensors,) float32, in the order of `model.encoder.parameters()`.
    """
    model.eval()
    weights = [weight.requires_grad_() for weight in model.encoder.parameters()]
    whole = sum(weight.numel() for weight in weights) <= most_weights
    totals = [torch.zeros_like(weight) if whole else weight.new_zeros(1) for weight in weights]
    for unit in units:
        gradients = torch.autograd.grad(
            _unit_loss(model, training, unit, pad), weights, allow_unused=True, materialize_grads=True
        )
        for total, gradient in zip(totals, gradients, strict=True):
            total += gradient.square() if whole else gradient.square().mean()
    return (torch.cat([total.detach().flatten() for total in totals]) / len(units)).cpu().numpy()


def _unit_loss(model: TransferModel, training: TrainingTask, unit: int, pad: int) -> Tensor:
    device = next(model.parameters()).device
    batch = collate(training.features, np.array([unit]), pad, device)
    return loss_sum(model, training.task, batch) / loss_count(training.task, batch)


def _embedding(data: StageData, checkpoints: Checkpoints, stage: Stage) -> np.ndarray:
    """Return the Fisher information of a trained stage of one task on its own training data."""
    [training] = data.training_tasks(stage)
    rng = stream(stage.seed or 0, training.task.name, stage.phase, "fisher")
    units = rng.permutation(training.features.n_units)[:FISHER_UNITS]
    pad = data.tokenizer(stage.encoder).pad_token_id
    return empirical_fisher(checkpoints.load(stage), training, units, pad)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _write(path: Path, embeddings: dict[str, np.ndarray]) -> None:
    def save(temporary: Path) -> None:
        with temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **embeddings)

    write_file(path, save)
