"""Analyses of transfer results: outcomes, similarity, inference, questions, report.

Everything is loaded at first use, so that `import analyses` is quick and brings no torch.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "gains": "analyses.outcomes",
    "degradation": "analyses.outcomes",
    "gap_reduction": "analyses.outcomes",
    "robust_drop": "analyses.outcomes",
    "paired_drop": "analyses.robustness",
    "coverage": "analyses.outcomes",
    "forgetting": "analyses.sequences",
    "order_effects": "analyses.sequences",
    "Run": "analyses.run",
    "load_run": "analyses.run",
    "write_report": "analyses.report",
    "ceiling": "analyses.prediction.ceiling",
}
_REGISTRIES = ("analyses.inference", "analyses.similarity")


def __getattr__(name: str) -> Any:
    """Load a public name from its module, or from the registries of inference and similarity."""
    if name in _EXPORTS:
        return getattr(import_module(_EXPORTS[name]), name)
    if not name.startswith("_"):
        for package in map(import_module, _REGISTRIES):
            if name in dir(package):
                return getattr(package, name)
    raise AttributeError(f"module 'analyses' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    listed = [name for package in map(import_module, _REGISTRIES) for name in dir(package)]
    return sorted({*_EXPORTS, *(name for name in listed if not name.startswith("_"))})
