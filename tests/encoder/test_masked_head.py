"""Masked language modelling beside another task: the head's weights, ties and files, against Hugging Face's."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from transformers import XLMRobertaForMaskedLM

from simxfer.encoder.loading import load_encoder, load_masked_head, load_weights, save_weights
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.tasks import get_task


@pytest.fixture(scope="module")
def shipped():
    """A shipped encoder: a checkpoint with its masked-language-modelling head."""
    return resolve_encoder("world/w0-s0")


@pytest.fixture
def model(shipped):
    model = TransferModel(load_encoder(shipped)).eval()
    model.add_head(get_task("mlm"), seed=3)
    return model


def test_logits_are_those_of_hugging_face(shipped, model):
    reference = XLMRobertaForMaskedLM.from_pretrained(shipped.location).eval()
    batch = {"ids": torch.tensor([[0, 9, 20, 31, 2]]), "mask": torch.ones(1, 5, dtype=torch.int64)}
    assert load_masked_head(shipped, model.heads["mlm"])
    with torch.no_grad():
        expected = reference(input_ids=batch["ids"], attention_mask=batch["mask"]).logits
        assert torch.allclose(model("mlm", batch), expected, atol=1e-5)


def test_the_embeddings_are_the_encoders_and_saved_once(model, tmp_path):
    head = model.heads["mlm"]
    embeddings = model.encoder.get_input_embeddings().weight
    assert all(p.shape != embeddings.shape for p in head.parameters())
    save_weights(tmp_path / "heads.safetensors", model.heads)
    assert set(load_file(tmp_path / "heads.safetensors")) == {
        f"mlm.{name}"
        for name in ("bias", "dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias")
    }
    states = torch.randn(2, model.config.hidden_size)
    before = head(states)
    with torch.no_grad():
        embeddings[7] += 1.0
    changed = (head(states) != before).any(dim=0)
    assert changed.nonzero().flatten().tolist() == [7]


def test_saved_heads_come_back(model, shipped, tmp_path):
    save_weights(tmp_path / "h.safetensors", model.heads)
    other = TransferModel(load_encoder(shipped))
    other.add_head(get_task("mlm"), seed=4)
    assert not torch.equal(other.heads["mlm"].dense.weight, model.heads["mlm"].dense.weight)
    load_weights(tmp_path / "h.safetensors", other.heads)
    assert torch.equal(other.heads["mlm"].dense.weight, model.heads["mlm"].dense.weight)


def test_a_checkpoint_without_the_head_leaves_a_new_one(shipped, model, tmp_path):
    load_encoder(shipped).save_pretrained(tmp_path)
    before = model.heads["mlm"].dense.weight.clone()
    for encoder in (replace(shipped, location=str(tmp_path)), resolve_encoder(f"random({shipped.name})")):
        assert not load_masked_head(encoder, model.heads["mlm"])
        assert torch.equal(model.heads["mlm"].dense.weight, before)
