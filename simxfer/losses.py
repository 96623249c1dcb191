"""The loss of each kind of task: a sum over what it counts, and the count, so that micro-batches add up."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from simxfer.model import Batch, TransferModel
from simxfer.ragged import IGNORED
from simxfer.tasks.record import Task


def loss_sum(model: TransferModel, task: Task, batch: Batch) -> Tensor:
    """Return the summed loss of a batch; divide it by `loss_count` of the whole batch.

    Classification: cross-entropy a unit. Multiple choice: softmax over the choices of a unit. Tagging:
    cross-entropy a labelled word. Span QA: mean of the cross-entropies of first and last token, a row
    (Devlin et al. 2019, section 4.2). MLM: cross-entropy a masked subword.
    """
    return _LOSSES[task.kind](model, task.name, batch)


def loss_count(task: Task, batch: Batch) -> int:
    """Return what the summed loss is divided by: labelled words or masked subwords, else units or rows."""
    labels = batch["labels"]
    return max(1, int((labels != IGNORED).sum())) if task.kind in ("tagging", "mlm") else len(labels)


def _classification(model: TransferModel, task: str, batch: Batch) -> Tensor:
    return cross_entropy(model(task, batch).float(), batch["labels"], reduction="sum")


def _choice(model: TransferModel, task: str, batch: Batch) -> Tensor:
    scores = model(task, batch).float().view(len(batch["labels"]), -1)
    return cross_entropy(scores, batch["labels"], reduction="sum")


def _tagging(model: TransferModel, task: str, batch: Batch) -> Tensor:
    logits = model(task, batch).float()
    return cross_entropy(
        logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _span(model: TransferModel, task: str, batch: Batch) -> Tensor:
    logits = model(task, batch).float().masked_fill(batch["mask"][..., None] == 0, -1e4)
    first, last = (cross_entropy(logits[..., k], batch["labels"][:, k], reduction="sum") for k in (0, 1))
    return (first + last) / 2


def _mlm(model: TransferModel, task: str, batch: Batch) -> Tensor:
    masked = batch["labels"] != IGNORED
    logits = model.heads[task](model.states(batch)[masked]).float()
    return cross_entropy(logits, batch["labels"][masked], reduction="sum")


_LOSSES: dict[str, Callable[[TransferModel, str, Batch], Tensor]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "tagging": _tagging,
    "span": _span,
    "mlm": _mlm,
}


def mask_tokens(
    batch: dict[str, Tensor], share: float, mask_id: int, vocabulary: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """Mask subwords for MLM: of a share of them, 80 % become <mask>, 10 % a random one, 10 % stay.

    Ids 0-4 are the special tokens and are never masked nor drawn. Devlin et al. 2019, section 3.1.
    """
    ids = batch["ids"]
    draw, what = (torch.rand(ids.shape, generator=generator) for _ in range(2))
    chosen = (draw < share) & (ids > 4)
    random_ids = torch.randint(5, vocabulary, ids.shape, generator=generator)
    masked = torch.where(chosen & (what < 0.8), mask_id, ids)
    masked = torch.where(chosen & (what >= 0.9), random_ids, masked)
    return {**batch, "ids": masked, "labels": torch.where(chosen, ids, IGNORED)}
