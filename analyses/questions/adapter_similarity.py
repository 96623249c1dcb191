"""Does similarity of tasks drive gains when adapters are trained, and as much as with full fine-tuning?

Primary: the slope of the mean of adapters on the centred similarity of task pairs. "As much as" is an equivalence
verdict on full fine-tuning minus the mean of adapters. The similarity is that of the tasks' texts in the pivot, centred
(`similarity_gain.PRIMARY`), and where knowledge was planted how far the labels agree, which is known by construction.
"""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.design import assumed_sds, paired_difference
from analyses.questions.method_evidence import (
    PLANTED,
    Evidence,
    Measured,
    evidence,
    gain_table,
    planted_similarity,
    slope_table,
    text_similarities,
    verdict_within,
)
from analyses.questions.method_gains import MEAN, costs, is_adapter, is_dropped, method_gains
from analyses.questions.method_slopes import Slopes
from analyses.questions.replicates import assignments, detectable, replicate_forest
from analyses.questions.scores import FULL
from analyses.questions.wording import count, effect, interval, listed, number, points, verdict
from analyses.run import Run
from simxfer.common.errors import InputError
from simxfer.tasks.intermediate import NONE
from simxfer.tasks.planted import label_agreement

NAME, TITLE = "adapter-similarity", "Similarity and gain under adapters"
QUESTION = (
    "Does similarity between intermediate and target drive gains when adapters are trained, and as much as with full "
    "fine-tuning?"
)
POINTS_OF_AGREEMENT = 50.0
"""Points that full agreement gives over none by construction: what was taught is right for (1 + agreement) / 2."""


def answer(run: Run) -> Answer | None:
    """Answer from a run of full fine-tuning and adapters or LoRA with intermediates; None for any other run."""
    methods = run.results["method"].unique()
    if (
        FULL not in methods
        or not any(map(is_adapter, methods))
        or (run.results["intermediate"] == NONE).all()
    ):
        return None
    gains = method_gains(run)
    if not any(map(is_adapter, gains["method"].unique())):
        why = "The run cannot tell: no score of an adapter method shares its key with one of `none`."
        return unanswerable(NAME, TITLE, QUESTION, why)
    measures = planted_similarity(gains)
    if not measures and run.samples.empty:
        why = "The run cannot tell: it holds no sample texts (samples/samples.parquet) to measure similarity on."
        return unanswerable(NAME, TITLE, QUESTION, why)
    measures = measures or text_similarities(run, gains)
    try:
        found = evidence(gains, measures, run.margin)
    except InputError as error:
        return unanswerable(NAME, TITLE, QUESTION, f"The grid is too small to tell: {error}")
    return described(found, costs(run, list(found.methods)))


def design(cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a planned grid can show of this study."""
    adapters = sorted(m for m in cells["method"].unique() if is_adapter(m))
    pairs = cells.loc[cells["intermediate"] != NONE, ["intermediate", "target"]].drop_duplicates()
    planted = bool(len(pairs)) and all(label_agreement(s, t) is not None for s, t in pairs.to_numpy())
    unit: str = "task"
    if planted:
        units = assignments(cells.groupby(["checkpoint", "seed"]).size().to_frame("cells"))
        n, unit = len(units.table), str(units.unit)
    else:
        n = min(pairs["intermediate"].nunique(), pairs["target"].nunique())
    sides = cells.drop_duplicates(["checkpoint", "seed"])
    ceiling = (
        f"rankings of intermediates are compared over {len(sides) // 2} and {len(sides) // 2} replicates, their seed "
        "ceiling beside them"
        if len(sides) > 1
        else "one replicate: no seed ceiling of the rankings"
    )
    return (
        f"full fine-tuning minus the mean of {listed(adapters)}, slopes per interquartile range of similarity "
        + ("(label agreement, planted)" if planted else "(tasks of the smaller side are the units)"),
        *paired_difference(n, unit, margin, assumed_sds(cells)),
        ceiling,
    )


def described(found: Evidence, cost: pd.DataFrame) -> Answer:
    """Return the answer in words, tables and figures."""
    slopes = found.slopes
    equal = slopes.judged(found.margin)
    absences = {f"planted absence, {' under '.join(where)}": test for where, test in found.absent.items()}
    primary = f"gain on {found.measured.name}, {MEAN}"
    tests = {f"gain on {found.measured.name}, {name}": test for name, test in slopes.by_method.items()}
    extra = {
        "full minus the mean of adapters": slopes.difference,
        "full minus the mean of adapters, equivalence": equal,
        "specification curve": found.curve,
    }
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(found, equal),
        findings=_findings(found, equal),
        tables={
            "Slopes by method (points per interquartile range of similarity)": slope_table(found),
            "Gain by method and intermediate (points), with similarity": gain_table(found),
            "Scores' price: what a method trains, and its time": cost,
            "Agreement of rankings on different replicates (Kendall's tau; a method with itself is the ceiling)": (
                found.rankings
            ),
        },
        inferences=tests | {k: v for k, v in extra.items() if v is not None} | absences | found.tests,
        primary_test=primary,
        figures=(_forest(found), _scatter(found)),
        what_would_change=_what_would_change(found),
        not_shown=_not_shown(found),
        flags=slopes.flags,
    )


def _sentence(found: Evidence, equal: Inference | None) -> str:
    slopes, adapters = found.slopes, sorted(filter(is_adapter, found.methods))
    main = slopes.adapters
    says = verdict(main)
    evidence_of = {"Not shown": "no evidence that similarity drives gains under adapters: "}.get(says, "")
    text = (
        f"{says}: {evidence_of}{effect(main)} of gain per interquartile range of {_named(found.measured)} under "
        f"adapters (mean of {listed(adapters)}; {slopes.units})"
    )
    if slopes.full is None or slopes.difference is None:
        return f"{text}; full fine-tuning cannot be compared."
    return (
        f"{text}; with full fine-tuning {effect(slopes.full)}. As much as with full fine-tuning? "
        f"{_as_much(slopes.difference, equal, found.margin)}."
    )


def _as_much(difference: Inference, equal: Inference | None, margin: float) -> str:
    if equal is None:
        return f"Not judged: full minus adapters {effect(difference)}"
    row = equal.table.iloc[0]
    says = {
        "equivalent": f"Yes, equivalent within ±{margin:g} points",
        "different": "No, more under full fine-tuning" if row["estimate"] > 0 else "No, more under adapters",
        "undecided": f"Undecided at a margin of ±{margin:g} points",
    }[row["verdict"]]
    wide = interval(row["low"], row["high"], equal.level)
    return f"{says}: full minus adapters {points(row['estimate'])} points ({wide})"


def _named(found: Measured) -> str:
    if found.planted:
        return f"{PLANTED} (planted; {number(found.spread)} of its range from 0 to 1)"
    return f"similarity ({found.name}, the declared measure)"


def _findings(found: Evidence, equal: Inference | None) -> tuple[str, ...]:
    texts = [_detectable(found.slopes)]
    if found.measured.planted:
        texts += _planted(found)
    texts += [
        f"{name}: the slope is exactly 0 in all of {count(len(test.distribution), 'replicate')}, as it must be "
        "where the intermediate's adapter is dropped before the target."
        for name, test in found.slopes.by_method.items()
        if is_dropped(name) and verdict_within(test, found.margin) == "exactly 0"
    ]
    texts += _rankings(found.rankings)
    if found.curve is not None:
        row = found.curve.table.iloc[0]
        texts.append(
            f"Over {count(len(found.curve.table) - 2, 'specification')} of the measure the median partial correlation "
            f"of the adapters' gain is {number(row['estimate'])} (judged as one curve, p = {number(row['p'], 3)})."
        )
    return tuple(texts)


def _detectable(slopes: Slopes) -> str:
    parts = [("slope under adapters", slopes.adapters)]
    parts += [("difference to full fine-tuning", slopes.difference)] if slopes.difference else []
    known = [
        f"a {name} of {number(detectable(test), 1)}" for name, test in parts if np.isfinite(detectable(test))
    ]
    if not known:
        return f"{slopes.units}: too few for an interval, so values and range, not judged."
    return f"This grid finds with power .8 {listed(known)} points per interquartile range."


def _planted(found: Evidence) -> list[str]:
    """Return what construction says beside what was found: the effect, then the absences."""
    truth = POINTS_OF_AGREEMENT * found.measured.spread
    texts = []
    for name in (FULL, MEAN):
        test = found.slopes.by_method.get(name)
        if test is None or np.isnan(test.interval[0]):
            continue
        low, high = test.interval
        holds = "holds" if low <= truth <= high else "does not hold"
        texts.append(
            f"By construction the slope is {number(truth, 1)} where all that was taught is learned; the interval of "
            f"{name} ({interval(low, high)}) {holds} it."
        )
    for (target, name), test in found.absent.items():
        if name in (FULL, MEAN):
            smallest = detectable(test)
            within = f"{verdict_within(test, found.margin)} within ±{found.margin:g} points"
            finds = f" (the smallest slope found with power .8 is {number(smallest, 1)})" * bool(
                np.isfinite(smallest)
            )
            texts.append(f"No effect was planted on {target}: {effect(test)} under {name}, {within}{finds}.")
    texts.append(
        "The tasks' texts are the same for both attributes, so that similarity of texts tells nothing here."
    )
    return texts


def _rankings(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return ["Rankings are not compared: that takes two replicates and three intermediates."]
    same, other = table[table["a"] == table["b"]]["tau"], table[table["a"] != table["b"]]["tau"]
    ranges = [f"{number(t.mean())} ({number(t.min())} to {number(t.max())})" for t in (other, same)]
    return [
        f"Two methods rank the intermediates alike with a mean tau of {ranges[0]}; a method agrees with itself "
        f"over other replicates with {ranges[1]}, which is all that seeds allow."
    ]


def _what_would_change(found: Evidence) -> str:
    if found.measured.planted:
        return "More assignments of the attributes, and adapters that learn all that is taught."
    return f"More tasks on both sides: {found.slopes.units} are at hand, scores and seeds are not the units."


def _not_shown(found: Evidence) -> tuple[str, ...]:
    texts = [
        "That a method is worse because similarity matters less to it: a method that learns less of an intermediate "
        "gains less from all of them.",
    ]
    if found.measured.planted:
        return (
            *texts,
            "Anything about similarity of texts or of real tasks: what was planted is agreement of labels.",
        )
    return (
        *texts,
        "Similarity of texts is not similarity of skills.",
        "Slopes for other measures are exploratory.",
    )


def _forest(found: Evidence) -> Figure:
    rows = {("all targets", name, ""): test for name, test in found.slopes.by_method.items()}
    if found.slopes.difference is not None:
        rows["all targets", "full − mean of adapters", ""] = found.slopes.difference
    rows |= {(f"{target}, absence planted", name, ""): test for (target, name), test in found.absent.items()}
    return replicate_forest(
        rows,
        name="adapter-similarity",
        title="Slope of gain on similarity by training method",
        caption=f"Points of gain per interquartile range of {found.measured.name}, cleared of the tasks' means; "
        "faint dots are the replicates.",
        x="slope, points",
    )


def _scatter(found: Evidence) -> Figure:
    data = found.measured.data
    means = data.groupby(["method", "intermediate", "target"], as_index=False)[["gain", "similarity"]].mean()
    return Figure(
        name="adapter-similarity-pairs",
        kind="scatter",
        title="Gain against similarity by training method",
        caption=f"One point a pair of tasks, mean over languages and replicates; {found.measured.name} as it is.",
        frame=pd.DataFrame(
            {
                "panel": means["method"],
                "label": means["intermediate"] + " to " + means["target"],
                "x": means["similarity"] * found.measured.spread,
                "y": means["gain"],
            }
        ),
        x=found.measured.name,
        y="gain, points",
        zero=0.0,
    )
