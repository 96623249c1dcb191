"""What is drawn: the data of one figure, labels and all."""

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Kind = Literal["heatmap", "scatter", "forest", "distribution"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The data of one figure; `analyses.figures` draws it and computes nothing.

    Columns of `frame` by kind, and of `extra`, which may be empty:

        heatmap       row, column, value
        scatter       panel, label, x, y
                      extra (a line and its band): panel, x, y, low, high
        forest        panel, label, series, estimate, low, high
                      extra (replicates): panel, label, series, value
        distribution  value
                      extra (what was observed): value
    """

    name: str
    """Name of its files."""
    kind: Kind
    title: str
    caption: str
    frame: pd.DataFrame
    extra: pd.DataFrame = field(default_factory=pd.DataFrame)
    x: str = ""
    """Label of the horizontal axis, with its unit; of the colour bar in a heatmap."""
    y: str = ""
    zero: float | None = None
    """Value of no effect: where a line is drawn, or the middle of a diverging colour scale."""
