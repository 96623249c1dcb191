"""Diverse intermediates: do typologically diverse sets of training languages shrink the gaps between languages?

The set is the unit, within one pool: sets of the diverse band against sets of the alike one, each language with an
effect of its own, at one task and one number of languages. Bands follow from the pool and the plan, not from scores.
Diversity is tested without distance (its total effect); distance within sets. Between pools the languages differ, so
that replicates are the unit there and the conclusion is about these languages.
"""

from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.pairs.regression import pair_regression
from analyses.inference.result import Inference
from analyses.inference.sets import set_contrast
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.design import assumed_sds
from analyses.questions.language_sets import (
    FEWEST,
    Pool,
    attainable,
    by_replicate,
    language_sets,
    linked,
    nearest_distances,
    outcomes,
    planned_intermediates,
    pools,
    target_scores,
    taught_by_replicate,
)
from analyses.questions.replicates import (
    detectable,
    margin_verdict,
    replicate_forest,
    replicate_interval,
    replicates,
)
from analyses.questions.scores import left_out, main_scores
from analyses.questions.wording import count, effect, listed, number, verdict
from analyses.run import Run
from analyses.similarity.language_sets import ALIKE, DIVERSE
from simxfer.common.errors import InputError

NAME, TITLE = "diverse-intermediates", "Diverse intermediates"
QUESTION = (
    "Do typologically diverse sets of intermediate languages help the other languages, at an equal budget?"
)
OUTCOMES = {
    "score": "score in languages that no set has",
    "pivot": "score in the pivot",
    "gap": "gap to the pivot",
    "spread": "SD over languages, corrected for noise",
    "worst_third": "score in the worst third of the languages",
}
PRIMARY = f"diverse − alike, {OUTCOMES['score']}"
FEWEST_OF_ARM = 5
"""Sets of an arm; with fewer nothing is judged."""


def answer(run: Run) -> Answer | None:
    """Answer from a run with one task in several sets of languages; None for any other."""
    sets = language_sets(planned_intermediates(run))
    if len(sets) < FEWEST:
        return None
    scores = main_scores(run)
    scores = target_scores(scores[~scores["control"]])
    features = run.languages[run.languages["kind"] == "syntactic"]
    try:
        found = pools(sets, features)
    except InputError as error:
        return unanswerable(NAME, TITLE, QUESTION, f"The run cannot tell: {error}")
    judged = [_judged(pool, scores, run.pivot, features) for pool in found]
    judged = [one for one in judged if len(one.table)]
    if not judged:
        return unanswerable(
            NAME, TITLE, QUESTION, "The run cannot tell: no replicate has all sets of a pool."
        )
    main, beside = judged[0], _by_replicate(judged, scores, run.pivot)
    tests = {f"{one.label}: {name}": test for one in judged for name, test in one.tests.items()} | beside
    primary = f"{main.label}: {PRIMARY}"
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(main, run.margin),
        findings=(
            *(text for one in judged for text in _findings(one, run.margin)),
            *(_beside(name, test, run.margin) for name, test in beside.items()),
        ),
        tables={f"Sets of {one.label}": one.table for one in judged}
        | {
            "Arms of sets": _arm_means(judged),
            "What this grid could find (points)": _power(tests, run.margin),
        },
        inferences=tests,
        primary_test=primary if primary in tests else "",
        figures=(_scatter(judged), *_forest(beside)),
        what_would_change=(
            "More sets of the same pool, each language in both arms: sets are the unit, and replicates of the same "
            "sets narrow only what is said of these sets."
        ),
        not_shown=_not_shown(judged),
        flags=(*left_out(run), *(flag for one in judged for flag in one.flags)),
    )


@dataclass(frozen=True, eq=False)
class Judged:
    """One pool: its sets with their scores, what was tested over them, and why what was not."""

    pool: Pool
    untaught: list[str]
    table: pd.DataFrame
    tests: dict[str, Inference]
    flags: tuple[str, ...]

    @property
    def label(self) -> str:
        """The task and the first languages of the pool, whose sets stand in a table."""
        return f"{self.pool.task} in sets of {listed(self.pool.languages, 2)}"


def _judged(pool: Pool, scores: pd.DataFrame, pivot: str, features: pd.DataFrame) -> Judged:
    tested = sorted(set(scores["language"]) - {pivot})
    outside = [code for code in tested if code not in pool.languages]
    flags = [] if outside else ["every language is in some set: seen and unseen ones are not apart"]
    table = outcomes(pool, scores, pivot, outside or tested)
    lost = len(pool.sets) - len(table)
    if lost and len(table):
        flags.append(
            f"{lost} of {count(len(pool.sets), 'set')} left out: not scored in any replicate that counts"
        )
    tests, why = over_sets(table) if len(table) else ({}, "")
    if why:
        flags.append(f"arms of sets of {', '.join(pool.languages)} not judged: {why}")
    if len(table) and outside:
        tests |= _within_sets(pool, scores, outside, features)
    return Judged(pool, outside or tested, table, tests, tuple(flags))


def over_sets(table: pd.DataFrame) -> tuple[dict[str, Inference], str]:
    """Return the tests over the sets of one pool, and why there are none of arms.

    Args:
        table: one row a set: languages (joined by commas), arm, diversity, and the columns of `OUTCOMES`.
    """
    arms = table[table["arm"].isin([DIVERSE, ALIKE])]
    sizes = arms["arm"].value_counts()
    tests: dict[str, Inference] = {}
    why = ""
    if len(sizes) < 2 or sizes.min() < FEWEST_OF_ARM:
        had = ", ".join(f"{count(int(sizes.get(arm, 0)), 'set')} {arm}" for arm in (DIVERSE, ALIKE))
        why = f"{had}; expected {FEWEST_OF_ARM} of either arm at least"
    else:
        numbers = arms.assign(arm=(arms["arm"] == DIVERSE).astype(float))
        for name, what in OUTCOMES.items():
            try:
                tests[f"diverse − alike, {what}"] = set_contrast(numbers, "arm", name)
            except InputError as error:
                why = why or str(error)
    with suppress(InputError):  # said once, for the arms
        tests["slope on diversity (0-1), score"] = set_contrast(table, "diversity", "score")
    return tests, why


def _within_sets(
    pool: Pool, scores: pd.DataFrame, untaught: list[str], features: pd.DataFrame
) -> dict[str, Inference]:
    """Return the slope of scores on the distance to the nearest language of the set, sets and languages centred."""
    rows = scores[scores["intermediate"].isin(pool.sets["intermediate"]) & scores["language"].isin(untaught)]
    try:
        near = nearest_distances(pool, untaught, features)
        data = rows.merge(near, on=["intermediate", "language"]).assign(all="all")
        test = pair_regression(data, "distance", "value", "intermediate", "language", "all")
    except InputError:
        return {}  # a distance that does not vary within sets, or languages without features
    return {"within sets, score per unit of distance to the nearest language": test}


def _by_replicate(judged: list[Judged], scores: pd.DataFrame, pivot: str) -> dict[str, Inference]:
    """Return what is compared on the replicates: taught languages, pools, and sets against the pivot alone."""
    tests: dict[str, pd.DataFrame] = {}
    tested = set(scores["language"]) - {pivot}
    for one in judged:
        sets = {name: one.pool.languages_of(name) for name in one.table["intermediate"]}
        tests[f"{one.label}: taught − not taught, in the same languages"] = taught_by_replicate(
            scores, sets, []
        )
        alone = one.pool.task
        if alone in set(scores["intermediate"]):
            label = f"{one.label} − {alone} in the pivot alone, languages that no set has"
            tests[label] = by_replicate(scores, list(sets), [alone], one.untaught)
        for other in judged:
            if other is one:
                continue
            names = other.table["intermediate"].tolist()
            tests[f"{one.label} − {other.label}, languages that the set was taught"] = taught_by_replicate(
                scores, sets, names
            )
            if judged.index(other) < judged.index(one):
                neither = sorted(tested - set(one.pool.languages) - set(other.pool.languages))
                tests[f"{one.label} − {other.label}, languages in no set"] = by_replicate(
                    scores, list(sets), names, neither
                )
    return {
        name: replicate_interval(replicates(table), "difference")
        for name, table in tests.items()
        if len(table)
    }


def _sentence(main: Judged, margin: float) -> str:
    test = main.tests.get(PRIMARY)
    sizes = main.table["arm"].value_counts()
    n = f"{sizes.get(DIVERSE, 0)} diverse against {sizes.get(ALIKE, 0)} alike sets of {main.label}"
    if test is None:
        return f"Not judged: {n}; {listed(main.flags)}."
    judged = margin_verdict(test, margin)
    said = {
        "equivalent": f"equivalent within ±{number(margin, 1)} points",
        "different": f"not within ±{number(margin, 1)} points",
        "undecided": f"no evidence of an effect, and none that it is within ±{number(margin, 1)} points",
    }[judged]
    return (
        f"{verdict(test)}: typologically diverse sets score {effect(test)} against alike ones in languages that no "
        f"set has, what each language adds held equal: {said} ({n}; the set is the unit)."
    )


def _findings(one: Judged, margin: float) -> list[str]:
    texts = []
    for name, test in one.tests.items():
        if name != PRIMARY or one.flags:
            unit = "points" if name.startswith("diverse") else "points a unit"
            texts.append(f"{one.label}, {name}: {effect(test, unit)}.")
    return texts


def _beside(name: str, test: Inference, margin: float) -> str:
    n = count(test.counts["replicates"], "replicate")
    return f"{name}: {effect(test)}; {n}, {margin_verdict(test, margin)} (margin ±{number(margin, 1)})."


def _arm_means(judged: list[Judged]) -> pd.DataFrame:
    columns = ["diversity", *OUTCOMES]
    parts = [
        one.table.groupby("arm")[columns].mean().assign(sets=one.table["arm"].value_counts(), pool=one.label)
        for one in judged
    ]
    return pd.concat(parts).reset_index()[["pool", "arm", "sets", *columns]]


def _power(tests: dict[str, Inference], margin: float) -> pd.DataFrame:
    """Return by test the smallest effect found with power .8, and the verdict of equivalence, where it is in points."""
    rows = [
        {
            "test": name,
            "detectable": detectable(test),
            "margin": margin,
            "verdict": margin_verdict(test, margin),
        }
        for name, test in tests.items()
        if "unit" not in name and "slope" not in name
    ]
    return pd.DataFrame(rows, columns=["test", "detectable", "margin", "verdict"])


def _scatter(judged: list[Judged]) -> Figure:
    frame = pd.concat([one.table.assign(panel=one.label) for one in judged])
    frame = frame.rename(columns={"diversity": "x", "score": "y", "arm": "series", "languages": "label"})
    return Figure(
        name="diverse-intermediates",
        kind="scatter",
        title="Score of sets of languages by their diversity",
        caption="One point a set, mean over replicates, targets and the languages that no set of its pool has. "
        "Diversity: mean syntactic distance of the pairs of the set.",
        frame=frame[["panel", "label", "series", "x", "y"]],
        x="diversity of the set (0-1)",
        y="score, points",
    )


def _forest(beside: dict[str, Inference]) -> list[Figure]:
    if not beside:
        return []
    return [
        replicate_forest(
            {("", name, ""): test for name, test in beside.items()},
            name="diverse-intermediates-replicates",
            title="Sets of languages compared on the replicates",
            caption="Difference in points; faint dots are the replicates. About the languages at hand.",
            x="difference, points",
        )
    ]


def _not_shown(judged: list[Judged]) -> tuple[str, ...]:
    texts = [
        "Which property makes a set diverse: typology, kinship and words go together over real languages.",
        "Effects at another number of languages or examples than these sets have.",
        "Equal examples are not equal text: sets differ in subwords an example.",
    ]
    if len(judged) > 1:
        texts.append(
            "That other languages would differ as these pools do: pools share no language, so that the language is "
            "the unit between them, and replicates speak of these languages only."
        )
    return tuple(texts)


def design(cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a planned grid could show over its sets of languages, before anything is trained.

    Args:
        cells: one row a planned score: intermediate, language, ...
        margin: points within which a difference counts as none.
    """
    sets = language_sets(cells["intermediate"].tolist())
    if len(sets) < FEWEST:
        return ("no sets of languages of one task and size: the question cannot be answered",)
    lines = []
    for rows, codes in linked(sets):
        lines.append(
            f"{len(rows)} sets of {len(rows['languages'].iloc[0].split(','))} of {len(codes)} languages"
        )
        lines[-1] += f" ({', '.join(codes)}): {attainable(rows, codes, margin, assumed_sds(cells))}"
    return tuple(lines)
