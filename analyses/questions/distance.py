"""Does zero-shot score fall with the true typological distance of a language from the pivot?"""

from typing import Literal

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.languages.permutation import permute_labels
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.scores import baseline_scores, main_scores
from analyses.questions.wording import count, listed, number, p_value
from analyses.run import Run
from simxfer.common.streams import stream

NAME, TITLE = "distance", "Score and distance"
QUESTION = "Does the zero-shot score fall with the true distance of a language from the pivot?"
MEAN = "mean over targets"
METHOD: Literal["spearman"] = "spearman"
FEWEST_LANGUAGES = 4


def answer(run: Run) -> Answer | None:
    """Answer from a run whose languages have true distances; None for real languages."""
    distances = run.distances()
    if "total" not in distances:
        return None
    scores = baseline_scores(main_scores(run))
    scores = scores[~scores["control"] & (scores["language"] != run.pivot)]
    by_language = _by_language(scores)
    if len(by_language) < FEWEST_LANGUAGES:
        why = (
            f"The run cannot tell: {count(len(by_language), 'language')} outside the pivot have all targets."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    distances = distances.loc[distances.index.intersection(by_language.index)]
    by_language = by_language.loc[distances.index]
    tests = {name: _test(by_language[name], distances["total"], name) for name in by_language.columns}
    primary = tests[MEAN]
    components = _components(by_language, distances)
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(primary, by_language, _by_encoder(scores, distances["total"])),
        findings=(_best_component(components),),
        tables={
            "Correlation of score and distance over languages (Spearman)": components,
            "Mean score by language (points) and true distance": by_language.join(distances).reset_index(),
        },
        inferences=tests,
        primary_test=MEAN,
        figures=(_figure(by_language, distances["total"]),),
        what_would_change="More languages: they are the unit here, and encoders or seeds add none.",
        not_shown=(
            "Which component of distance matters: components are correlated over these languages; the "
            "minimal pairs "
            "tell them apart one at a time.",
            "Independence of related languages: the permutation takes all languages as exchangeable.",
        ),
    )


def _by_language(scores: pd.DataFrame) -> pd.DataFrame:
    """Return mean scores, rows languages and columns targets and their mean: encoders after their seeds."""
    by_encoder = scores.groupby(["target", "language", "checkpoint"])["value"].mean()
    table = by_encoder.groupby(["target", "language"]).mean().unstack("target").dropna()
    return table.assign(**{MEAN: table.mean(axis=1)})[[MEAN, *table.columns]]


def _test(score: pd.Series, distance: pd.Series, name: str) -> Inference:
    data = pd.DataFrame({"language": score.index, "value": score.to_numpy(), "distance": distance.to_numpy()})
    return permute_labels(data, rng=stream("distance", name, str(distance.name)), method=METHOD)


def _components(by_language: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """Return the correlation of every target with every component; p adjusted over the exploratory ones."""
    rows = []
    for target in by_language.columns:
        for component in distances.columns:
            if distances[component].nunique() > 1 and by_language[target].nunique() > 1:
                test = _test(by_language[target], distances[component], target)
                row = {"target": target, "component": component, "r": test.estimate, "p": test.p}
                rows.append(row | {"languages": test.counts["language"]})
    table = pd.DataFrame(rows)
    exploratory = (table["component"] != "total") | (table["target"] != MEAN)
    table.loc[exploratory, "p_bh"] = benjamini_hochberg(table.loc[exploratory, "p"].to_numpy())
    return table


def _by_encoder(scores: pd.DataFrame, distance: pd.Series) -> pd.Series:
    """Return the correlation of mean score over targets and distance, one an encoder."""
    wide = scores.groupby(["checkpoint", "language"])["value"].mean().unstack("language")
    wide = wide[wide.columns.intersection(distance.index)].dropna()
    return wide.apply(lambda row: row.corr(distance, method=METHOD), axis=1)


def _sentence(primary: Inference, by_language: pd.DataFrame, by_encoder: pd.Series) -> str:
    verdict = "Yes" if primary.p < 0.05 and primary.estimate < 0 else "Not shown"
    targets = by_language.shape[1] - 1
    return (
        f"{verdict}: over {count(len(by_language), 'language')} the score "
        f"(mean over {count(targets, 'target')} and "
        f"{count(len(by_encoder), 'encoder')}) and the total distance correlate with rank r = "
        f"{number(primary.estimate)} ({p_value(primary.p)}, permutation of languages; by encoder from "
        f"{number(by_encoder.min())} to {number(by_encoder.max())})."
    )


def _best_component(components: pd.DataFrame) -> str:
    rows = components[(components["target"] == MEAN) & (components["component"] != "total")]
    cells = zip(rows["component"], rows["r"], rows["p_bh"], strict=True)
    named = [f"{component} {number(r)} ({p_value(p)})" for component, r, p in cells]
    return f"By component of distance, mean over targets (exploratory, Benjamini-Hochberg): {listed(named)}."


def _figure(by_language: pd.DataFrame, distance: pd.Series) -> Figure:
    frames, lines = [], []
    for target in by_language.columns:
        y = by_language[target]
        frames.append(
            pd.DataFrame({"panel": target, "label": y.index, "x": distance.to_numpy(), "y": y.to_numpy()})
        )
        slope, intercept = np.polyfit(distance, y, 1)
        ends = np.array([distance.min(), distance.max()])
        lines.append(pd.DataFrame({"panel": target, "x": ends, "y": intercept + slope * ends}))
    return Figure(
        name="distance",
        kind="scatter",
        title="Zero-shot score against true distance from the pivot",
        caption="No intermediate, mean over encoders; the line is least squares, drawn to guide the eye.",
        frame=pd.concat(frames),
        extra=pd.concat(lines).assign(low=np.nan, high=np.nan),
        x="true distance from the pivot (0-1)",
        y="score, points",
    )
