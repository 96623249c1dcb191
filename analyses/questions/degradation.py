"""Degradation: how much of the pivot's score is lost in each language, in runs that have no control to compare with."""

import pandas as pd

from analyses.figures.figure import Figure
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.scores import (
    baseline_scores,
    degradation_by_language,
    distances_to_pivot,
    main_scores,
    one_source,
    ordered_by_distance,
)
from analyses.questions.wording import count, listed, number
from analyses.run import Run
from simxfer.tasks import TASKS

NAME, TITLE = "degradation", "Degradation"
QUESTION = "How much of the pivot's score is lost in each language, without an intermediate?"


def answer(run: Run) -> Answer | None:
    """Answer from a run without controls, which has a question of its own."""
    scores = one_source(baseline_scores(main_scores(run)))
    if scores["control"].any() or scores.empty:
        return None
    distances = distances_to_pivot(run, scores["language"].unique())
    order = ordered_by_distance(scores["language"].unique(), distances)
    table = degradation_by_language(scores, run.pivot, order)
    if table.empty:
        why = f"The run cannot tell: no target has scores both in the pivot {run.pivot} and in another language."
        return unanswerable(NAME, TITLE, QUESTION, why)
    refused = sorted(set(scores["target"]) - set(table["target"]))
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(table, run.pivot),
        findings=tuple(_finding(target, rows) for target, rows in table.groupby("target")),
        tables={"Degradation from the pivot (points)": table},
        figures=(_heatmap(table), *_scatter(table, distances)),
        what_would_change="More seeds and pretrained encoders: the values here carry no interval.",
        not_shown=(
            "What a language lacks: pretraining text, script and typology go together over languages.",
            "That a method helps: what raises the pivot's score alone raises degradation.",
            *([f"Degradation of {listed(refused)}: without a score in the pivot."] if refused else []),
        ),
        flags=_flags(table),
    )


def _sentence(table: pd.DataFrame, pivot: str) -> str:
    by_target = table.groupby("target")["degradation"].mean()
    worst = table.sort_values("degradation", kind="stable").iloc[-1]
    return (
        f"Not judged, values only: averaged over {count(len(by_target), 'target')} and their languages, "
        f"{number(by_target.mean(), 1)} points less than in {pivot}; the largest loss is "
        f"{number(worst['degradation'], 1)} ({worst['target']} in {worst['language']})."
    )


def _finding(target: object, rows: pd.DataFrame) -> str:
    ordered = rows.sort_values("degradation", kind="stable")
    losses = [f"{number(row['degradation'], 1)} ({row['language']})" for _, row in ordered.iterrows()]
    lost = (
        losses[0]
        if len(losses) == 1
        else f"{losses[0]} to {losses[-1]} over {count(len(losses), 'language')}"
    )
    return f"{target}: {number(rows['y_pivot'].iloc[0], 1)} in the pivot, less by {lost}."


def _flags(table: pd.DataFrame) -> tuple[str, ...]:
    unlike = [t for t in table["target"].unique() if t in TASKS and not TASKS[str(t)].parallel]
    return (
        (f"test sets of {listed(unlike)} are not parallel: other texts in every language",) if unlike else ()
    )


def _scatter(table: pd.DataFrame, distances: pd.Series) -> tuple[Figure, ...]:
    """Return degradation against distance with the languages named; nothing where no distance is known."""
    names = {"target": "panel", "language": "label", "degradation": "y"}
    frame = table.assign(x=table["language"].map(distances)).dropna(subset=["x"]).rename(columns=names)
    if frame.empty:
        return ()
    return (
        Figure(
            name="degradation-distance",
            kind="scatter",
            title="Degradation against distance from the pivot",
            caption="No intermediate, mean over encoders and seeds; one point a language. Distance is syntactic "
            "(URIEL) between real languages, the true total distance between artificial ones.",
            frame=frame[["panel", "label", "x", "y"]],
            x="distance from the pivot (0-1)",
            y="degradation, points",
        ),
    )


def _heatmap(table: pd.DataFrame) -> Figure:
    names = {"target": "row", "language": "column", "degradation": "value"}
    return Figure(
        name="degradation",
        kind="heatmap",
        title="Degradation by language",
        caption="Score in the pivot minus score in the language, no intermediate, mean over encoders and seeds. An "
        "empty cell has no test set or was not run.",
        frame=table.rename(columns=names)[["row", "column", "value"]],
        x="degradation, points",
        zero=0.0,
    )
