"""What runs of the studies said: made docs/studies.csv and the README's table of them.

    python docs/studies.py runs/task-order runs/similarity-degradation ...

Rows of the runs that are named are made anew, the others stay.
"""

import argparse
from importlib import import_module
from pathlib import Path
from typing import get_args

import pandas as pd

from analyses.questions import QUESTIONS
from analyses.run import load_run
from simxfer.grid.names import Study

ROOT = Path(__file__).parents[1]
README, TABLE = ROOT / "README.md", ROOT / "docs" / "studies.csv"
BEGIN, END = "<!-- studies, made by docs/studies.py -->", "<!-- end of studies -->"
NOT_RUN = "not run whole yet"


def said(run_directory: Path) -> dict[str, str]:
    """Return a run's study and its answer's sentence and findings."""
    run = load_run(run_directory)
    found = import_module(QUESTIONS[run.study]).answer(run)
    return {
        "study": run.study,
        "run": run.grid["name"],
        "sentence": " ".join([found.sentence, *found.findings]),
    }


def block(table: pd.DataFrame) -> str:
    """Return the README's block: a study a row."""
    rows = [
        "| study (`data/grids/STUDY.yaml`) | question | what its run on the embedded world says |",
        "|---|---|---|",
    ]
    for study in get_args(Study):
        mine = table[table["run"] == study]
        text = mine["sentence"].iloc[0] if len(mine) else NOT_RUN
        rows.append(f"| `{study}` | {import_module(QUESTIONS[study]).QUESTION} | {text} |")
    return "\n".join([BEGIN, *rows, END])


def with_block(readme: str, table: pd.DataFrame) -> str:
    """Return the README with its block made anew."""
    before, _, rest = readme.partition(BEGIN)
    return before + block(table) + rest.partition(END)[2]


def read() -> pd.DataFrame:
    """Return the table that stands in docs."""
    return pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["study", "run", "sentence"])


def main() -> None:
    """Read the runs, write the table and the README."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run directories of grids with a study")
    new = pd.DataFrame([said(run) for run in parser.parse_args().runs])
    old = read()
    table = pd.concat([old[~old["run"].isin(new["run"])], new]).sort_values("run")
    table.to_csv(TABLE, index=False, lineterminator="\n")
    README.write_text(with_block(README.read_text(encoding="utf-8"), read()), encoding="utf-8")


if __name__ == "__main__":
    main()
