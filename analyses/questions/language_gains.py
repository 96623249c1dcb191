"""Gains by language: where does an intermediate help a target, and does it close the gap to the pivot?

Verdicts follow those of `gains`: replicates change sign as wholes, and p is adjusted over all intermediates and
languages of a target. Gap reduction, gain in the language less gain in the pivot, stands beside both.
"""

from typing import Any

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.student import student_intervals
from analyses.outcomes import gains
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.covariates import covariates
from analyses.questions.gains import gain_scores, max_t_by_signs, verdict_of
from analyses.questions.replicates import Replicates, replicates
from analyses.questions.scores import UNIT, left_out, zero_shot_languages
from analyses.questions.wording import count, language, points
from analyses.run import Run
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "language-gains", "Gains by language"
QUESTION = "In which languages does an intermediate raise a target, and does it close the gap to the pivot?"
MOST_SERIES = 3
"""Intermediates of a target up to which a figure shows intervals; more are a heatmap."""


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and languages beside the pivot; None for any other."""
    scores = gain_scores(run)
    outside = scores[scores["language"] != run.pivot]
    if outside.empty or (scores["intermediate"] == NONE).all():
        return None
    table = judged(gains(scores).dropna(subset=["gain"]), run.pivot)
    if table.empty:
        why = "The run cannot tell: no replicate has all intermediates of a target in a language outside the pivot."
        return unanswerable(NAME, TITLE, QUESTION, why)
    order = [run.pivot, *covariates(run, outside).near_first(outside["language"].unique())]
    table = _in_order(table, order)
    main = table[~table["same_data"]]
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(main),
        findings=tuple(_finding(target, rows) for target, rows in main.groupby("target")),
        tables={"Gains by language, and what they leave of the gap to the pivot (points)": table},
        figures=tuple(_figure(str(target), rows) for target, rows in table.groupby("target")),
        what_would_change="More encoders, or seeds of a single one: they are the replicates, and languages are not.",
        not_shown=(
            "That languages differ: a gain that is shown in one language and not in another may be the same in both.",
            "That a smaller gap is a better method: it shrinks as well where the pivot's score falls.",
        ),
        flags=left_out(run),
    )


def judged(with_gain: pd.DataFrame, pivot: str) -> pd.DataFrame:
    """Return one row a (target, intermediate, language): gain, interval, p and verdict, and the gap to the pivot.

    p_max_t is adjusted over the intermediates and languages of a target, the pivot included, pairs that share its data
    apart; a target's languages are those that all its gains have. gain_pivot and gap_reduction are missing without a
    pivot score.

    Args:
        with_gain: as `analyses.outcomes.gains` returns it, without missing gains.
    """
    same_data = with_gain["same_data"].fillna(False).astype(bool)
    parts = []
    for (target, shared), rows in with_gain.assign(same_data=same_data).groupby(["target", "same_data"]):
        common = [*zero_shot_languages(rows, pivot, ["intermediate", *UNIT]), pivot]
        rows = rows[rows["language"].isin(common)]
        by_unit = replicates(
            rows.pivot_table(index=UNIT, columns=["intermediate", "language"], values="gain")
        )
        # Replicates that have every gain, so that all change sign together.
        units = Replicates(by_unit.table.dropna(), by_unit.unit, by_unit.n_encoders)
        if len(common) > 1 and len(units.table):
            parts.append(_of_target(units, pivot).assign(target=str(target), same_data=bool(shared)))
    columns = ["target", "intermediate", "language", "same_data", "gain_pivot", "gain", "gap_reduction"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return table[[*columns, *table.columns.difference(columns, sort=False)]]


def _in_order(table: pd.DataFrame, languages: list[str]) -> pd.DataFrame:
    """Return the rows by target and intermediate, sequences and mixtures last, languages in the given order."""
    place = table["language"].map(languages.index)
    joint = table["intermediate"].str.contains("[>+]")
    ordered = table.assign(place=place, joint=joint).sort_values(["target", "joint", "intermediate", "place"])
    return ordered.drop(columns=["place", "joint"]).reset_index(drop=True)


def _of_target(units: Replicates, pivot: str) -> pd.DataFrame:
    """Return the rows of one target from its gains, (replicates, (intermediate, language))."""
    found = student_intervals(units.table)
    adjusted = max_t_by_signs(units) if units.enough else {}
    table = found.rename(columns={"estimate": "gain"})[["gain", "low", "high", "p"]].reset_index()
    in_pivot = table[table["language"] == pivot].set_index("intermediate")["gain"]
    table["gain_pivot"] = table["intermediate"].map(in_pivot).astype(float)
    table["gap_reduction"] = (table["gain"] - table["gain_pivot"]).where(table["language"] != pivot)
    table["p_max_t"] = [adjusted.get(cell, np.nan) for cell in found.index]
    table["verdict"] = [verdict_of(*row) for row in zip(table["gain"], table["p_max_t"], strict=True)]
    return table.assign(replicates=len(units.table), unit=units.unit)


def _sentence(main: pd.DataFrame) -> str:
    if main.empty:
        return "All pairs of this run share training data: their gains are more data of the same task."
    ranked = main.sort_values("gain", kind="stable")
    ends = f"from {_named(ranked.iloc[0])} to {_named(ranked.iloc[-1])}"
    gap = main["gap_reduction"].dropna()
    closed = f"; the gap to the pivot is smaller in {(gap > 0).sum()} of {len(gap)}" if len(gap) else ""
    n = count(int(main["replicates"].max()), main["unit"].iloc[0])
    if (main["verdict"] == "not judged").all():
        return f"Not judged, with {n} there are values only: gains {ends}{closed}."
    raised, lowered = ((main["verdict"] == verdict).sum() for verdict in ("gain shown", "loss shown"))
    return (
        f"Of {count(len(main), 'gain')} by language of pairs that share no training data, {raised} are shown, and "
        f"{count(lowered, 'loss')} ({n}; simultaneous over the intermediates and languages of a target, max-T at .05); "
        f"they go {ends}{closed}."
    )


def _named(row: pd.Series) -> str:
    pair = f"{row['intermediate']} to {row['target']} in {row['language']}"
    return f"{points(row['gain'])} ({pair}, {row['verdict']})"


def _finding(target: object, rows: pd.DataFrame) -> str:
    """Say which intermediate gains most over the languages of a target, and how its gains differ between them."""
    means = rows.groupby("intermediate")[["gain", "gap_reduction"]].mean().reset_index()
    best = means.sort_values("gain", kind="stable").iloc[-1]
    own = rows.loc[rows["intermediate"] == best["intermediate"], "gain"]
    closed = (
        ""
        if np.isnan(best["gap_reduction"])
        else f"; the gap to the pivot changes by {points(-best['gap_reduction'])}"
    )
    return (
        f"{target}: highest over its languages {best['intermediate']} at {points(best['gain'])}, between "
        f"{points(own.min())} and {points(own.max())} by language{closed}."
    )


def _figure(target: str, rows: pd.DataFrame) -> Figure:
    """Return a target's gains: with intervals for few intermediates, else as a heatmap."""
    texts: dict[str, Any] = {
        "name": f"language-gains-{target}",
        "title": f"Gain on {target} by language",
        "x": "gain, points",
    }
    caption = "Over no intermediate, mean over replicates; the pivot first, languages from near to far."
    if rows["intermediate"].nunique() <= MOST_SERIES:
        names = {"language": "label", "intermediate": "series", "gain": "estimate"}
        frame = rows.rename(columns=names)[["label", "series", "estimate", "low", "high"]].assign(panel="")
        frame["label"] = frame["label"].map(language)
        return Figure(kind="forest", caption=caption, frame=frame, zero=0.0, **texts)
    frame = rows.rename(columns={"intermediate": "row", "language": "column", "gain": "value"})
    return Figure(kind="heatmap", caption=caption, frame=frame[["row", "column", "value"]], zero=0.0, **texts)
