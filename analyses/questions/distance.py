"""Do zero-shot scores follow what sets a language apart: its true distance, or pretraining size, syntax, fertility?"""

import pandas as pd

from analyses.questions.answer import Answer, unanswerable
from analyses.questions.by_language import MEAN, Judgement, judge, official, verdict_of
from analyses.questions.covariates import Covariates, covariates
from analyses.questions.scores import language_scores
from analyses.questions.wording import count, effect, listed, number, p_value
from analyses.run import Run

NAME, TITLE = "distance", "Scores by language"
QUESTION = "Does the zero-shot score follow what sets a language apart from the pivot?"


def answer(run: Run) -> Answer | None:
    """Answer from a run with scores outside the pivot; None for a run in the pivot alone."""
    scores = language_scores(run)
    scores = scores[scores["language"] != run.pivot]
    if scores.empty:
        return None
    known = covariates(run, scores)
    judged = judge(_by_language(scores), "value", known, known.of_scores)
    if isinstance(judged, str):
        return unanswerable(NAME, TITLE, QUESTION, f"The run cannot tell: {judged}.")
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(judged, scores, known),
        findings=judged.findings(),
        tables={
            "Score on what sets languages apart, by target": judged.slopes(),
            "Scores by language (points) and what sets languages apart": judged.data.drop(columns="official"),
        },
        inferences=judged.inferences(),
        primary_test=judged.primary_test,
        figures=(
            judged.scatter(
                name="distance",
                title=f"Zero-shot score against {judged.declared.axis}",
                caption="One point a language outside the pivot, no intermediate, mean over encoders.",
                y="score, points",
            ),
        ),
        what_would_change="More languages of more families: they are the unit here, and encoders or seeds add none.",
        not_shown=_not_shown(run, known),
        flags=(*known.flags, *judged.flags, *_flags(scores)),
    )


def _by_language(scores: pd.DataFrame) -> pd.DataFrame:
    """Return target, language, official and value: the mean over encoders of their seeds' means."""
    by_encoder = scores.groupby(["target", "language", "checkpoint"])["value"].mean()
    values = by_encoder.groupby(["target", "language"]).mean().reset_index()
    return values.merge(official(scores), on=["target", "language"])


def _sentence(judged: Judgement, scores: pd.DataFrame, known: Covariates) -> str:
    test, covariate = judged.primary, judged.declared
    n, encoders = count(test.counts["language"], "language"), count(scores["checkpoint"].nunique(), "encoder")
    verdict = verdict_of(test, covariate.sign)
    targets = count(scores["target"].nunique(), "target")
    what = (
        f"mean over {targets}" if judged.target == MEAN else f"{judged.target}, the declared primary target"
    )
    if known.kinship is not None:
        return (
            f"{verdict}: over {n} the score ({what}; {encoders}) changes by {effect(test)} per {covariate.unit} "
            "(PGLS), given the encoder."
        )
    by_encoder = _by_encoder(scores, known)
    return (
        f"{verdict}: over {n} the score ({what} and {encoders}) and the {covariate.name} distance correlate with rank "
        f"r = {number(test.estimate)} ({p_value(test.p)}, permutation of languages; by encoder from "
        f"{number(by_encoder.min())} to {number(by_encoder.max())})."
    )


def _by_encoder(scores: pd.DataFrame, known: Covariates) -> pd.Series:
    """Return the rank correlation of mean score over targets and distance, one an encoder."""
    distance = known.table.drop_duplicates("language").set_index("language")[known.of_scores.name]
    wide = scores.groupby(["checkpoint", "language"])["value"].mean().unstack("language")
    wide = wide[wide.columns.intersection(distance.index)].dropna()
    return wide.apply(lambda row: row.corr(distance, method="spearman"), axis=1)


def _not_shown(run: Run, known: Covariates) -> tuple[str, ...]:
    if known.kinship is None:
        return (
            "Which component of distance matters: components are correlated over these languages; the minimal pairs "
            "tell them apart one at a time.",
            "Independence of related languages: the permutation takes all languages as exchangeable.",
        )
    return (
        "Which covariate matters: they go together over languages, and each is tested alone.",
        "That size causes score: languages with much text also have more users, tools and cleaner data.",
        f"Anything about encoders other than {listed(run.encoders)}.",
    )


def _flags(scores: pd.DataFrame) -> tuple[str, ...]:
    """Return the flags of the scores by target."""
    flagged = scores[scores["flags"].fillna("") != ""]
    return tuple(
        f"{target}: {listed(sorted(rows['flags'].unique()))}" for target, rows in flagged.groupby("target")
    )
