"""Figure -> plotly, one figure a panel, so that a page can lay the panels out for its width."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from analyses.figures import style
from analyses.figures.figure import Figure

MOST_WRITTEN = 20
"""Columns of a heatmap up to which values have room in their cells; beyond, they show on hovering only."""
FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif", "size": 13}


def heatmap(figure: Figure) -> list[go.Figure]:
    """A cell a row and column, its value written in it; absent cells stay empty."""
    table = figure.frame.pivot(index="row", columns="column", values="value")
    table = table.loc[figure.frame["row"].unique(), figure.frame["column"].unique()]
    low, high = style.colour_range(figure)
    scale = style.SEQUENTIAL if figure.zero is None else style.DIVERGING
    form = "%{z:.2f}" if figure.zero is None else "%{z:+.1f}"
    written = form if len(table.columns) <= MOST_WRITTEN else None
    trace = go.Heatmap(
        z=table.to_numpy(), x=list(table.columns), y=list(table.index), zmin=low, zmax=high,
        colorscale=[list(stop) for stop in scale], xgap=2, ygap=2, texttemplate=written, hoverongaps=False,
        hovertemplate="%{y}, %{x}: " + form + "<extra></extra>",
        colorbar={
            "title": {"text": figure.x, "side": "right", "font": {"size": 12}}, "thickness": 12, "outlinewidth": 0,
        },
    )  # fmt: skip
    plot = _canvas(go.Figure(trace), height=130 + 27 * len(table))
    plot.update_xaxes(tickangle=-40, side="bottom", showgrid=False, type="category")
    plot.update_yaxes(autorange="reversed", showgrid=False, type="category")
    return [plot]


def scatter(figure: Figure) -> list[go.Figure]:
    """Named points, and a line with its band where the figure has one."""
    return [_scatter_panel(figure, panel) for panel in style.panels(figure)]


def _scatter_panel(figure: Figure, panel: str) -> go.Figure:
    rows = figure.frame[figure.frame["panel"] == panel]
    plot = go.Figure()
    if len(figure.extra):
        line = figure.extra[figure.extra["panel"] == panel]
        band = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
        plot.add_scatter(x=line["x"], y=line["low"], **band)
        plot.add_scatter(x=line["x"], y=line["high"], fill="tonexty", fillcolor="rgba(0,114,178,.12)", **band)
        plot.add_scatter(
            x=line["x"], y=line["y"], mode="lines", line={"color": style.SERIES[0], "width": 2},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    plot.add_scatter(
        x=rows["x"], y=rows["y"], mode="markers+text" if style.named(rows) else "markers", text=rows["label"],
        textposition=style.label_places(rows),
        textfont={"size": 11, "color": style.MUTED}, showlegend=False, cliponaxis=False,
        marker={"size": 8, "color": style.INK, "line": {"color": "white", "width": 1}},
        hovertemplate="%{text}: %{x:.2f}, %{y:.1f}<extra></extra>",
    )  # fmt: skip
    if figure.zero is not None:
        plot.add_hline(y=figure.zero, line={"color": style.MUTED, "width": 1, "dash": "dot"})
    plot.update_xaxes(title=figure.x)
    plot.update_yaxes(title=figure.y)
    return _canvas(plot, height=360, title=panel)


def forest(figure: Figure) -> list[go.Figure]:
    """An estimate and its interval a label and series, with the replicates as faint dots."""
    span = style.value_range(figure)
    return [_forest_panel(figure, panel, span) for panel in style.panels(figure)]


def _forest_panel(figure: Figure, panel: str, span: tuple[float, float]) -> go.Figure:
    names, all_series = style.labels(figure, panel), style.series(figure)
    plot = go.Figure()
    for i, (series, shift) in enumerate(zip(all_series, style.offsets(len(all_series)), strict=True)):
        _forest_series(plot, figure, panel, series, i, {n: k + shift for k, n in enumerate(names)})
    if figure.zero is not None:
        plot.add_vline(x=figure.zero, line={"color": style.MUTED, "width": 1, "dash": "dot"})
    plot.update_xaxes(title=figure.x, range=list(span))
    plot.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[style.broken(name, "<br>") for name in names],
        range=[len(names) - 0.4, -0.6],
        showgrid=False,
    )
    return _canvas(
        plot, height=110 + (17 * style.longest(names) + 5 * len(all_series)) * len(names), title=panel
    )


def _forest_series(
    plot: go.Figure, figure: Figure, panel: str, series: str, i: int, heights: dict[str, float]
) -> None:
    colour = style.SERIES[i % len(style.SERIES)]
    if len(figure.extra):
        dots = figure.extra[(figure.extra["panel"] == panel) & (figure.extra["series"] == series)]
        plot.add_scatter(
            x=dots["value"], y=dots["label"].map(heights), mode="markers", showlegend=False,
            marker={"size": 5, "color": colour, "opacity": 0.35}, hovertemplate="%{x:.1f}<extra>replicate</extra>",
        )  # fmt: skip
    rows = figure.frame[(figure.frame["panel"] == panel) & (figure.frame["series"] == series)]
    if rows.empty:
        return
    plot.add_scatter(
        x=rows["estimate"], y=rows["label"].map(heights), mode="markers", name=series,
        showlegend=len(style.series(figure)) > 1, text=rows["label"],
        hovertemplate="%{text}: %{x:.1f}<extra>" + series + "</extra>",
        marker={"size": 9, "color": colour, "symbol": style.MARKERS[i % len(style.MARKERS)]},
        error_x={
            "type": "data", "symmetric": False, "array": rows["high"] - rows["estimate"],
            "arrayminus": rows["estimate"] - rows["low"], "thickness": 1.6, "width": 3,
        },
    )  # fmt: skip


def distribution(figure: Figure) -> list[go.Figure]:
    """A histogram with a line at what was observed."""
    plot = go.Figure(go.Histogram(x=figure.frame["value"], nbinsx=50, marker={"color": "#b8c4d0"}))
    for value in figure.extra["value"] if len(figure.extra) else ():
        plot.add_vline(
            x=value, line={"color": style.SERIES[1], "width": 2}, annotation_text=f"observed {value:.2f}"
        )
    plot.update_xaxes(title=figure.x)
    plot.update_yaxes(title=figure.y)
    plot.update_layout(bargap=0.03)
    return [_canvas(plot, height=300)]


DRAW: dict[str, Callable[[Figure], list[go.Figure]]] = {
    "heatmap": heatmap,
    "scatter": scatter,
    "forest": forest,
    "distribution": distribution,
}


def _canvas(plot: go.Figure, height: int, title: str = "") -> go.Figure:
    """Return the plot with the house's type, grid and margins."""
    heading: dict[str, Any] = {"text": title, "font": {"size": 14}, "x": 0.02, "xanchor": "left"}
    plot.update_layout(
        template="none", font={**FONT, "color": style.INK}, height=height, autosize=True, title=heading,
        margin={"l": 10, "r": 14, "t": 40 if title else 14, "b": 10}, dragmode=False,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1, "xanchor": "right"},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", hoverlabel={"font": FONT},
    )  # fmt: skip
    axis = {
        "automargin": True, "gridcolor": style.GRID, "zeroline": False, "linecolor": style.GRID,
        "title_font_size": 12, "tickfont_size": 12, "title_standoff": 8,
    }  # fmt: skip
    plot.update_xaxes(**axis)
    plot.update_yaxes(**axis)
    return plot
