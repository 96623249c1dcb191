from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simxfer.encoder.batching import BatchOrder, LengthOrder, by_length, collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.ragged import IGNORED, Features
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import ChoiceExample

CPU = torch.device("cpu")
PAD = 1


def made(name: str, tokenizer, n: int = 20, max_length: int = 64) -> Features:
    examples = read_examples(DataRequest(name, "test", "x-agg", limit=n))
    return make_dataset(examples, get_task(name), tokenizer, max_length, 8).features


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 3))
def test_no_unit_comes_twice_an_epoch(n_units, batch_size, epoch):
    order = BatchOrder(n_units, batch_size, (0, "t", "target"))
    first = epoch * order.per_epoch
    drawn = np.concatenate([order.units(first + i) for i in range(order.per_epoch)])
    assert len(set(drawn.tolist())) == len(drawn) == order.per_epoch * min(batch_size, n_units)
    assert n_units - len(drawn) < min(batch_size, n_units)  # only what does not fill a batch is left out
    assert set(drawn.tolist()) <= set(range(n_units))


def test_every_unit_comes_in_some_epoch_and_epochs_differ():
    order = BatchOrder(10, 4, (0, "t", "target"))
    epochs = [[order.units(e * 2 + i).tolist() for i in range(2)] for e in range(20)]
    assert epochs[0] != epochs[1]
    assert {unit for epoch in epochs for batch in epoch for unit in batch} == set(range(10))


@pytest.mark.parametrize("make", [
    lambda names: BatchOrder(17, 5, names),
    lambda names: LengthOrder(np.random.default_rng(0).integers(3, 40, 50), 100, names),
])  # fmt: skip
def test_the_batch_of_a_step_is_the_same_whatever_came_before(make):
    whole, resumed, other = make((0, "t")), make((0, "t")), make((1, "t"))
    expected = [whole.units(step).tolist() for step in range(25)]
    for step in (24, 3, 17, 0, 11):
        assert resumed.units(step).tolist() == expected[step]
    assert [other.units(step).tolist() for step in range(25)] != expected


def test_the_order_does_not_depend_on_the_batches_before_it_in_another_task():
    alone = BatchOrder(9, 3, (0, "w-nli", "target")).units(4)
    first = BatchOrder(9, 3, (0, "w-qa", "target"))
    first.units(0)
    assert np.array_equal(BatchOrder(9, 3, (0, "w-nli", "target")).units(4), alone)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 120))
def test_length_batches_hold_each_row_once_and_keep_to_their_size(lengths, batch_tokens):
    lengths = np.array(lengths)
    order = LengthOrder(lengths, batch_tokens, (0, "mlm"))
    batches = [order.units(i) for i in range(order.per_epoch)]
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= batch_tokens


def plain_collate(features: Features, units) -> dict[str, Any]:
    """The same with lists."""
    of_unit = [list(range(features.unit_starts[u], features.unit_starts[u + 1])) for u in units]
    rows = [r for found in of_unit for r in found]
    most = max(map(len, of_unit))
    at = iter(range(len(rows)))
    spans = [range(features.starts[r], features.starts[r + 1]) for r in rows]
    width = max(map(len, spans))
    batch: dict[str, Any] = {
        "ids": [[int(features.ids[i]) for i in s] + [PAD] * (width - len(s)) for s in spans],
        "mask": [[1] * len(s) + [0] * (width - len(s)) for s in spans],
        "rows": [[next(at) for _ in found] + [-1] * (most - len(found)) for found in of_unit],
    }
    if features.labels.ndim == 2:
        batch["labels"] = [features.labels[r].tolist() for r in rows]
    elif len(features.labels) == len(features.ids):
        batch["labels"] = [[int(features.labels[i]) for i in s] + [IGNORED] * (width - len(s)) for s in spans]
    elif len(features.labels):
        batch["labels"] = [int(features.labels[u]) for u in units]
    if len(features.segments):
        batch["segments"] = [[int(features.segments[i]) for i in s] + [0] * (width - len(s)) for s in spans]
    return batch


@pytest.mark.parametrize("name", ["w-xnli", "w-xqa", "w-pos", "w-xcloze", "w-tatoeba"])
def test_collate_is_the_plain_one(name, world_tokenizer):
    features = made(name, world_tokenizer, max_length=32)
    for units in ([0], [3, 1, 7], [5, 5], list(range(features.n_units))):
        batch = collate(features, np.array(units), PAD, CPU)
        assert {key: value.tolist() for key, value in batch.items()} == plain_collate(features, units)
        assert all(value.dtype == torch.int64 for value in batch.values())


def test_the_rows_of_units_that_differ_in_size(world_tokenizer):
    choices = (("be", "ri"), ("hehu",), ("be", "fage", "ri"))
    examples = [ChoiceExample(id=str(i), context="be", choices=c, label=0) for i, c in enumerate(choices)]
    features = make_dataset(examples, get_task("w-xcloze"), world_tokenizer, 16, 0).features
    batch = collate(features, np.array([2, 1, 0]), PAD, CPU)
    assert batch["rows"].tolist() == [[0, 1, 2], [3, -1, -1], [4, 5, -1]]
    assert {key: value.tolist() for key, value in batch.items()} == plain_collate(features, [2, 1, 0])


@pytest.mark.parametrize("name", ["w-pos", "w-xcloze", "w-tatoeba"])
@pytest.mark.parametrize("max_tokens", [1, 100, 10_000])
def test_prediction_batches_hold_each_unit_once_and_keep_to_their_size(name, max_tokens, world_tokenizer):
    features = made(name, world_tokenizer)
    batches = by_length(features, max_tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(features.n_units))
    widths = []
    for units in batches:
        ids = collate(features, units, PAD, CPU)["ids"]
        assert len(units) == 1 or ids.numel() <= max_tokens
        widths.append(ids.shape[1])
    assert widths == sorted(widths, reverse=True)
