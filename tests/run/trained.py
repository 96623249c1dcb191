"""A grid of a few steps, trained and scored in this process, and what came of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from safetensors.torch import load_file

from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.grid.plan import Cell, Plan
from simxfer.run.opening import open_run
from simxfer.run.results import gather
from simxfer.run.stages import StageRunner
from simxfer.schema.directory import RunDirectory
from simxfer.sources import revision


@dataclass(frozen=True)
class Trained:
    """A run all of whose stages are done, its plan, who worked on it, and its results table."""

    run: RunDirectory
    plan: Plan
    runner: StageRunner
    results: pd.DataFrame

    def cell(self, **keys: Any) -> Cell:
        """Return the one cell with these values of key columns."""
        [cell] = [c for c in self.plan.cells if all(getattr(c, k) == v for k, v in keys.items())]
        return cell

    def done(self, stage_id: str) -> dict[str, Any]:
        """Return the done-marker of a stage."""
        return json.loads(self.run.stage(stage_id).done.read_text())

    def weights(self, **keys: Any) -> dict[str, torch.Tensor]:
        """Return the weights of the one cell with these keys; those of heads are named by the task."""
        folder = self.run.stage(self.cell(**keys).stage)
        return load_file(folder.encoder) | load_file(folder.heads)

    def examples(self, **keys: Any) -> pd.DataFrame:
        """Return language, example_id and score of the one cell with these keys."""
        cell = self.cell(**keys)
        return pd.read_parquet(self.run.stage(cell.stage).examples(cell.evaluation))

    def predictions(self, **keys: Any) -> pd.DataFrame:
        """Return language, example_id and prediction of the one cell with these keys."""
        cell = self.cell(**keys)
        return pd.read_parquet(self.run.stage(cell.stage).predictions(cell.evaluation))


def train(folder: Path, grid: dict[str, Any]) -> Trained:
    """Train a grid, given as what its file says, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "grid.yaml"
    file.write_text(yaml.safe_dump(grid))
    parsed = load_grid(file)
    plan = expand(parsed, revision)
    run = open_run(file, parsed, plan, folder / "runs")
    runner = StageRunner(run, plan, torch.device("cpu"), parsed.keep_checkpoints)
    for stage in plan.stages.values():
        runner.work(stage)
    return Trained(run, plan, runner, gather(run, plan))


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Tell whether two sets of weights are bitwise equal."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
