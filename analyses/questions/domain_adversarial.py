"""Does language-adversarial training beat full fine-tuning in languages without labels?

Paired differences by replicate at one declared strength, the mean over languages first. Published single runs lost 4
to 6 points (XNLI 66.3 -> 62.2, UDPOS 59.6 -> 53.5 in Tanti et al. 2021), so that "loss" and "equivalent" are answers as
well. Permuted labels of languages tell what an adversary costs that hides nothing.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.methods import method_difference
from analyses.inference.result import Inference
from analyses.outcomes import CLEAN
from analyses.questions import language_separation
from analyses.questions.adversaries import (
    PAIR,
    Adversary,
    adversaries,
    by_pair,
    declared,
    differences,
    most_complete,
    name_of_pair,
    zero_shot,
)
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.design import assumed_sds, paired_difference, planned_replicates
from analyses.questions.gains import method_scores
from analyses.questions.replicates import Replicates, detectable, replicate_forest, within_margin
from analyses.questions.scores import FULL
from analyses.questions.wording import count, effect, listed, number, points
from analyses.run import Run

NAME, TITLE = "domain-adversarial", "Language-adversarial training"
QUESTION = "Does language-adversarial training beat full fine-tuning in languages without labels?"
LEVEL = 0.05
COLLAPSE = 10.0
"""Points below the median language of the same tasks from which one language is said to collapse."""
_PLAIN = {
    "gain": "Yes",
    "loss": "The opposite",
    "equivalent": "Equivalent",
    "no evidence": "No evidence",
    "not judged": "Not judged",
}
Pairs = dict[tuple[str, str], Replicates]


def answer(run: Run) -> Answer | None:
    """Answer from a run with scores of full fine-tuning and of an adversarial method; None for any other."""
    there = run.results.loc[run.results["perturbation"] == CLEAN, "method"].unique()
    known = adversaries(map(str, there))
    if not known or FULL not in there:
        return None
    scores = method_scores(run, [FULL, *(one.method for one in known)])
    found = {one: differences(scores, one) for one in known}
    measured = [one for one in known if not by_pair(found[one], run.pivot).empty]
    if not measured:
        if any(found.values()):
            why = "The run cannot tell: no language but the pivot is scored with and without the adversary."
            return unanswerable(NAME, TITLE, QUESTION, why)
        return None
    return _answered(run, {one: found[one] for one in measured}, _beside_permuted(scores, measured))


def _answered(run: Run, found: dict[Adversary, Pairs], hidden: dict[Adversary, Pairs]) -> Answer:
    main = declared(list(found), list(run.grid.get("methods", ())))
    tests = {one: overall(pairs, run.pivot) for one, pairs in found.items()}
    controls = {one: overall(pairs, run.pivot) for one, pairs in hidden.items()}
    languages = {
        name_of_pair(pair): method_difference(zero_shot(units, run.pivot), term="mean over languages")
        for pair, units in found[main].items()
        if zero_shot(units, run.pivot).shape[1]
    }
    apart = separation(run, found)
    units = next(iter(found[main].values()))
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(main, tests[main], run.margin, units),
        findings=tuple(_findings(main, found, tests, controls, languages, apart, run)),
        tables={
            "By tasks, the declared strength (points)": _judged_rows(tests[main], run.margin),
            "By language, the declared strength (points)": _by_language(languages),
            "By method and strength (points; an oracle's choice where one is picked by it)": dose_response(
                found, tests, run
            ),
            "Score and proxy A-distance, adversarial minus full": apart,
        },
        inferences={
            **{f"{one.method} minus {FULL}": test for one, test in tests.items()},
            **{f"{one.method} minus its permuted control": test for one, test in controls.items()},
        },
        primary_test=f"{main.method} minus {FULL}",
        figures=tuple(_figures(tests, languages)),
        what_would_change=(
            f"More replicates ({units.described} here), other strengths and languages of the unlabelled text; a "
            "strength chosen by these scores would have to be tried on new seeds."
        ),
        not_shown=_not_shown(found, hidden, apart),
        flags=_flags(units, found, main, run, tests[main]),
    )


def overall(pairs: Pairs, pivot: str) -> Inference:
    """Return the mean difference over pairs of tasks of the means over zero-shot languages, and that of every pair."""
    return method_difference(most_complete(by_pair(pairs, pivot)), term="mean over tasks")


def _beside_permuted(scores: pd.DataFrame, known: list[Adversary]) -> dict[Adversary, Pairs]:
    """Return the differences of true from permuted labels, for methods that are alike otherwise."""
    control = {one.method.replace(",labels=permuted", ""): one.method for one in known if one.permuted}
    return {
        one: differences(scores, one, control[one.method])
        for one in known
        if one.method in control and not one.permuted
    }


def judgement(row: pd.Series, margin: float) -> str:
    """Return gain, loss, equivalent, no evidence or not judged; an effect within the margin is equivalent.

    Of one pair of tasks among several a gain or loss is what Holm's adjustment leaves one.
    """
    found = within_margin(row, margin)
    if found is None:
        return "not judged"
    if found.table["verdict"].item() == "equivalent":
        return "equivalent"
    p = row["p"] if np.isnan(row["p_holm"]) else row["p_holm"]
    return "no evidence" if p > LEVEL else "gain" if row["estimate"] > 0 else "loss"


def _sentence(main: Adversary, test: Inference, margin: float, units: Replicates) -> str:
    verdict, *by_tasks = (judgement(row, margin) for _, row in test.table.iterrows())
    mixed = bool({"gain", "loss"}.intersection(by_tasks) - {verdict})
    said = {
        "gain": "beats",
        "loss": "scores below",
        "equivalent": f"stays within ±{margin:g} points of",
        "no evidence": f"is shown neither above nor below nor within ±{margin:g} points of",
        "not judged": "is compared with",
    }[verdict]
    head = "It depends on the tasks" if mixed else _PLAIN[verdict]
    pairs = test.table["term"].iloc[1:].tolist()
    return (
        f"{head}: {main.method} {said} {FULL} in zero-shot languages: {effect(test)}, "
        f"mean over {_pairs_named(pairs)}; {units.described}."
    )


def _pairs_named(pairs: list[str]) -> str:
    if len(pairs) == 1:
        return f"languages on {pairs[0]}"
    return f"languages and {count(len(pairs), 'pair')} of tasks ({listed(pairs, 4)})"


def _findings(
    main: Adversary,
    found: dict[Adversary, Pairs],
    tests: dict[Adversary, Inference],
    controls: dict[Adversary, Inference],
    languages: dict[str, Inference],
    apart: pd.DataFrame,
    run: Run,
) -> Iterator[str]:
    rows = _judged_rows(tests[main], run.margin)
    if len(rows) > 2:
        told = zip(rows["tasks"], rows["estimate"], rows["verdict"], strict=True)
        said = [f"{tasks} {points(value)} ({verdict})" for tasks, value, verdict in list(told)[1:]]
        yield f"By tasks: {listed(said)}."
    smallest = detectable(tests[main])
    if np.isfinite(smallest):
        yield (
            f"The smallest difference that these replicates find with power .8 is {number(smallest, 1)} points "
            f"(margin ±{run.margin:g})."
        )
    pivot = {one: _in_pivot(pairs, run.pivot) for one, pairs in found.items()}
    if np.isfinite(pivot[main]):
        yield f"In the pivot the difference is {points(pivot[main])} points."
    collapsed = list(collapses(languages))
    if collapsed:
        yield (
            f"Collapse of single languages, {COLLAPSE:g} points or more below the median one: {listed(collapsed)}."
        )
    for one, test in controls.items():
        yield f"{one.method} minus the same adversary with permuted labels of languages: {effect(test)}."
    for one, test in tests.items():
        if one.intermediate and not one.target and one is not main:
            yield f"An adversary in the intermediate stage only ({one.method}) minus {FULL}: {effect(test)}."
    r = _relation(apart)
    if np.isfinite(r):
        yield (
            f"The fall of the proxy A-distance and the change of the score: r = {number(r)} over "
            f"{count(len(apart), 'row')} of method, tasks and language (descriptive: strength drives both)."
        )


def _in_pivot(pairs: Pairs, pivot: str) -> float:
    means = [units.table[pivot].mean() for units in pairs.values() if pivot in units.table]
    return float(np.mean(means)) if means else float("nan")


def collapses(languages: dict[str, Inference]) -> Iterator[str]:
    """Yield the languages that fall far below the median language of the same tasks."""
    for pair, test in languages.items():
        rows = test.table.iloc[1:]
        middle = rows["estimate"].median()
        for language, value in zip(rows["term"], rows["estimate"], strict=True):
            if value <= middle - COLLAPSE:
                yield f"{language} on {pair} {points(value)} (median {points(middle)})"


def _judged_rows(test: Inference, margin: float) -> pd.DataFrame:
    table = test.table.rename(columns={"term": "tasks"})
    verdicts = [judgement(row, margin) for _, row in table.iterrows()]
    return table[["tasks", "estimate", "low", "high", "p", "p_holm"]].assign(verdict=verdicts)


def _by_language(languages: dict[str, Inference]) -> pd.DataFrame:
    frames = [test.table.assign(tasks=pair).iloc[1:] for pair, test in languages.items()]
    table = pd.concat(frames, ignore_index=True).rename(columns={"term": "language"})
    return table[["tasks", "language", "estimate", "low", "high", "p", "p_holm"]]


def dose_response(found: dict[Adversary, Pairs], tests: dict[Adversary, Inference], run: Run) -> pd.DataFrame:
    """Return the difference of every method from full fine-tuning, weak adversaries first."""
    rows = []
    for one in sorted(found, key=lambda one: (one.permuted, not one.throughout, one.strength)):
        row = tests[one].table.iloc[0]
        rows.append(
            {
                "method": one.method,
                "strength": one.strength,
                "labels": "permuted" if one.permuted else "true",
                "pairs": tests[one].counts["columns"],
                **row[["estimate", "low", "high", "p"]].to_dict(),
                "pivot": _in_pivot(found[one], run.pivot),
                "verdict": judgement(row, run.margin),
            }
        )
    return pd.DataFrame(rows)


def separation(run: Run, found: dict[Adversary, Pairs]) -> pd.DataFrame:
    """Return score and proxy A-distance, adversarial minus full, by method, tasks and language; empty without."""
    seen = language_separation.answer(run)
    if seen is None or not seen.answered:
        return pd.DataFrame()
    table = seen.tables[language_separation.BY_STAGE]
    table = table[table["pooling"] == "mean"]
    far = table.groupby(["path", "languages", "method"])["after"].mean().to_dict()
    rows = []
    for one, pairs in found.items():
        for pair, units in pairs.items():
            path = ">".join(name.partition("@")[0] for name in name_of_pair(pair).split(">"))
            for language in zero_shot(units, run.pivot):
                at = (path, f"{run.pivot} - {language}")
                if {(*at, FULL), (*at, one.method)} <= set(far):
                    rows.append(
                        {
                            "method": one.method,
                            "tasks": name_of_pair(pair),
                            "language": language,
                            "score": units.table[language].mean(),
                            "distance": far[*at, one.method] - far[*at, FULL],
                        }
                    )
    return pd.DataFrame(rows)


def _relation(apart: pd.DataFrame) -> float:
    """Return the correlation of score with the fall of the proxy A-distance; NaN where nothing varies."""
    known = apart.dropna()
    if len(known) < 3 or (known[["score", "distance"]].nunique() < 2).any():
        return float("nan")
    return float(np.corrcoef(known["score"], -known["distance"])[0, 1])


def _figures(tests: dict[Adversary, Inference], languages: dict[str, Inference]) -> Iterator[Figure]:
    yield replicate_forest(
        {("", one.method, ""): test for one, test in tests.items()},
        name=NAME,
        title=f"Adversarial methods minus {FULL}, zero-shot languages",
        caption="Mean over tasks and languages; faint dots are replicates. The declared strength is judged, the "
        "others are its dose-response: the best of them is an oracle's choice.",
        x="difference, points",
    )
    rows = _by_language(languages)
    yield Figure(
        name=f"{NAME}-languages",
        kind="forest",
        title=f"The declared adversarial method minus {FULL}, by language",
        caption="Mean over replicates with Student's t intervals, one at a time.",
        frame=rows.assign(panel=rows["tasks"], label=rows["language"], series="")[
            ["panel", "label", "series", "estimate", "low", "high"]
        ],
        x="difference, points",
        zero=0.0,
    )


def _not_shown(
    found: dict[Adversary, Pairs], hidden: dict[Adversary, Pairs], apart: pd.DataFrame
) -> tuple[str, ...]:
    texts = ["That hiding the language is what helps or harms: strength changes distance and score together."]
    if not hidden:
        texts.append("What the same adversary does with permuted labels of languages: no such control.")
    if not any(one.intermediate and not one.target for one in found):
        texts.append("An adversary in the intermediate stage only: no such control.")
    if np.isnan(_relation(apart)):
        texts.append("Whether scores change with how well languages are told apart: no distances that vary.")
    return tuple(texts)


def _flags(
    units: Replicates, found: dict[Adversary, Pairs], main: Adversary, run: Run, test: Inference
) -> tuple[str, ...]:
    rivals = [one.method for one in found if one.throughout]
    chosen = f"no grid declares a strength; {main.method}, the first of {listed(rivals)}, is judged"
    planned = len(by_pair(found[main], run.pivot).columns)
    missing = planned - test.counts["columns"]
    return (
        *units.flags,
        *((chosen,) if len(rivals) > 1 and not run.grid.get("methods") else ()),
        *((f"{missing} of {planned} pairs of tasks lack replicates and are left out",) if missing else ()),
        *test.notes,
    )


def design(cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a planned grid can say of adversaries, before anything is trained."""
    order = list(dict.fromkeys(cells["method"]))
    known = adversaries(order)
    if not known or FULL not in order:
        return ("full and an adversarial method are not both planned: the question cannot be answered",)
    main = declared(known, order)
    mine = cells[cells["method"] == main.method]
    pairs = [name_of_pair(tuple(row)) for row in mine[PAIR].drop_duplicates().itertuples(index=False)]
    n, unit = planned_replicates(mine)
    return (
        f"judged: {main.method} minus {FULL}, mean over zero-shot languages of {listed(pairs)}; other strengths are "
        "its dose-response, an oracle's choice where one is picked by scores",
        *paired_difference(n, unit, margin, assumed_sds(mine)),
    )
