"""A run directory or a folder with a results table -> one frozen `Run` of tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from analyses.outcomes import is_control, measurements
from simxfer.common.errors import InputError
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import EXAMPLES, LANGUAGES, PIVOT, RESULTS, SAMPLES, SUBWORDS, Table, validate

MARGIN = 1.0
"""Points within which a difference counts as none where no grid declares it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the analyses know of a run: its tables, checked against their schemas; absent ones are empty."""

    name: str
    directory: Path
    results: pd.DataFrame
    examples: pd.DataFrame
    languages: pd.DataFrame
    samples: pd.DataFrame
    subwords: pd.DataFrame
    planned: pd.DataFrame | None = None
    """One row a planned cell; None where there is no plan, as beside an imported table."""
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the plan says of every stage, by its id."""
    compared_as: str = ""
    """Name of the text by which the plan compares languages; empty where it compares none."""
    grid: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    receipts: dict[str, Any] = field(default_factory=dict)

    @property
    def pivot(self) -> str:
        """The language that targets are trained in."""
        return str(self.grid.get("pivot") or PIVOT)

    @property
    def study(self) -> str:
        """The study that the grid was made for; empty where it names none."""
        return str(self.grid.get("study") or "")

    @property
    def margin(self) -> float:
        """Points within which a difference counts as none, as the grid declared it before any data; 1 by default."""
        return float(self.grid.get("margin") or MARGIN)

    @property
    def encoders(self) -> list[str]:
        """The pretrained checkpoints, controls not counted."""
        checkpoints = self.results["checkpoint"]
        return sorted(checkpoints[~is_control(checkpoints)].unique())

    def distances(self) -> pd.DataFrame:
        """Return the true distances of artificial languages to the pivot: index language, columns components.

        Empty where the run has none.
        """
        table = self.languages[self.languages["kind"] == "distance"]
        return table.pivot(index="language", columns="feature", values="value")

    def representations(self, checkpoint: str) -> tuple[np.ndarray, pd.DataFrame] | None:
        """Return mean-pooled hidden states (rows, dimensions) and the table of their labels, if there."""
        arrays = RunDirectory(self.directory).representations(checkpoint)
        rows = arrays.with_suffix(".parquet")
        if not arrays.exists() or not rows.exists():
            return None
        with np.load(arrays, allow_pickle=False) as file:
            return file["embeddings"], pd.read_parquet(rows)

    def task_embeddings(self, checkpoint: str) -> dict[str, np.ndarray]:
        """Return the Fisher vector of every embedded task, by `intermediate/NAME` and `target/NAME`.

        Each is (weights,), or (weight tensors,) for a large encoder; empty unless the grid asked for
        `task_embeddings`.
        """
        path = RunDirectory(self.directory).task_embeddings(checkpoint)
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def language_states(self, stage: str) -> dict[str, np.ndarray]:
        """Return where the encoder of a stage places text of several languages, by `LANGUAGE/POOLING` and `/seen`.

        States are (texts, dimensions) for the poolings `mean` and `first`, seen (texts,) says what was trained on;
        empty unless the grid trains an adversary.
        """
        path = RunDirectory(self.directory).stage(stage).languages(self.compared_as)
        return load_file(path) if path.exists() else {}

    def labelled_features(self, checkpoint: str) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
        """Yield (intermediate, target, features, labels) of every file of labelled features, one at a time.

        Features (rows, dimensions) of the target's training data after the intermediate, labels (rows,);
        nothing unless the grid asked for `task_embeddings`.
        """
        for path in sorted(RunDirectory(self.directory).labelled_folder(checkpoint).glob("*/*.npz")):
            with np.load(path, allow_pickle=False) as file:
                yield path.parent.name, path.stem, file["features"], file["labels"]


def load_run(path: str | Path) -> Run:
    """Load a run directory (`results.parquet`, ...) or a folder with a results table alone (`results.csv`).

    Raises:
        InputError: the folder or its results table does not exist, or a table breaks its schema.
    """
    directory = Path(path)
    if not directory.is_dir():
        raise InputError(
            f"{directory} is not a folder; expected a run directory or a folder with results.csv"
        )
    names = RunDirectory(directory)
    results = measurements(_read(names.results, RESULTS))
    if results.empty:
        raise InputError(
            f"{directory} holds no scores; expected results.parquet or results.csv. Train the grid first, or "
            "import a table with `simxfer results import`"
        )
    plan = _json(names.plan)
    return Run(
        name=directory.resolve().name,
        directory=directory,
        results=results,
        examples=_read(names.examples, EXAMPLES),
        languages=_read(names.languages, LANGUAGES),
        samples=_read(names.samples, SAMPLES),
        subwords=_read(names.subwords, SUBWORDS),
        planned=pd.DataFrame(plan["cells"]) if plan else None,
        stages={stage["id"]: stage for stage in plan.get("stages", ())},
        compared_as=plan.get("compared_as", ""),
        grid=_json(names.grid_json),
        environment=_json(names.environment),
        receipts=_json(names.receipts),
    )


def _read(parquet: Path, table: Table) -> pd.DataFrame:
    """Return the table from its Parquet file, or from a CSV file beside it, checked; an empty one without both."""
    csv = parquet.with_suffix(".csv")
    if parquet.exists():
        return validate(pd.read_parquet(parquet), table, str(parquet))
    if csv.exists():
        # `nan` is how pandas would read the language code of Min Nan; only empty cells are missing.
        return validate(pd.read_csv(csv, keep_default_na=False, na_values=[""]), table, str(csv))
    return pd.DataFrame(columns=table.column_names)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
