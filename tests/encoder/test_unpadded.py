"""Batches without padding give the states and gradients of padded ones, on the stock models."""

import copy

import numpy as np
import pytest
import torch
import transformers
from torch import nn
from transformers import AutoModel

from simxfer.encoder import unpadded
from simxfer.encoder.network import TransferModel
from simxfer.encoder.unpadded import ALIKE, layout, spare_padding, spares_padding

SIZES = {
    "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 50, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
CONFIGURATIONS = {
    "XLM-R": transformers.XLMRobertaConfig(**SIZES, pad_token_id=1, type_vocab_size=1),
    "BERT": transformers.BertConfig(**SIZES, pad_token_id=0),
    "EuroBERT": transformers.EuroBertConfig(**SIZES, num_key_value_heads=2, pad_token_id=1, bos_token_id=0),
}
LENGTHS = (7, 40, 3, 39, 40, 12, 1, 5)


def mask_of(lengths=LENGTHS):
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def batch_of(segments=False):
    mask = mask_of()
    ids = torch.randint(3, 90, mask.shape, generator=torch.Generator().manual_seed(0)) * mask
    batch = {"ids": ids, "mask": mask}
    return batch | ({"segments": ids % 2} if segments else {})


@pytest.fixture(autouse=True)
def _always(monkeypatch):
    """Spare the padding of the smallest batch."""
    monkeypatch.setattr(unpadded, "PAYS", 0)


@pytest.fixture(params=CONFIGURATIONS)
def models(request):
    """Return one encoder twice: as transformers gives it, and sparing padding."""
    torch.manual_seed(0)
    stock = AutoModel.from_config(CONFIGURATIONS[request.param])
    ours = copy.deepcopy(stock)
    spare_padding(ours)
    assert spares_padding(ours) and not spares_padding(stock)
    return TransferModel(stock), TransferModel(ours)


def test_a_layout_holds_every_token_once_and_rows_of_like_length_together():
    mask = mask_of()
    here = layout(mask)
    assert sorted(here.places.tolist()) == np.flatnonzero(mask.numpy()).tolist()
    numbers = torch.arange(mask.numel()).view_as(mask)
    assert torch.equal(here.padded(here.flat(numbers), *mask.shape), numbers * mask)
    lengths = sorted(LENGTHS, reverse=True)
    assert here.positions[0].tolist() == [place for length in lengths for place in range(length)]
    assert [group.start for group in here.groups] == [0, *(group.stop for group in here.groups[:-1])]
    assert here.groups[-1].stop == sum(LENGTHS)
    for group in here.groups:
        rows, lengths = lengths[: group.rows], lengths[group.rows :]
        assert rows[0] == group.longest and rows[-1] >= ALIKE * group.longest
        assert (group.places is None) == (rows[0] == rows[-1])


@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_states_are_those_of_the_padded_model(models, layer):
    batch, here = batch_of(), mask_of() > 0
    with torch.no_grad():
        expected, found = (model.eval().states(batch, layer) for model in models)
    torch.testing.assert_close(found[here], expected[here], atol=1e-5, rtol=0)
    assert not found[~here].any()


def test_gradients_are_those_of_the_padded_model(models):
    batch, here = batch_of(), mask_of() > 0
    weights = torch.randn(int(here.sum()), 32, generator=torch.Generator().manual_seed(1))
    for model in models:
        (model.train().states(batch)[here] * weights).sum().backward()
    expected, found = (dict(model.encoder.named_parameters()) for model in models)
    for name, weight in expected.items():
        if weight.grad is not None:  # a pooler has none
            torch.testing.assert_close(found[name].grad, weight.grad, atol=1e-4, rtol=1e-4, msg=name)


def test_segments_and_what_is_added_to_word_embeddings_stay_with_their_tokens(models):
    batch, here = batch_of(segments=True), mask_of() > 0
    delta = torch.randn(*here.shape, 32, generator=torch.Generator().manual_seed(2))
    slopes = []
    for model in models:
        moved = delta.clone().requires_grad_()
        model.eval().states(batch | {"delta": moved})[here].square().sum().backward()
        slopes.append(moved.grad[here])
    torch.testing.assert_close(slopes[1], slopes[0], atol=1e-4, rtol=1e-4)


def test_linear_layers_see_no_padding(models):
    seen = []
    for name, module in models[1].encoder.named_modules():
        if isinstance(module, nn.Linear) and "pooler" not in name:
            module.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].shape[:-1]))
    with torch.no_grad():
        models[1].eval().states(batch_of())
    assert set(seen) == {(1, sum(LENGTHS))}


def test_a_batch_is_padded_where_that_is_faster(models, monkeypatch):
    padding, seen = mask_of().numel() - sum(LENGTHS), []
    # Of keywords too: what a layer is given by name.
    models[1].encoder.register_forward_pre_hook(
        lambda _, __, given: seen.append(len(given)), with_kwargs=True
    )
    for least in (padding * 32**2, padding * 32**2 + 1):
        monkeypatch.setattr(unpadded, "PAYS", least)
        with torch.no_grad():
            models[1].eval().states(batch_of())
    without, padded = seen
    assert without == padded + 1  # positions and the layout in place of a mask


def test_rows_do_not_see_each_other(models):
    batch = batch_of()
    other = {**batch, "ids": batch["ids"].clone()}
    other["ids"][1] = other["ids"][1] % 80 + 3
    with torch.no_grad():
        before, after = (models[1].eval().states(each) for each in (batch, other))
    changed = (before - after).abs().amax(dim=(1, 2)) > 1e-6
    assert changed.tolist() == [False, True, *[False] * 6]


@pytest.mark.parametrize(
    "config",
    [
        transformers.ModernBertConfig(
            vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=50, local_attention=4, pad_token_id=1, global_attn_every_n_layers=2,
        ),
        transformers.MPNetConfig(**SIZES, pad_token_id=1),
        transformers.DebertaV2Config(**SIZES, pad_token_id=1, relative_attention=True, pos_att_type=["p2c"]),
    ],
    ids=lambda config: config.model_type,
)  # fmt: skip
def test_encoders_whose_attention_needs_more_than_a_mask_stay_padded(config):
    torch.manual_seed(0)
    stock = AutoModel.from_config(config)
    ours = copy.deepcopy(stock)
    spare_padding(ours)
    assert not spares_padding(ours) and ours.config._attn_implementation == stock.config._attn_implementation
    with torch.no_grad():
        expected, found = (TransferModel(model).eval().states(batch_of()) for model in (stock, ours))
    torch.testing.assert_close(found, expected)
