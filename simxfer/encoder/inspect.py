"""Examples -> their rows in words: subwords, segments, labels, and which part of a long text each window holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simxfer.encoder.features import FEATURES
from simxfer.encoder.ragged import IGNORED, Features
from simxfer.tasks.examples import AnyExample
from simxfer.tasks.record import Task


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sequence of subwords, and what of its example it holds."""

    subwords: tuple[str, ...]
    segments: tuple[int, ...]
    """Of every subword; empty where the encoder tells no parts apart."""
    tags: tuple[str, ...]
    """Tagging: the label of every subword, empty where no loss looks."""
    covers: tuple[int, int] | None
    """First and last + 1 word (tagging) or character of the context (span QA); None for other kinds."""
    overlap: int
    """Subwords of the context that the row before has as well."""
    answer: tuple[int, int] | None
    """Span QA: first and last subword of the answer; None where it is not whole in this row."""


@dataclass(frozen=True, kw_only=True)
class Subwords:
    """What the tokenizer makes of all examples."""

    encoder: str
    max_length: int
    stride: int
    rows: int
    longest: int
    """Subwords of the longest row, special ones included."""
    subwords: int
    """Without special ones."""
    unknown: int
    truncated: int
    """Rows that were cut off (span QA: examples whose answer no window holds whole)."""
    in_windows: int
    """Examples that are several rows because they are too long for one."""
    segments: bool
    """Whether the encoder tells the two parts of a pair apart."""


@dataclass(frozen=True)
class Cutter:
    """How examples of a task become rows."""

    task: Task
    encoder: str
    tokenizer: Any
    max_length: int
    stride: int
    """Both as in `simxfer.encoder.dataset.load_dataset`."""
    has_segments: bool
    """Whether the encoder has vectors for them; it reads none otherwise, whatever its tokenizer gives."""

    def features(self, examples: Sequence[AnyExample]) -> Features:
        """Return the features of examples."""
        return FEATURES[self.task.kind](examples, self.task, self.tokenizer, self.max_length, self.stride)

    def summary(self, features: Features) -> Subwords:
        """Return what is to be said of the features of all examples."""
        truncated, unknown, subwords, _ = map(int, features.counts)
        several = np.bincount(features.example) > 1
        return Subwords(
            encoder=self.encoder,
            max_length=self.max_length,
            stride=self.stride,
            rows=features.n_rows,
            longest=int(features.lengths.max()),
            subwords=subwords,
            unknown=unknown,
            truncated=truncated,
            in_windows=int(several.sum()) if self.task.kind in ("tagging", "span") else 0,
            segments=self.has_segments and bool(len(features.segments)),
        )

    def rows(self, features: Features, example: int) -> tuple[Row, ...]:
        """Return the rows of one example."""
        rows, end = [], 0
        for row in np.flatnonzero(features.example == example).tolist():
            rows.append(self._row(features, row, end))
            end = (rows[-1].covers or (0, 0))[1]
        return tuple(rows)

    def _row(self, features: Features, row: int, end_before: int) -> Row:
        place = slice(int(features.starts[row]), int(features.starts[row + 1]))
        spans = features.spans[place]
        inside = spans[spans[:, 0] >= 0]
        tagged, marked = self.task.kind == "tagging", self.task.kind == "span"
        last = inside[:, 0].max(initial=-1) + 1 if tagged else inside[:, 1].max(initial=0)
        first, final = features.labels[row].tolist() if marked else (0, 0)
        return Row(
            subwords=tuple(self.tokenizer.convert_ids_to_tokens(features.ids[place].tolist())),
            segments=tuple(features.segments[place].tolist()) if self.has_segments else (),
            tags=tuple(self._tag(label) for label in features.labels[place].tolist()) if tagged else (),
            covers=(int(inside[0, 0]), int(last)) if len(inside) else None,
            overlap=int((inside[:, 0] < end_before).sum()) if marked else 0,
            answer=(first, final) if final else None,
        )

    def _tag(self, label: int) -> str:
        return "" if label == IGNORED else self.task.labels[label]
