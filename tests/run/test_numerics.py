"""Numerics that a grid leaves to the machine: chosen when a run begins, kept from then on."""

import json

import pytest
import yaml
from torch import nn

from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.file import parse_grid
from simxfer.run import numerics
from simxfer.run.numerics import WORTH, bf16_gain, settled
from simxfer.run.train import train_grid
from simxfer.schema.directory import RunDirectory

GRID = {
    "name": "numerics",
    "languages": ["x-pivot"],
    "seeds": [0],
    "test_examples": 4,
    "overrides": {"*": {"steps": 1, "batch_size": 2, "train_examples": 4}},
    "blocks": [{"intermediates": ["none"], "targets": ["w-pos"]}],
}


def grid(**changes):
    return GRID | {"encoders": ["world/w0-s0"]} | changes


def machine(monkeypatch, *gains):
    """Let bf16 be so many times as fast, asked in turn; more is not asked."""
    asked = iter(gains)
    monkeypatch.setattr(numerics, "bf16_gain", lambda config: next(asked))


@pytest.mark.parametrize("named", ["fp32", "bf16"])
def test_what_a_grid_names_is_not_tried(named, tmp_path, monkeypatch):
    machine(monkeypatch)
    given = parse_grid(yaml.safe_dump(grid(numerics=named)))
    assert settled(given, RunDirectory(tmp_path)) is given


@pytest.mark.parametrize(
    ("gains", "found"), [((WORTH, 3.0), "bf16"), ((3.0, WORTH - 0.01), "fp32"), ((0.5,), "fp32")]
)
def test_bf16_has_to_pay_for_every_encoder(gains, found, tmp_path, monkeypatch):
    machine(monkeypatch, *gains)
    given = parse_grid(yaml.safe_dump(grid(numerics="auto", encoders=["world/w0-s0", "world/w0-s1"])))
    assert settled(given, RunDirectory(tmp_path)).numerics == found


def test_a_run_goes_on_in_what_it_began_with(tmp_path, monkeypatch):
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(grid(numerics="auto")))
    machine(monkeypatch, 2.0)
    run = train_grid(file, tmp_path, workers=1)
    assert json.loads(run.grid_json.read_text())["numerics"] == "bf16"
    before = run.results.read_bytes()
    machine(monkeypatch)
    assert train_grid(file, tmp_path, workers=1).results.read_bytes() == before


def test_the_trial_is_of_the_encoders_own_sizes(monkeypatch):
    config, made = resolve_encoder("world/w0-s0").config, []
    layer = nn.TransformerEncoderLayer
    monkeypatch.setattr(
        nn, "TransformerEncoderLayer", lambda *sizes, **how: made.append(sizes) or layer(*sizes, **how)
    )
    assert bf16_gain(config) > 0
    assert made == [(config["hidden_size"], config["num_attention_heads"], config["intermediate_size"])]
