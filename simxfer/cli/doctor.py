"""Is everything here that a run needs? Versions, shipped and packaged encoders and their checksums, devices."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from simxfer.common import packaged
from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.common.shipped import data_path
from simxfer.encoder.pretrained import shipped_encoders

_NEEDED = ("torch", "transformers", "tokenizers", "sentence-transformers", "pandas", "scipy", "statsmodels")


def examine() -> tuple[str, bool]:
    """Return the findings as text, and whether nothing is missing or damaged."""
    findings = [("python", platform.python_version(), True)]
    findings += [_package(name) for name in _NEEDED]
    findings += [_encoder(name) for name in shipped_encoders()] or [("encoders", "none is shipped", False)]
    findings += [_packaged(), _devices()]
    findings += [_folder(name) for name in ("grids", "pretraining", "published", "typology")]
    lines = [f"{'ok ' if good else 'BAD'}  {name:24} {said}" for name, said, good in findings]
    return "\n".join(lines), all(good for _, _, good in findings)


def _package(name: str) -> tuple[str, str, bool]:
    try:
        return name, version(name), True
    except PackageNotFoundError:
        return name, "not installed; run `make setup`", False


def _encoder(name: str) -> tuple[str, str, bool]:
    folder = data_path("encoders", name.removeprefix("world/"))
    expected = json.loads((folder / "card.json").read_text())["sha256"]
    wrong = [file for file, digest in expected.items() if _digest(folder / file) != digest]
    if wrong:
        return name, f"{', '.join(wrong)} differ from card.json; check the files out again", False
    return name, f"{len(expected)} files as recorded", True


def _packaged() -> tuple[str, str, bool]:
    """Check the encoder that a package carries, without decoding it; where it is decoded, that as well."""
    name, folder = packaged.PREFIX + packaged.NAME, packaged.folder()
    try:
        if folder.is_dir():
            return name, f"decoded in {packaged.checkpoint_folder()}", True
        return name, f"{packaged.source_file()} as known; decoded into {folder} when first used", True
    except InputError as error:
        return name, str(error), False


def _digest(path: Path) -> str:
    return sha256(path) if path.exists() else ""


def _devices() -> tuple[str, str, bool]:
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return "devices", ", ".join(gpus) or f"CPU, {torch.get_num_threads()} threads", True


def _folder(name: str) -> tuple[str, str, bool]:
    folder = data_path(name)
    return f"data/{name}", str(folder) if folder.is_dir() else "missing", folder.is_dir()
