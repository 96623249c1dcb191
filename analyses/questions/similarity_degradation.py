"""Does a score follow how similar its intermediate is to the texts of the language, and so the loss from the pivot?

The regressor is the language-specific part of similarity: sim(intermediate, target's texts in the language) less
sim(intermediate, target's texts in the pivot), cleared of the means of pairs and of languages (DESIGN.md section 10).
The score in the pivot is constant in a pair, so that degradation has the slope of the score with the opposite sign:
one finding. Targets with parallel test sets say the same in every language; what varies there is how well the encoder
covers the language. They stand apart, as coverage. Pairs of the embedded world whose intermediate teaches nothing
that the target asks are a planted absence and stand apart as well.

One measure is declared primary: nearest-neighbour coverage of the target's texts by the intermediate's, raw, for the
regressor is cleared of language as it is. (Centring embeddings by language moves texts by what else there is in their
language: of parallel test sets, whose texts do not vary, most of the centred cosine would be language-specific.)
"""

import numpy as np
import pandas as pd
from scipy import stats

from analyses.figures.figure import Figure
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.pairs.by_language import (
    FEWEST_LEVELS as FEWEST_TASKS,
)
from analyses.inference.pairs.two_way import cells
from analyses.inference.result import Inference
from analyses.inference.student import detectable_ses
from analyses.outcomes import with_relations
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.covariates import Covariate, Covariates, covariates
from analyses.questions.gains import gain_scores
from analyses.questions.language_slopes import (
    CELL,
    MEASURES,
    OWN,
    PRIMARY,
    Arm,
    arm,
    arm_of,
    built,
    by_cell,
    long_form,
    slopes,
    units_of,
)
from analyses.questions.replicates import FEWEST_LEVELS, Replicates, detectable, margin_verdict
from analyses.questions.texts import meanings
from analyses.questions.wording import count, effect, interval, listed, number, p_value, points, verdict
from analyses.run import Run
from analyses.similarity import task_similarities
from simxfer.tasks import TASKS
from simxfer.tasks.world import WORLD_LANGUAGES

NAME, TITLE = "similarity-degradation", "Similarity and degradation by language"
QUESTION = "Does a target lose less in the languages in which its texts are more similar to the intermediate's texts?"
PIVOTS = ("en", WORLD_LANGUAGES[0])
"""Of real grids and of the world's: a planned score does not tell which language its target trains in."""
ASSUMED = {True: (3.0, 6.0, 12.0), False: (0.3, 0.7, 1.5)}
"""SDs of a score over replicates to plan with, in points: of the world, and of real encoders. Scores vary more than the
differences of `analyses.questions.design`."""


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and languages beside the pivot; None for any other."""
    scores = gain_scores(run)
    scores = scores[scores["intermediate"].isin(TASKS) & scores["target"].isin(TASKS)]
    if scores.empty or (scores["language"] == run.pivot).all():
        return None
    if run.samples.empty:
        why = "The run cannot tell: it holds no sample texts (samples/samples.parquet) to measure similarity on."
        return unanswerable(NAME, TITLE, QUESTION, why)
    scores = apart_from_shared_data(scores)
    similar = similarities(run, scores)
    if PRIMARY not in similar:
        return unanswerable(
            NAME, TITLE, QUESTION, f"The run cannot tell: nothing has {PRIMARY}, the declared measure."
        )
    return answered(
        scores, similar, covariates(run, scores[scores["language"] != run.pivot]), run.pivot, run.margin
    )


def apart_from_shared_data(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of pairs that share no training data."""
    return scores[~with_relations(scores)["same_data"].fillna(False).astype(bool).to_numpy()]


def similarities(run: Run, scores: pd.DataFrame) -> pd.DataFrame:
    """Return a column a measure by CELL: the intermediate's training texts against the target's in the language."""
    table = task_similarities(
        run.samples,
        embeddings=meanings(run),
        subwords=run.subwords[run.subwords["checkpoint"].isin(run.encoders)],
        intermediates=sorted(scores["intermediate"].unique()),
        targets=sorted(scores["target"].unique()),
        measures=MEASURES,
    ).table
    by_cell = table.groupby(["a", "b", "language", "measure"])["value"].mean().unstack("measure")
    return by_cell.rename_axis(CELL).reset_index()


def answered(
    scores: pd.DataFrame, similar: pd.DataFrame, known: Covariates, pivot: str, margin: float
) -> Answer:
    """Answer from scores (the columns of a results table) and similarities by CELL."""
    units = units_of(scores)
    data = long_form(units, similar, known, pivot)
    arms = (
        {name: arm(name, rows, known) for name, rows in data.groupby(data.apply(arm_of, axis=1))}
        if len(data)
        else {}
    )
    own = arms.get(OWN)
    tests = {name: one.primary for name, one in arms.items() if isinstance(one.primary, Inference)}
    label = f"score on {PRIMARY}, targets with {OWN}"
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(own, margin),
        findings=(
            *(_beside(own, known.of_scores) if own else ()),
            *(_constructed(own) if own else ()),
            *(_other(one, margin) for one in arms.values() if one.name != OWN),
            *(_measures(own) if own else ()),
        ),
        tables={
            "Slopes of the score (points per interquartile range of the language-specific part)": slopes(
                arms, margin
            ),
            "Score, degradation and similarity by pair and language": by_cell(data, scores, pivot),
        },
        inferences={
            (label if name == OWN else f"score on {PRIMARY}, {name}"): test for name, test in tests.items()
        }
        | _explored(own),
        primary_test=label if OWN in tests else "",
        figures=tuple(
            _scatter(one, one.primary) for one in arms.values() if isinstance(one.primary, Inference)
        ),
        what_would_change=(
            "More languages, and more targets with texts of their own: scores are no units. More replicates narrow "
            f"what these tasks show ({units.described})."
        ),
        not_shown=(
            "A cause in real languages: which intermediate is similar to a test set was not assigned.",
            "That similar pairs of tasks gain more: what a pair has in all languages is asked under its own question.",
            "That similarity is meaning: an encoder that covers a language badly finds its texts similar to none.",
            "A second finding in degradation: its slope is that of the score with the opposite sign.",
        ),
        flags=(*_units_said(units), *_flags(arms), *known.flags),
        answered=OWN in tests,
    )


def _sentence(own: Arm | None, margin: float) -> str:
    if own is None:
        return "The run cannot tell: no target has texts of its own in each language, all test sets are translations."
    pairs = len(own.data.drop_duplicates(CELL[:2]))
    of = (
        f"{PRIMARY}, the declared measure; {number(100 * own.part.share, 1)} % of its variance is language-specific; "
        f"{count(pairs, 'pair')} of tasks, {count(own.data['target'].nunique(), 'target')} with {OWN}, "
        f"{count(own.data['language'].nunique(), 'language')}"
    )
    test = own.primary
    if isinstance(test, str):
        return f"{test[0].upper()}{test[1:].rstrip('.')} ({of})."
    found = verdict(test)
    said = "No evidence" if found == "Not shown" else found
    return (
        f"{said}: where the texts of a language are more similar to the intermediate's by an interquartile range of "
        f"the language-specific part, the score is higher, and the loss from the pivot smaller, by "
        f"{effect(test)} ({of}). "
        f"Against the margin of ±{number(margin, 1)} points: {margin_verdict(test, margin)}; the smallest effect "
        f"that this grid finds with power .8 is {number(detectable(test), 1)} points."
    )


def _beside(own: Arm, covariate: Covariate) -> tuple[str, ...]:
    if isinstance(own.primary, str):
        return ()
    rows = own.primary.table.iloc[1:].to_dict("records")
    return tuple(
        f"Beside it, exploratory: {points(row['estimate'])} points per {_per(row['term'], covariate)} "
        f"({interval(row['low'], row['high'])}, {p_value(row['p'])})."
        for row in rows
    )


def _per(term: str, covariate: Covariate) -> str:
    """Return what a slope is per, in words."""
    if "(between)" in term:
        return "interquartile range of what is alike for all intermediates of a test set"
    return f"unit of {covariate.axis if term == covariate.name else term}"


def _constructed(own: Arm) -> tuple[str, ...]:
    value = built(own)
    if value is None or isinstance(own.primary, str):
        return ()
    low, high = own.primary.interval
    held = "holds" if low <= value <= high else "does not hold"
    return (f"By construction the slope is {number(value, 1)} points where all that is taught crosses over; the "
            f"interval {held} it.",)  # fmt: skip


def _other(one: Arm, margin: float) -> str:
    if isinstance(one.primary, str):
        return f"{one.name[0].upper()}{one.name[1:]}: {one.primary.rstrip('.')}."
    return (
        f"{one.name[0].upper()}{one.name[1:]}: {effect(one.primary)}; against the margin of "
        f"±{number(margin, 1)} points: {margin_verdict(one.primary, margin)} "
        f"(smallest effect found with power .8: {number(detectable(one.primary), 1)})."
    )


def _explored(own: Arm | None) -> dict[str, Inference]:
    tests = own.tests.items() if own else ()
    return {
        f"score on {name}": test for name, test in tests if name != PRIMARY and isinstance(test, Inference)
    }


def _measures(own: Arm) -> tuple[str, ...]:
    others = {name.removeprefix("score on "): test for name, test in _explored(own).items()}
    if not others:
        return ()
    adjusted = benjamini_hochberg(np.array([test.p for test in others.values()]))
    named = [
        f"{name} {number(test.estimate, 1)} ({p_value(p)})"
        for (name, test), p in zip(others.items(), adjusted, strict=True)
    ]
    return (
        f"Other measures, exploratory, Benjamini-Hochberg: {listed(named)} points per interquartile range.",
    )


def _units_said(units: Replicates) -> tuple[str, ...]:
    """Return the flags of the replicates; of too few the mean stands, and the interval is over cells."""
    if units.enough:
        return units.flags
    return (
        f"{units.described}: fewer than {FEWEST_LEVELS} replicates, so that their mean stands and cells (intermediate, "
        "target, language) are the units: the intervals say nothing about other encoders or seeds",
    )


def _flags(arms: dict[str, Arm]) -> tuple[str, ...]:
    return tuple(
        f"{one.name}, {measure}: {test}"
        for one in arms.values()
        for measure, test in one.tests.items()
        if isinstance(test, str)
    )


def _scatter(one: Arm, test: Inference) -> Figure:
    """Return the score of every cell, cleared as similarity is, against the specific part within test sets."""
    means = one.data.groupby(CELL)["score"].mean().reset_index().merge(one.part.frame, on=CELL)
    pairs = means.assign(
        pair=means["intermediate"] + " to " + means["target"], test=means["target"] + means["language"]
    )
    y = cells(pairs, "pair", "test").residuals(pairs["score"].to_numpy())
    x = pairs["within"].to_numpy() / (one.part.spread or 1.0)
    ends = np.array([x.min(), x.max()])
    bounds = np.sort(np.stack([bound * ends for bound in test.interval]), axis=0)
    return Figure(
        name=f"similarity-degradation-{'own' if one.name == OWN else one.name.split()[0]}",
        kind="scatter",
        title=f"Score against the language-specific part of similarity: {one.name}",
        caption="One point an intermediate, target and language, mean over replicates; line and band are the slope of "
        "the mixed model and its interval.",
        frame=pd.DataFrame(
            {"panel": "", "label": pairs["pair"] + " in " + pairs["language"], "x": x, "y": y}
        ),
        extra=pd.DataFrame(
            {"panel": "", "x": ends, "y": test.estimate * ends, "low": bounds[0], "high": bounds[1]}
        ),
        x="similarity, interquartile ranges from the means of its pair and test set",
        y="score, points from the means of its pair and test set",
        zero=0.0,
    )


def design(cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a planned grid can find, a line each.

    Args:
        cells: one row a planned score: checkpoint, method, intermediate, target, language, seed, perturbation.
        margin: of equivalence, in points per interquartile range.
    """
    kept = cells[cells["intermediate"].isin(TASKS) & cells["target"].isin(TASKS)]
    kept = kept[~kept["language"].isin(PIVOTS)]
    if kept.empty:
        return ("no intermediate is scored outside the pivot.",)
    kinds = kept[CELL].drop_duplicates().assign(arm=lambda rows: rows.apply(arm_of, axis=1))
    own = kinds[kinds["arm"] == OWN]
    if own.empty:
        return ("all targets are parallel; nothing but coverage can be estimated.",)
    units = units_of(kept.assign(value=0.0))
    per_sd, df = _unit(own, len(units.table))
    found = detectable_ses(df) * per_sd
    world = any(TASKS[name].world for name in own["target"].unique())
    shown = ", ".join(f"{number(sd * found, 1)} at SD {number(sd, 1)}" for sd in ASSUMED[world])
    limit = margin / (stats.t.ppf(0.95, df) * per_sd)
    return (
        f"{units.described}; {count(len(own.drop_duplicates(CELL[:2])), 'pair')} of tasks with "
        f"texts of their own, {count(own['language'].nunique(), 'language')}, {count(len(own), 'cell')}.",
        f"Smallest slope found with power .8: {number(found)} SDs of a score over replicates; in points per "
        f"interquartile range {shown} (assumed SDs, slopes alike in all tasks, cells independent).",
        f"Equivalent within ±{number(margin, 1)} points is attainable up to an SD of {number(limit, 1)} points.",
    )


def _unit(own: pd.DataFrame, n_replicates: int) -> tuple[float, float]:
    """Return the standard error of a slope for an SD of 1, and its degrees of freedom.

    A part of interquartile range 1 has an SD of .74 (normal); a test set's S sources leave S - 1 of them. Slopes that
    vary by task or replicate leave the degrees of freedom of the fewest of these.
    """
    sources = own["intermediate"].nunique()
    tests = len(own.drop_duplicates(["target", "language"]))
    information = len(own) * (sources - 1) / sources * 0.741**2 * n_replicates
    levels = [n for n in (sources, own["target"].nunique()) if n >= FEWEST_TASKS]
    levels += [n_replicates] if n_replicates >= FEWEST_LEVELS else []
    df = min([max(1, (sources - 1) * (tests - 1) - 1), *(n - 1 for n in levels)])
    return float(1 / np.sqrt(max(information, 1e-9))), float(df)
