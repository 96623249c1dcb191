"""Examples -> token arrays (`simxfer.ragged`), one function a kind; cached on disk.

Mining and ranking: one row a sentence, query or candidate; beside its context as the second part, where it has one.
No word of a tagging sentence is lost: long sentences are cut into windows. Long contexts of span QA are cut into
overlapping windows. Pairs that are too long are truncated, and counted.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file

from simxfer.encodings import build, cut_off, encode
from simxfer.errors import InputError
from simxfer.plan import content_id
from simxfer.ragged import IGNORED, Features
from simxfer.ranking import from_questions, training_pairs
from simxfer.sources import DataRequest, read_examples, revision
from simxfer.store.atomic import write_file, write_table
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    MiningExample,
    RankingExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
    TextExample,
)
from simxfer.tasks.record import Task

FEATURES_VERSION = 2
"""Bumped by hand whenever the arrays change."""


@dataclass(frozen=True)
class Dataset:
    """The features of a split, and what is needed to score predictions of it.

    `gold` has one row an example: id, subsets (joined by blanks), gold (JSON), context (span QA only), digest (of
    the inputs: equal inputs, equal digests). Gold of mining is {side, matches}, of ranking {side, keys}.
    """

    features: Features
    gold: pd.DataFrame


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
    questions = [e for e in examples if isinstance(e, SpanExample)] if task.kind == "ranking" else []
    examples = from_questions(questions) if questions else examples
    gold = pd.DataFrame([_gold(example) for example in examples], dtype="string")
    twice = gold["id"][gold["id"].duplicated()]
    if len(twice):
        raise InputError(f"{task.name}: example id {twice.iloc[0]!r} occurs twice; ids must be unique")
    return Dataset(_FEATURES[task.kind](examples, task, tokenizer, max_length, stride), gold)


def _write(path: Path, dataset: Dataset) -> None:
    write_table(path.with_suffix(".parquet"), dataset.gold)
    arrays = {f.name: np.ascontiguousarray(getattr(dataset.features, f.name)) for f in fields(Features)}
    write_file(path, lambda temporary: save_file(arrays, temporary))


def _read(path: Path) -> Dataset:
    with safe_open(path, framework="numpy") as stream:
        features = Features(**{f.name: stream.get_tensor(f.name) for f in fields(Features)})
    return Dataset(features, pd.read_parquet(path.with_suffix(".parquet")))


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


def _label_index(label: str, task: Task, example_id: str) -> int:
    if label not in task.labels:
        raise InputError(
            f"{task.name}: label {label!r} of example {example_id!r} is not in the label space {list(task.labels)}"
        )
    return task.labels.index(label)


def _classification(
    examples: Sequence[ClassificationExample], task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    texts = [e.text for e in examples]
    paired = [e.text_pair or "" for e in examples] if any(e.text_pair is not None for e in examples) else None
    encodings, cut = encode(tokenizer, texts, paired, max_length)
    labels = [_label_index(e.label, task, e.id) for e in examples]
    return build(tokenizer, encodings, [1] * len(examples), range(len(examples)), cut, labels=labels)


def _choice(
    examples: Sequence[ChoiceExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    texts = [e.context for e in examples for _ in e.choices]
    choices = [choice for e in examples for choice in e.choices]
    encodings, cut = encode(tokenizer, texts, choices, max_length)
    sizes = [len(e.choices) for e in examples]
    index = np.repeat(np.arange(len(examples)), sizes)
    return build(tokenizer, encodings, sizes, index, cut, labels=[e.label for e in examples])


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


def _tagging(
    examples: Sequence[TaggingExample], task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    """The first subword of a word carries its tag; a sentence that is too long becomes several windows.

    A word that the tokenizer's normaliser leaves nothing of (a lone U+200E) is read as <unk>, as in XTREME.
    """
    index, first_words, windows = [], [], []
    whole = tokenizer([list(e.words) for e in examples], is_split_into_words=True, add_special_tokens=False)
    for i, (example, encoding) in enumerate(zip(examples, whole.encodings, strict=True)):
        pieces = np.bincount([w for w in encoding.word_ids if w is not None], minlength=len(example.words))
        for first, last in _windows(
            np.maximum(pieces, 1), max_length - tokenizer.num_special_tokens_to_add()
        ):
            index.append(i)
            first_words.append(first)
            readable = zip(example.words[first:last], pieces[first:last], strict=True)
            windows.append([word if n else tokenizer.unk_token for word, n in readable])
    encodings = tokenizer(windows, is_split_into_words=True, truncation=True, max_length=max_length).encodings
    labels, spans = [], []
    for i, first, encoding in zip(index, first_words, encodings, strict=True):
        tags = [_label_index(tag, task, examples[i].id) for tag in examples[i].tags]
        before = None
        for word in encoding.word_ids:
            starts = word is not None and word != before
            labels.append(tags[first + word] if starts else IGNORED)
            spans.append((first + word if starts else -1, 0))
            before = word
    cut = cut_off(encodings)
    return build(tokenizer, encodings, [1] * len(windows), index, cut, labels=labels, spans=spans)


def _windows(pieces: np.ndarray, room: int) -> list[tuple[int, int]]:
    """Cut words with so many subwords into runs that fit; a word longer than the room is alone and truncated."""
    runs, first, filled = [], 0, 0
    for i, n in enumerate(pieces):
        if filled and filled + n > room:
            runs.append((first, i))
            first, filled = i, 0
        filled += n
    return [*runs, (first, len(pieces))]


def _span(
    examples: Sequence[SpanExample], _task: Task, tokenizer: Any, max_length: int, stride: int
) -> Features:
    questions, cut = _questions(examples, tokenizer, max_length, stride)
    encoded = tokenizer(
        questions,
        [e.context for e in examples],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
    )
    index = encoded["overflow_to_sample_mapping"]
    labels, spans = [], []
    for k, (i, encoding) in enumerate(zip(index, encoded.encodings, strict=True)):
        context = [s == 1 for s in encoding.sequence_ids]
        places = [o if inside else (-1, -1) for o, inside in zip(encoding.offsets, context, strict=True)]
        opens, closes = index[k - 1 : k] != [i], index[k + 1 : k + 2] != [i]
        labels.append(_answer_tokens(examples[i], places, opens, closes))
        spans += places
    whole = {i for i, label in zip(index, labels, strict=True) if label != (0, 0)}
    lost = sum(i in cut or (bool(e.answers) and i not in whole) for i, e in enumerate(examples))
    units = [1] * len(index)
    return build(tokenizer, encoded.encodings, units, index, lost, labels=labels, spans=spans)


def _answer_tokens(
    example: SpanExample, places: Sequence[tuple[int, int]], opens: bool, closes: bool
) -> tuple[int, int]:
    """Return the first and last token of the first gold answer, or (0, 0) if it is not whole in the window.

    `opens` and `closes` tell whether the window begins and ends the context. Blanks around an answer, and
    characters that the normaliser removes, belong to no token.
    """
    if not example.answers:
        return 0, 0
    start, text = example.answers[0]
    found = example.context[start : start + len(text)]
    if found != text:
        raise InputError(
            f"answer of {example.id!r} does not stand at its offset: got {found!r} at {start}, expected {text!r}"
        )
    end = start + len(text)
    context = [k for k, (a, b) in enumerate(places) if b > a >= 0]
    inside = [k for k in context if places[k][1] > start and places[k][0] < end]
    if not inside:
        return 0, 0
    cut_before = not opens and inside[0] == context[0] and places[inside[0]][0] > start
    cut_behind = not closes and inside[-1] == context[-1] and places[inside[-1]][1] < end
    return (0, 0) if cut_before or cut_behind else (inside[0], inside[-1])


def _questions(
    examples: Sequence[SpanExample], tokenizer: Any, max_length: int, stride: int
) -> tuple[list[str], set[int]]:
    """Return the questions, those cut that leave too little room for their contexts, and which were cut.

    Where a context has to be cut into windows, the question may take half of what the overlap of windows leaves.
    """
    most = (max_length - tokenizer.num_special_tokens_to_add(pair=True) - stride) // 2
    if most < 1:
        raise InputError(
            f"max_length {max_length} with stride {stride} leaves no room for questions; raise max_length or "
            "lower stride"
        )
    encodings = tokenizer([e.question for e in examples], add_special_tokens=False).encodings
    questions, cut = [], set()
    for i, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
        too_long = len(encoding.ids) > most and (
            len(tokenizer(example.question, example.context)["input_ids"]) > max_length
        )
        questions.append(_cut(example.question, tokenizer, most) if too_long else example.question)
        cut |= {i} if too_long else set()
    return questions, cut


def _cut(text: str, tokenizer: Any, most: int) -> str:
    """Return the longest beginning of a text at a border of subwords that has at most so many of them."""
    [encoding] = tokenizer([text], add_special_tokens=False).encodings
    ends = [end for _, end in encoding.offsets[:most]]
    # What is cut off may have held subwords together: the beginning alone can have more of them.
    while len(tokenizer(text[: ends[-1]], add_special_tokens=False)["input_ids"]) > most:
        ends.pop()
    return text[: ends[-1]]


def _masked(
    examples: Sequence[TextExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    return mlm_features(examples, tokenizer, max_length)


_FEATURES: dict[str, Callable[..., Features]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "retrieval": _retrieval,
    "mining": _mining,
    "ranking": _ranking,
    "tagging": _tagging,
    "span": _span,
    "mlm": _masked,
}
