"""The one form of every statistical result."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from analyses.figures import interactive
from analyses.figures.figure import Figure
from analyses.inference.checks import require_level


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What a statistical procedure found, with the null or sampling distribution it was judged by.

    `table` holds one row a term or contrast, with the columns term, estimate, low, high, p and what else the
    procedure computes (se, df, statistic). The first row is the headline.
    """

    procedure: str
    """Name of the procedure."""
    null: str
    """The null hypothesis in words."""
    table: pd.DataFrame
    """Columns: term, estimate, low, high, p, ...; an interval or p that does not exist is NaN."""
    counts: dict[str, int]
    """The number of levels of every grouping, and of rows."""
    level: float = 0.95
    """Confidence level of the intervals."""
    distribution: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Null or sampling distribution of the headline statistic; empty where it is a known one."""
    notes: tuple[str, ...] = ()
    """What the reader must know: boundary fits, few levels, dropped rows."""
    recommended: bool = True
    """Whether the measured error rates allow it as a main analysis."""
    references: tuple[str, ...] = ()
    """Papers and equations."""

    def __post_init__(self) -> None:
        require_level(self.level)

    @property
    def estimate(self) -> float:
        """The headline estimate."""
        return float(self.table["estimate"].iloc[0])

    @property
    def interval(self) -> tuple[float, float]:
        """The headline interval."""
        return float(self.table["low"].iloc[0]), float(self.table["high"].iloc[0])

    @property
    def p(self) -> float:
        """The headline p value."""
        return float(self.table["p"].iloc[0])

    def to_frame(self) -> pd.DataFrame:
        """Return the table with the procedure and the counts beside every row."""
        counts = {f"n_{name}": n for name, n in self.counts.items()}
        return self.table.assign(procedure=self.procedure, **counts)

    def summary(self) -> str:
        """Return the result in a few lines of text."""
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items())
        lines = [f"{self.procedure} ({counts}); null: {self.null}"]
        for row in self.table.to_dict("records"):
            interval = "" if np.isnan(row["low"]) else f" [{row['low']:.3g}, {row['high']:.3g}]"
            p = "" if np.isnan(row["p"]) else f", p = {row['p']:.3g}"
            lines.append(f"  {row['term']}: {row['estimate']:.3g}{interval}{p}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def plot(self):
        """Return a plotly figure: the headline estimate against its null or sampling distribution.

        Where that is a known one (t, F): the estimates with their intervals.
        """

        return distribution_figure(self) if self.distribution.size else estimates_figure(self)


def distribution_data(inference: Inference, name: str) -> Figure:
    """Return the figure of an inference's null or sampling distribution with what was observed."""
    table = inference.table
    observed = table["statistic"].iloc[0] if "statistic" in table else inference.estimate
    return Figure(
        name=name,
        kind="distribution",
        title=f"{inference.procedure}: distribution of the headline statistic",
        caption=f"Null: {inference.null}.",
        frame=pd.DataFrame({"value": inference.distribution}),
        extra=pd.DataFrame({"value": [observed]}),
        x="headline statistic",
        y="draws",
    )


def distribution_figure(inference: Inference) -> Any:
    """Return a plotly figure: the headline statistic against its null or sampling distribution.

    Raises:
        ValueError: the procedure has no simulated distribution.
    """
    if not inference.distribution.size:
        raise ValueError(f"{inference.procedure} has no simulated distribution: its null is a known one")
    return interactive(distribution_data(inference, "distribution"))[0]


def estimates_figure(inference: Inference) -> Any:
    """Return a plotly figure: every estimate of an inference with its interval, zero marked."""
    table = inference.table[["term", "estimate", "low", "high"]].rename(columns={"term": "label"})
    figure = Figure(
        name="estimates",
        kind="forest",
        title=f"{inference.procedure}: estimates",
        caption=f"Null: {inference.null}.",
        frame=table.assign(panel="", series=inference.procedure),
        x=f"estimate, {inference.level:.0%} interval",
        zero=0.0,
    )
    return interactive(figure)[0]
