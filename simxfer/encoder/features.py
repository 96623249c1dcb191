"""Examples -> token arrays (`simxfer.encoder.ragged`), one function a kind.

Mining and ranking: one row a sentence, query or candidate; beside its context as the second part, where it has one.
No word of a tagging sentence is lost: long sentences are cut into windows. Long contexts of span QA are cut into
overlapping windows. Contexts of multiple choice are cut at their beginning, the same for all choices. Other pairs that
are too long are truncated at the end of their longer part. What is cut is counted.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from simxfer.encoder.ragged import Features
from simxfer.encoder.tokens import build, encode, label_index
from simxfer.encoder.windows import choice_features, span_features, tagging_features
from simxfer.tasks.examples import (
    AnyExample,
    ClassificationExample,
    MiningExample,
    RankingExample,
    RetrievalExample,
)
from simxfer.tasks.record import Task


def _classification(
    examples: Sequence[ClassificationExample], task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    texts = [e.text for e in examples]
    paired = [e.text_pair or "" for e in examples] if any(e.text_pair is not None for e in examples) else None
    encodings, cut = encode(tokenizer, texts, paired, max_length)
    labels = [label_index(e.label, task, e.id) for e in examples]
    return build(tokenizer, encodings, [1] * len(examples), range(len(examples)), cut, labels=labels)


def _retrieval(
    examples: Sequence[RetrievalExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    texts = [text for e in examples for text in (e.text, e.translation)]
    encodings, cut = encode(tokenizer, texts, None, max_length)
    return build(tokenizer, encodings, [2] * len(examples), np.repeat(np.arange(len(examples)), 2), cut)


def text_features(texts: list[str], tokenizer: Any, max_length: int) -> Features:
    """Tokenise plain texts, one row a text, without labels."""
    encodings, cut = encode(tokenizer, texts, None, max_length)
    return build(tokenizer, encodings, [1] * len(texts), range(len(texts)), cut)


def mlm_features(examples: Sequence[AnyExample], tokenizer: Any, max_length: int) -> Features:
    """Tokenise the input of any task for masked language modelling, one row an example: its first text or two."""
    texts = [e.texts for e in examples]
    pairs = [found[1] if len(found) > 1 else None for found in texts]
    encodings, cut = encode(tokenizer, [found[0] for found in texts], pairs, max_length)
    return build(tokenizer, encodings, [1] * len(texts), range(len(texts)), cut)


def _texts(
    examples: Sequence[MiningExample | RankingExample],
    pairs: list[str | None] | None,
    tokenizer: Any,
    max_length: int,
) -> Features:
    encodings, cut = encode(tokenizer, [e.text for e in examples], pairs, max_length)
    return build(tokenizer, encodings, [1] * len(examples), range(len(examples)), cut)


def _mining(
    examples: Sequence[MiningExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    return _texts(examples, None, tokenizer, max_length)


def _ranking(
    examples: Sequence[RankingExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    return _texts(examples, [e.text_pair for e in examples], tokenizer, max_length)


def _masked(
    examples: Sequence[AnyExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    return mlm_features(examples, tokenizer, max_length)


FEATURES: dict[str, Callable[..., Features]] = {
    "classification": _classification,
    "multiple_choice": choice_features,
    "retrieval": _retrieval,
    "mining": _mining,
    "ranking": _ranking,
    "tagging": tagging_features,
    "span": span_features,
    "mlm": _masked,
}
