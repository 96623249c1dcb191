"""What decides a result -> an id, and the digests that ids are made of: whatever is hashed is hashed here.

Equal ids are trained once and recognised after any interruption. The versions are bumped by hand and stand in the
ids; `tests/contracts/test_versions.py` fails when what is computed changes without a bump.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

CODE_VERSION = 5
"""Bumped whenever a change of the code changes what training or evaluation computes."""
FEATURES_VERSION = 5
"""Bumped whenever equal examples become other arrays."""
READER_VERSION = 2
"""Bumped whenever the readers of native files or of the hub give other examples of the same files."""
PERTURBATION_VERSION = 2
"""Bumped whenever equal examples are perturbed otherwise; it stands in the ids of perturbed evaluations alone."""


def content_id(value: Any) -> str:
    """Return the id of a JSON-able value: 16 hexadecimal digits of its BLAKE2b hash."""
    return hashed(json.dumps(value, sort_keys=True, separators=(",", ":")), 8).hex()


def hashed(text: str, size: int) -> bytes:
    """Return the BLAKE2b hash of a text in UTF-8, so many bytes."""
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


def sha256_of_text(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read now."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, read anew only when its time or size has changed."""
    state = path.stat()
    return _sha256(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _sha256(path: Path, _modified: int, _size: int) -> str:
    return sha256(path)
