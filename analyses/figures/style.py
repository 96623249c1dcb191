"""How figures look: one palette, one type, for screen and paper alike."""

import re

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure

# Okabe and Ito 2008: told apart with any colour vision; the order alternates light and dark for grey print.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")
INK = "#1f2933"
MUTED = "#66727f"
GRID = "#e4e7eb"
MOST_CHARACTERS = 250
"""Room for the names of a scatter panel's points; beyond, names show on hovering only."""
PLACES = {
    "top center": (0.0, 0.05),
    "middle right": (0.5, 0.0),
    "bottom center": (0.0, -0.05),
    "middle left": (-0.5, 0.0),
    "top right": (0.5, 0.05),
    "bottom right": (0.5, -0.05),
    "top left": (-0.5, 0.05),
    "bottom left": (-0.5, -0.05),
}
"""Where a name may stand: its centre from the point, in name widths and panel heights."""
LABEL_CHARACTERS = 24
"""Width of a forest's labels."""
CHARACTER, LINE = 0.019, 0.045
"""Rough width of a character and height of a line, in panel widths and heights."""

# Diverging: blue is less, orange is more, both dark at the ends (no red and green).
DIVERGING = ((0.0, "#08519c"), (0.25, "#7fb2d9"), (0.5, "#f7f7f7"), (0.75, "#f3a96a"), (1.0, "#a63603"))
SEQUENTIAL = ((0.0, "#f7fbff"), (0.25, "#c6dbef"), (0.5, "#7fb2d9"), (0.75, "#2c7fb8"), (1.0, "#083a70"))


def panels(figure: Figure) -> list[str]:
    """Return the panels of a figure in order of appearance; one empty name where it has none."""
    return list(dict.fromkeys(figure.frame["panel"])) if "panel" in figure.frame else [""]


def named(rows: pd.DataFrame) -> bool:
    """Tell whether the names of a scatter panel's points have room."""
    return int(rows["label"].str.len().sum()) <= MOST_CHARACTERS


def label_places(rows: pd.DataFrame) -> list[str]:
    """Return where the name of each point stands: the first place that hides no point and no name so far."""
    x, y = (((rows[c] - rows[c].min()) / (np.ptp(rows[c]) or 1.0)).to_numpy() for c in ("x", "y"))
    boxes: list[tuple[float, float, float]] = [(px, py, 0.01) for px, py in zip(x, y, strict=True)]
    chosen = []
    for px, py, name in zip(x, y, rows["label"], strict=True):
        width = CHARACTER * len(name)
        spots = {place: (px + dx * (width + 0.03), py + dy) for place, (dx, dy) in PLACES.items()}
        hidden = {place: sum(_overlap(spot, width, box) for box in boxes) for place, spot in spots.items()}
        best = min(hidden, key=lambda place: hidden[place])
        chosen.append(best)
        boxes.append((*spots[best], width))
    return chosen


def _overlap(spot: tuple[float, float], width: float, box: tuple[float, float, float]) -> bool:
    """Tell whether a name centred at `spot` touches a box (x, y, width) of one line."""
    x, y, other = box
    return abs(spot[0] - x) < (width + other) / 2 and abs(spot[1] - y) < (LINE if other > 0.01 else LINE / 2)


def labels(figure: Figure, panel: str) -> list[str]:
    """Return the labels of a forest panel, first one on top."""
    rows = figure.frame[figure.frame["panel"] == panel]
    return list(dict.fromkeys(rows["label"]))


def broken(label: str, end: str) -> str:
    """Return a label in lines parted by `end`: names of sequences, mixtures and sets are long."""
    lines = [""]
    for part in re.findall(r"[^>+,@]*[>+,@]?", label):
        if lines[-1] and len(lines[-1] + part) > LABEL_CHARACTERS:
            lines.append("")
        lines[-1] += part
    return end.join(lines)


def longest(names: list[str]) -> int:
    """Return the most lines that one of the labels takes."""
    return max((broken(name, "\n").count("\n") + 1 for name in names), default=1)


def series(figure: Figure) -> list[str]:
    """Return the series of a forest figure; their positions choose colour and marker."""
    return list(dict.fromkeys(figure.frame["series"]))


def offsets(n: int) -> list[float]:
    """Return the vertical shift of each of n series around a label, in units of one label."""
    step = 0.56 / n
    return [(i - (n - 1) / 2) * step for i in range(n)]


def colour_range(figure: Figure) -> tuple[float, float]:
    """Return the ends of a heatmap's colours: even around `zero` where the scale is diverging."""
    low, high = float(figure.frame["value"].min()), float(figure.frame["value"].max())
    if figure.zero is None:
        return low, high
    reach = max(abs(low - figure.zero), abs(high - figure.zero)) or 1.0
    return figure.zero - reach, figure.zero + reach


def value_range(figure: Figure) -> tuple[float, float]:
    """Return the range of the horizontal axis that holds all panels, replicates and intervals."""
    values = [figure.frame[["estimate", "low", "high"]].to_numpy(float).ravel()]
    values += [figure.extra["value"].to_numpy(float)] if len(figure.extra) else []
    values += [np.array([figure.zero])] if figure.zero is not None else []
    low, high = float(np.nanmin(np.concatenate(values))), float(np.nanmax(np.concatenate(values)))
    pad = 0.05 * (high - low or 1.0)
    return low - pad, high + pad
