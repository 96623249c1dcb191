"""The report: answers -> one self-contained page, and the same as Markdown, figures, tables and JSON.

Nothing is computed here but the adjustment over the questions' primary tests; every number is formatted from an
`Answer` or counted in a table of the run.
"""

import json
from pathlib import Path

from analyses.figures import save_printed
from analyses.questions import answers
from analyses.questions.answer import Answer
from analyses.report.overview import overview
from analyses.report.render import page, text
from analyses.report.tables import file_name, to_tex
from analyses.run import load_run


def write_report(run_dir: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a run directory, or of a results table alone, and return the path of its page.

    Beside `report.html` stand `report.md`, `figures/*.pdf` and `*.png`, `tables/*.csv` and `*.tex`, and
    `answers.json`.

    Args:
        run_dir: a run directory, or a folder with `results.csv`.
        out: where to write; `run_dir/report` unless told.

    Raises:
        InputError: the folder holds no valid results table.
    """
    run = load_run(run_dir)
    found = list(answers(run))
    folder = Path(out or Path(run_dir) / "report")
    folder.mkdir(parents=True, exist_ok=True)
    _write_figures(found, folder / "figures")
    _write_tables(found, folder / "tables")
    listed = json.dumps([answer.to_json() for answer in found], indent=1, allow_nan=False, ensure_ascii=False)
    (folder / "answers.json").write_text(listed + "\n", encoding="utf-8")
    facts = overview(run, found)
    (folder / "report.md").write_text(text(facts, found), encoding="utf-8")
    (folder / "report.html").write_text(page(facts, found), encoding="utf-8")
    return folder / "report.html"


def _write_figures(found: list[Answer], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for answer in found:
        for figure in answer.figures:
            save_printed(figure, folder)


def _write_tables(found: list[Answer], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for answer in found:
        for title, table in answer.tables.items():
            stem = file_name(answer.name, title)
            table.to_csv(folder / f"{stem}.csv", index=False)
            (folder / f"{stem}.tex").write_text(to_tex(table, title), encoding="utf-8")
        if answer.inferences:
            answer.to_frame().to_csv(folder / f"{answer.name}--tests.csv", index=False)
