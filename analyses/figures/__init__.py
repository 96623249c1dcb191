"""Figure -> picture: plotly for the screen, matplotlib for paper. Nothing is computed here."""

from pathlib import Path
from typing import Any

import pandas as pd

from analyses.inference.result import Inference
from analyses.questions.answer import Figure


def interactive(figure: Figure) -> list[Any]:
    """Return plotly figures, one a panel."""
    from analyses.figures.screen import DRAW

    return DRAW[figure.kind](figure)


def save_printed(figure: Figure, folder: Path) -> None:
    """Write the figure as PDF and PNG (160 dots an inch) under its name."""
    import matplotlib

    from analyses.figures.paper import DRAW, TYPE

    with matplotlib.rc_context(TYPE):
        sheet = DRAW[figure.kind](figure)
        # The layout is found once, not for each file.
        sheet.draw_without_rendering()
        sheet.set_layout_engine("none")
        # No date in the file: equal results give equal files.
        sheet.savefig(folder / f"{figure.name}.pdf", metadata={"CreationDate": None})
        sheet.savefig(folder / f"{figure.name}.png", dpi=160)


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
