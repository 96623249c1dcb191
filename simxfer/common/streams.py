"""Random streams, derived from what they are for.

A stream is named by (seed, task, phase, purpose) and never by stage ids, ancestors, methods or workers. That
is what makes seed 3 of `none` and seed 3 of `mnli` a pair: the target stage sees the same head, the same
order of examples and the same dropout, and differs only in the encoder it starts from.
"""

import numpy as np

from simxfer.common.identity import hashed


def stream_seed(*names: str | int) -> int:
    """Return a 63-bit integer that depends on every name and on nothing else (BLAKE2b of the joined names)."""
    text = "\x1f".join(f"{type(name).__name__}:{name}" for name in names)
    return int.from_bytes(hashed(text, 8), "big") >> 1


def stream(*names: str | int) -> np.random.Generator:
    """Return the generator of the stream with these names."""
    return np.random.default_rng(stream_seed(*names))
