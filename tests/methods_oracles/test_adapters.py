"""Adapters against AdapterHub's outputs and gradients (adapters 1.3.0), and against what they must be by definition."""

import json
from pathlib import Path

import pytest
import torch
from oracle_folder import FOLDER
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel, XLMRobertaForMaskedLM

from simxfer.common.errors import InputError
from simxfer.encoder.adapters import Adapters, AdapterSpec, Bottleneck, Fusion, Invertible, adapter_places
from simxfer.training.methods.adapter import AdapterTuning
from simxfer.training.methods.lora import LowRankAdaptation

CASES = json.loads((FOLDER / "adapters" / "cases.json").read_text()) if FOLDER.is_dir() else {}
BOTTLENECKS = [
    name
    for name, case in CASES.items()
    if not name.startswith(("_", "mlm")) and "reduction_factor" in next(iter(case["adapters"].values()))
]


@pytest.fixture(scope="module")
def folder(oracles) -> Path:
    return oracles / "adapters"


@pytest.fixture
def encoder(folder):
    return AutoModel.from_pretrained(folder / "base", add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def batch(folder):
    return load_file(folder / "batch.safetensors")


def spec_of(stored: dict) -> AdapterSpec:
    """The project's words for a configuration of AdapterHub's."""
    kind = "parallel" if stored["is_parallel"] else "houlsby" if stored["mh_adapter"] else "pfeiffer"
    return AdapterSpec(
        kind=kind,
        r=stored["reduction_factor"],
        invertible=stored["inv_adapter"] is not None,
        scale=stored["scaling"],
        leave_out=tuple(stored["leave_out"]),
    )


def adapters_of(encoder, case: dict) -> Adapters:
    specs = {name: spec_of(stored) for name, stored in case["adapters"].items()}
    return Adapters(encoder, specs, fuse=case["fusion_config"] or "" if "Fuse" in case["composition"] else "")


def given(adapters: Adapters, stored: dict) -> dict[str, torch.nn.Parameter]:
    """Give the adapters the case's weights; they must have the same names and shapes."""
    weights = adapters.named_weights()
    theirs = {
        name.removeprefix("weights."): value for name, value in stored.items() if name.startswith("weights.")
    }
    assert {n: tuple(p.shape) for n, p in weights.items()} == {n: tuple(v.shape) for n, v in theirs.items()}
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(theirs[name])
    return weights


def compared(weights: dict, stored: dict) -> None:
    gradients = {
        name.removeprefix("grad."): value for name, value in stored.items() if name.startswith("grad.")
    }
    largest = max(value.abs().max() for value in gradients.values())
    for name, theirs in gradients.items():
        ours = weights[name].grad if weights[name].grad is not None else torch.zeros_like(theirs)
        assert (ours - theirs).abs().max() <= 1e-5 * largest, name


@pytest.mark.parametrize("name", BOTTLENECKS)
def test_outputs_and_gradients_are_adapterhubs(name, folder, encoder, batch):
    case, stored = CASES[name], load_file(folder / f"{name}.safetensors")
    adapters = adapters_of(encoder, case)
    weights = given(adapters, stored)
    assert sum(p.numel() for p in weights.values()) == case["added_parameters"]
    states = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"].bool()
    torch.testing.assert_close(states[mask], stored["expected.last_hidden_state"][mask], atol=1e-5, rtol=0)
    loss = (states * batch["loss_weight"]).sum()
    assert float(loss.detach()) == pytest.approx(case["loss"], rel=1e-4, abs=1e-3)
    loss.backward()
    compared(weights, stored)
    for name in case["weights_without_gradient"]:
        assert weights[name].grad is None or not weights[name].grad.any()
    adapters.remove()
    again = encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    torch.testing.assert_close(again[mask], batch["base.last_hidden_state"][mask], atol=1e-5, rtol=0)


def test_a_language_adapter_is_inverted_before_the_output_embeddings(folder, batch):
    name = next(name for name in CASES if name.startswith("mlm"))
    case, stored = CASES[name], load_file(folder / f"{name}.safetensors")
    model = XLMRobertaForMaskedLM(AutoConfig.from_pretrained(folder / "base")).eval()
    own = {n.removeprefix("base."): v for n, v in stored.items() if n.startswith("base.")}
    missing, unexpected = model.load_state_dict(own, strict=False)
    assert not unexpected and all("decoder" in n or "position_ids" in n for n in missing)
    model.tie_weights()
    adapters = adapters_of(model.roberta, case)
    weights = given(adapters, stored)
    mask = batch["attention_mask"].bool()
    states = model.roberta(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state
    torch.testing.assert_close(states[mask], stored["expected.last_hidden_state"][mask], atol=1e-5, rtol=0)
    head = model.lm_head
    hidden = head.layer_norm(torch.nn.functional.gelu(head.dense(states)))
    logits = head.decoder(adapters.coupling.inverse(hidden))
    torch.testing.assert_close(logits[mask], stored["expected.logits"][mask], atol=5e-5, rtol=0)
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), stored["labels"].flatten(), ignore_index=-100
    )
    assert float(loss.detach()) == pytest.approx(case["loss"], rel=1e-5)
    loss.backward()
    compared(weights, stored)


SIZES = [
    ("pfeiffer_r2", AdapterSpec(r=2)),
    ("pfeiffer_r16", AdapterSpec(r=16)),
    ("houlsby_r2", AdapterSpec(kind="houlsby", r=2)),
    ("houlsby_r16", AdapterSpec(kind="houlsby", r=16)),
    ("pfeiffer_r64", AdapterSpec(r=64)),
    ("houlsby_r64", AdapterSpec(kind="houlsby", r=64)),
    ("pfeiffer_inv_r2", AdapterSpec(r=2, invertible=True)),
    ("pfeiffer_inv_r16", AdapterSpec(r=16, invertible=True)),
    ("parallel_r2", AdapterSpec(kind="parallel", r=2)),
]


@pytest.mark.parametrize("model", ["xlm-roberta-base", "xlm-roberta-large"])
def test_published_sizes_have_adapterhubs_counts_and_the_formulas(model, folder):
    counts = json.loads((folder / "xlmr_parameter_counts.json").read_text())[model]
    hidden, layers, heads, inner = (768, 12, 12, 3072) if model.endswith("base") else (1024, 24, 16, 4096)
    config = AutoConfig.for_model(
        "xlm-roberta", vocab_size=250_002, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=inner, max_position_embeddings=514, type_vocab_size=1,
    )  # fmt: skip
    with torch.device("meta"):
        encoder = AutoModel.from_config(config, add_pooling_layer=False)
        assert sum(p.numel() for p in encoder.parameters()) == counts["base_parameters_without_pooler"]
        for name, spec in SIZES:
            adapters = Adapters(encoder, {"a": spec})
            found = sum(p.numel() for p in adapters.parameters())
            b, places = spec.bottleneck(hidden), layers * (2 if spec.kind == "houlsby" else 1)
            half, quarter = hidden // 2, hidden // 4
            nice = 2 * (2 * half * quarter + quarter + half) if spec.invertible else 0
            assert found == counts[name]["trainable"] == places * (2 * hidden * b + b + hidden) + nice
            adapters.remove()
        last = (layers - 1,)
        for name, spec in (
            ("pfeiffer_r16", AdapterSpec(r=16)),
            ("pfeiffer_inv_r2", AdapterSpec(r=2, invertible=True)),
        ):
            adapters = Adapters(
                encoder, {"a": AdapterSpec(r=spec.r, invertible=spec.invertible, leave_out=last)}
            )
            assert (
                sum(p.numel() for p in adapters.parameters())
                == counts[f"{name}_last_layer_left_out"]["trainable"]
            )
            adapters.remove()
        for name, fuse in (("fusion_dynamic", "dynamic"), ("fusion_static", "static")):
            adapters = Adapters(encoder, {"a": AdapterSpec(), "b": AdapterSpec()}, fuse=fuse)
            assert sum(p.numel() for p in adapters.fusion.parameters()) == counts[name]["trainable"]
            adapters.remove()


@pytest.mark.parametrize("model", ["xlm-roberta-base", "xlm-roberta-large"])
def test_what_a_plan_says_of_stored_weights_are_adapterhubs_counts(model, folder):
    counts = json.loads((folder / "xlmr_parameter_counts.json").read_text())[model]
    sizes = (768, 12) if model.endswith("base") else (1024, 24)
    for name, spec in SIZES:
        method = AdapterTuning(kind=spec.kind, r=spec.r, invertible=spec.invertible)
        assert method.stored(*sizes) == counts[name]["trainable"]
    for r, invertible in ((16, False), (2, True)):
        method = AdapterTuning(r=r, invertible=invertible, leave_last=True)
        name = f"pfeiffer{'_inv' * invertible}_r{r}_last_layer_left_out"
        assert method.stored(*sizes) == counts[name]["trainable"]
    for kind, name in (("pfeiffer", "fusion_dynamic"), ("houlsby", "fusion_dynamic_houlsby")):
        assert AdapterTuning(kind=kind, phases="fused").stored(*sizes) == counts[name]["trainable"]
    for r in (4, 8, 16, 64):
        assert LowRankAdaptation(r=r).stored(*sizes) == counts[f"lora_qv_r{r}"]["trainable"]


@pytest.mark.parametrize("kind", ["pfeiffer", "houlsby", "parallel"])
def test_it_begins_as_the_base_model_exactly(kind, encoder, batch):
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    base = encoder(**inputs).last_hidden_state
    adapters = Adapters(encoder, {"a": AdapterSpec(kind=kind, r=4, invertible=True)})
    assert torch.equal(encoder(**inputs).last_hidden_state, base)
    adapters.remove()
    drawn = Adapters(encoder, {"a": AdapterSpec(kind=kind, r=4, init="normal")})
    assert not torch.equal(encoder(**inputs).last_hidden_state, base)
    drawn.muted = frozenset({"a"})
    assert torch.equal(encoder(**inputs).last_hidden_state, base)


def test_a_stack_whose_second_adapter_adds_nothing_is_the_first_alone(encoder, batch):
    inputs = {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]}
    torch.manual_seed(0)
    both = Adapters(encoder, {"s": AdapterSpec(r=4, init="normal"), "t": AdapterSpec(r=4)})
    stacked = encoder(**inputs).last_hidden_state
    both.remove()
    alone = Adapters(encoder, {"s": AdapterSpec(r=4, init="normal")})
    alone.adapters["s"].load_state_dict(both.adapters["s"].state_dict())
    assert torch.equal(encoder(**inputs).last_hidden_state, stacked)


def test_two_equal_adapters_fused_with_the_identity_are_the_one():
    torch.manual_seed(0)
    unit, fusion, x = Bottleneck(8, 4, torch.relu, "normal"), Fusion(8), torch.randn(3, 5, 8)
    torch.testing.assert_close(fusion(x, torch.stack([unit(x), unit(x)])), unit(x))


def test_the_keys_bias_of_a_fusion_changes_nothing():
    torch.manual_seed(0)
    fusion, x, ups = Fusion(8), torch.randn(3, 8), torch.randn(2, 3, 8)
    before = fusion(x, ups)
    with torch.no_grad():
        fusion.key.bias += torch.randn(8)
    torch.testing.assert_close(fusion(x, ups), before, atol=1e-6, rtol=1e-5)


def test_the_coupling_layers_are_undone():
    torch.manual_seed(0)
    unit, x = Invertible(16, torch.relu, "normal"), torch.randn(3, 16)
    assert not torch.allclose(unit(x), x)
    torch.testing.assert_close(unit.inverse(unit(x)), x)


def test_an_encoder_without_places_is_refused():
    config = AutoConfig.for_model("distilbert", dim=16, hidden_dim=32, n_layers=2, n_heads=2, vocab_size=20)
    with pytest.raises(InputError, match="distilbert has no places for adapters"):
        adapter_places(AutoModel.from_config(config))
