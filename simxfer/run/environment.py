"""What the numbers of a run depend on beside its plan: versions, commit, machine, device, threads."""

import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

_VERSIONED = ("torch", "transformers", "tokenizers", "numpy", "pandas", "simxfer")
_DECIDING = ("torch", "transformers", "tokenizers", "numpy")
"""Libraries of which another version may give other numbers (DESIGN.md section 5, bitwise equal)."""


def environment(device: str, threads: int) -> dict[str, Any]:
    """Return what a process computes with.

    Args:
        device: `cpu AVX2`, `cuda NVIDIA H100`, ...: type and model.
        threads: CPU threads of the process.
    """
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in _VERSIONED},
        "device": device,
        "threads": threads,
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what may make the numbers of two environments differ, as `torch 2.13.0 -> 2.14.0`; [] where equal."""
    pairs = [(name, before["versions"][name], now["versions"][name]) for name in _DECIDING]
    pairs += [(name, before[name], now[name]) for name in ("machine", "device", "threads")]
    return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


@cache
def _commit() -> str | None:
    """Return the commit of the checkout that runs, with `+` where it has changes; None outside a checkout."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True)
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=folder, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return head.stdout.strip() + "+" * bool(changes.stdout) if head.returncode == 0 else None
