"""Examples -> token arrays (`simxfer.ragged`), one function a kind; cached on disk.

Mining and ranking: one row a sentence, query or candidate; beside its context as the second part, where it has one.
No word of a tagging sentence is lost: long sentences are cut into windows. Long contexts of span QA are cut into
overlapping windows. Contexts of multiple choice are cut at their beginning, the same for all choices. Other pairs that
are too long are truncated at the end of their longer part. What is cut is counted.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from simxfer.encodings import build, encode, label_index
from simxfer.errors import InputError
from simxfer.plan import content_id
from simxfer.ragged import Features
from simxfer.ranking import from_questions, training_pairs
from simxfer.sources import DataRequest, read_examples, revision
from simxfer.store.atomic import write_file, write_table
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    Examples,
    MiningExample,
    RankingExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
    TextExample,
)
from simxfer.tasks.record import Task
from simxfer.windows import choice_features, span_features, tagging_features

FEATURES_VERSION = 5
"""Bumped by hand whenever the arrays change."""


@dataclass(frozen=True)
class Dataset:
    """The features of a split, and what is needed to score predictions of it.

    `gold` has one row an example: id, subsets (joined by blanks), gold (JSON), context (span QA only), digest (of
    the inputs: equal inputs, equal digests). Gold of mining is {side, matches}, of ranking {side, keys}.
    `noted` is what `Examples.noted` says of the data.
    """

    features: Features
    gold: pd.DataFrame
    noted: Mapping[str, int] = field(default_factory=dict)


def read_gold(dataset: Dataset) -> list:
    """Return the gold of every example, in their order."""
    return [json.loads(text) for text in dataset.gold["gold"]]


def training_features(task: Task, dataset: Dataset) -> Features:
    """Return what a task is trained on: the features as they are; for ranking pairs of a query and a candidate."""
    if task.kind != "ranking":
        return dataset.features
    gold = read_gold(dataset)
    return training_pairs(dataset.features, [g["side"] for g in gold], [g["keys"] for g in gold])


def load_dataset(
    request: DataRequest,
    task: Task,
    tokenizer: Any,
    fingerprint: str,
    max_length: int,
    stride: int,
    cache: Path,
) -> Dataset:
    """Return the tokenised split, from the cache if it is there.

    Args:
        request: which examples.
        task: what they are examples of: the task that owns them, or one that is trained on them.
        tokenizer: a fast Hugging Face tokenizer.
        fingerprint: what identifies the tokenizer.
        max_length: longest row in subwords, special tokens included.
        stride: overlap of span-QA windows in subwords.
        cache: folder of the cache.
    """
    key = {
        "request": str(replace(request, folder="")),
        "task": task.name,
        "revision": revision(request),
        "tokenizer": fingerprint,
        "lengths": [max_length, stride],
        "version": FEATURES_VERSION,
    }
    path = cache / f"{task.name}-{request.language}-{content_id(key)}.safetensors"
    if not path.exists():
        _write(path, make_dataset(read_examples(request), task, tokenizer, max_length, stride))
    return _read(path)


def make_dataset(
    examples: Sequence[AnyExample], task: Task, tokenizer: Any, max_length: int, stride: int
) -> Dataset:
    """Tokenise examples of one task; for ranking questions about contexts become queries and candidates.

    Raises:
        InputError: a label is not in the task's label space, ids occur twice, an answer does not stand at its
            offset, or `max_length` and `stride` leave no room for questions.
    """
    whole = examples if isinstance(examples, Examples) else Examples()
    questions = [e for e in examples if isinstance(e, SpanExample)] if task.kind == "ranking" else []
    examples = from_questions(questions) if questions else examples
    gold = pd.DataFrame([_gold(example) for example in examples], dtype="string")
    twice = gold["id"][gold["id"].duplicated()]
    if len(twice):
        raise InputError(f"{task.name}: example id {twice.iloc[0]!r} occurs twice; ids must be unique")
    features = _FEATURES[task.kind](examples, task, tokenizer, max_length, stride)
    features.counts[3] = whole.without_gold
    return Dataset(features, gold, dict(whole.noted))


def _write(path: Path, dataset: Dataset) -> None:
    write_table(path.with_suffix(".parquet"), dataset.gold)
    arrays = {f.name: np.ascontiguousarray(getattr(dataset.features, f.name)) for f in fields(Features)}
    noted = {name: str(count) for name, count in dataset.noted.items()}
    write_file(path, lambda temporary: save_file(arrays, temporary, metadata=noted))


def _read(path: Path) -> Dataset:
    with safe_open(path, framework="numpy") as stream:
        features = Features(**{f.name: stream.get_tensor(f.name) for f in fields(Features)})
        noted = {name: int(count) for name, count in (stream.metadata() or {}).items()}
    return Dataset(features, pd.read_parquet(path.with_suffix(".parquet")), noted)


def _gold(example: AnyExample) -> dict[str, str]:
    gold: Any = None
    context = ""
    if isinstance(example, ClassificationExample | ChoiceExample):
        gold = example.label
    elif isinstance(example, TaggingExample):
        gold = example.tags
    elif isinstance(example, SpanExample):
        gold, context = [text for _, text in example.answers], example.context
    elif isinstance(example, RetrievalExample):
        gold = example.id
    elif isinstance(example, MiningExample):
        gold = {"side": example.side, "matches": example.matches}
    elif isinstance(example, RankingExample):
        gold = {"side": example.side, "keys": example.keys}
    return {
        "id": example.id,
        "subsets": " ".join(example.subsets),
        "gold": json.dumps(gold, ensure_ascii=False),
        "context": context,
        "digest": digest(example.texts),
    }


def digest(texts: Sequence[str]) -> str:
    """Return a hash of an example's inputs, equal for inputs that differ in case and blanks alone."""
    plain = "\x1f".join(" ".join(text.casefold().split()) for text in texts)
    return hashlib.blake2b(plain.encode(), digest_size=12).hexdigest()


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


def mlm_features(examples: Sequence[TextExample], tokenizer: Any, max_length: int) -> Features:
    """Tokenise texts and pairs of texts for masked language modelling, one row an example."""
    return _texts(examples, [e.text_pair for e in examples], tokenizer, max_length)


def _texts(
    examples: Sequence[TextExample | MiningExample | RankingExample],
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
    examples: Sequence[TextExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    return mlm_features(examples, tokenizer, max_length)


_FEATURES: dict[str, Callable[..., Features]] = {
    "classification": _classification,
    "multiple_choice": choice_features,
    "retrieval": _retrieval,
    "mining": _mining,
    "ranking": _ranking,
    "tagging": tagging_features,
    "span": span_features,
    "mlm": _masked,
}
