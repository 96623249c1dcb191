"""A task -> what is read for it: source, counts, what is left out or flagged, the first examples as a model sees them.

Nothing is trained and nothing downloaded; without an encoder no torch is loaded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simxfer.common.errors import InputError, unknown
from simxfer.encoder.inspect import Cutter, Row, Subwords
from simxfer.encoder.pretrained import Encoder, resolve_encoder, shipped_encoders
from simxfer.encoder.ragged import Features
from simxfer.run.inputs import data_inputs
from simxfer.scoring.record import data_flags
from simxfer.sources import read_examples, revision
from simxfer.sources.files import find_files, is_pattern
from simxfer.sources.origin import at_hand, source_of
from simxfer.sources.passages import from_questions
from simxfer.sources.request import HELD_OUT, KEPT, DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    MiningExample,
    RankingExample,
    SpanExample,
    TaggingExample,
)
from simxfer.tasks.record import SPLITS, Task
from simxfer.training.recipes import get_recipe

WITHOUT = "none"
"""Stands for no encoder."""
PUBLISHED = ("FacebookAI/xlm-roberta-base", "FacebookAI/xlm-roberta-large")
"""Encoders that real tasks are shown with, the smaller one first, where one is in the local cache."""
NAMED = 3
"""How many of the texts that the gold of an example names are shown."""
SIDES = {
    "source": "source sentences",
    "target": "target sentences",
    "query": "queries",
    "candidate": "candidates",
}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One example: its fields, the texts that its gold names, and its rows, if there is an encoder."""

    fields: Mapping[str, Any]
    named: Mapping[str, str]
    """Id -> text: translations of a mined sentence, candidates that are relevant to a query (the first `NAMED`)."""
    rows: tuple[Row, ...]
    cut: bool
    """Whether the rows lack a part of the example (span QA: whether no window holds the answer whole)."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What is read of one data set."""

    task: str
    kind: str
    data_task: str
    """The task whose data these are: another one where `task` is trained on others."""
    split: str
    language: str
    source: str
    """files, hub or world."""
    revision: str
    places: Mapping[str, str]
    """File, data set or generator -> its SHA-256, commit or version."""
    counts: Mapping[str, int]
    """`examples`, and parts of them: sides, subsets, questions without an answer."""
    labels: Mapping[str, int]
    """How many examples (tagging: words; multiple choice: by the place of the right one) have each label."""
    without_gold: int
    """Rows that are left out because they have no gold."""
    noted: Mapping[str, int]
    """What else is left out or to be said: name -> how many rows or examples."""
    flags: tuple[str, ...]
    """What scores on these data are flagged with."""
    encoding: Subwords | None
    examples: tuple[Shown, ...]


def inspect(
    name: str,
    split: str = "",
    language: str = "",
    folder: str = "",
    encoder: str = "",
    head: int = 3,
    lengths: Mapping[str, int] | None = None,
) -> list[Inspection]:
    """Return what is read for a task; of training data one inspection for each task that it is trained on.

    Args:
        name: of the task.
        split: train, dev, test or a path pattern; empty: the one that is scored.
        language: empty: the pivot, or the first language with data at hand.
        folder: of native files, one subfolder a task; empty: the hub's cache.
        encoder: whose subwords are shown; `WITHOUT` for none. Empty: a shipped one for tasks of the world, XLM-R for
            others if it is in the local cache.
        head: how many examples are shown; of data with two sides, of each side.
        lengths: `max_length` and `stride`, where they are not the recipe's (`world`, or `xtreme` for real tasks).

    Raises:
        InputError: an unknown name, no data, faulty data, an encoder that is not at hand or too short.
    """
    task = get_task(name)
    encoder = encoder or _smallest(task) or WITHOUT
    found = None if encoder == WITHOUT else resolve_encoder(encoder)
    requests = _requests(task, split or _scored(task), language, folder, (found and found.world) or 0)
    cutter = _cutter(task, found, lengths or {}) if found else None
    return [_inspection(task, request, cutter, head) for request in requests]


def _smallest(task: Task) -> str:
    """Return the smallest encoder at hand that knows the languages of a task; empty if there is none."""
    names = shipped_encoders() if task.world else PUBLISHED
    return next((name for name in names if resolve_encoder(name).is_local), "")


def _scored(task: Task) -> str:
    """Return the split that is scored; plain text is never."""
    return "train" if task.kind == "mlm" else task.test_split


def _cutter(task: Task, encoder: Encoder, asked: Mapping[str, int]) -> Cutter:
    """Return how a recipe cuts, at most so long as the encoder reads."""
    from simxfer.encoder.loading import load_tokenizer

    values = get_recipe("world" if task.world else "xtreme").hyperparameters(task.name)
    longest = asked.get("max_length", values.max_length)
    if encoder.positions and longest > encoder.positions:
        if "max_length" in asked:
            raise InputError(
                f"max_length {longest} is more than the {encoder.positions} subwords that encoder {encoder.name!r} "
                "can read; lower it"
            )
        longest = encoder.positions
    return Cutter(
        task=task,
        encoder=encoder.name,
        tokenizer=load_tokenizer(encoder),
        max_length=longest,
        stride=asked.get("stride", values.stride),
        has_segments=encoder.config.get("type_vocab_size", 0) > 1,
    )


def _requests(task: Task, split: str, language: str, folder: str, world: int) -> list[DataRequest]:
    """Return what is read: one request for each task whose data are meant, in the language or the first at hand."""
    whole = split.removesuffix(KEPT).removesuffix(HELD_OUT)
    if whole not in SPLITS and not is_pattern(whole):
        raise InputError(unknown("split", split, SPLITS))
    trains = whole == "train"
    names, codes = (task.data_tasks, task.train_languages) if trains else ((task.name,), task.languages)
    if not names:
        raise InputError(
            f"{task.name} is never trained and has no training data; ask for its {_scored(task)} split"
        )
    codes = (language,) if language else codes
    return [
        _first_at_hand([DataRequest(name, split, c, world, folder=folder) for c in codes]) for name in names
    ]


def _first_at_hand(asked: Sequence[DataRequest]) -> DataRequest:
    """Return the first request whose data are at hand, or the first one, which says what is missing.

    Raises:
        InputError: the folder is none, or has nothing of the task, nor has the hub's cache.
    """
    first = asked[0]
    if first.folder and not Path(first.folder).is_dir():
        raise InputError(f"{first.folder} is no folder; give the one that holds a folder for each task")
    found = next(filter(at_hand, asked), None)
    if found is None and first.folder and source_of(first) == "hub":
        find_files(first)  # the files were meant: its message says where they were looked for
    return found or first


def _inspection(task: Task, request: DataRequest, cutter: Cutter | None, head: int) -> Inspection:
    read = read_examples(request)
    questions = [e for e in read if isinstance(e, SpanExample)] if task.kind == "ranking" else []
    examples: Sequence[AnyExample] = from_questions(questions) if questions else read
    features = cutter.features(examples) if cutter else None
    encoding = cutter.summary(features) if cutter and features else None
    subwords = (encoding.unknown, encoding.subwords) if encoding else (0, 0)
    return Inspection(
        task=task.name,
        kind=task.kind,
        data_task=request.task,
        split=request.split,
        language=request.language,
        source=source_of(request),
        revision=revision(request),
        places=data_inputs(request),
        counts=_counts(examples),
        labels=_labels(examples, task),
        without_gold=read.without_gold,
        noted=dict(read.noted),
        flags=tuple(data_flags(read.without_gold, read.noted, *subwords)),
        encoding=encoding,
        examples=tuple(_shown(i, examples, cutter, features) for i in _first(examples, head)),
    )


def _counts(examples: Sequence[AnyExample]) -> dict[str, int]:
    found = Counter({"examples": len(examples)})
    for example in examples:
        found.update(f"in subset {name}" for name in example.subsets)
        if isinstance(example, MiningExample | RankingExample):
            found[SIDES[example.side]] += 1
        if isinstance(example, MiningExample):
            found["gold pairs"] += len(example.matches)
        if isinstance(example, SpanExample):
            found["without an answer"] += not example.answers
        if isinstance(example, TaggingExample):
            found["words"] += len(example.words)
    return dict(+found)


def _labels(examples: Sequence[AnyExample], task: Task) -> dict[str, int]:
    """Count labels: those of the label space that no example has are 0, but tags, of which there are many."""
    found: Counter[str] = Counter(dict.fromkeys(task.labels if task.kind == "classification" else (), 0))
    for example in examples:
        if isinstance(example, TaggingExample):
            found.update(example.tags)
        elif isinstance(example, ClassificationExample | ChoiceExample):
            found[str(example.label)] += 1
    return dict(found) if task.kind == "classification" else dict(found.most_common())


def _first(examples: Sequence[AnyExample], head: int) -> Iterator[int]:
    """Yield the places of the first examples of every side; sentences to mine whose translation is not there: none."""
    taken: Counter[str] = Counter()
    for i, example in enumerate(examples):
        side = getattr(example, "side", "")
        if side == "source" and isinstance(example, MiningExample) and not example.matches:
            continue
        taken[side] += 1
        if taken[side] <= head:
            yield i


def _shown(i: int, examples: Sequence[AnyExample], cutter: Cutter | None, features: Features | None) -> Shown:
    rows = cutter.rows(features, i) if cutter and features else ()
    cut = bool(cutter and cutter.features([examples[i]]).counts[0])
    return Shown(fields=asdict(examples[i]), named=_named(examples[i], examples), rows=rows, cut=cut)


def _named(example: AnyExample, examples: Sequence[AnyExample]) -> dict[str, str]:
    """Return the texts that the gold of a source sentence or a query names."""
    keys: set[str] = set()
    if isinstance(example, MiningExample):
        keys = set(example.matches)
    elif isinstance(example, RankingExample) and example.side == "query":
        keys = set(example.keys)
    found = (e for e in examples if keys & _answering(e)) if keys else ()
    return {e.id: e.texts[0] for e, _ in zip(found, range(NAMED), strict=False)}


def _answering(example: AnyExample) -> set[str]:
    """Return what other examples' gold may call an example."""
    if isinstance(example, RankingExample):
        return set(example.keys) if example.side == "candidate" else set()
    return {example.id}
