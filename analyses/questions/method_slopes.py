"""Slopes of gain on the centred similarity of task pairs, by training method.

Tasks that are a sample of tasks are the units (`pair_interaction`). Where the similarity was planted, the tasks are no
sample: the slope of every replicate over the same pairs is taken, and replicates are the units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analyses.inference.pairs.interaction import pair_interaction
from analyses.inference.pairs.regression import pair_regression
from analyses.inference.pairs.two_way import cells
from analyses.inference.result import Inference
from analyses.questions.method_gains import MEAN
from analyses.questions.replicates import assignments, replicate_interval, within_margin
from analyses.questions.scores import FULL
from simxfer.common.errors import InputError

NULL = "the slope on the centred similarity is zero"
_TASKS = ("intermediate", "target")


@dataclass(frozen=True)
class Slopes:
    """Slopes in points per unit of the similarity column; what a run has no method for is missing."""

    by_method: dict[str, Inference]
    """One a method, `MEAN` among them."""
    difference: Inference | None
    """Full fine-tuning minus the mean of adapters."""
    units: str
    """What the replicates are, in words."""
    flags: tuple[str, ...] = ()

    @property
    def adapters(self) -> Inference:
        """The slope of the mean of adapters: what the study asks for first."""
        return self.by_method[MEAN]

    @property
    def full(self) -> Inference | None:
        """The slope of full fine-tuning."""
        return self.by_method.get(FULL)

    def judged(self, margin: float) -> Inference | None:
        """Return the difference judged against a margin; None where it has no standard error."""
        found = self.difference
        return (
            None if found is None else within_margin(found.table.iloc[0], margin, "full - mean of adapters")
        )


def sampled_slopes(data: pd.DataFrame, methods: Sequence[str]) -> Slopes:
    """Return slopes whose units are the tasks, from rows with a `similarity`; `data` has rows of `MEAN`.

    Raises:
        InputError: as `pair_regression`, of the mean of adapters.
    """
    by_method = {}
    flags: list[str] = []
    for name in (MEAN, *methods):
        try:
            found = pair_regression(data[data["method"] == name])
        except InputError as error:
            if name == MEAN:
                raise
            flags.append(f"{name}: no slope, {error}")
            continue
        by_method[name] = replace(found, table=found.table.head(1))
    main = by_method[MEAN]
    n = main.counts
    tasks = f"{n['pairs']} pairs of {n['intermediate']} intermediates and {n['target']} targets"
    return Slopes(by_method, _sampled_difference(data, by_method), tasks, (*main.notes, *flags))


def _sampled_difference(data: pd.DataFrame, by_method: dict[str, Inference]) -> Inference | None:
    if FULL not in by_method:
        return None
    both = data[data["method"].isin([FULL, MEAN])]
    try:
        found = pair_interaction(both, reference=MEAN)
    except InputError:
        return None
    return replace(found, table=found.table.head(1))


def planted_slopes(data: pd.DataFrame, methods: Sequence[str]) -> Slopes:
    """Return slopes whose units are the assignments of attributes, from rows with a `similarity`.

    Raises:
        InputError: no replicate has a slope of the mean of adapters.
    """
    names = [MEAN, *methods]
    table = replicate_slopes(data, centred_slope).reindex(columns=names)
    if table[MEAN].isna().all():
        raise InputError("the similarity does not vary beyond its tasks' means in any replicate")
    if FULL in table:
        table = table.assign(difference=table[FULL] - table[MEAN])
    units = assignments(table)
    by_method = {
        name: replicate_interval(units, name, f"slope, {name}", NULL)
        for name in names
        if table[name].notna().any()
    }
    difference = None
    if FULL in table:
        null = "the slope is the same under full fine-tuning as under the mean of adapters"
        difference = replicate_interval(units, "difference", "full - mean of adapters", null)
    return Slopes(by_method, difference, units.described, units.flags)


def replicate_slopes(data: pd.DataFrame, slope: Callable[[pd.DataFrame], float]) -> pd.DataFrame:
    """Return a slope by (checkpoint, seed), a column a method; missing where a replicate cannot have one."""
    pairs = data.groupby(["checkpoint", "seed", "method", *_TASKS], as_index=False)[
        ["gain", "similarity"]
    ].mean()
    found = {key: slope(rows) for key, rows in pairs.groupby(["checkpoint", "seed", "method"])}
    return pd.Series(found, dtype=float).rename_axis(["checkpoint", "seed", "method"]).unstack("method")


def centred_slope(pairs: pd.DataFrame) -> float:
    """Return the slope of gain on similarity, both cleared of the means of both tasks; NaN without a spread.

    Example:
        >>> import pandas as pd
        >>> from analyses.questions.method_slopes import centred_slope
        >>> pairs = pd.DataFrame({"intermediate": [*"aabb"], "target": [*"xyxy"], "similarity": [1, 0, 0, 0.0]})
        >>> centred_slope(pairs.assign(gain=[50.0, 3.0, 2.0, 5.0]))
        50.0
    """
    grid = cells(pairs, *_TASKS)
    x = grid.residuals(pairs["similarity"].to_numpy(float))
    if np.ptp(x) <= 1e-9:
        return float("nan")
    return float(round(x @ pairs["gain"].to_numpy(float) / (x @ x), 9))


def absent_slopes(data: pd.DataFrame, methods: Sequence[str]) -> dict[tuple[str, str], Inference]:
    """Return by (target, method) the slope on a target whose own similarity is constant.

    Its gains are regressed on how similar the same intermediates are to the other targets, which must not matter.
    """
    other = data.groupby("intermediate")["similarity"].max()
    found = {}
    for target, rows in data.groupby("target"):
        if np.ptp(rows["similarity"]) > 1e-9 or np.ptp(other.reindex(rows["intermediate"])) <= 1e-9:
            continue
        moved = rows.assign(similarity=rows["intermediate"].map(other))
        units = assignments(replicate_slopes(moved, _plain_slope))
        for name in (MEAN, *methods):
            if name in units.table and units.table[name].notna().any():
                null = f"the slope of {target} on the similarity to another target is zero"
                found[str(target), name] = replicate_interval(units, name, f"{target}, {name}", null)
    return found


def _plain_slope(pairs: pd.DataFrame) -> float:
    x = pairs["similarity"].to_numpy(float)
    x = x - x.mean()
    return float(x @ pairs["gain"].to_numpy(float) / (x @ x)) if np.ptp(x) > 1e-9 else float("nan")
