"""Planted double dissociation: does the toolkit find the effects that are there, and only those?

Two attributes, A and B, of the nouns of the embedded world can be learned only in the intermediate stage. A
target that asks for A must gain from an intermediate that teaches A (matched) over one that teaches B (crossed),
on nouns that the target's training never showed; a placebo, an unrelated task and translated nouns must not help.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.covariates import covariates
from analyses.questions.replicates import (
    Replicates,
    assignments,
    detectable,
    margin_verdict,
    replicate_forest,
    replicate_interval,
)
from analyses.questions.scores import (
    UNIT,
    language_means,
    main_scores,
    zero_shot_languages,
)
from analyses.questions.wording import effect, listed, number, verdict
from analyses.run import Run

NAME, TITLE = "positive-control", "Positive control"
QUESTION = "Are the planted effects found, and only those?"
ATTRIBUTES = {"a": "b", "b": "a"}
FAMILIES = {"w-is": "is this noun A?", "w-share": "do two nouns share A?"}
ASKS = "w-(?:is|share)-[ab]$"
"""Targets that ask for an attribute."""
MARGIN = 5.0
"""Planted absences: margin of equivalence in points, declared before any data (a tenth of the planted effect)."""


@dataclass(frozen=True)
class Contrast:
    """A difference of two intermediates; {x} is the target's attribute, {y} the other one."""

    label: str
    plus: str
    minus: str
    planted: bool
    """Whether an effect was planted; otherwise its absence was."""


@dataclass(frozen=True)
class Place:
    """Where scores are read: a split, in the pivot or over the zero-shot languages."""

    label: str
    split: str
    pivot: bool
    planted: bool = True


CONTRASTS = (
    Contrast("matched − crossed, tagging", "w-tag-{x}", "w-tag-{y}", True),
    Contrast("matched − crossed, two-choice", "w-which-{x}", "w-which-{y}", True),
    Contrast("matched − placebo, tagging", "w-tag-{x}", "w-tag-0", True),
    Contrast("matched − placebo, two-choice", "w-which-{x}", "w-tag-0", True),
    Contrast("crossed − none, tagging", "w-tag-{y}", "none", False),
    Contrast("placebo − none", "w-tag-0", "none", False),
    Contrast("unrelated (inference) − none", "w-nli", "none", False),
)
PLACES = (
    Place("pivot", "test/unseen", pivot=True),
    Place("zero-shot, same form", "test/unseen+same-form", pivot=False),
    Place("zero-shot, translated", "test/unseen+translated", pivot=False, planted=False),
)


def answer(run: Run) -> Answer | None:
    """Answer from a run of the embedded world with attribute targets; None for any other run."""
    scores = main_scores(run)
    scores = scores[~scores["control"]]
    asking = scores[scores["target"].str.match(ASKS)]
    if asking.empty:
        return None
    wide = {place: _at(asking, place, run.pivot) for place in PLACES}
    found = _contrasts(wide)
    if not any(one.contrast.planted for one in found.values()):
        missing = "no matched and crossed intermediates with a common replicate"
        return unanswerable(NAME, TITLE, QUESTION, f"The run cannot tell: {missing}.")
    table = _table(found)
    tests = {f"{family}, {place}: {label}": f.inference for (family, place, label), f in found.items()}
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(found),
        findings=_findings(found, table),
        tables={"Contrasts on unseen nouns (points)": table},
        inferences=tests,
        primary_test=next(iter(tests)),
        figures=(_forest(found), *_gradient(asking, run)),
        what_would_change=(
            "The unit is an encoder with one assignment of the attributes to nouns: more assignments and more "
            "encoders narrow the intervals, more test sentences do not."
        ),
        not_shown=_not_shown(found),
        flags=next(iter(found.values())).units.flags,
    )


@dataclass(frozen=True)
class Found:
    """One contrast at one place: the test, and where an absence was planted the verdict of equivalence."""

    contrast: Contrast
    place: Place
    units: Replicates
    inference: Inference
    verdict: str


def _at(scores: pd.DataFrame, place: Place, pivot: str) -> pd.DataFrame:
    """Return mean scores at a place: rows (target, checkpoint, seed), columns intermediates."""
    rows = scores[scores["split"] == place.split]
    by = ["target", *UNIT, "intermediate"]
    if rows.empty:
        return pd.DataFrame()
    languages = [pivot] if place.pivot else zero_shot_languages(rows, pivot, by)
    return language_means(rows, languages, by).unstack("intermediate")


def _contrasts(wide: dict[Place, pd.DataFrame]) -> dict[tuple[str, str, str], Found]:
    found = {}
    for family in FAMILIES:
        for place in PLACES:
            for contrast in CONTRASTS:
                values = _values(wide[place], family, contrast)
                if len(values):
                    found[family, place.label, contrast.label] = _judge(values, contrast, place, family)
    return found


def _values(wide: pd.DataFrame, family: str, contrast: Contrast) -> pd.DataFrame:
    """Return plus minus minus by (checkpoint, seed), one column an attribute; replicates that have both."""
    columns = {}
    for x, y in ATTRIBUTES.items():
        plus, minus = contrast.plus.format(x=x, y=y), contrast.minus.format(x=x, y=y)
        target = f"{family}-{x}"
        if {plus, minus} <= set(wide.columns) and target in wide.index.get_level_values("target"):
            rows = wide.xs(target, level="target")
            columns[x] = rows[plus] - rows[minus]
    return pd.DataFrame(columns).dropna() if columns else pd.DataFrame()


def _judge(values: pd.DataFrame, contrast: Contrast, place: Place, family: str) -> Found:
    units = assignments(values.assign(both=values.mean(axis=1)))
    inference = replicate_interval(units, "both")
    planted = contrast.planted and place.planted
    verdict = _verdict(inference, planted)
    return Found(contrast, place, units, inference, verdict)


def _verdict(inference: Inference, planted: bool) -> str:
    if np.isnan(inference.p):
        return "not judged"
    if planted:
        return "shown" if inference.interval[0] > 0 else "not shown"
    return margin_verdict(inference, MARGIN)


def _table(found: dict[tuple[str, str, str], Found]) -> pd.DataFrame:
    rows = []
    for (family, place, label), f in found.items():
        row = f.inference.table.iloc[0]
        rows.append(
            {
                "target": family,
                "where": place,
                "contrast": label,
                "planted": "effect" if f.contrast.planted and f.place.planted else "absence",
                "estimate": row["estimate"],
                "low": row["low"],
                "high": row["high"],
                "p": row["p"],
                "replicates": len(f.units.table),
                "positive": int((f.units.table["both"] > 0).sum()),
                "detectable": detectable(f.inference),
                "verdict": f.verdict,
            }
        )
    return pd.DataFrame(rows)


def _sentence(found: dict[tuple[str, str, str], Found]) -> str:
    (family, place, _), first = next(iter(found.items()))
    by_attribute = {x: _one_attribute(first, x) for x in ATTRIBUTES if x in first.units.table}
    both = len(by_attribute) == 2 and all(i.interval[0] > 0 for i in by_attribute.values())
    found_both = "Yes" if both else verdict(first.inference).replace("Yes", "Shown for the mean only")
    apart = " and ".join(f"{x.upper()} {effect(i)}" for x, i in by_attribute.items())
    return (
        f"{found_both}: on unseen nouns ({place}) the matched intermediate beats the crossed one by "
        f"{effect(first.inference)} on {family}-*; by attribute: {apart}. "
        f"Replicates: {first.units.described}."
    )


def _one_attribute(found: Found, x: str) -> Inference:
    return replicate_interval(found.units, x, f"attribute {x.upper()}")


def _findings(found: dict[tuple[str, str, str], Found], table: pd.DataFrame) -> tuple[str, ...]:
    texts = []
    for (family, place, label), f in list(found.items())[1:]:
        if f.contrast.planted and label == CONTRASTS[0].label:
            texts.append(f"{family}-*, {place}: {label} {effect(f.inference)}: {_plainly(f)}.")
    for planted, name in (("effect", "Planted effects shown"), ("absence", "Planted absences confirmed")):
        rows = table[table["planted"] == planted]
        good = rows["verdict"].isin(["shown", "equivalent"]).sum()
        if len(rows):
            margin = "" if planted == "effect" else f" (margin ±{number(MARGIN, 0)} points)"
            texts.append(f"{name}: {good} of {len(rows)}{margin}.")
    return tuple(texts)


def _plainly(found: Found) -> str:
    if found.contrast.planted and found.place.planted:
        return f"a planted effect, {found.verdict}"
    return f"no effect was planted, {found.verdict}"


def _forest(found: dict[tuple[str, str, str], Found]) -> Figure:
    return replicate_forest(
        {(place, label, family): f.inference for (family, place, label), f in found.items()},
        name="positive-control",
        title="Planted effects and planted absences, unseen nouns",
        caption="Difference of two intermediates in points, with interval where replicates allow one; faint dots "
        "are the replicates.",
        x="difference, points",
    )


def _gradient(scores: pd.DataFrame, run: Run) -> list[Figure]:
    """Return scores by language on same-form unseen nouns: matched, crossed, placebo, none."""
    rows = scores[(scores["split"] == PLACES[1].split) & scores["target"].str.startswith("w-is")]
    if rows.empty:
        return []
    x, y = rows["target"].str[-1], rows["target"].str[-1].map(ATTRIBUTES)
    condition = pd.Series(pd.NA, index=rows.index, dtype="object")
    for name, taught in (
        ("matched", "w-tag-" + x),
        ("crossed", "w-tag-" + y),
        ("placebo", "w-tag-0"),
        ("none", "none"),
    ):
        condition = condition.mask(rows["intermediate"] == taught, name)
    cells = rows.assign(condition=condition).dropna(subset=["condition"])
    means = cells.groupby(["language", "condition"])["value"].mean()
    order = covariates(run, cells).near_first(cells["language"].unique())
    frame = pd.DataFrame(
        [
            {"panel": "", "label": language, "series": name, "estimate": means[language, name]}
            for language in order
            for name in ("matched", "crossed", "placebo", "none")
            if (language, name) in means.index
        ]
    )
    return [
        Figure(
            name="positive-control-languages",
            kind="forest",
            title="Planted knowledge by language, nouns of the same form",
            caption="Accuracy on w-is-* (mean of A and B), unseen nouns whose form equals the pivot's, tagging "
            "intermediates, mean over replicates; languages from near to far. Chance is 50.",
            frame=frame.assign(low=np.nan, high=np.nan),
            x="accuracy, points",
            zero=50.0,
        )
    ]


def _not_shown(found: dict[tuple[str, str, str], Found]) -> tuple[str, ...]:
    texts = []
    for judgement in ("not shown", "undecided", "different", "not judged"):
        names = [f"{w}-* {at} ({label})" for (w, at, label), f in found.items() if f.verdict == judgement]
        if names:
            texts.append(f"{judgement[0].upper()}{judgement[1:]}: {listed(names, 4)}.")
    texts.append(
        "Transfer through meaning rather than form, but where translated nouns show an effect of their own."
    )
    return tuple(texts)
