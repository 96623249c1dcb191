"""Figure -> picture: plotly for the screen, matplotlib for paper. Nothing is computed here."""

from pathlib import Path
from typing import Any

from analyses.figures.figure import Figure


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
