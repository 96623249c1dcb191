"""Does an intermediate gain more in the languages in which a target's texts are nearer to it?

Gains by language are read against the language-specific part of similarity: what is left of it once the means of its
intermediate and of its language, within the target, are taken away. What is alike for all languages of a pair is asked
at the level of pairs (`similarity-gain`), and what is alike for all intermediates of a language is how well the encoder
covers that language. One measure is declared: the cosine of mean embeddings, each language's mean taken away.
"""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.mixed.model import crossed_effects
from analyses.inference.result import Inference
from analyses.outcomes import gains
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.scores import headline_split, main_scores
from analyses.questions.texts import meanings
from analyses.questions.wording import count, effect, number, verdict
from analyses.run import Run
from analyses.similarity import task_similarities
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "similarity-language", "Similarity and gain by language"
QUESTION = "Does an intermediate gain more in the languages in which a target's texts are nearer to it?"
MEASURE = "mean_cosine_centred"
FEWEST = {"intermediate": 3, "target": 2, "language": 4}
"""Levels of each below which nothing is estimated."""
ESTIMABLE = 0.05
"""Share of the variance of similarity that has to be specific to languages; below, a slope rests on noise."""
FORMULA = (
    "gain ~ specific + (1 | intermediate:target) + (1 | target:language) + (0 + specific | intermediate) "
    "+ (0 + specific | target)"
)
TEST = "gain on language-specific similarity"


def answer(run: Run) -> Answer | None:
    """Answer from gains in several languages; None for a run without intermediates."""
    scores = main_scores(run)
    scores = scores[~scores["control"] & (scores["language"] != run.pivot)]
    scores = scores[scores["split"] == scores["target"].map(headline_split)]
    if (scores["intermediate"] == NONE).all():
        return None
    data = cells(run, scores)
    if why := _too_small(data):
        return unanswerable(NAME, TITLE, QUESTION, why)
    share = data["specific"].var(ddof=0) / data["similarity"].var(ddof=0)
    if share < ESTIMABLE:
        why = (
            f"Not estimable: {number(100 * share, 1)} % of the variance of similarity is specific to languages, less "
            f"than the {100 * ESTIMABLE:.0f} % asked for; the rest is alike in all languages of a pair or for all "
            "intermediates of a language."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    try:
        test = regression(data)
    except InputError as error:
        return unanswerable(NAME, TITLE, QUESTION, f"The grid is too small to tell: {error}")
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(test, data),
        findings=(f"{number(100 * share, 1)} % of the variance of similarity is specific to languages.",),
        tables={"Gain and similarity by language (points; similarity as measured)": data},
        inferences={TEST: test},
        primary_test=TEST,
        figures=(_figure(data, test),),
        what_would_change="More intermediates and targets, over which slopes vary; languages and seeds add little.",
        not_shown=(
            "That similarity causes gain: what makes texts near in a language may also make the language easy.",
            "Anything about pairs: what a pair has in all languages is taken away here.",
        ),
        flags=test.notes,
    )


def cells(run: Run, scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row an (intermediate, target, language): gain, similarity and its language-specific part.

    Gains are means over encoders and seeds; pairs that share training data, sequences and mixtures are left out.
    `specific` is in interquartile ranges of similarity.
    """
    keys = ["intermediate", "target", "language"]
    found = gains(scores[scores["intermediate"].isin([NONE, *TASKS])]).dropna(subset=["gain"])
    found = found[~found["same_data"].fillna(False).astype(bool)]
    if found.empty or run.samples.empty:
        return pd.DataFrame(columns=[*keys, "gain", "similarity", "specific"])
    similar = task_similarities(
        run.samples,
        embeddings=meanings(run),
        intermediates=sorted(found["intermediate"].unique()),
        targets=sorted(found["target"].unique()),
        measures=[MEASURE],
    ).table
    value = similar.rename(columns={"a": "intermediate", "b": "target"}).groupby(keys)["value"].mean()
    data = (
        found.groupby(keys)["gain"]
        .mean()
        .to_frame()
        .join(value.rename("similarity"), how="inner")
        .reset_index()
    )
    spread = data["similarity"].quantile(0.75) - data["similarity"].quantile(0.25) if len(data) else 0.0
    return data.assign(specific=_specific(data) / (spread if spread > 0 else 1.0))


def _specific(data: pd.DataFrame) -> np.ndarray:
    """Return the residuals of similarity on its (intermediate, target) and (target, language) means."""
    sides = [data["intermediate"] + "\n" + data["target"], data["target"] + "\n" + data["language"]]
    dummies = np.concatenate([pd.get_dummies(side).to_numpy(float) for side in sides], axis=1)
    y = data["similarity"].to_numpy(float)
    # By least squares and not by subtracting means: a grid may lack cells.
    return y - dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0] if len(y) else y


def regression(data: pd.DataFrame) -> Inference:
    """Return the regression of gains on the specific part of similarity, slopes varying by intermediate and target.

    Args:
        data: columns intermediate, target, language, gain, specific.
    """
    return crossed_effects(data, FORMULA)


def _too_small(data: pd.DataFrame) -> str:
    few = [f"{data[name].nunique()} of {n} {name}s" for name, n in FEWEST.items() if data[name].nunique() < n]
    return (
        f"The run cannot tell: gains with a similarity by language come from {', '.join(few)} that are needed."
        if few
        else ""
    )


def _sentence(test: Inference, data: pd.DataFrame) -> str:
    n = [count(data[name].nunique(), name) for name in FEWEST]
    return (
        f"{verdict(test)}: {effect(test)} of gain per interquartile range of similarity, on its language-specific part "
        f"({MEASURE}; {n[0]}, {n[1]}, {n[2]})."
    )


def _figure(data: pd.DataFrame, test: Inference) -> Figure:
    label = data["intermediate"] + " to " + data["target"] + " in " + data["language"]
    by_pair = data.groupby(["intermediate", "target"])["gain"].transform("mean")
    by_language = data.groupby(["target", "language"])["gain"].transform("mean")
    y = data["gain"] - by_pair - by_language + data.groupby("target")["gain"].transform("mean")
    ends = np.array([data["specific"].min(), data["specific"].max()])
    (slope, low, high) = (test.estimate, *test.interval)
    bounds = np.sort(np.stack([low * ends, high * ends]), axis=0)
    line = {"panel": "", "x": ends, "y": slope * ends, "low": bounds[0], "high": bounds[1]}
    return Figure(
        name="similarity-language",
        kind="scatter",
        title="Gain against the language-specific part of similarity",
        caption="One point an intermediate, target and language, both sides without the means of its pair and of its "
        "language; line and band are the regression's.",
        frame=pd.DataFrame({"panel": "", "label": label, "x": data["specific"], "y": y}),
        extra=pd.DataFrame(line),
        x="language-specific similarity, interquartile ranges",
        y="gain beyond pair and language, points",
    )
