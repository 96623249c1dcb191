"""Figure -> matplotlib, all panels on one sheet, for PDF and PNG."""

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Sheet

from analyses.figures import style
from analyses.figures.figure import Figure

MARKERS = {
    "circle": "o",
    "diamond": "D",
    "square": "s",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "star": "*",
}
SIDES = {"left": ("right", -4), "center": ("center", 0), "right": ("left", 4)}
LEVELS = {"bottom": ("top", -4), "middle": ("center", 0), "top": ("bottom", 4)}
"""Alignment and distance in points of a name that stands to the left, on top, ... of its point."""
PANELS_IN_A_ROW = 3
TYPE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": style.GRID,
    "text.color": style.INK,
}


def heatmap(figure: Figure) -> Sheet:
    """A cell a row and column, its value written in it; absent cells stay empty."""
    table = figure.frame.pivot(index="row", columns="column", values="value")
    table = table.loc[figure.frame["row"].unique(), figure.frame["column"].unique()]
    low, high = style.colour_range(figure)
    stops = style.SEQUENTIAL if figure.zero is None else style.DIVERGING
    rows = [style.broken(str(name), "\n") for name in table.index]
    # Names take their room: about .07 inches a character, rotated ones two thirds of that in height.
    beside = max(2.4, 1.2 + 0.07 * max(len(line) for name in rows for line in name.split("\n")))
    below = max(1.2, 0.4 + 0.05 * max(len(str(name)) for name in table.columns))
    tall = 0.3 * max(1.0, 0.55 * style.longest([str(name) for name in table.index]))
    sheet, (axes,) = _sheet(1, width=beside + 0.55 * len(table.columns), height=below + tall * len(table))
    image = axes.imshow(
        table.to_numpy(float),
        vmin=low,
        vmax=high,
        cmap=LinearSegmentedColormap.from_list("", list(stops)),
        aspect="auto",
    )
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=40, ha="right")
    axes.set_yticks(range(len(table)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    form = "{:.2f}" if figure.zero is None else "{:+.1f}"
    for (i, j), value in np.ndenumerate(table.to_numpy(float)):
        if np.isfinite(value):
            dark = abs((value - low) / ((high - low) or 1.0) - (0 if figure.zero is None else 0.5))
            ink = "white" if dark > (0.6 if figure.zero is None else 0.35) else style.INK
            axes.text(j, i, form.format(value), ha="center", va="center", size=7, color=ink)
    sheet.colorbar(image, ax=axes, label=figure.x).outline.set_visible(False)
    return sheet


def scatter(figure: Figure) -> Sheet:
    """Named points, and a line with its band where the figure has one."""
    sheet, grid = _sheet(len(style.panels(figure)), width=3.4, height=2.9)
    for axes, panel in zip(grid, style.panels(figure), strict=True):
        if len(figure.extra):
            line = figure.extra[figure.extra["panel"] == panel]
            axes.fill_between(line["x"], line["low"], line["high"], color=style.SERIES[0], alpha=0.12, lw=0)
            axes.plot(line["x"], line["y"], color=style.SERIES[0], lw=1.5)
        rows = figure.frame[figure.frame["panel"] == panel]
        axes.scatter(rows["x"], rows["y"], s=18, color=style.INK, zorder=3)
        for x, y, label, place in zip(
            rows["x"], rows["y"], rows["label"], style.label_places(rows), strict=True
        ):
            if style.named(rows):
                _name(axes, label, (x, y), place)
        if figure.zero is not None:
            axes.axhline(figure.zero, color=style.MUTED, lw=0.8, ls=":")
        axes.set(xlabel=figure.x, ylabel=figure.y)
        axes.margins(0.12)
        axes.set_title(panel, loc="left", size=9)
    return sheet


def _name(axes: Axes, label: str, point: tuple[float, float], place: str) -> None:
    level, side = place.split()
    (va, dy), (ha, dx) = LEVELS[level], SIDES[side]
    axes.annotate(label, point, (dx, dy), textcoords="offset points", ha=ha, va=va, size=6, color=style.MUTED)


def forest(figure: Figure) -> Sheet:
    """An estimate and its interval a label and series, with the replicates as faint dots."""
    all_series = style.series(figure)
    most = max(len(style.labels(figure, panel)) for panel in style.panels(figure))
    lines = max(style.longest(style.labels(figure, panel)) for panel in style.panels(figure))
    height = 0.9 + (0.15 * lines + 0.04 * len(all_series)) * most
    sheet, grid = _sheet(len(style.panels(figure)), width=3.6, height=height)
    for axes, panel in zip(grid, style.panels(figure), strict=True):
        names = style.labels(figure, panel)
        for i, shift in enumerate(style.offsets(len(all_series))):
            heights = {name: k + shift for k, name in enumerate(names)}
            _forest_series(axes, figure, panel, all_series[i], i, heights)
        if figure.zero is not None:
            axes.axvline(figure.zero, color=style.MUTED, lw=0.8, ls=":")
        axes.set_yticks(range(len(names)), [style.broken(name, "\n") for name in names])
        axes.set(xlabel=figure.x, xlim=style.value_range(figure), ylim=(len(names) - 0.4, -0.6))
        axes.set_title(panel, loc="left", size=9)
    if len(all_series) > 1:
        grid[0].legend(frameon=False, fontsize=7, loc="best")
    return sheet


def _forest_series(
    axes: Axes, figure: Figure, panel: str, series: str, i: int, heights: dict[str, float]
) -> None:
    colour = style.SERIES[i % len(style.SERIES)]
    if len(figure.extra):
        dots = figure.extra[(figure.extra["panel"] == panel) & (figure.extra["series"] == series)]
        axes.scatter(dots["value"], dots["label"].map(heights), s=7, color=colour, alpha=0.35, lw=0)
    rows = figure.frame[(figure.frame["panel"] == panel) & (figure.frame["series"] == series)]
    if rows.empty:
        return
    marker = MARKERS[style.MARKERS[i % len(style.MARKERS)]]
    errors = np.stack([rows["estimate"] - rows["low"], rows["high"] - rows["estimate"]])
    axes.errorbar(
        rows["estimate"], rows["label"].map(heights), xerr=np.nan_to_num(errors), fmt=marker, ms=4, lw=1.2,
        color=colour, label=series or None,
    )  # fmt: skip


def distribution(figure: Figure) -> Sheet:
    """A histogram with a line at what was observed."""
    sheet, (axes,) = _sheet(1, width=4.6, height=2.6)
    axes.hist(figure.frame["value"], bins=50, color="#b8c4d0")
    for value in figure.extra["value"] if len(figure.extra) else ():
        axes.axvline(value, color=style.SERIES[1], lw=1.5)
        axes.annotate(
            f"observed {value:.2f}", (value, 1.0), (3, -8), xycoords=("data", "axes fraction"),
            textcoords="offset points", size=7,
        )  # fmt: skip
    axes.set(xlabel=figure.x, ylabel=figure.y)
    return sheet


DRAW: dict[str, Callable[[Figure], Sheet]] = {
    "heatmap": heatmap,
    "scatter": scatter,
    "forest": forest,
    "distribution": distribution,
}


def _sheet(n: int, width: float, height: float) -> tuple[Sheet, list[Axes]]:
    """Return a sheet with n panels, each `width` x `height` inches."""
    columns = min(n, PANELS_IN_A_ROW)
    rows = ceil(n / columns)
    # A Figure of its own, not pyplot's: no global state and nothing to close.
    sheet = Sheet(figsize=(width * columns, height * rows), layout="constrained")
    grid: Any = sheet.subplots(rows, columns, squeeze=False)
    for empty in grid.flat[n:]:
        empty.set_visible(False)
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return sheet, list(grid.flat[:n])
