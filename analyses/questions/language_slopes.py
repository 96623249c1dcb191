"""Slopes of scores on the language-specific part of similarity, by kind of pairs of tasks.

Pairs whose targets have texts of their own in each language, pairs with parallel targets, where what varies is how well
the encoder covers a language, and planted absences stand apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.inference.pairs.by_language import SpecificPart, language_regression, specific_part
from analyses.inference.result import Inference
from analyses.questions.covariates import Covariates
from analyses.questions.replicates import (
    FEWEST_LEVELS,
    Replicates,
    assignments,
    detectable,
    margin_verdict,
    replicates,
)
from analyses.questions.scores import UNIT
from analyses.questions.wording import number
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE
from simxfer.tasks.planted import planted_share, teaches_nothing_asked

PRIMARY = "nearest_coverage"
MEASURES = (
    PRIMARY,
    "mean_cosine",
    "nearest_coverage_centred",
    "mean_cosine_centred",
    "subword_js",
    "subword_coverage",
)
LEAST_SHARE = 0.05
"""Share of a measure's variance that has to be language-specific for its slope to be estimated."""
CELL = ["intermediate", "target", "language"]
OWN, COVERAGE, ABSENT = "texts of their own", "coverage (parallel targets)", "planted absence"
PAIRED_TEXTS = ("retrieval", "mining")
"""Kinds of task whose texts are translations, though every language has others."""
PIVOT_SIDE = "similarity of the pivot's texts"
KNOWLEDGE = 50.0
"""Points between chance and knowledge in a target that asks for a planted attribute."""


@dataclass(frozen=True)
class Arm:
    """One kind of pairs: `data` has a row a score, or a replicate's mean, with a column a measure."""

    name: str
    data: pd.DataFrame
    part: SpecificPart
    tests: dict[str, Inference | str]
    """By measure: the slope a score has per interquartile range of its specific part, or why there is none."""

    @property
    def primary(self) -> Inference | str:
        """The slope on the declared measure, or why there is none."""
        return self.tests[PRIMARY]


def units_of(scores: pd.DataFrame) -> Replicates:
    """Return the replicates, a column a CELL: assignments where attributes are drawn, else encoders or seeds."""
    wide = scores.groupby([*UNIT, *CELL])["value"].mean().unstack(CELL)
    drawn = any(TASKS[name].drawn_labels for name in scores["target"].unique())
    return assignments(wide) if drawn else replicates(wide)


def long_form(units: Replicates, similar: pd.DataFrame, known: Covariates, pivot: str) -> pd.DataFrame:
    """Return a row a replicate and CELL outside the pivot: score, measures, covariate, similarity on the pivot's texts.

    Of fewer replicates than carry an interval the mean stands alone, so that cells are the units.
    """
    table = units.table if units.enough else units.table.mean().to_frame("mean").T
    rows = table.set_axis([str(i) for i in range(len(table))]).rename_axis("replicate")
    rows = pd.DataFrame({"score": rows.T.stack().dropna()}).reset_index()
    on_pivot = similar.loc[similar["language"] == pivot, [*CELL[:2], PRIMARY]].rename(
        columns={PRIMARY: PIVOT_SIDE}
    )
    rows = rows[(rows["language"] != pivot) & (rows["intermediate"] != NONE)]
    rows = rows.merge(similar, on=CELL).merge(on_pivot, on=CELL[:2], how="left")
    covariate = known.table[["target", "language", known.of_scores.name]]
    return rows.merge(covariate, on=["target", "language"], how="left").dropna(subset=[PRIMARY])


def arm_of(row: pd.Series) -> str:
    """Return the kind of a row's pair: nothing taught that is asked, translated test sets, texts of their own.

    Retrieval pairs sentences with their translations, whichever ones a language has.
    """
    if teaches_nothing_asked(row["intermediate"], row["target"]):
        return ABSENT
    target = TASKS[row["target"]]
    return COVERAGE if target.parallel or target.kind in PAIRED_TEXTS else OWN


def arm(name: str, data: pd.DataFrame, known: Covariates) -> Arm:
    """Return the slopes of one kind of pairs."""
    measures = [measure for measure in MEASURES if measure in data]
    beside = (PIVOT_SIDE, known.of_scores.name)
    return Arm(
        name, data, specific_part(data, PRIMARY), {m: slope(data, m, known.kinship, beside) for m in measures}
    )


def slope(
    data: pd.DataFrame, measure: str, kinship: pd.DataFrame | None, beside: Sequence[str] = ()
) -> Inference | str:
    """Return the slope of the score per interquartile range of a measure's specific part, or why there is none."""
    rows = data.dropna(subset=[measure])
    try:
        part = specific_part(rows, measure)
        if part.share < LEAST_SHARE:
            return (
                f"not estimable: {number(100 * part.share, 1)} % of its variance is language-specific, less than "
                f"{100 * LEAST_SHARE:.0f} %"
            )
        scaled = rows.assign(**{measure: rows[measure] / (part.spread or 1.0)})
        several = "replicate" if rows["replicate"].nunique() >= FEWEST_LEVELS else None
        return language_regression(
            scaled, measure, "score", replicate=several, beside=beside, kinship=kinship
        )
    except InputError as error:
        return f"too small to tell: {error}"


def built(one: Arm) -> float | None:
    """Return the slope that was planted, per interquartile range: the taught share's, where all of it crosses over."""
    frame = one.part.frame
    shares = [planted_share(*key) for key in frame[CELL].itertuples(index=False)]
    if any(share is None for share in shares) or not frame["within"].any():
        return None
    taught = specific_part(frame.assign(taught=np.array(shares, dtype=float) * KNOWLEDGE), "taught").frame[
        "within"
    ]
    x = frame["within"].to_numpy()
    return float((x @ taught.to_numpy()) / (x @ x) * one.part.spread)


def slopes(arms: dict[str, Arm], margin: float) -> pd.DataFrame:
    """Return a row a kind of pairs and term, those that were not estimated with the reason as verdict."""
    out = []
    for one in arms.values():
        share = 100 * one.part.share
        for measure, test in one.tests.items():
            named = {"pairs": one.name, "measure": measure, "declared": measure == PRIMARY}
            if isinstance(test, str):
                out.append(named | {"term": measure, "verdict": test})
                continue
            shown = test.table if measure == PRIMARY else test.table.iloc[:1]
            for i, row in enumerate(shown.to_dict("records")):
                judgement = (
                    {"detectable": detectable(test), "verdict": margin_verdict(test, margin)}
                    if i == 0
                    else {}
                )
                kept = {name: row[name] for name in ("term", "estimate", "low", "high", "p", "df")}
                first = {"specific_percent": share} if measure == PRIMARY and i == 0 else {}
                out.append(named | kept | first | judgement)
    columns = ["pairs", "measure", "declared", "term", "estimate", "low", "high", "p", "df", "detectable", "verdict",
               "specific_percent"]  # fmt: skip
    return pd.DataFrame(out, columns=columns)


def by_cell(data: pd.DataFrame, scores: pd.DataFrame, pivot: str) -> pd.DataFrame:
    """Return mean scores by CELL beside the pivot's, degradation, and the measures."""
    measures = [measure for measure in MEASURES if measure in data]
    table = data.groupby(CELL)[["score", *measures, PIVOT_SIDE]].mean().reset_index()
    in_pivot = scores[scores["language"] == pivot].groupby(CELL[:2])["value"].mean().rename("score_pivot")
    table = table.join(in_pivot, on=CELL[:2])
    table.insert(4, "score_pivot", table.pop("score_pivot"))
    table.insert(5, "degradation", table["score_pivot"] - table["score"])
    return table
