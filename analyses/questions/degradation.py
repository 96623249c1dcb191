"""Degradation: how much of the pivot's score is lost in each language, and does that follow the language's distance?

Real languages: the declared covariate is syntactic distance to the pivot. Where it is that of scores as well (true
distance of artificial languages; an encoder whose pretraining sizes are not known), the test of degradation is that of
the score with another sign, and stands under that question alone.
"""

from collections.abc import Sequence

import pandas as pd

from analyses.figures.figure import Figure
from analyses.outcomes import degradation
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.by_language import MEAN, Judgement, judge, official, verdict_of
from analyses.questions.covariates import Covariates, covariates
from analyses.questions.scores import language_scores
from analyses.questions.wording import count, effect, language, listed, number
from analyses.run import Run
from simxfer.tasks import TASKS

NAME, TITLE = "degradation", "Degradation"
QUESTION = "How much of the pivot's score is lost in each language, and does the loss follow its distance?"


def answer(run: Run) -> Answer | None:
    """Answer from a run with scores outside the pivot; None for a run in the pivot alone."""
    scores = language_scores(run)
    if (scores["language"] == run.pivot).all():
        return None
    known = covariates(run, scores[scores["language"] != run.pivot])
    order = known.near_first(scores["language"].unique())
    table = by_language(scores, run.pivot, order)
    if table.empty:
        why = f"The run cannot tell: no target has scores both in the pivot {run.pivot} and in another language."
        return unanswerable(NAME, TITLE, QUESTION, why)
    judged = _judged(table, scores, known)
    tested = judged if isinstance(judged, Judgement) else None
    refused = sorted(set(scores["target"]) - set(table["target"]))
    distance = known.table[["target", "language", known.of_degradation.name]]
    slopes = {"Degradation on what sets languages apart, by target": tested.slopes()} if tested else {}
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(judged, table, run.pivot),
        findings=(
            *(tested.findings() if tested else ()),
            *(_finding(target, rows) for target, rows in table.groupby("target")),
        ),
        tables=slopes
        | {
            "Degradation from the pivot (points)": table.merge(
                distance, on=["target", "language"], how="left"
            )
        },
        inferences=tested.inferences() if tested else {},
        primary_test=tested.primary_test if tested else "",
        figures=(*([_scatter(tested)] if tested else []), _heatmap(table, order)),
        what_would_change="More languages of more families, and more seeds and pretrained encoders.",
        not_shown=(
            "What a language lacks: pretraining text, script and typology go together over languages.",
            "That a method helps: what raises the pivot's score alone raises degradation.",
            *([f"Degradation of {listed(refused)}: without a score in the pivot."] if refused else []),
        ),
        flags=(*_flags(table), *(tested.flags if tested else ())),
    )


def by_language(scores: pd.DataFrame, pivot: str, order: Sequence[str]) -> pd.DataFrame:
    """Return degradation beside both scores, mean over encoders of the seeds' means; refused targets left out.

    Columns: target, language, y_pivot, y_language, degradation (points), encoders; languages in the given order.
    """
    if not (scores["language"] == pivot).any():
        return pd.DataFrame()
    dropped = degradation(scores, pivot).dropna(subset=["degradation"])
    columns = ["y_pivot", "y_language", "degradation"]
    by_encoder = dropped.groupby(["target", "language", "checkpoint"])[columns].mean()
    table = by_encoder.groupby(["target", "language"]).agg(
        **{name: (name, "mean") for name in columns}, encoders=("degradation", "size")
    )
    near_first = table.reset_index().sort_values("language", key=lambda names: names.map(list(order).index))
    return near_first.sort_values("target", kind="stable")


def _judged(table: pd.DataFrame, scores: pd.DataFrame, known: Covariates) -> Judgement | str:
    """Return the tests of degradation, or why there are none."""
    if known.of_degradation == known.of_scores:
        return "the test on distance is the score's"
    data = table[["target", "language", "degradation"]].merge(official(scores), on=["target", "language"])
    return judge(data, "degradation", known, known.of_degradation)


def _sentence(judged: Judgement | str, table: pd.DataFrame, pivot: str) -> str:
    by_target = table.groupby("target")["degradation"].mean()
    worst = table.sort_values("degradation", kind="stable").iloc[-1]
    values = (
        f"averaged over {count(len(by_target), 'target')} and their languages, {number(by_target.mean(), 1)} points "
        f"less than in {pivot}; the largest loss is {number(worst['degradation'], 1)} ({worst['target']} in "
        f"{worst['language']})."
    )
    if isinstance(judged, str):
        return f"Not judged, values only: {values[:-1]}; {judged}."
    test, covariate = judged.primary, judged.declared
    what = f"the {MEAN}" if judged.target == MEAN else f"{judged.target}, the declared primary target"
    n = count(test.counts["language"], "language")
    return (
        f"{verdict_of(test, -covariate.sign)} for {what} ({n}): {effect(test)} of degradation per "
        f"{covariate.unit} (PGLS), given the encoder. {values[0].upper()}{values[1:]}"
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


def _scatter(judged: Judgement) -> Figure:
    return judged.scatter(
        name="degradation-distance",
        title=f"Degradation against {judged.declared.axis}",
        caption="One point a language outside the pivot, no intermediate, mean over encoders.",
        y="degradation, points",
    )


def _heatmap(table: pd.DataFrame, order: list[str]) -> Figure:
    names = {"language": "row", "target": "column", "degradation": "value"}
    in_order = table.sort_values("language", key=lambda names: names.map(order.index), kind="stable")
    in_order = in_order.assign(language=in_order["language"].map(language))
    return Figure(
        name="degradation",
        kind="heatmap",
        title="Degradation by language",
        caption="Score in the pivot minus score in the language, no intermediate, mean over encoders and seeds; "
        "languages from near to far from the pivot. An empty cell has no test set or was not run.",
        frame=in_order.rename(columns=names)[["row", "column", "value"]],
        x="degradation, points",
        zero=0.0,
    )
