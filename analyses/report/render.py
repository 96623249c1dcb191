"""Answers and facts -> HTML and Markdown through the two templates of this folder."""

import json
from functools import cache
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from analyses.figures import interactive
from analyses.figures.figure import Figure
from analyses.questions.answer import Answer
from analyses.report.overview import Overview
from analyses.report.tables import file_name, heading, is_number, tests_only, to_markdown, written


def page(facts: Overview, found: list[Answer]) -> str:
    """Return the report as one HTML page that needs no network."""
    from plotly.offline import get_plotlyjs

    plots = {
        f"{answer.name}-{figure.name}-{i}": plot
        for answer in found
        for figure in answer.figures
        for i, plot in enumerate(interactive(figure))
    }
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            answers=found,
            heights={name: plot.layout.height for name, plot in plots.items()},
            panels=_panels(found, list(plots)),
            plots=Markup(
                _script_safe(json.dumps({name: json.loads(plot.to_json()) for name, plot in plots.items()}))
            ),
            plotly=Markup(get_plotlyjs()),
            style=Markup((Path(__file__).parent / "report.css").read_text(encoding="utf-8")),
        )
    )


def text(facts: Overview, found: list[Answer]) -> str:
    """Return the report as Markdown; figures are links to the PNG files beside it."""
    return _environment().get_template("report.md.j2").render(facts=facts, answers=found)


def html_table(table: pd.DataFrame) -> Markup:
    """Return a table as HTML, numbers flush right."""
    side = ["number" if is_number(table[name]) else "label" for name in table.columns]
    head = "".join(
        f'<th class="{s}">{escape(heading(str(n)))}</th>' for s, n in zip(side, table.columns, strict=True)
    )
    rows = [
        "<tr>"
        + "".join(f'<td class="{s}">{escape(cell)}</td>' for s, cell in zip(side, row, strict=True))
        + "</tr>"
        for row in written(table).to_numpy().tolist()
    ]
    return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>")


def _panels(found: list[Answer], names: list[str]) -> dict[tuple[str, str], list[str]]:
    """Return the names of the plots of every (answer, figure)."""
    return {
        (answer.name, figure.name): [
            n for n in names if n.rpartition("-")[0] == f"{answer.name}-{figure.name}"
        ]
        for answer in found
        for figure in answer.figures
    }


def _script_safe(text: str) -> str:
    """Return JSON that cannot close the script element that holds it."""
    return text.replace("</", "<\\/")


def _wide(figure: Figure) -> bool:
    """Tell whether a figure takes the whole width."""
    return figure.kind == "heatmap"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "html_table": html_table, "markdown_table": to_markdown, "file_name": file_name, "tests_only": tests_only,
    }  # fmt: skip
    environment.tests["wide"] = _wide
    return environment
