"""Training the rows of the word embeddings that occur is training all of them."""

import numpy as np
import pytest
import torch
from torch import nn

from simxfer.encoder.used_rows import UsedRows

VOCABULARY, HIDDEN, PAD = 50, 8, 1
RATES = [1e-2, 2e-2, 1e-2, 5e-3]


class Reader(nn.Module):
    """Embeddings, and something behind them whose gradient depends on the weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(VOCABULARY, HIDDEN, padding_idx=PAD)
        self.out = nn.Linear(HIDDEN, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.words(ids))).square().sum()


def batches(high: int = 20) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, high, (4, 6), generator=generator) for _ in RATES]


def step(model: Reader, optimizer: torch.optim.Optimizer, batch: torch.Tensor, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    model(batch).backward()
    optimizer.step()
    optimizer.zero_grad()


def dense(decay: float) -> Reader:
    model = Reader()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
    for batch, rate in zip(batches(), RATES, strict=True):
        step(model, optimizer, batch, rate)
    return model


def narrow(decay: float, looks: tuple[int, ...] = ()) -> Reader:
    model = Reader()
    used = UsedRows(model.words, np.concatenate([b.numpy().ravel() for b in batches()]), idle=0)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=decay)
    for i, (batch, rate) in enumerate(zip(batches(), RATES, strict=True)):
        step(model, optimizer, batch, rate)
        used.decay(1 - rate * decay)
        if i in looks:
            with used.widened():
                assert model.words.weight.shape == (VOCABULARY, HIDDEN)
                model(torch.arange(VOCABULARY))
    used.close()
    return model


@pytest.mark.parametrize("looks", [(), (0, 2)], ids=["undisturbed", "looked at"])
def test_without_decay_every_weight_is_bitwise_that_of_the_dense_update(looks):
    ours, theirs = narrow(0.0, looks).state_dict(), dense(0.0).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("looks", [(), (0, 2)], ids=["undisturbed", "looked at"])
def test_with_decay_rows_that_do_not_occur_shrink_as_in_the_dense_update(looks):
    ours, theirs = narrow(0.1, looks).state_dict(), dense(0.1).state_dict()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    rest = ours["words.weight"][20:] / Reader().words.weight[20:]
    torch.testing.assert_close(rest, torch.full_like(rest, float(np.prod([1 - 0.1 * r for r in RATES]))))


def test_the_optimizer_holds_no_more_than_the_rows_that_occur():
    model = Reader()
    used = UsedRows(model.words, np.array([3, 7, 7, PAD]), idle=0)
    assert next(tuple(p.shape) for p in model.parameters()) == (3, HIDDEN)
    assert model.words(torch.tensor([[7, PAD, 3]])).shape == (1, 3, HIDDEN)
    used.close()
    torch.testing.assert_close(model.words.weight, Reader().words.weight, rtol=0, atol=0)


def test_padding_learns_nothing():
    model = Reader()
    used = UsedRows(model.words, np.array([3, PAD]), idle=0)
    model(torch.tensor([[3, PAD, PAD]])).backward()
    assert model.words.weight.grad[0].eq(0).all() and model.words.weight.grad[1].ne(0).any()
    used.close()
    assert model.words.padding_idx == PAD


def test_an_id_that_was_not_announced_is_refused():
    used = UsedRows((model := Reader()).words, np.array([3, PAD]), idle=0)
    with pytest.raises(IndexError):
        model(torch.tensor([[4]]))
    used.close()


def test_a_matrix_of_which_little_is_idle_or_that_is_not_trained_stays_whole():
    few, all_of_them, frozen = Reader(), Reader(), Reader()
    frozen.words.requires_grad_(False)
    for model, ids in ((few, [3]), (all_of_them, range(VOCABULARY)), (frozen, [3])):
        before = model.words.weight
        used = UsedRows(model.words, np.array(ids), idle=0 if model is not few else 1_000)
        with used.widened():
            assert model.words.weight is before
        assert model.words.weight is before
        used.close()
        assert model.words.weight is before and not model.words._forward_pre_hooks
