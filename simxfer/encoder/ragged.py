"""Token arrays without padding: rows behind one another, and the units that batches count.

A *row* is one sequence of subwords. A *unit* is what a training batch counts: one row, for multiple choice the rows
of all choices of an example, for the training of a bi-encoder a query and a candidate that is relevant to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

IGNORED = -100
"""Label of a position that no loss looks at."""


@dataclass(frozen=True)
class Features:
    """Tokenised examples, as flat arrays.

    Attributes:
        ids: (tokens,) int32, the rows behind one another.
        starts: (rows + 1,) int64, where each row starts in `ids`.
        unit_starts: (units + 1,) int64, where each unit starts among the rows.
        example: (rows,) int64, index of the example that the row belongs to.
        labels: (units,) class or choice; (units,) group of a pair of a bi-encoder, equal where the one's candidate
            may be relevant to the other's query; (tokens,) tag or `IGNORED`; (rows, 2) first and last token of
            the answer within the row, (0, 0) if it is not in this window; empty where nothing is learnt; int64.
        spans: (tokens, 2) int32. Tagging: (index of the word that starts here, or -1; 0). Span QA: first and
            last + 1 character of the token in the context, (-1, -1) outside of it. Empty otherwise.
        counts: (4,) int64: rows that were cut off (span QA: examples whose answer no window holds whole), unknown
            subwords, subwords without special ones, rows of the data left out for want of gold.
        segments: (tokens,) int32, 1 where a subword is of the second part of a pair; empty where the tokenizer tells
            no parts apart (XLM-R's does not, BERT's does) or no row has two.
    """

    ids: np.ndarray
    starts: np.ndarray
    unit_starts: np.ndarray
    example: np.ndarray
    labels: np.ndarray
    spans: np.ndarray
    counts: np.ndarray
    segments: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.unit_starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) number of subwords of each row."""
        return np.diff(self.starts)

    def subwords(self, units: np.ndarray) -> int:
        """Return the number of subwords of some units."""
        bounds = self.starts[self.unit_starts[units]], self.starts[self.unit_starts[units + 1]]
        return int((bounds[1] - bounds[0]).sum())


@dataclass(frozen=True, kw_only=True)
class KnownFeatures(Features):
    """Features with the states that the lowest layers of an encoder give for them.

    Attributes:
        lower: (tokens, hidden) float32.
        layers: how many layers gave them, the embeddings not counted.
    """

    lower: np.ndarray
    layers: int


def with_lower(features: Features, lower: np.ndarray, layers: int) -> KnownFeatures:
    """Return features with states of the lowest layers."""
    own = {each.name: getattr(features, each.name) for each in fields(Features)}
    return KnownFeatures(**own, lower=lower, layers=layers)


def join_features(parts: Sequence[Features]) -> Features:
    """Put the features of several languages behind one another."""
    if len(parts) == 1:
        return parts[0]
    rows = np.cumsum([0, *(p.n_rows for p in parts)])
    tokens = np.cumsum([0, *(len(p.ids) for p in parts)])
    examples = np.cumsum([0, *(int(p.example.max()) + 1 for p in parts)])
    return Features(
        ids=np.concatenate([p.ids for p in parts]),
        starts=np.concatenate([[0], *(p.starts[1:] + t for p, t in zip(parts, tokens, strict=False))]),
        unit_starts=np.concatenate(
            [[0], *(p.unit_starts[1:] + r for p, r in zip(parts, rows, strict=False))]
        ),
        example=np.concatenate([p.example + e for p, e in zip(parts, examples, strict=False)]),
        labels=np.concatenate([p.labels for p in parts]),
        spans=np.concatenate([p.spans for p in parts]),
        counts=np.sum([p.counts for p in parts], axis=0),
        segments=_joined_segments(parts),
    )


def _joined_segments(parts: Sequence[Features]) -> np.ndarray:
    if not any(len(p.segments) for p in parts):
        return parts[0].segments
    return np.concatenate([p.segments if len(p.segments) else np.zeros_like(p.ids) for p in parts])


def select_rows(
    features: Features, rows: np.ndarray, unit_rows: int = 1, labels: np.ndarray | None = None
) -> Features:
    """Return the features of some rows, in this order; a row may occur more than once.

    Args:
        features: of a kind whose tokens have neither labels nor spans.
        rows: (rows,) which ones.
        unit_rows: how many rows make a unit.
        labels: of the units; none unless given.

    `counts` stay those of the whole; states of lower layers are left behind.
    """
    starts = np.concatenate([[0], np.cumsum(features.lengths[rows])])
    shift = np.repeat(features.starts[rows] - starts[:-1], np.diff(starts))
    index = shift + np.arange(starts[-1])
    return Features(
        ids=features.ids[index],
        starts=starts,
        unit_starts=np.arange(0, len(rows) + 1, unit_rows),
        example=features.example[rows],
        labels=np.zeros(0, np.int64) if labels is None else labels,
        spans=features.spans[:0],
        counts=features.counts,
        segments=features.segments[index] if len(features.segments) else features.segments,
    )
