"""Replicates: what counts as one independent observation, and the interval that they allow.

Pretraining seeds differ a lot, so the encoder is the unit and its fine-tuning seeds are averaged first. For
planted attributes the assignment of attributes to nouns is the unit: a world and a seed draw one, and encoders of
one world are averaged over it. Where there are too few assignments, pairs of encoder and seed stand in, flagged.
A run of one encoder has its seeds. Conclusions are then conditional on the encoders at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.resampling.pigeonhole import FEWEST_LEVELS
from analyses.inference.result import Inference
from analyses.inference.student import detectable_ses, student_intervals
from analyses.inference.tost import equivalence
from analyses.questions.wording import count


@dataclass(frozen=True)
class Replicates:
    """Values a replicate: `table` has one row a unit, its columns whatever was measured."""

    table: pd.DataFrame
    unit: Literal["encoder", "seed", "assignment", "encoder-seed pair"]
    n_encoders: int
    n_assignments: int = 0

    @property
    def described(self) -> str:
        """How many and what: `6 encoders`, `9 seeds on 1 encoder`."""
        encoders = count(self.n_encoders, "encoder")
        return encoders if self.unit == "encoder" else f"{count(len(self.table), self.unit)} on {encoders}"

    @property
    def enough(self) -> bool:
        """Whether an interval is allowed."""
        return len(self.table) >= FEWEST_LEVELS

    def note(self) -> str:
        """Return what the replicates are and what follows for the conclusions."""
        if not self.enough:
            return (
                f"{self.described}: fewer than {FEWEST_LEVELS} replicates, so values and range, no interval"
            )
        if self.unit == "encoder":
            return self.described
        at_hand = "this encoder" if self.n_encoders == 1 else "these encoders"
        conditional = f"{self.described}: conclusions are conditional on {at_hand}"
        if self.unit != "encoder-seed pair":
            return conditional
        shared = count(self.n_assignments, "assignment")
        return f"{conditional}, and the pairs share {shared} of attributes to nouns: not fully independent"

    @property
    def flags(self) -> tuple[str, ...]:
        """The note, where it limits the conclusions."""
        return () if self.unit == "encoder" and self.enough else (self.note(),)


def replicates(table: pd.DataFrame) -> Replicates:
    """Return the encoders of a table indexed by (checkpoint, seed), any columns; of one encoder, its seeds."""
    by_encoder = table.groupby(level="checkpoint").mean()
    if len(by_encoder) == 1 and len(table) > 1:
        return Replicates(table.droplevel("checkpoint"), "seed", 1)
    return Replicates(by_encoder, "encoder", len(by_encoder))


def assignments(table: pd.DataFrame) -> Replicates:
    """Return the assignments of planted attributes of a table indexed by (checkpoint, seed), any columns.

    A shipped encoder names its world (`world/w0-s1`); any other stands for one world.
    """
    checkpoints = table.index.get_level_values("checkpoint").to_series(index=table.index)
    world = checkpoints.str.extract(r"^world/(w\d+)-", expand=False).fillna("w").rename("world")
    by_assignment = table.groupby([world, table.index.get_level_values("seed")]).mean()
    n_encoders, n_assignments = checkpoints.nunique(), len(by_assignment)
    if n_assignments >= FEWEST_LEVELS:
        return Replicates(by_assignment, "assignment", n_encoders, n_assignments)
    return Replicates(table, "encoder-seed pair", n_encoders, n_assignments)


def replicate_interval(
    units: Replicates,
    column: str,
    term: str = "difference",
    null: str = "the mean is zero",
    level: float = 0.95,
) -> Inference:
    """Return the mean of a column over replicates with Student's t interval and p.

    With fewer than five replicates interval and p are missing and a note says so; the values stand in
    `distribution` either way.
    """
    values = units.table[column].dropna().to_numpy(float)
    row = student_intervals(units.table[[column]], level).iloc[0].to_dict()
    notes = [units.note()]
    if len(values) >= FEWEST_LEVELS and np.isnan(row["se"]):
        notes.append("all replicates are equal, so there is no spread to judge by")
    return Inference(
        procedure="t interval over replicates",
        null=null,
        table=pd.DataFrame([{"term": term, **row}]),
        counts={"encoders": units.n_encoders, "replicates": len(values)},
        level=level,
        distribution=values,
        notes=tuple(notes),
        references=("Student 1908",),
    )


def detectable(inference: Inference) -> float:
    """Return the smallest effect that these replicates would show with power .8; NaN without an interval."""
    row = inference.table.iloc[0]
    return float(detectable_ses(row["df"]) * row["se"])


def within_margin(
    row: Mapping[str, Any] | pd.Series, margin: float, term: str = "effect"
) -> Inference | None:
    """Return whether an estimate with `se` and `df` is too small to matter; None where it has no standard error."""
    if not row["se"] > 0:
        return None
    return equivalence(row["estimate"], row["se"], row["df"], (-margin, margin), term=term)


def margin_verdict(test: Inference, margin: float) -> str:
    """Return `equivalent`, `different`, `undecided`, or `not judged` of a headline estimate."""
    equal = within_margin(test.table.iloc[0], margin)
    return "not judged" if equal is None else str(equal.table["verdict"].item())


def replicate_forest(tests: Mapping[tuple[str, str, str], Inference], **texts: str) -> Figure:
    """Return the forest figure of tests by (panel, label, series); their replicates are its faint dots.

    `texts` are name, title, caption and x of the figure; the line of no effect is at 0.
    """
    columns = ["panel", "label", "series"]
    rows = [
        dict(zip(columns, where, strict=True))
        | {"estimate": test.estimate, "low": test.interval[0], "high": test.interval[1]}
        for where, test in tests.items()
    ]
    dots = [
        dict(zip(columns, where, strict=True)) | {"value": value}
        for where, test in tests.items()
        for value in test.distribution
    ]
    return Figure(kind="forest", frame=pd.DataFrame(rows), extra=pd.DataFrame(dots), zero=0.0, **texts)
