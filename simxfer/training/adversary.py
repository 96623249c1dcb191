"""The discriminator of languages that stands beside an encoder in training (Ganin et al. 2016, sections 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from simxfer.common.streams import stream, stream_seed
from simxfer.encoder.batching import BatchOrder, collate
from simxfer.encoder.network import Batch, TransferModel, dropout_generator
from simxfer.encoder.ragged import join_features
from simxfer.training.methods.method import Course, Step
from simxfer.training.state import take_up, tensors_of

if TYPE_CHECKING:
    from simxfer.training.settings import Training


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return states.view_as(states)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse(states: Tensor, strength: float) -> Tensor:
    """Return the states as they are; their gradient is multiplied by -strength, and cut off at 0.

    Cut off, not multiplied: 0 times a number that is none would be none.
    """
    return _Reversal.apply(states, strength) if strength else states.detach()


def strength_at(share: float, gamma: float) -> float:
    """Return the schedule of Ganin et al. 2016 after a share of the steps, 0 to 1: 2 / (1 + exp(-gamma p)) - 1."""
    return 2 / (1 + exp(-gamma * share)) - 1


def read(states: Tensor, mask: Tensor, reads: str) -> tuple[Tensor, Tensor]:
    """Return what a discriminator reads of hidden states, and of which row each is.

    Args:
        states: (rows, length, hidden).
        mask: (rows, length), 0 at padding.
        reads: `mean`, `first` or `tokens`, as `AdversarialTraining.reads`.

    Returns:
        (read, hidden), and (read,) indices of rows.
    """
    rows = torch.arange(len(states), device=states.device)
    if reads == "first":
        return states[:, 0], rows
    if reads == "mean":
        kept = mask[..., None].to(states)
        return (states * kept).sum(dim=1) / kept.sum(dim=1), rows
    inside = mask == 1
    return states[inside], rows[:, None].expand_as(mask)[inside]


def discriminator(hidden: int, width: int, languages: int, seed: int) -> nn.Module:
    """Return a new discriminator of so many languages: one hidden layer with ReLU; equal seeds, equal weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(hidden, width), nn.ReLU(), nn.Linear(width, languages))


class Adversary(Course):
    """A discriminator with its optimizer, its draws and its unlabelled texts, for one stage.

    Its loss is the mean of two: over the task's batch, whose language is number 0, and over the texts'. Both count
    half, however many subwords they have. Its weight is 1; what reaches the encoder is scaled by the schedule.
    """

    method: Any
    """An `AdversarialTraining`, whose module makes this one."""

    def __init__(
        self,
        method: Any,
        model: TransferModel,
        training: Training,
    ) -> None:
        super().__init__(method, model)
        tasks, texts, settings = training.tasks, training.texts, training.settings
        self.steps, self.pad = training.steps, settings.pad
        self.device = next(model.parameters()).device
        self.names = (settings.seed, "+".join(t.task.name for t in tasks), settings.phase, "adversary")
        network = discriminator(
            model.config.hidden_size, method.width, 1 + len(texts), stream_seed(*self.names, "weights")
        )
        self.network = network.to(self.device)
        # Apart from the encoder's: its gradients count in no norm but their own.
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=method.rate)
        self.texts = join_features(texts)
        self.language = np.repeat(np.arange(1, 1 + len(texts)), [part.n_units for part in texts])
        size = min(t.values.batch_size for t in tasks)
        self.order = BatchOrder(self.texts.n_units, size, (*self.names, "texts"))
        self.micro = min((t.values.micro_batch_size for t in tasks if t.values.micro_batch_size), default=0)
        own = {t.task.name: np.zeros(t.features.n_units, int) for t in tasks}
        self.labels = {name: self._labels(name, true) for name, true in (own | {"": self.language}).items()}
        self.right, self.told = torch.zeros(2, device=self.device), torch.zeros(2)

    def _labels(self, task: str, true: np.ndarray) -> np.ndarray:
        """Return the language label of every unit of a task's data, or of the texts (`""`)."""
        if self.method.labels == "true":
            return true
        rng = stream(*self.names, "permuted", task)
        drawn = self.language[rng.integers(len(self.language), size=len(true))]
        return np.where(rng.random(len(true)) < 0.5, 0, drawn)

    def add_gradients(self, step: Step) -> float:
        """Add the task's gradients and the reversed ones of the discriminator; return the task's mean loss."""
        share = step.number / max(1, self.steps - 1)
        strength = self.method.strength * strength_at(share, self.method.gamma)
        loss, _ = self.add_task(step, self.labels[step.task.name][step.units], strength)
        units = self.order.units(step.number)
        size = self.micro or len(units)
        cut = [units[i : i + size] for i in range(0, len(units), size)]
        parts = [collate(self.texts, some, self.pad, self.device) for some in cut]
        dropout = dropout_generator(self.device)
        before = dropout.get_state()
        dropout.manual_seed(stream_seed(*self.names, "dropout") + step.number)
        self.add_texts(parts, self.labels[""][units], step.autocast, strength)
        dropout.set_state(before)
        return loss

    def add_task(self, step: Step, labels: np.ndarray, strength: float) -> tuple[float, Tensor]:
        """Add the gradients of a task's batch; return its mean loss, and the task's half of the discriminator's."""
        loss, domain = 0.0, torch.zeros((), device=self.device)
        count, left = self._count(step.parts), labels
        for part in step.parts:
            here, left = np.split(left, [len(part["rows"])])
            with self.model.watched() as seen, step.autocast():
                own = self.method.loss(self.model, step.task, part) / step.count
            told = self._told(seen, part, here, strength, count, side=0)
            (own + told).backward()
            loss, domain = loss + float(own.detach()), domain + told.detach()
        return loss, domain

    def add_texts(self, parts: Sequence[Batch], labels: np.ndarray, autocast: Any, strength: float) -> Tensor:
        """Add the gradients of a batch of texts; return their half of the discriminator's loss."""
        domain, count, left = torch.zeros((), device=self.device), self._count(parts), labels
        for part in parts:
            here, left = np.split(left, [len(part["rows"])])
            with self.model.watched() as seen, torch.set_grad_enabled(strength > 0), autocast():
                self.model.states(part)
            told = self._told(seen, part, here, strength, count, side=1)
            told.backward()
            domain = domain + told.detach()
        return domain

    def _count(self, parts: Sequence[Batch]) -> int:
        """Return how many rows (tokens) of a whole batch are told apart."""
        tokens = self.method.reads == "tokens"
        return sum(int(part["mask"].sum()) if tokens else len(part["ids"]) for part in parts)

    def _told(
        self, seen: list[Batch], part: Batch, labels: np.ndarray, strength: float, count: int, side: int
    ) -> Tensor:
        """Return the discriminator's part of its mean loss at the states that the encoder gave."""
        loss = torch.zeros((), device=self.device)
        of_units = torch.from_numpy(labels).to(self.device)
        kind = next(self.network.parameters()).dtype
        for passed in seen:
            states, rows = read(passed["states"].to(kind), passed["mask"], self.method.reads)
            languages = _of_rows(part["rows"], of_units, len(passed["mask"]))[rows]
            told = self.network(reverse(states, strength))
            self.right[side] += (told.argmax(dim=1) == languages).sum()
            self.told[side] += len(rows)
            loss = loss + cross_entropy(told, languages, reduction="sum") / (2 * count)
        return loss

    def update(self) -> None:
        """Take the discriminator's step, clipped by itself."""
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def noted(self) -> dict[str, float]:
        """Return the share of rows (tokens) told right since the last log, the mean of both sides, 0 to 1."""
        accuracy = float((self.right.cpu() / self.told.clamp(min=1)).mean())
        self.right.zero_()
        self.told.zero_()
        return {"discriminator_accuracy": accuracy}

    def tensors(self) -> dict[str, Tensor]:
        """Return weights and optimizer of the discriminator, and what it told right since the last log."""
        return tensors_of(self.network, self.optimizer) | {"right": self.right, "told": self.told}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` were taken."""
        take_up(self.network, self.optimizer, tensors)
        self.right, self.told = tensors["right"].to(self.device, copy=True), tensors["told"].clone()


def _of_rows(rows: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the label of each of n rows, from those of units: a unit is one row, or all that `rows` names."""
    if n == len(labels):
        return labels
    found = labels.new_empty(n)
    inside = rows >= 0
    found[rows[inside]] = labels[:, None].expand_as(rows)[inside]
    return found
