"""Weights and optimizer of something that is trained <-> named tensors, to go on from in the middle of a stage."""

import torch
from torch import Tensor, nn


def tensors_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return all weights as `model.NAME` and the optimizer's moments as `optimizer.INDEX.NAME`."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    for i, entry in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": value for name, value in entry.items()}
    return tensors


def take_up(module: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what `tensors_of` gave."""
    module.load_state_dict(under("model.", tensors))
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in under("optimizer.", tensors).items():
        index, _, key = name.partition(".")
        entries.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
