"""What decides a result -> an id: equal contents are trained once and recognised after any interruption."""

import hashlib
import json

CODE_VERSION = 1
"""Bumped by hand whenever a change of the code changes what training or evaluation computes."""


def content_id(value: dict) -> str:
    """Return the id of a JSON-able value: 16 hexadecimal digits of its BLAKE2b hash."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
