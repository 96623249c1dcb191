"""`numerics: auto` of a grid -> what this machine is faster in: tried once, then what the run began with."""

from __future__ import annotations

import json
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.file import Grid
from simxfer.schema.directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

WORTH = 1.2
"""How many times as fast bf16 has to be before it is taken: below, single precision costs next to nothing."""
BATCH, ROUNDS = (16, 32), 6
"""Rows and subwords of the trial, and how often."""


def settled(grid: Grid, run: RunDirectory) -> Grid:
    """Return the grid with the numerics that it is trained in; what its file names stays.

    A run that was begun goes on in its own, on whatever machine. A new one takes bf16 where a layer of every encoder is
    `WORTH` times as fast in it here, and writes it into `grid.json`.
    """
    if grid.numerics != "auto":
        return grid
    if run.grid_json.exists():
        found = json.loads(run.grid_json.read_text())["numerics"]
    else:
        encoders = [resolve_encoder(name) for name in grid.encoders]
        pays = all(each.sized and bf16_gain(each.config) >= WORTH for each in encoders)
        found = "bf16" if pays else "fp32"
    return grid.model_copy(update={"numerics": found})


def bf16_gain(config: Mapping[str, Any]) -> float:
    """Return how many times as fast a layer of an encoder's sizes is in bf16 here, forward and backward.

    Args:
        config: of the encoder: hidden_size, intermediate_size, num_attention_heads.

    Small layers lose, whatever the processor's instructions: their weights and states are cast in every step.

    Example:
        >>> bf16_gain({"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 2}) > 0
        True
    """
    import torch
    from torch import nn

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    layer = nn.TransformerEncoderLayer(
        config["hidden_size"],
        config["num_attention_heads"],
        config["intermediate_size"],
        activation="gelu",
        batch_first=True,
    ).to(device)
    states = torch.ones(*BATCH, config["hidden_size"], device=device)
    fp32, bf16 = [], []
    for _ in range(ROUNDS):
        fp32.append(_seconds(layer, states, bf16=False))
        bf16.append(_seconds(layer, states, bf16=True))
    return median(fp32[1:]) / median(bf16[1:])  # the first round loads and allocates


def _seconds(layer: nn.Module, states: Tensor, *, bf16: bool) -> float:
    import torch

    started = time.perf_counter()
    with torch.autocast(states.device.type, torch.bfloat16, enabled=bf16):
        loss = layer(states).float().sum()
    loss.backward()
    layer.zero_grad(set_to_none=True)
    if states.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
