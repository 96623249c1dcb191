"""Zero-shot transfer: how much of a score in another language comes from multilingual pretraining?

Each pretrained encoder is compared with its no-pretraining control, the same architecture and tokenizer with
random weights, fine-tuned alike. Without that comparison a score above chance may be shared vocabulary.
"""

import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.covariates import covariates
from analyses.questions.replicates import Replicates, replicate_interval, replicates
from analyses.questions.scores import (
    UNIT,
    baseline_scores,
    main_scores,
)
from analyses.questions.wording import count, effect, listed, verdict
from analyses.run import Run

NAME, TITLE = "zero-shot", "Zero-shot transfer"
MEAN = "mean over targets"
QUESTION = "Do targets trained in the pivot work in other languages, beyond what shared vocabulary gives?"


def answer(run: Run) -> Answer | None:
    """Answer from a run with no-pretraining controls; None where the run has none."""
    scores = baseline_scores(main_scores(run))
    if not scores["control"].any():
        return None
    wide = scores.pivot_table(index=["target", *UNIT, "language"], columns="control", values="value")
    if wide.shape[1] < 2 or wide.dropna().empty:
        return unanswerable(
            NAME, TITLE, QUESTION, "The run cannot tell: no encoder has both its scores and its control's."
        )
    order = covariates(run, scores).near_first(scores["language"].unique())
    wide = wide.rename(columns={False: "pretrained", True: "control"}).dropna()
    wide["difference"] = wide["pretrained"] - wide["control"]
    outside = wide[wide.index.get_level_values("language") != run.pivot]
    units, left_out = _by_target(outside)
    tests = _tests(units)
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(units, tests),
        findings=tuple(
            f"{target}: {effect(test)} over its control." for target, test in list(tests.items())[1:]
        ),
        tables={"Scores by target and language (points)": _table(wide, order)},
        inferences=tests,
        primary_test=MEAN,
        figures=(_figure(wide, order),),
        what_would_change="More pretrained encoders, each with its control; fine-tuning seeds narrow nothing here.",
        not_shown=_not_shown(tests),
        flags=(*units.flags, *([left_out] if left_out else [])),
    )


def _by_target(outside: pd.DataFrame) -> tuple[Replicates, str]:
    """Return differences by replicate, a column a target: means over the languages that all replicates have."""
    cells = outside["difference"].unstack("language")
    left_out = []
    means = {}
    for target, rows in cells.groupby(level="target"):
        tried = rows.dropna(axis=1, how="all")
        common = tried.dropna(axis=1)
        left_out += [f"{target}: {language}" for language in tried.columns.difference(common.columns)]
        means[str(target)] = common.mean(axis=1, skipna=False).droplevel("target")
    text = f"languages left out of means, absent from some replicates: {listed(left_out)}" if left_out else ""
    return replicates(pd.DataFrame(means)), text


def _tests(units: Replicates) -> dict[str, Inference]:
    null = "pretraining makes no difference to the zero-shot score"
    table = units.table.assign(**{MEAN: units.table.mean(axis=1, skipna=False)})
    units = Replicates(table, units.unit, units.n_encoders)
    return {
        name: replicate_interval(units, name, "pretrained minus control", null)
        for name in [MEAN, *table.columns[:-1]]
    }


def _sentence(units: Replicates, tests: dict[str, Inference]) -> str:
    first = tests[MEAN]
    above = [name for name, test in list(tests.items())[1:] if test.interval[0] > 0]
    by_target = f"; the interval by target lies above zero for {listed(above, 12)}" if above else ""
    return (
        f"{verdict(first)}: averaged over {count(len(tests) - 1, 'target')} and all zero-shot languages, pretrained "
        f"encoders score {effect(first)} over their no-pretraining controls "
        f"({units.described}){by_target}."
    )


def _not_shown(tests: dict[str, Inference]) -> tuple[str, ...]:
    unclear = [name for name, test in list(tests.items())[1:] if not test.interval[0] > 0]
    shown = (f"A benefit of pretraining for: {listed(unclear, 12)}.",) if unclear else ()
    return (*shown, "Which part of pretraining matters: controls have random weights in every layer.")


def _table(wide: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    rows = []
    for target, cells in wide.groupby(level="target"):
        for language in order:
            if language not in cells.index.get_level_values("language"):
                continue
            here = cells[cells.index.get_level_values("language") == language]
            units = replicates(here.droplevel(["target", "language"]))
            test = replicate_interval(units, "difference")
            low, high = test.interval
            means = units.table.mean()
            rows.append(
                {
                    "target": target,
                    "language": language,
                    "pretrained": means["pretrained"],
                    "control": means["control"],
                    "difference": test.estimate,
                    "low": low,
                    "high": high,
                    "replicates": len(units.table),
                }
            )
    return pd.DataFrame(rows)


def _figure(wide: pd.DataFrame, order: list[str]) -> Figure:
    cells = wide.groupby(["target", "checkpoint", "language"])[["pretrained", "control"]].mean()
    names = {"target": "panel", "language": "label"}
    dots = cells.reset_index().rename(columns=names)
    dots = dots.melt(["panel", "label", "checkpoint"], ["pretrained", "control"], "series", "value")
    means = dots.groupby(["panel", "label", "series"])["value"].mean().rename("estimate").reset_index()
    means = means.sort_values("label", key=lambda labels: labels.map(order.index), kind="stable")
    means = means.sort_values(["panel", "series"], ascending=[True, False], kind="stable")
    return Figure(
        name="zero-shot",
        kind="forest",
        title="Scores by language, with and without pretraining",
        caption="No intermediate. Large marks are means over encoders, faint dots single encoders; languages from near "
        f"to far from the pivot. {count(dots['checkpoint'].nunique(), 'encoder')}.",
        frame=means.assign(low=float("nan"), high=float("nan")),
        extra=dots,
        x="score, points",
    )
