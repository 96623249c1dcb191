"""The loss of each kind of task: a sum over what it counts, and the count, so that micro-batches add up."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from simxfer.common.errors import InputError
from simxfer.encoder.network import Batch, TransferModel
from simxfer.encoder.ragged import IGNORED
from simxfer.tasks.record import Task

Reduction = Literal["sum", "none"]

RANKING_SCALE = 100.0
"""What cosines are multiplied by in the softmax of a bi-encoder, 1 / temperature.

XTREME-R (Ruder et al. 2021) starts a trained scale from this value, third_party/bert.py; at its learning rate of
2e-5 Adam can move it by about 2e-5 a step, so that it stays there.
"""


def loss_sum(model: TransferModel, task: Task, batch: Batch) -> Tensor:
    """Return the summed loss of a batch; divide it by `loss_count` of the whole batch.

    Classification: cross-entropy a unit. Multiple choice: softmax over the choices of a unit. Tagging:
    cross-entropy a labelled word. Span QA: mean of the cross-entropies of first and last token, a row
    (Devlin et al. 2019, section 4.2). MLM: cross-entropy a masked subword. Ranking: softmax of a query over the
    candidates of the batch it is given, where that is a micro-batch of the micro-batch: there is no adding up.

    Raises:
        InputError: a ranking batch has no negatives.
    """
    if task.kind in _OF_LOGITS:
        return _OF_LOGITS[task.kind](model(task.name, batch).float(), batch, "sum")
    return _OTHERS[task.kind](model, task.name, batch)


def unit_losses(model: TransferModel, task: Task, batch: Batch) -> Tensor:
    """Return what each unit of a batch adds to `loss_sum`, (units,): of kinds whose units have a loss of their own."""
    return _OF_LOGITS[task.kind](model(task.name, batch).float(), batch, "none")


def loss_count(task: Task, batch: Batch) -> int:
    """Return what the summed loss is divided by: labelled words or masked subwords, else units or rows."""
    labels = batch["labels"]
    return max(1, int((labels != IGNORED).sum())) if task.kind in ("tagging", "mlm") else len(labels)


def _classification(logits: Tensor, batch: Batch, reduction: Reduction) -> Tensor:
    return cross_entropy(logits, batch["labels"], reduction=reduction)


def _choice(logits: Tensor, batch: Batch, reduction: Reduction) -> Tensor:
    scores = logits[:, 0][batch["rows"]].masked_fill(batch["rows"] < 0, -torch.inf)
    return cross_entropy(scores, batch["labels"], reduction=reduction)


def _tagging(logits: Tensor, batch: Batch, reduction: Reduction) -> Tensor:
    labels = batch["labels"]
    words = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction=reduction)
    return words if reduction == "sum" else words.view_as(labels).sum(dim=1)


def _span(logits: Tensor, batch: Batch, reduction: Reduction) -> Tensor:
    # Finite: its exponential is 0 in float32 all the same, and no product with it is NaN.
    logits = logits.masked_fill(batch["mask"][..., None] == 0, -1e4)
    first, last = (cross_entropy(logits[..., k], batch["labels"][:, k], reduction=reduction) for k in (0, 1))
    return (first + last) / 2


def _ranking(model: TransferModel, _task: str, batch: Batch) -> Tensor:
    """In-batch softmax over cosines (Roy et al. 2020, LAReQA, section 4.1), pairs of one group not told apart."""
    queries, candidates = (_first_states(model, batch, rows) for rows in batch["rows"].T)
    groups = batch["labels"]
    own = torch.eye(len(groups), dtype=torch.bool, device=groups.device)
    same = groups[:, None] == groups[None, :]
    if same.all():
        raise InputError(
            f"ranking: a batch of {len(groups)} pairs has no candidate that is not relevant to all its queries; "
            "raise batch_size, and set micro_batch_size to 0: negatives come from the micro-batch"
        )
    with torch.autocast(queries.device.type, enabled=False):  # bf16 would round a cosine of .9 to 1/256
        scores = RANKING_SCALE * queries @ candidates.T
    scores = scores.masked_fill(same & ~own, -torch.inf)
    return cross_entropy(scores, torch.arange(len(groups), device=groups.device), reduction="sum")


def _first_states(model: TransferModel, batch: Batch, rows: Tensor) -> Tensor:
    """Return the normalised states of the first tokens of some rows, without the padding that others need."""
    longest = int(batch["mask"][rows].sum(dim=1).max())
    cut = {"ids", "mask", "segments", "delta", "lower"} & batch.keys()
    short = {name: batch[name] for name in {"layers"} & batch.keys()}
    short |= {name: batch[name][rows, :longest] for name in cut}
    return normalize(model.states(short)[:, 0].float(), dim=1)


def _mlm(model: TransferModel, task: str, batch: Batch) -> Tensor:
    masked = batch["labels"] != IGNORED
    # The head reads masked subwords alone: logits of all, each over 250,000 ids, would fill the memory.
    logits = model.logits(task, model.states(batch)[masked]).float()
    return cross_entropy(logits, batch["labels"][masked], reduction="sum")


_OF_LOGITS: dict[str, Callable[[Tensor, Batch, Reduction], Tensor]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "tagging": _tagging,
    "span": _span,
}
_OTHERS: dict[str, Callable[[TransferModel, str, Batch], Tensor]] = {"ranking": _ranking, "mlm": _mlm}
