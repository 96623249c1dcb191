"""Examples of a split -> features and gold, cached on disk by what decides them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from simxfer.common.atomic import write_file, write_table
from simxfer.common.errors import InputError
from simxfer.common.identity import FEATURES_VERSION, PERTURBATION_VERSION, READER_VERSION, content_id, hashed
from simxfer.encoder.features import FEATURES
from simxfer.encoder.pairs import training_pairs
from simxfer.encoder.ragged import Features
from simxfer.sources import read_examples, revision
from simxfer.sources.passages import from_questions
from simxfer.sources.request import DataRequest
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
)
from simxfer.tasks.record import Task

_DIGEST_BYTES = 12


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

    @cached_property
    def digests(self) -> np.ndarray:
        """The digests of all examples as `as_digests` gives them, ascending."""
        return np.sort(as_digests(self.gold["digest"]))


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
        stride: overlap of span-QA windows in subwords; a negative one is what they advance by.
        cache: folder of the cache.

    Raises:
        InputError: the data changed while they were read, or they are not what the task's record says.
    """
    read = revision(request)
    key = {
        # The revision says world and draw where the data depend on them: seeds share what they do not decide.
        "request": str(replace(request, folder="", lexicons="", world=0, draw=0)),
        "task": task.name,
        "revision": read,
        "tokenizer": fingerprint,
        "lengths": [max_length, stride],
        "versions": [FEATURES_VERSION, READER_VERSION, PERTURBATION_VERSION],
    }
    path = cache / f"{task.name}-{request.language}-{content_id(key)}.safetensors"
    if not path.exists():
        made = make_dataset(read_examples(request), task, tokenizer, max_length, stride)
        if revision(request) != read:  # what was read is of neither revision: it must not enter the cache
            raise InputError(
                f"the {request.split} data of {request.task} changed while they were read; try again"
            )
        _write(path, made)
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
    features = FEATURES[task.kind](examples, task, tokenizer, max_length, stride)
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
        # In the order of their names: safetensors gives metadata in another one every time.
        noted = {name: int(count) for name, count in sorted((stream.metadata() or {}).items())}
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
    return hashed(plain, _DIGEST_BYTES).hex()


def as_digests(column: Iterable[str]) -> np.ndarray:
    """Return digests as an array of fixed width, (digests,): a few dozen times smaller than a set, and sorted fast."""
    return np.array(list(column), dtype=f"S{2 * _DIGEST_BYTES}")


def repeated(digests: np.ndarray, seen: Iterable[np.ndarray]) -> np.ndarray:
    """Tell of every digest whether it stands in any of some ascending arrays of digests; (digests,) bool."""
    found = np.zeros(len(digests), dtype=bool)
    for one in filter(len, seen):
        found |= one[np.searchsorted(one, digests).clip(max=len(one) - 1)] == digests
    return found
