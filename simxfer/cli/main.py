"""The command line: parse, call one importable function, print.

Exit codes: 0 done, 1 failed, 2 bad input, 75 interrupted (the same command goes on where it stopped).
"""

import io
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simxfer.common.errors import InputError, StageFailed

if TYPE_CHECKING:
    from simxfer.grid.file import Grid
    from simxfer.grid.plan import Plan

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 75

app = typer.Typer(
    help="When does an intermediate task help zero-shot cross-lingual transfer? Train the grid, measure "
    "similarity, report the answer.\n\nStart with `simxfer plan data/grids/default.yaml`, then `simxfer train` "
    "it, then `simxfer report runs/default`. All of it runs offline on the embedded world.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
results_app = typer.Typer(help="Export or import a results table.", no_args_is_help=True)
app.add_typer(results_app, name="results")

GridFile = Annotated[Path, typer.Argument(help="Grid file (YAML), such as data/grids/default.yaml.")]
RunDir = Annotated[Path, typer.Argument(help="Run directory, such as runs/default.")]


@app.command()
def plan(grid: GridFile, stages: Annotated[bool, typer.Option(help="List every stage.")] = False) -> None:
    """Show what a grid would train: stages, what they share, cells, cost. Trains and downloads nothing."""
    from simxfer.cli.show import plan_text
    from simxfer.grid.expand import expand
    from simxfer.grid.file import load_grid
    from simxfer.sources import revision

    checked = load_grid(grid)
    planned = expand(checked, revision)
    print(plan_text(checked, planned, stages))
    _print_design(checked, planned)


def _print_design(grid: "Grid", planned: "Plan") -> None:
    """Print what the study that a grid is made for can answer, which is told before anything is trained."""
    if grid.study:
        from analyses.questions.design import design
        from simxfer.cli.show import planned_scores

        for line in design(grid.study, planned_scores(planned), grid.margin):
            print(f"  {grid.study}: {line}")


@app.command()
def fetch(
    grid: GridFile,
    lock: Annotated[
        Path | None,
        typer.Option(help="Lock file; default GRID.lock.json beside the grid, where train looks."),
    ] = None,
    update: Annotated[bool, typer.Option(help="Lock what the hub has now, not what is locked.")] = False,
) -> None:
    """Bring the encoders and data sets of a grid into the local cache (HF_HOME) and lock their revisions.

    Run it on a connected machine; training never opens a connection. With a lock file it fetches exactly that.
    """
    from simxfer.grid.fetch import fetch as fetch_grid

    if path := fetch_grid(grid, lock, update):
        print(f"lock: {path}")


@app.command()
def train(
    grid: GridFile,
    out: Annotated[Path, typer.Option(help="Folder of the runs; the grid's name is added.")] = Path("runs"),
    workers: Annotated[
        int, typer.Option(help="Worker processes; 0 is one a GPU, or one a CPU core.", min=0)
    ] = 0,
) -> None:
    """Train and evaluate a grid, or go on with it. Safe to kill at any moment; safe to run twice at once.

    A grid may have grown since (targets, seeds, languages, methods): what is there is kept, what is new is trained.
    """
    from simxfer.cli.show import flags_text, progress_bar
    from simxfer.run.results import read_results
    from simxfer.run.train import train_grid

    with progress_bar() as report:
        run = train_grid(grid, out, workers, report)
    if warnings := flags_text(read_results(run.root)):
        print(warnings)
    print(f"results: {run.results}\nreport:  simxfer report {run.root}")


@app.command()
def status(run: RunDir) -> None:
    """Show how far a run is and what failed."""
    from simxfer.cli.show import status_text
    from simxfer.run.train import run_status

    print(status_text(run.resolve().name, run_status(run)))


@app.command()
def report(
    run: Annotated[
        Path, typer.Argument(help="Run directory, or a folder with results.csv such as data/published.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; default RUN/report.")] = None,
) -> None:
    """Write the report: report.html (one file, opens anywhere), tables, figures, answers.json."""
    from analyses import write_report

    print(f"report: {write_report(run, out)}")


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="A task to explain; all are listed without.")] = None,
) -> None:
    """List the tasks, or explain one."""
    from simxfer.cli.show import task_list, task_text
    from simxfer.tasks import get_task

    print(task_text(get_task(name)) if name else task_list())


@app.command()
def data(
    task: Annotated[str, typer.Argument(help="A task (xnli, squad_v2, panx, w-xqa, ...); `simxfer tasks`.")],
    split: Annotated[
        str, typer.Option(help="train, dev, test, or a path pattern; default the split that is scored.")
    ] = "",
    language: Annotated[
        str, typer.Option(help="Language; default the pivot, or the first with data at hand.")
    ] = "",
    folder: Annotated[
        str, typer.Option(help="Folder of native files, one subfolder a task; default the hub's cache.")
    ] = "",
    encoder: Annotated[
        str,
        typer.Option(
            help="Whose subwords and windows are shown, or none; default a shipped encoder for tasks of the world, "
            "XLM-R for others if it is in the local cache."
        ),
    ] = "",
    head: Annotated[int, typer.Option(help="Examples to show; of two sides, of each.", min=0)] = 3,
    max_length: Annotated[
        int | None,
        typer.Option(help="Longest row in subwords; default that of recipe xtreme (world).", min=8),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="Overlap of windows of span QA; default the recipe's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing shortened.")] = False,
) -> None:
    """Show what is read for a task: counts, what is left out or flagged, the first examples as a model sees them.

    For example `simxfer data w-xqa`, or `simxfer data xquad --language th --folder /scratch/xtreme` with
    `--encoder FacebookAI/xlm-roberta-base`, whose windows of long contexts are shown. A task that is trained on others
    has their training data: `simxfer data xnli --split train` shows MNLI.
    """
    from simxfer.cli.data import inspection_text, inspections_json
    from simxfer.run.inspection import inspect

    lengths = {name: n for name, n in (("max_length", max_length), ("stride", stride)) if n is not None}
    found = inspect(task, split, language, folder, encoder, head, lengths)
    print(inspections_json(found) if as_json else "\n\n\n".join(map(inspection_text, found)))


@app.command()
def score(
    task: Annotated[
        str,
        typer.Argument(help="A task (xnli, udpos, mlqa, squad_v2, ...) or a benchmark: xtreme, xtreme-r."),
    ],
    predictions: Annotated[
        Path,
        typer.Option(
            help="File of predictions, as XTREME has them or Hugging Face's example scripts write them; of a "
            "benchmark the folder of TASK/test-LANGUAGE files."
        ),
    ],
    gold: Annotated[
        Path, typer.Option(help="Gold: the task's own labelled file, or labels laid out as XTREME has them.")
    ],
    language: Annotated[
        str, typer.Option(help="Language (of the contexts), where the names of the files do not say it.")
    ] = "",
    na_prob: Annotated[
        Path | None,
        typer.Option(help="squad_v2: {id: probability or odds of no answer}, for best thresholds."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all digits.")] = False,
) -> None:
    """Score files of predictions as the official scorers do.

    For example `simxfer score xnli --predictions out/test-sw.tsv --gold dev-sw.tsv` scores one label a line,
    and `simxfer score xtreme --predictions out --gold labels` every task and language that both folders hold.
    """
    from simxfer.cli.scores import score_warnings, scores_json, scores_text
    from simxfer.scoring.official import score as score_paths

    tables = score_paths(task, predictions, gold, language, na_prob)
    print((scores_json if as_json else scores_text)(*tables))
    for line in score_warnings(tables[0]):
        print(f"simxfer: {line}", file=sys.stderr)


@app.command()
def doctor() -> None:
    """Check the installation: versions, shipped encoders and their checksums, devices, data files."""
    from simxfer.cli.doctor import examine

    text, healthy = examine()
    print(text)
    if not healthy:
        raise typer.Exit(FAILED)


@results_app.command("export")
def results_export(
    run: RunDir, out: Annotated[Path, typer.Argument(help="File to write; ends in .csv or .parquet.")]
) -> None:
    """Write a run's results table to a file."""
    from simxfer.run.results import export_results

    print(f"{len(export_results(run, out))} rows: {out}")


@results_app.command("import")
def results_import(
    table: Annotated[
        Path, typer.Argument(help="Results table, CSV or Parquet; see simxfer/schema/tables.py.")
    ],
    run: Annotated[Path, typer.Argument(help="Run directory to make.")],
) -> None:
    """Check somebody's results table and make a run directory of it, ready for `simxfer report`."""
    from simxfer.run.results import import_results

    print(f"{len(import_results(table, run))} rows: {run}")


class Interrupted(BaseException):
    """A signal asked the command to end; no `except Exception` on the way may swallow it."""


def _interrupt(_signal: int, _frame: object) -> None:
    raise Interrupted


def main() -> None:
    """Run the command line and exit; a user's mistake never shows a traceback."""
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter gets its number
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
    except typer.Exit as error:
        code = error.exit_code
    except InputError as error:
        code = _say(str(error), BAD_INPUT)
    except StageFailed as error:
        code = _say(str(error), FAILED)
    except (Interrupted, typer.Abort):
        code = _say("interrupted; run the same command again to go on", INTERRUPTED)
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        code = _say(error.format_message(), BAD_INPUT)  # typer's usage errors
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, code: int) -> int:
    print(f"simxfer: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
