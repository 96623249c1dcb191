"""Which units make a batch, and how rows become padded tensors. All of it is a function of names and numbers."""

import numpy as np
import torch
from torch import Tensor

from simxfer.common.streams import stream
from simxfer.encoder.ragged import IGNORED, Features, KnownFeatures


class BatchOrder:
    """The units of every step of one task: a permutation an epoch, cut into batches; no unit twice an epoch.

    The order depends on (seed, task, phase) and the number of units alone, so that a resumed stage goes on
    with the very batch it stopped at.
    """

    def __init__(self, n_units: int, batch_size: int, names: tuple[str | int, ...]) -> None:
        self.n_units = n_units
        self.batch_size = min(batch_size, n_units)
        self.names = names
        self.per_epoch = n_units // self.batch_size
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def units(self, step: int) -> np.ndarray:
        """Return the units of the task's batch number `step`, (batch_size,) int64."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._permutation = stream(*self.names, "order", epoch).permutation(self.n_units)
            self._epoch = epoch
        return self._permutation[place * self.batch_size : (place + 1) * self.batch_size]


class LengthOrder:
    """Batches of rows of like length with about `batch_tokens` padded subwords each, for pretraining.

    Every epoch sorts a new permutation by length and shuffles the batches; each row comes once an epoch.
    """

    def __init__(self, lengths: np.ndarray, batch_tokens: int, names: tuple[str | int, ...]) -> None:
        self.lengths = lengths
        self.names = names
        self.cuts = _token_cuts(np.sort(lengths), batch_tokens)
        self.per_epoch = len(self.cuts) - 1
        self._epoch = -1
        self._sorted = self._turns = np.empty(0, dtype=np.int64)

    def units(self, step: int) -> np.ndarray:
        """Return the units of batch number `step`, int64."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = stream(*self.names, "order", epoch)
            # Permuted before the stable sort: which rows of one length share a batch is drawn anew each epoch.
            permutation = rng.permutation(len(self.lengths))
            self._sorted = permutation[np.argsort(self.lengths[permutation], kind="stable")]
            self._turns = rng.permutation(self.per_epoch)
            self._epoch = epoch
        turn = self._turns[place]
        return self._sorted[self.cuts[turn] : self.cuts[turn + 1]]


def _token_cuts(lengths: np.ndarray, batch_tokens: int) -> list[int]:
    """Cut ascending lengths into runs whose padded size is at most `batch_tokens` (one row at least)."""
    cuts = [0]
    for i, length in enumerate(lengths):
        if i > cuts[-1] and (i + 1 - cuts[-1]) * length > batch_tokens:
            cuts.append(i)
    return [*cuts, len(lengths)]


def collate(features: Features, units: np.ndarray, pad: int, device: torch.device) -> dict[str, Tensor]:
    """Return the rows of some units, padded to the longest: ids, mask, rows, the kind's labels, segments if any.

    `ids`, `mask` and `segments` are (rows, length). `rows` is (units, most rows of a unit): which rows each unit
    has, filled up with -1. Labels are (units,) for classification, multiple choice and ranking, (rows, length)
    for tagging, (rows, 2) for span QA; absent for kinds without labels. Where the states of lower layers are known:
    `lower`, (rows, length, hidden), and `layers`, of how many, on the host.
    """
    sizes = features.unit_starts[units + 1] - features.unit_starts[units]
    place = np.arange(sizes.max())
    of_unit = np.where(place < sizes[:, None], (np.cumsum(sizes) - sizes)[:, None] + place, -1)
    index, inside = token_places(features, units)
    batch = {
        "ids": np.where(inside, features.ids[index], pad).astype(np.int64),
        "mask": inside.astype(np.int64),
        "rows": of_unit,
    }
    if len(features.segments):
        batch["segments"] = np.where(inside, features.segments[index], 0).astype(np.int64)
    if features.labels.ndim == 2:
        batch["labels"] = features.labels[_rows(features, units)]
    elif len(features.labels) == len(features.ids):
        batch["labels"] = np.where(inside, features.labels[index], IGNORED)
    elif len(features.labels):
        batch["labels"] = features.labels[units]
    known = {}
    if isinstance(features, KnownFeatures):
        batch["lower"] = np.where(inside[..., None], features.lower[index], np.float32(0))
        known["layers"] = torch.tensor(features.layers)
    return known | {name: torch.from_numpy(array).to(device) for name, array in batch.items()}


def by_length(features: Features, max_tokens: int) -> list[np.ndarray]:
    """Return all units, longest first, in batches of about `max_tokens` padded tokens: for prediction."""
    longest = np.maximum.reduceat(features.lengths, features.unit_starts[:-1])
    sizes = np.diff(features.unit_starts)
    # Longest first: a batch that does not fit into memory is the first one, not the last.
    order = np.argsort(-longest, kind="stable")
    batches, first = [], 0
    while first < len(order):
        fits = max(1, max_tokens // int(longest[order[first]] * sizes[order[first]]))
        batches.append(order[first : first + fits])
        first += fits
    return batches


def token_places(features: Features, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which token stands in each place of the rows of some units, padded, and whether any does."""
    rows = _rows(features, units)
    starts, lengths = features.starts[rows], features.lengths[rows]
    places = np.arange(lengths.max())
    inside = places < lengths[:, None]
    return np.where(inside, starts[:, None] + places, 0), inside


def _rows(features: Features, units: np.ndarray) -> np.ndarray:
    starts = features.unit_starts[units]
    sizes = features.unit_starts[units + 1] - starts
    return np.repeat(starts - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
