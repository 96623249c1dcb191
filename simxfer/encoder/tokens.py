"""What the tokenizer makes of texts, and how it becomes `Features`; labels and their indices."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from simxfer.common.errors import InputError
from simxfer.encoder.ragged import Features
from simxfer.tasks.record import Task


def encode(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str | None] | None, max_length: int
) -> tuple[list, int]:
    """Tokenise sentences or pairs of sentences; return the encodings and how many were cut.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        texts: the sentences.
        pairs: what each is paired with; None alone or in its place where there is nothing.
        max_length: longest row in subwords, special tokens included; of a pair the longer part is cut first.
    """
    pairs = [None] * len(texts) if pairs is None else pairs
    encodings: list[Any] = [None] * len(texts)
    for paired in (False, True):
        chosen = [i for i, other in enumerate(pairs) if (other is not None) == paired]
        if chosen:
            inputs = [[texts[i] for i in chosen], *([[pairs[i] for i in chosen]] if paired else [])]
            found = tokenizer(*inputs, truncation=True, max_length=max_length).encodings
            for i, encoding in zip(chosen, found, strict=True):
                encodings[i] = encoding
    return encodings, cut_off(encodings)


def cut_off(encodings: Sequence) -> int:
    """Return how many encodings lack the end of their text."""
    return sum(bool(encoding.overflowing) for encoding in encodings)


def build(
    tokenizer: Any,
    encodings: Sequence,
    units: Sequence[int] | np.ndarray,
    example: Sequence[int] | np.ndarray,
    truncated: int,
    **arrays,
) -> Features:
    """Put encodings behind one another.

    Args:
        tokenizer: where they are from.
        encodings: one a row.
        units: number of rows of each unit.
        example: (rows,) example of each row.
        truncated: what `Features.counts` says of cut rows.
        arrays: `labels`, `spans`, where the kind has them.
    """
    ids = [np.asarray(e.ids, dtype=np.int32) for e in encodings]
    flat = np.concatenate(ids)
    segments = np.concatenate([np.asarray(e.type_ids, dtype=np.int32) for e in encodings])
    special = sum(sum(e.special_tokens_mask) for e in encodings)
    unknown = 0 if tokenizer.unk_token_id is None else int((flat == tokenizer.unk_token_id).sum())
    empty = np.zeros((0, 2), dtype=np.int32)
    return Features(
        ids=flat,
        starts=np.concatenate([[0], np.cumsum([len(row) for row in ids])]).astype(np.int64),
        unit_starts=np.concatenate([[0], np.cumsum(units)]).astype(np.int64),
        example=np.asarray(example, dtype=np.int64),
        labels=np.asarray(arrays.get("labels", []), dtype=np.int64),
        spans=np.asarray(arrays.get("spans", empty), dtype=np.int32).reshape(-1, 2),
        segments=segments if segments.any() else segments[:0],
        counts=np.array([truncated, unknown, len(flat) - special, 0], dtype=np.int64),
    )


def label_index(label: str, task: Task, example_id: str) -> int:
    """Return the index of a label in the task's label space, or raise an InputError that names the example."""
    if label not in task.labels:
        raise InputError(
            f"{task.name}: label {label!r} of example {example_id!r} is not in the label space {list(task.labels)}"
        )
    return task.labels.index(label)
