"""Gains under every training method of a run, and what each method trains and takes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open

from analyses.outcomes import gains
from analyses.questions.gains import method_scores
from analyses.questions.scores import FULL
from analyses.questions.spelled import phases
from analyses.run import Run
from simxfer.schema.directory import RunDirectory
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

MEAN = "mean of adapters"
KEYS = ["intermediate", "target", "language", "checkpoint", "seed"]


def is_adapter(method: str) -> bool:
    """Tell whether a method trains adapters or LoRA in intermediate and target stages and keeps what it has learned."""
    return phases(method)[0][0] in ("adapter", "lora") and ">" not in method and not is_dropped(method)


def is_dropped(method: str) -> bool:
    """Tell whether a method drops the intermediate's adapter before the target: a control."""
    return "phases=dropped" in method


def method_gains(run: Run) -> pd.DataFrame:
    """Return gains of single tasks under full fine-tuning, adapters, LoRA and the control that drops them.

    Zero-shot languages where the run has any, else the pivot. Columns `KEYS`, method, gain, same_data.
    """
    names = [m for m in run.results["method"].unique() if m == FULL or is_adapter(m) or is_dropped(m)]
    single = run.results["intermediate"].isin([NONE, *TASKS])
    scores = method_scores(replace(run, results=run.results[single]), names)
    abroad = scores["language"] != run.pivot
    scores = scores[abroad] if abroad.any() else scores
    if scores.empty or (scores["intermediate"] == NONE).all():
        return pd.DataFrame(columns=[*KEYS, "method", "gain", "same_data"])
    found = gains(scores).dropna(subset=["gain"])
    found["same_data"] = found["same_data"].fillna(False).astype(bool)
    return found.groupby([*KEYS, "method"], as_index=False).agg({"gain": "mean", "same_data": "first"})


def with_mean(gains: pd.DataFrame) -> pd.DataFrame:
    """Return the gains with rows of a further method, the mean of adapters, where all of them have the cell."""
    adapters = gains[gains["method"].map(is_adapter)]
    whole = adapters.groupby(KEYS)["method"].transform("nunique") == adapters["method"].nunique()
    others = [name for name in gains.columns if name not in (*KEYS, "method", "gain")]
    mean = (
        adapters[whole].groupby(KEYS, as_index=False).agg({"gain": "mean", **dict.fromkeys(others, "first")})
    )
    return pd.concat([gains, mean.assign(method=MEAN)], ignore_index=True)


def costs(run: Run, methods: list[str]) -> pd.DataFrame:
    """Return a row a method: weights that it trains, their share of full fine-tuning's, seconds of its stages.

    Read from the stages of the run directory; empty without them. Heads are not counted.
    """
    rows = []
    for method in methods:
        stages = [i for i, stage in run.stages.items() if stage["method"] == method and stage["data"]]
        folders = [RunDirectory(run.directory).stage(i) for i in stages]
        rows.append(
            {
                "method": method,
                "trained weights": next((weights(f.encoder) for f in folders if f.encoder.exists()), np.nan),
                "seconds a stage": np.mean([s for f in folders for s in _seconds(f.done)] or [np.nan]),
            }
        )
    table = pd.DataFrame(rows)
    if not rows or table.drop(columns="method").isna().all(axis=None):
        return pd.DataFrame()
    whole = table.loc[table["method"] == FULL, "trained weights"]
    table.insert(
        2, "share of full (%)", 100 * table["trained weights"] / (whole.iloc[0] if len(whole) else np.nan)
    )
    return table


def weights(path: Path) -> int:
    """Return how many weights a safetensors file holds, from its header alone."""
    with safe_open(path, framework="numpy") as file:
        return sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())  # noqa: SIM118


def _seconds(done: Path) -> list[float]:
    found = json.loads(done.read_text(encoding="utf-8")).get("seconds") if done.exists() else None
    return [] if found is None else [float(found)]
