"""Word embeddings of which only the rows that occur are trained: of XLM-R's 250,002 a stage sees a few thousand.

A row that no batch holds has no gradient, so AdamW moves it by its weight decay alone. Gradients and moments of the
others are all that the dense update computes: they are stepped as a smaller matrix, and decay, the same factor for all
rows at every step, is applied to the rest when the whole matrix is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

IDLE = 1_000_000
"""Weights that must not occur for the smaller matrix to pay: under it, a step is as fast on the whole one."""


class UsedRows:
    """The word embeddings of an encoder while only some rows of them are trained.

    Where few weights are idle, or the matrix is not trained at all, it stays whole.

    Args:
        embeddings: the encoder's word embeddings; nothing else may be tied to their matrix if `ids` are not all.
        ids: every id that a training batch may hold.
        idle: weights that have to be idle for the matrix to be narrowed.
    """

    def __init__(self, embeddings: nn.Embedding, ids: np.ndarray, idle: int) -> None:
        self.embeddings = embeddings
        self.whole = embeddings.weight
        self.kept = 1.0
        """What weight decay has left of a row that does not occur, over all steps so far."""
        device, used = self.whole.device, np.unique(ids)
        rest = len(self.whole) - len(used)
        self.narrowed = self.whole.requires_grad and rest * self.whole.shape[1] >= max(idle, 1)
        if not self.narrowed:
            return
        self.ids = torch.as_tensor(used, dtype=torch.long, device=device)
        self.row_of = torch.full((len(self.whole),), -1, dtype=torch.long, device=device)
        self.row_of[self.ids] = torch.arange(len(self.ids), device=device)
        self.rows = nn.Parameter(self.whole.detach()[self.ids].clone())
        self.hook = embeddings.register_forward_pre_hook(self._renumber)
        self.padding = embeddings.padding_idx
        self._narrow()

    def _renumber(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return (self.row_of[inputs[0]], *inputs[1:]) if self.embeddings.weight is self.rows else None

    def _narrow(self) -> None:
        self.embeddings.weight = self.rows
        if self.padding is not None:
            row = int(self.row_of[self.padding])
            self.embeddings.padding_idx = row if row >= 0 else None

    def decay(self, *factors: float) -> None:
        """Note that steps have multiplied every row by these factors, 1 - learning rate x weight decay."""
        for factor in factors:
            self.kept *= factor

    @contextmanager
    def widened(self) -> Iterator[None]:
        """Have the whole matrix in the encoder for a while, to look at the model or to save it."""
        self._widen()
        try:
            yield
        finally:
            if self.narrowed:
                self._narrow()

    def close(self) -> None:
        """Leave the encoder as it was found, with the whole matrix."""
        self._widen()
        if self.narrowed:
            self.hook.remove()

    def _widen(self) -> None:
        if not self.narrowed:
            return
        with torch.no_grad():
            # From the matrix as it was: what is multiplied in pieces would end otherwise than what is not.
            whole = self.whole if self.kept == 1.0 else nn.Parameter(self.whole * self.kept)
            whole[self.ids] = self.rows
        self.embeddings.weight, self.embeddings.padding_idx = whole, self.padding
