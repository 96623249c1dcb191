"""Write the README's numbers on real languages from a run: docs/real-languages.csv, and the block between its marks.

simxfer train data/grids/udpos-real.yaml
python docs/real_languages.py runs/udpos-real
"""

import argparse
from pathlib import Path

import pandas as pd

from analyses import load_run
from analyses.questions.degradation import answer as degradation
from analyses.questions.distance import answer as distance

ROOT = Path(__file__).parents[1]
TABLE, README = ROOT / "docs" / "real-languages.csv", ROOT / "README.md"
BEGIN, END = "<!-- made by docs/real_languages.py -->", "<!-- end -->"


def scores(run_directory: Path) -> pd.DataFrame:
    """Return token accuracy by language over seeds, the best first, and the answers' sentences in the last rows."""
    run = load_run(run_directory)
    rows = run.results[run.results["metric"] == "token_accuracy"]
    by = rows.groupby("language")["value"].agg(["mean", "min", "max", "size"]).round(1).reset_index()
    by = by.rename(columns={"size": "seeds"}).sort_values(["mean", "language"], ascending=[False, True])
    said = [(a.name, a.sentence) for a in (degradation(run), distance(run)) if a is not None]
    return pd.concat([by, pd.DataFrame(said, columns=["answer", "sentence"])], ignore_index=True)


def block(table: pd.DataFrame) -> str:
    """Return the README's block of a table that `scores` made."""
    rows = table[table["mean"].notna()]
    cells = [
        f"{row['language']} {row['mean']:.1f} ({row['min']:.1f} to {row['max']:.1f})"
        for _, row in rows.iterrows()
    ]
    seeds = int(rows["seeds"].iloc[0])
    said = "\n".join(f"> {row['sentence']}" for _, row in table[table["mean"].isna()].iterrows())
    return (
        f"{BEGIN}\nToken accuracy, mean (and range) of {seeds} seeds: {', '.join(cells)}.\n\n"
        f"The report says of it:\n\n{said}\n{END}"
    )


def with_block(readme: str, table: pd.DataFrame) -> str:
    """Return the README with its block made anew."""
    before, _, rest = readme.partition(BEGIN)
    return before + block(table) + rest.partition(END)[2]


def read() -> pd.DataFrame:
    """Return the table that stands in docs."""
    return pd.read_csv(TABLE)


def main() -> None:
    """Read the run, write the table and the README."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="run directory of data/grids/udpos-real.yaml")
    scores(parser.parse_args().run).to_csv(TABLE, index=False, lineterminator="\n")
    README.write_text(with_block(README.read_text(encoding="utf-8"), read()), encoding="utf-8")


if __name__ == "__main__":
    main()
