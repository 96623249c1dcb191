"""Gains: which intermediate helps which target, zero-shot and in the pivot, and which gains are shown."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.pairs.max_statistic import step_down
from analyses.outcomes import gains
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.replicates import FEWEST_LEVELS, Replicates, replicate_interval, replicates
from analyses.questions.scores import (
    UNIT,
    headline_split,
    language_means,
    left_out,
    main_scores,
    zero_shot_languages,
)
from analyses.questions.wording import count, number, p_value, points
from analyses.run import Run
from simxfer.common.streams import stream
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "gains", "Gains of intermediate training"
QUESTION = "Which intermediate raises which target, zero-shot and in the pivot?"
LEVEL = 0.05
FEWEST_FOR_A_VERDICT = 2 + int(-np.log2(LEVEL))
"""The fewest replicates n whose smallest p, 2^(1-n), is below LEVEL: with fewer no gain is shown, however large."""
EXACT = 14
"""Up to this many replicates all sign changes are enumerated (16,384)."""


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and the shared baseline `none`; None where it has no intermediate."""
    scores = gain_scores(run)
    if (scores["intermediate"] == NONE).all():
        return None
    cells = gain_cells(scores, run.pivot)
    if cells["zero_shot"].isna().all() and cells["pivot"].isna().all():
        return unanswerable(
            NAME, TITLE, QUESTION, "The run cannot tell: no score shares its key with one of `none`."
        )
    table = judged(cells)
    if table.empty:
        return unanswerable(
            NAME, TITLE, QUESTION, "The run cannot tell: no replicate has all intermediates of a target."
        )
    main, check = table[~table["same_data"]], table[table["same_data"]]
    order = _order(table)
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(main),
        findings=_findings(main, check),
        tables={
            "Zero-shot and pivot gains (points)": main.drop(columns="same_data"),
            "Manipulation check: pairs that share training data (points)": check.drop(columns="same_data"),
        },
        figures=(
            _heatmap(table, "zero_shot", "Zero-shot gain over no intermediate", order),
            _heatmap(table, "pivot", "Gain in the pivot over no intermediate", order),
        ),
        what_would_change=_what_would_change(main),
        not_shown=_not_shown(main),
        flags=(*left_out(run), *_flags(cells)),
    )


def gain_scores(run: Run) -> pd.DataFrame:
    """Return the scores that gains are made of: of pretrained encoders, each on its target's headline split."""
    scores = main_scores(run)
    return scores[~scores["control"] & (scores["split"] == scores["target"].map(headline_split))]


def method_scores(run: Run, methods: Iterable[str]) -> pd.DataFrame:
    """Return such scores of each of these methods, whichever is the run's main one."""
    parts = [gain_scores(replace(run, results=run.results[run.results["method"] == m])) for m in methods]
    return pd.concat(parts) if parts else run.results.iloc[:0]


def gain_cells(scores: pd.DataFrame, pivot: str) -> pd.DataFrame:
    """Return gains by (target, intermediate, checkpoint, seed): mean over zero-shot languages, and pivot.

    A target's zero-shot mean is over the languages that all its scores have. Columns: zero_shot, pivot (points,
    missing without a pivot score), same_data (false where a task has no record).
    """
    table = gains(scores)
    by = ["target", "intermediate", *UNIT]
    parts = []
    for _, rows in table.groupby("target"):
        languages = zero_shot_languages(rows, pivot, by)
        zero_shot = language_means(rows, languages, by, "gain").rename("zero_shot")
        in_pivot = language_means(rows, [pivot], by, "gain").rename("pivot")
        parts.append(pd.concat([zero_shot, in_pivot], axis=1))
    related = table.groupby(by)["same_data"].first().fillna(False).astype(bool)
    return pd.concat(parts).join(related)


def judged(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a (target, intermediate) with interval, p and the simultaneous verdict of its zero-shot gain.

    p_max_t is adjusted over the intermediates of a target that share no data with it; pairs that do are judged
    by themselves.
    """
    rows = []
    for (target, same_data), part in cells.groupby(["target", "same_data"]):
        by_unit = replicates(_wide(part, "zero_shot"))
        # Replicates that have every intermediate, so that all columns change sign together.
        units = Replicates(by_unit.table.dropna(), by_unit.unit, by_unit.n_encoders)
        if units.table.empty:
            continue
        adjusted = max_t_by_signs(units) if units.enough else dict.fromkeys(units.table.columns, np.nan)
        in_pivot = replicates(_wide(part, "pivot")).table.mean().to_dict()
        for intermediate in units.table.columns:
            row = replicate_interval(units, intermediate).table.iloc[0]
            rows.append(
                {
                    "target": target,
                    "intermediate": intermediate,
                    "pivot": in_pivot[intermediate],
                    "zero_shot": row["estimate"],
                    "low": row["low"],
                    "high": row["high"],
                    "p": row["p"],
                    "p_max_t": adjusted[intermediate],
                    "replicates": len(units.table),
                    "unit": units.unit,
                    "same_data": same_data,
                    "verdict": verdict_of(row["estimate"], adjusted[intermediate]),
                }
            )
    return pd.DataFrame(rows)


def _wide(part: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return a target's gains, rows (checkpoint, seed), columns intermediates."""
    return part.reset_index().pivot(index=UNIT, columns="intermediate", values=value)


def max_t_by_signs(units: Replicates) -> dict[str, float]:
    """Return p values of the columns' means, adjusted by step-down max-T over sign changes of whole replicates.

    All 2^n patterns are enumerated up to 14 replicates, so no p is below 2^(1-n); beyond, 9,999 are drawn. The
    null is that the replicates are jointly symmetric about zero (Westfall and Young 1993; Winkler et al. 2014,
    NeuroImage 92).
    """
    values = units.table.to_numpy(float)
    n = len(values)
    exact = n <= EXACT
    if exact:
        signs = np.array(list(product([1.0, -1.0], repeat=n)))
    else:
        signs = stream(NAME, *map(str, units.table.columns)).choice([1.0, -1.0], (9999, n))
    p = step_down(_t_values(signs, values), _t_values(np.ones((1, n)), values)[0], exact)
    return dict(zip(units.table.columns, p, strict=True))


def _t_values(signs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return t of every column's mean, (patterns, columns), with the signs of the (replicates, columns) changed."""
    n = len(values)
    means = signs @ values / n
    se = np.sqrt(np.maximum((values**2).mean(axis=0) - means**2, 0) / (n - 1))
    # A column without spread has no t; a tiny error in its place keeps it infinite but comparable.
    return means / np.maximum(se, 1e-12)


def verdict_of(estimate: float, p: float) -> str:
    """Return what an estimate with its adjusted p shows; `not judged` without one."""
    if np.isnan(p):
        return "not judged"
    if p >= LEVEL:
        return "not shown"
    return "gain shown" if estimate > 0 else "loss shown"


def _sentence(main: pd.DataFrame) -> str:
    if main.empty:
        return "All pairs of this run share training data: their gains are more data of the same task."
    ranked = main.sort_values("zero_shot")
    best, worst = ranked.iloc[-1], ranked.iloc[0]
    ends = (
        f"the largest zero-shot gain is {points(best['zero_shot'])} points ({best['intermediate']} to "
        f"{best['target']}, {best['verdict']}), the largest loss {points(worst['zero_shot'])} "
        f"({worst['intermediate']} to {worst['target']}, {worst['verdict']})"
    )
    n = count(int(main["replicates"].max()), main["unit"].iloc[0])
    if (main["verdict"] == "not judged").all():
        return f"Not judged, with {n} there are values only: {ends}."
    raised, lowered = ((main["verdict"] == verdict).sum() for verdict in ("gain shown", "loss shown"))
    return (
        f"Of {count(len(main), 'pair')} that share no training data, a gain is shown for {raised} and a loss for "
        f"{lowered} ({n}; simultaneous over the intermediates of a target, max-T at .05); {ends}."
    )


def _findings(main: pd.DataFrame, check: pd.DataFrame) -> tuple[str, ...]:
    texts = []
    for target, rows in main.groupby("target"):
        best = rows.sort_values("zero_shot").iloc[-1]
        texts.append(
            f"{target}: highest {best['intermediate']} at {_both(best)} ({best['verdict']}{_adjusted(best)})."
        )
    for _, row in check.iterrows():
        texts.append(
            f"Manipulation check, shared training data: {row['intermediate']} to {row['target']} {_both(row)} "
            f"({row['verdict']})."
        )
    return tuple(texts)


def _adjusted(row: pd.Series) -> str:
    return "" if np.isnan(row["p_max_t"]) else f", max-T {p_value(row['p_max_t'])}"


def _both(row: pd.Series) -> str:
    in_pivot = "" if np.isnan(row["pivot"]) else f", {points(row['pivot'])} in the pivot"
    return f"{points(row['zero_shot'])} zero-shot{in_pivot}"


def _what_would_change(main: pd.DataFrame) -> str:
    n = int(main["replicates"].min()) if len(main) else 0
    least = 2.0 ** (1 - n)
    smallest = f"with {n} the smallest p that sign changes can give is {number(least, 3)}"
    if n < FEWEST_FOR_A_VERDICT:
        why = (
            f"with {n} there is no interval"
            if n < FEWEST_LEVELS
            else f"{smallest}, and no gain is ever shown"
        )
        return f"At least {FEWEST_FOR_A_VERDICT} encoders, or seeds of a single one: {why}."
    return f"More encoders: {smallest}; a table that ranks intermediates needs more."


def _not_shown(main: pd.DataFrame) -> tuple[str, ...]:
    open_ = main[~main["verdict"].isin(["gain shown", "loss shown"])]
    ranking = "A ranking of intermediates: cells without a verdict may stand in any order."
    return (
        (f"A gain or loss for {len(open_)} of {count(len(main), 'pair')}.", ranking)
        if len(open_)
        else (ranking,)
    )


def _flags(cells: pd.DataFrame) -> tuple[str, ...]:
    lost = cells["zero_shot"].isna() & cells["pivot"].isna()
    return (
        (f"{count(int(lost.sum()), 'cell')} without a baseline or a common language",) if lost.any() else ()
    )


def _order(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return intermediates and targets in order of their names, sequences last."""
    intermediates = sorted(table["intermediate"].unique(), key=lambda s: (">" in s or "+" in s, s))
    return intermediates, sorted(table["target"].unique())


def _heatmap(table: pd.DataFrame, value: str, title: str, order: tuple[list[str], list[str]]) -> Figure:
    frame = table.rename(columns={"intermediate": "row", "target": "column", value: "value"})
    frame = (
        frame[["row", "column", "value"]]
        .dropna()
        .sort_values(
            ["row", "column"], key=lambda c: c.map((order[0] if c.name == "row" else order[1]).index)
        )
    )
    planted = any("/" in headline_split(target) for target in order[1])
    return Figure(
        name=f"gains-{value.replace('_', '-')}",
        kind="heatmap",
        title=title,
        caption="Mean over encoders; rows are intermediates, columns targets"
        + ("; on targets that show half of the nouns in training, unseen nouns" if planted else "")
        + ". An empty cell was not run or has no pivot score.",
        frame=frame,
        x="gain, points",
        zero=0.0,
    )
