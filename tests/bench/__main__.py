"""Command of the bench: choose by name, print one table, write it on request."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from simxfer.common.errors import InputError, unknown

from .measure import Clock, Row, Timer
from .table import show, write

BENCHES: dict[str, str] = {
    "world-step": "training steps of the world's encoder against Hugging Face Trainer (needs accelerate)",
    "world-predict": "prediction against plain loops over the examples",
    "packaged-step": "training steps of a real encoder of 118 million weights against Trainer, on English XNLI",
    "packaged-predict": "prediction with it against plain loops over the examples",
    "world-corpus": "sentences of the embedded world a minute",
    "import-time": "`simxfer --help` and `import analyses`, in fresh processes",
    "mantel": "Mantel's test, 10,000 permutations, against scikit-bio, vegan (R) and a plain loop",
    "qap": "permutation of whole tasks, 10,000 permutations, against a plain loop",
    "crossed-model": "crossed mixed model, 32,000 rows, against lme4 (R) and statsmodels; 100,000 rows",
    "typology": "distances of 50 and of all 7,970 languages, against a plain loop",
    "similarity": "LogME, H-score, TransRate and LEEP against textbook versions and transformer-ranker",
    "retrieval": "mining at BUCC's size with its memory, search against scikit-learn",
    "report": "the report of runs/default (if it was trained) and of data/published",
}
"""What each module of this package (with _ for -) measures; `run(timer)` of the module returns its rows."""

_HELP = (
    "Measure speed side by side with other implementations, in turns (A B A B ...), one thread a process.\n\n"
    "Without names everything is measured, in a few minutes. The ratio tells how many times faster ours is:\n"
    "the median over the rounds, the smallest and the largest in brackets. Seconds are CPU seconds unless\n"
    "--clock wall: other work on the machine then counts less.\n\nBenches:\n\n"
    + "\n\n".join(f"{name}: {what}" for name, what in BENCHES.items())
    + "\n\nExample: python -m tests.bench world-step mantel --rounds 3 --out bench.json"
)


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Benches; all unless told.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; slow subjects take fewer.")] = 5,
    clock: Annotated[
        Clock, typer.Option(help="CPU time of the process and its children, or wall time.")
    ] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Write the table too, FILE.json or FILE.csv.")] = None,
) -> None:
    """Run the chosen benches, print the table, write it if asked."""
    chosen = names or list(BENCHES)
    for name in chosen:
        if name not in BENCHES:
            raise InputError(unknown("bench", name, BENCHES))
    if out is not None and out.suffix not in (".json", ".csv"):
        raise InputError(f"--out is {str(out)!r}; expected a name that ends with .json or .csv")
    timer = Timer(rounds, clock)
    rows: list[Row] = []
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += import_module(f".{name.replace('-', '_')}", __package__).run(timer)
    show(rows, timer)
    if out is not None:
        write(rows, timer, out)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=_HELP)(main)
    try:
        app(prog_name="python -m tests.bench")
    except InputError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
