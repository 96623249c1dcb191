"""LoRA against peft's and AdapterHub's outputs and gradients, through the method that trains it."""

import json

import pytest
import torch
from oracle_folder import FOLDER
from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import load_file
from transformers import AutoModel

from simxfer.encoder.network import TransferModel
from simxfer.training.methods import load_method


def _cases(file: str) -> dict[str, dict]:
    path = FOLDER / "adapters" / file
    found = json.loads(path.read_text()) if path.is_file() else {}
    return {name: case for name, case in found.items() if not name.startswith("_")}


PEFT = _cases("cases_peft.json")
HUB = {n: c for n, c in _cases("cases.json").items() if "r" in next(iter(c["adapters"].values()))}
PLACES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "ffn_in": "intermediate.dense",
    "ffn_out": "output.dense",
}


def own_name(name: str) -> str:
    """`a.layer0.query.A` as peft calls it inside the encoder."""
    _, layer, place, matrix = name.split(".")
    return f"encoder.layer.{layer.removeprefix('layer')}.{PLACES[place]}.lora_{matrix}.default.weight"


def compared(encoder, stored: dict, batch: dict, case: dict) -> None:
    weights = {n: p for n, p in encoder.named_parameters() if ".lora_" in n}
    theirs = {own_name(n.removeprefix("weights.")): v for n, v in stored.items() if n.startswith("weights.")}
    assert {n: tuple(p.shape) for n, p in weights.items()} == {n: tuple(v.shape) for n, v in theirs.items()}
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == case["trainable_parameters"]
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(theirs[name])
    states = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(states[mask], stored["expected.last_hidden_state"][mask], atol=1e-5, rtol=0)
    (states * batch["loss_weight"]).sum().backward()
    gradients = {own_name(n.removeprefix("grad.")): v for n, v in stored.items() if n.startswith("grad.")}
    largest = max(value.abs().max() for value in gradients.values())
    for name, value in gradients.items():
        assert (weights[name].grad - value).abs().max() <= 1e-5 * largest, name


@pytest.fixture
def encoder(oracles):
    return AutoModel.from_pretrained(oracles / "adapters" / "base", add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def batch(oracles):
    return load_file(oracles / "adapters" / "batch.safetensors")


def by_method(encoder, r: int, alpha: int):
    model = TransferModel(encoder)
    load_method(f"lora(r={r},alpha={alpha})").prepare(model, 0)
    return model.encoder.eval()


@pytest.mark.parametrize("name", HUB)
def test_queries_and_values_are_adapterhubs(name, encoder, batch, oracles):
    [settings] = HUB[name]["adapters"].values()
    assert settings["attn_matrices"] == ["q", "v"]
    own = by_method(encoder, settings["r"], settings["alpha"])
    compared(own, load_file(oracles / "adapters" / f"{name}.safetensors"), batch, HUB[name])


@pytest.mark.parametrize("name", PEFT)
def test_outputs_and_gradients_are_pefts(name, encoder, batch, oracles):
    case, stored = PEFT[name], load_file(oracles / "adapters" / f"{name}.safetensors")
    if set(case["target_modules"]) == {"query", "value"} and not case["use_rslora"]:
        own = by_method(encoder, case["r"], case["lora_alpha"])
    else:  # what the method does not offer, peft does on the same encoder
        names = ("r", "lora_alpha", "use_rslora", "target_modules")
        own = inject_adapter_in_model(LoraConfig(**{n: case[n] for n in names}), encoder).eval()
    compared(own, stored, batch, case)
