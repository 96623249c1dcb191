"""The form of every answer: a sentence, its evidence, what is not shown and what would change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.result import Inference


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one question about one run. Every number in its texts is formatted from its tables."""

    name: str
    title: str
    """A few words for headings."""
    question: str
    sentence: str
    """The answer in one or two sentences: effect, interval, p, multiplicity."""
    findings: tuple[str, ...] = ()
    """Further statements, each with its numbers."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables by title."""
    inferences: Mapping[str, Inference] = field(default_factory=dict)
    """Statistical results by what they test."""
    primary_test: str = ""
    """Which of them was declared as the question's primary test; empty where all are exploratory."""
    figures: tuple[Figure, ...] = ()
    what_would_change: str = ""
    """Which data would overturn or settle the answer."""
    not_shown: tuple[str, ...] = ()
    """What a reader might think is shown and is not."""
    flags: tuple[str, ...] = ()
    answered: bool = True
    """False where the run cannot answer; the sentence then says why."""

    @property
    def primary(self) -> Inference | None:
        """The declared primary test, where there is one with a p value."""
        found = self.inferences.get(self.primary_test)
        return found if found is not None and np.isfinite(found.p) else None

    def to_frame(self) -> pd.DataFrame:
        """Return the rows of all inferences, the name of the test first, n of every grouping (`n_...`) behind."""
        frames = [i.to_frame().assign(test=name) for name, i in self.inferences.items()]
        if not frames:
            return pd.DataFrame()
        table = pd.concat(frames, ignore_index=True)
        first = ["test", "term", "estimate", "low", "high", "p"]
        groups = [name for name in table.columns if name.startswith("n_")]
        return table[[*first, *groups, *table.columns.difference([*first, *groups], sort=False)]]

    def procedures(self) -> dict[str, tuple[str, ...]]:
        """Return how the tests were made, by procedure and null: the notes that they carry, each once."""
        found: dict[str, dict[str, None]] = {}
        for i in self.inferences.values():
            used = f"{i.procedure}{'' if i.recommended else ' (not recommended as a main analysis)'}; null: {i.null}"
            found.setdefault(used, {}).update(dict.fromkeys(i.notes))
        return {used: tuple(notes) for used, notes in found.items()}

    def summary(self) -> str:
        """Return the answer as a few lines of text."""
        lines = [self.question, f"  {self.sentence}", *(f"  {finding}" for finding in self.findings)]
        return "\n".join([*lines, *(f"  not shown: {text}" for text in self.not_shown)])

    def plot(self) -> dict[str, list[Any]]:
        """Return the plotly figures by name, one a panel."""
        from analyses.figures import interactive

        return {figure.name: interactive(figure) for figure in self.figures}

    def to_json(self) -> dict[str, Any]:
        """Return everything but the figures' data as plain values; a missing number is None."""
        return {
            "name": self.name,
            "answered": self.answered,
            "question": self.question,
            "sentence": self.sentence,
            "primary_test": self.primary_test,
            "findings": list(self.findings),
            "what_would_change": self.what_would_change,
            "not_shown": list(self.not_shown),
            "flags": list(self.flags),
            "tables": {name: _records(table) for name, table in self.tables.items()},
            "inferences": {name: _inference(i) for name, i in self.inferences.items()},
        }


def unanswerable(name: str, title: str, question: str, why: str) -> Answer:
    """Return the answer of a run that lacks what the question needs."""
    return Answer(name=name, title=title, question=question, sentence=why, answered=False)


def _inference(inference: Inference) -> dict[str, Any]:
    return {
        "procedure": inference.procedure,
        "null": inference.null,
        "table": _records(inference.table),
        "counts": {name: int(n) for name, n in inference.counts.items()},
        "level": inference.level,
        "notes": list(inference.notes),
        "recommended": inference.recommended,
        "references": list(inference.references),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    plain = table.rename(columns=str).astype(object).where(table.notna(), None)
    return [dict(zip(plain.columns, row, strict=True)) for row in plain.itertuples(index=False, name=None)]
