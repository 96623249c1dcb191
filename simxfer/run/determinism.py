"""Torch as it is -> torch held to operations that give equal bits every time they run on one kind of device."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from simxfer.common.errors import StageFailed

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_MEMORY: Any = torch.utils.deterministic  # its switch is not declared
_BY_NAME = "use_deterministic_algorithms"
"""What every message of torch about an operation that is not deterministic names."""


@contextmanager
def deterministic(asked: bool) -> Iterator[None]:
    """Hold torch to deterministic operations while this is entered, if asked; leave it as it was found.

    cuBLAS reads its setting once, at the first matrix product of a process: processes that are started meanwhile
    inherit it (PyTorch, "Reproducibility"; cuBLAS, "Results Reproducibility").

    Raises:
        StageFailed: an operation has no deterministic form.
    """
    if not asked:
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    workspace, filled = os.environ.get(_CUBLAS), _MEMORY.fill_uninitialized_memory
    os.environ[_CUBLAS] = ":4096:8"  # 24 MiB of the GPU's memory; the other value, :16:8, may be slower
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory helps to find faults and changes no bit here (measured), but costs up to a fifth of a step.
    _MEMORY.fill_uninitialized_memory = False
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, StageFailed) or _BY_NAME not in str(error):
            raise
        reason = str(error).partition(", but ")[0]
        raise StageFailed(
            f"not deterministic: {reason}; take `deterministic: true` out of the grid file and give the grid another "
            "name, or train it on the CPU"
        ) from error
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        _MEMORY.fill_uninitialized_memory = filled
        os.environ.pop(_CUBLAS)
        os.environ.update({} if workspace is None else {_CUBLAS: workspace})
