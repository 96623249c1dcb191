"""The results table: gathered from a run's stages, read, checked, exported, imported."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from simxfer.common.atomic import write_file, write_table
from simxfer.common.errors import InputError
from simxfer.grid.plan import Plan
from simxfer.run.environment import differences
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import EXAMPLES, MEASUREMENT, RESULTS, SAME_CHECKPOINT, SWAPPED, Table, validate

OTHER_ENVIRONMENT = "other-environment"
"""Flag of scores that rest on other library versions, another device or number of threads than the run's first."""


def gather(run: RunDirectory, plan: Plan) -> pd.DataFrame:
    """Write results.parquet and examples.parquet from the scores that are there; return the results.

    A cell whose scores are missing is an absent row. Rows stand in the order of their keys, so that equal
    scores give equal bytes.
    """
    rows, examples, seen = [], [], set()
    computed = cache(lambda stage_id: _computed_by(run, stage_id))
    first = next((found[0] for stage_id in plan.stages if (found := computed(stage_id))), {})
    for cell, evaluation in ((c, e) for c in plan.cells for e in (c.evaluation, *c.perturbed)):
        folder, asked = run.stage(cell.stage), plan.evaluations[cell.stage][evaluation]
        if not folder.scores(evaluation).exists():
            continue
        keys: dict[str, Any] = {
            "run": run.root.name,
            "model": cell.model,
            "checkpoint": cell.checkpoint,
            "method": cell.method,
            "intermediate": cell.intermediate,
            "target": cell.target,
            "perturbation": asked.perturbation,
            "selection": cell.selection,
            "seed": cell.seed,
            "stage": cell.stage + SWAPPED * bool(asked.beneath),
        }
        scores = pd.read_parquet(folder.scores(evaluation))
        if scores.empty:  # a perturbation that is available in none of the languages
            continue
        path = [found for stage in plan.path(cell.stage) for found in computed(stage.id)]
        scores["flags"] = _other_environments(
            first, [*path, scores.attrs.pop("environment")], scores["flags"]
        )
        rows.append(scores.assign(**keys))
        if (cell.stage, evaluation) not in seen:
            seen.add((cell.stage, evaluation))
            names = {k: keys[k] for k in ("stage", "target", "perturbation", "selection")}
            examples.append(pd.read_parquet(folder.examples(evaluation)).assign(**names))
    if not rows:
        raise InputError(f"{run.root} holds no score yet; run `simxfer train` first")
    write_table(run.examples, _ordered(pd.concat(examples, ignore_index=True), EXAMPLES))
    results = _ordered(pd.concat(rows, ignore_index=True), RESULTS)
    repeated = results.duplicated(list(MEASUREMENT), keep=False)
    results.loc[repeated, "flags"] = _flagged(results.loc[repeated, "flags"], SAME_CHECKPOINT)
    write_table(run.results, results)
    return results


def _computed_by(run: RunDirectory, stage_id: str) -> list[dict[str, Any]]:
    """Return the environments that a stage was trained under, [] where it is not trained."""
    done = run.stage(stage_id).done
    found = json.loads(done.read_text()) if done.exists() else {}
    return [found["environment"], *found["begun_under"]] if found else []


def _other_environments(first: dict, others: list[dict], flags: pd.Series) -> pd.Series:
    """Add to the flags of scores that not all they rest on was computed as the first stage of the run was."""
    found = [differences(first, other) for other in others if first]
    differing = dict.fromkeys(text for texts in found for text in texts)
    return _flagged(flags, f"{OTHER_ENVIRONMENT}={', '.join(differing)}") if differing else flags


def _flagged(flags: pd.Series, flag: str) -> pd.Series:
    return flags.fillna("").map(lambda before: f"{before};{flag}" if before else flag)


def _ordered(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    frame = validate(frame, table)
    return frame.sort_values(list(table.key), kind="stable", ignore_index=True)


def read_results(path: Path) -> pd.DataFrame:
    """Read and check a results table, Parquet or CSV.

    Raises:
        InputError: the file is missing, cut off, of another type, or not a valid results table.
    """
    if path.is_dir():
        found = [path / name for name in ("results.parquet", "results.csv") if (path / name).exists()]
        if not found:
            raise InputError(f"{path} holds no results.parquet and no results.csv; run `simxfer train` first")
        path = found[0]
    if not path.exists():
        raise InputError(f"no results table {path}")
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix == ".csv":
            frame = pd.read_csv(
                path,
                # A stage id such as 0012e34567890123 is a text, not a number; `none` and `nan` are texts too.
                dtype={column.name: "string" for column in RESULTS.columns if column.dtype == "string"},
                keep_default_na=False,
                na_values={"value": [""], "n_examples": [""], "seed": [""]},
            )
        else:
            raise InputError(f"{path}: expected a .parquet or .csv file")
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        pa.ArrowInvalid,
        OSError,
        UnicodeDecodeError,
    ) as error:
        raise InputError(
            f"{path} cannot be read, it is cut off or damaged ({error}); export or train it again"
        ) from error
    return validate(frame, RESULTS, str(path))


def export_results(run: Path, out: Path) -> pd.DataFrame:
    """Write a run's results table as CSV or Parquet, by the ending of `out`."""
    results = read_results(run)
    if out.suffix == ".csv":
        write_file(out, lambda temporary: results.to_csv(temporary, index=False))
    elif out.suffix == ".parquet":
        write_table(out, results)
    else:
        raise InputError(f"{out}: expected a name that ends in .csv or .parquet")
    return results


def import_results(source: Path, run: Path) -> pd.DataFrame:
    """Check somebody's results table and make a run directory of it.

    Raises:
        InputError: the table is not valid, or the directory holds results already.
    """
    results = read_results(source)
    target = RunDirectory(run)
    if target.results.exists():
        raise InputError(f"{target.results} exists; nothing was changed. Choose another directory")
    write_table(target.results, results)
    return results
