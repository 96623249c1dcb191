"""Which learning rate and length do adapters and LoRA want? Made docs/method-recipes.csv, on the pivot alone.

    python docs/method_recipes.py docs/method-recipes.csv [--pack FOLDER]

Without `--pack` the encoders of the embedded world are asked, with it the packaged multilingual encoder on native
files; rows are added to what is there. Scores are of the training language: of the world's test sets with seeds that
nothing else uses, of the dev files of real tasks. Full fine-tuning at its recipe's values stands beside them.
Runs again, it adds what the table lacks.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd
import yaml

from simxfer.run.results import read_results
from simxfer.run.train import train_grid
from simxfer.tasks import get_task
from simxfer.training.recipes import get_recipe

COLUMNS = ("checkpoint", "method", "target", "seed", "metric", "value", "learning_rate", "longer")
METHODS = ("adapter(pfeiffer,r=16)", "adapter(houlsby,r=16)", "lora(r=8,alpha=16)")
LONGER = (1, 3)
"""Steps over those of full fine-tuning."""
WORLD = {
    "encoders": ["world/w0-s0"],
    "seeds": [1000, 1001],
    "languages": ["x-pivot"],
    "blocks": [{"intermediates": ["none"], "targets": ["w-xnli", "w-xqa", "w-pos", "w-ner"]}],
}
PACKAGED = {
    "encoders": ["packaged/multilingual-e5-small"],
    "recipe": "xtreme",
    "numerics": "auto",
    "seeds": [1000],
    "languages": ["en"],
    "test_examples": 300,
    "blocks": [{"intermediates": ["none"], "targets": ["udpos", "panx", "xnli"]}],
}
STEPS = {"train_examples": 800, "steps": 100, "batch_size": 16, "warmup_share": 0.1, "selection": "last"}
"""How the packaged encoder is trained in full."""


def main() -> None:
    """Run what is asked for and add its rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--pack", type=Path, help="folder of native files")
    given = parser.parse_args()
    rates = (3e-4, 1e-3, 3e-3, 1e-2) if given.pack else (3e-3, 1e-2, 3e-2)
    asked = [(("full",), None, 1), *((METHODS, rate, longer) for longer in LONGER for rate in rates)]
    for methods, rate, longer in asked:
        before = pd.read_csv(given.table) if given.table.exists() else pd.DataFrame(columns=COLUMNS)
        if _there(before, bool(given.pack), methods, rate or 0.0, longer):
            continue
        found = _scores(_grid(given.pack, methods, rate, longer), rate or 0.0, longer)
        pd.concat([before, found] if len(before) else [found]).to_csv(given.table, index=False)
        print(
            found.groupby(["method", "target"])["value"].mean().unstack().round(1), rate, longer, flush=True
        )


def _there(table: pd.DataFrame, packaged: bool, methods: tuple[str, ...], rate: float, longer: int) -> bool:
    """Whether a table has the rows of some methods at one learning rate and length."""
    mine = table["checkpoint"].str.startswith("packaged/") == packaged
    same = (
        mine & table["method"].isin(methods) & (table["learning_rate"] == rate) & (table["longer"] == longer)
    )
    return bool(same.any())


def _grid(pack: Path | None, methods: tuple[str, ...], rate: float | None, longer: int) -> dict:
    """Return the grid of some methods at one learning rate and length; None is full fine-tuning's rate."""
    grid = {"name": "method-recipes", "methods": list(methods), **(PACKAGED if pack else WORLD)}
    if pack:
        data = {"udpos": {"test": "dev"}, "panx": {"test": "dev"}, "xnli": {"test": "dev", "dev": "held-out"}}
        values = STEPS | {"steps": STEPS["steps"] * longer, "learning_rate": rate or 1e-4}
        return grid | {"data": {"folder": str(pack), "tasks": data}, "overrides": {"*": values}}
    full = {target: get_recipe("world").hyperparameters(target) for target in WORLD["blocks"][0]["targets"]}
    own = {"learning_rate": rate} if rate else {}
    return grid | {"overrides": {t: {"steps": v.steps * longer, **own} for t, v in full.items()}}


def _scores(grid: dict, rate: float, longer: int) -> pd.DataFrame:
    """Train a grid; return its scores by the first metric of every target."""
    with tempfile.TemporaryDirectory() as folder:
        run = train_grid(_written(grid, Path(folder)), Path(folder) / "runs")
        found = read_results(run.root)
    found = found[found["metric"] == found["target"].map(lambda name: get_task(name).metric)]
    named = found[list(COLUMNS[:6])]
    return named.assign(learning_rate=rate, longer=longer)


def _written(grid: dict, folder: Path) -> Path:
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(grid))
    return path


if __name__ == "__main__":
    main()
