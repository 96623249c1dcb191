"""Does the order of intermediate tasks change robustness to perturbation?

All six orders of three tasks. The outcome is the perturbed score, not the drop alone, which rewards orders that lose
clean score; the clean score and the drop stand beside it. Declared before data: which task comes last (2 df) and the
order of the earlier two given the last (3 df), Holm over the two, each over its own variation between replicates.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.orders import EARLIER, LAST, order_contrasts
from analyses.inference.result import Inference
from analyses.inference.student import detectable_ses
from analyses.outcomes import CLEAN
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.design import assumed_sds, paired_difference, planned_replicates
from analyses.questions.replicates import (
    FEWEST_LEVELS,
    Replicates,
    replicate_forest,
    replicate_interval,
    replicates,
    within_margin,
)
from analyses.questions.scores import UNIT, headline_split, language_means, main_scores
from analyses.questions.wording import count, interval, listed, number, p_value, points
from analyses.run import Run
from analyses.sequences import order_effects
from simxfer.common.errors import InputError
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "task-order", "Order of intermediate tasks"
QUESTION = "Does the order of intermediate tasks change robustness to perturbed inputs?"
PERTURBED, DROP = "perturbed", "drop"
LEVEL = 0.05


def answer(run: Run) -> Answer | None:
    """Answer from a run with all six orders of three tasks; None for a run without."""
    orders = six_orders(run.results["intermediate"].unique())
    if not orders:
        return None
    perturbation = _perturbation(run)
    if not perturbation:
        why = "The run cannot tell: it holds no perturbed scores. Name perturbations in the grid and train it again: "
        return unanswerable(NAME, TITLE, QUESTION, why + "only the scoring is new.")
    outcomes = by_outcome(main_scores(run), main_scores(run, perturbation), orders)
    if outcomes[PERTURBED].table[orders].dropna().empty:
        why = (
            "The run cannot tell: no replicate has all six orders, clean and perturbed, in a common language."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    return answered(outcomes, orders, run.margin, perturbation)


def six_orders(intermediates: list[str] | np.ndarray) -> list[str]:
    """Return the six orders of three tasks that are among the intermediates; the first such three, or none."""
    paths = {str(name) for name in intermediates if str(name).count(">") == 2}
    for path in sorted(paths):
        orders = sorted(">".join(order) for order in permutations(path.split(">")))
        if len(set(path.split(">"))) == 3 and paths.issuperset(orders):
            return orders
    return []


def _perturbation(run: Run) -> str:
    """Return the perturbation that is declared: the grid's first, or the only one or most frequent of a table."""
    there = run.results.loc[run.results["perturbation"] != CLEAN, "perturbation"].value_counts()
    declared = [name for name in run.grid.get("perturbations", ()) if name in there.index]
    return str([*declared, *there.index][0]) if len(there) else ""


def by_outcome(clean: pd.DataFrame, perturbed: pd.DataFrame, orders: list[str]) -> dict[str, Replicates]:
    """Return perturbed score, clean score and drop of every intermediate by replicate.

    Each is a mean over the targets that have all six orders, of means over the languages that all their scores have;
    an intermediate that lacks one of them is missing.
    """
    wide: dict[str, list[pd.DataFrame]] = {CLEAN: [], PERTURBED: []}
    for target in sorted(set(perturbed["target"])):
        both = [_of_target(scores, target) for scores in (clean, perturbed)]
        if not all(set(orders) <= set(rows["intermediate"]) for rows in both):
            continue
        languages = sorted(_common_languages(both[0], orders) & _common_languages(both[1], orders))
        for name, rows in zip(wide, both, strict=True):
            wide[name].append(
                language_means(rows, languages, [*UNIT, "intermediate"]).unstack("intermediate")
            )
    if not wide[CLEAN]:
        empty = pd.DataFrame(
            columns=orders, index=pd.MultiIndex.from_arrays([[], []], names=UNIT), dtype=float
        )
        return dict.fromkeys((PERTURBED, CLEAN, DROP), replicates(empty))
    means = {name: _mean(tables) for name, tables in wide.items()}
    return {
        PERTURBED: replicates(means[PERTURBED]),
        CLEAN: replicates(means[CLEAN]),
        DROP: replicates(means[CLEAN] - means[PERTURBED]),
    }


def _of_target(scores: pd.DataFrame, target: str) -> pd.DataFrame:
    return scores[
        (scores["target"] == target) & (scores["split"] == headline_split(target)) & ~scores["control"]
    ]


def _common_languages(rows: pd.DataFrame, orders: list[str]) -> set[str]:
    mine = rows[rows["intermediate"].isin(orders)]
    return set.intersection(*(set(part) for _, part in mine.groupby([*UNIT, "intermediate"])["language"]))


def _mean(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean of tables cell by cell; a cell that one of them lacks is missing."""
    shared = tables[0].columns
    index = tables[0].index
    for table in tables[1:]:
        shared, index = shared.intersection(table.columns), index.union(table.index)
    total = tables[0].reindex(index=index, columns=shared)
    for table in tables[1:]:
        total = total + table.reindex(index=index, columns=shared)
    return total / len(tables)


def answered(outcomes: dict[str, Replicates], orders: list[str], margin: float, perturbation: str) -> Answer:
    """Answer from the outcomes of every intermediate by replicate."""
    units = outcomes[PERTURBED]
    complete = len(units.table[orders].dropna())
    tests = dict(_tests(outcomes, orders)) if complete >= FEWEST_LEVELS else {}
    primary = tests.get(f"{PERTURBED} score by order")
    verdicts = {name: _alike(tests[f"{name} score by order"], margin) for name in _judged(tests)}
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(units, orders, primary, perturbation),
        findings=tuple(_findings(outcomes, orders, tests, verdicts, margin)),
        tables={
            "Score by order (points, mean over replicates)": _by_order(outcomes, orders),
            "Controls: single tasks, the mixture, none (points)": _by_order(
                outcomes, _controls(units, orders)
            ),
            "Order minus its last task alone (points)": _kept(outcomes, orders),
            "Differences between last tasks, and whether they are within the margin": _equivalences(verdicts),
        },
        inferences=tests,
        primary_test=f"{PERTURBED} score by order",
        figures=(_forest(outcomes, orders),),
        what_would_change=(
            f"More replicates ({count(complete, units.unit)} here with all six orders); other perturbations, "
            "strengths and tasks: this answer is about one of each."
        ),
        not_shown=(
            "Forgetting: the target's head is new and is trained after the last task, so that what is scored is what "
            "the target can still use of the earlier ones.",
            "That distance between orders matters: orders that share a first stage are alike without any order effect.",
        ),
        flags=_flags(units, orders, complete),
    )


def _tests(outcomes: dict[str, Replicates], orders: list[str]) -> Iterator[tuple[str, Inference]]:
    for name in (PERTURBED, CLEAN):
        try:
            yield f"{name} score by order", order_contrasts(outcomes[name].table[orders])
        except InputError:  # all orders alike in every replicate, as at a ceiling
            continue


def _judged(tests: dict[str, Inference]) -> list[str]:
    return [name for name in (PERTURBED, CLEAN) if f"{name} score by order" in tests]


def _rows(test: Inference, part: str) -> pd.DataFrame:
    """Return the differences between two last tasks, or of two earlier ones."""
    table = test.table[test.table["df_residual"] == test.counts["replicates"] - 1]
    return table[table["term"].str.contains(" last minus " if part == LAST else ", before ", regex=False)]


def _alike(test: Inference, margin: float) -> list[Inference]:
    """Return for every difference of the order whether it is within the margin."""
    rows = pd.concat([_rows(test, LAST), _rows(test, EARLIER)])
    judged = [
        within_margin(row, margin, str(row["term"]))
        for _, row in rows.drop(columns="df").rename(columns={"df_residual": "df"}).iterrows()
    ]
    return [found for found in judged if found is not None]


def _sentence(units: Replicates, orders: list[str], primary: Inference | None, perturbation: str) -> str:
    under = f"under {perturbation}, mean over languages"
    if primary is None:
        means = units.table[orders].mean()
        return (
            f"Not judged: {units.note()}; the six orders score from {number(means.min(), 1)} ({means.idxmin()}) to "
            f"{number(means.max(), 1)} ({means.idxmax()}) {under}."
        )
    last, earlier = primary.table.iloc[:2].to_dict("records")
    widest = _positive(max(_rows(primary, LAST).to_dict("records"), key=lambda row: abs(row["estimate"])))
    shown = [part for part, row in ((LAST, last), (EARLIER, earlier)) if row["p_holm"] <= LEVEL]
    head = "Yes" if shown else "No evidence that it does"
    return (
        f"{head}: {under}, the score depends on which task is last by {_f(last)}, most by "
        f"{widest['term'].replace(' minus ', ' over ')}: {points(widest['estimate'])} points "
        f"({interval(widest['low'], widest['high'])}); the order of the earlier two given the last has {_f(earlier)} "
        f"(p by Holm over the two; {units.described})."
    )


def _positive(row: dict) -> dict:
    """Return a difference the way round in which it is positive."""
    if row["estimate"] >= 0:
        return row
    turned = " minus ".join(reversed(row["term"].split(" minus ")))
    return {"term": turned, "estimate": -row["estimate"], "low": -row["high"], "high": -row["low"]}


def _f(row: dict) -> str:
    return f"F({row['df']:.0f}, {row['df_residual']:.0f}) = {number(row['statistic'], 1)}, {p_value(row['p_holm'])}"


def _findings(
    outcomes: dict[str, Replicates],
    orders: list[str],
    tests: dict[str, Inference],
    verdicts: dict[str, list[Inference]],
    margin: float,
) -> Iterator[str]:
    for name, found in verdicts.items():
        yield _equivalent(name, found, margin)
    clean = outcomes[CLEAN].table[orders].dropna()
    if f"{CLEAN} score by order" in tests:
        last, earlier = tests[f"{CLEAN} score by order"].table["p_holm"].iloc[:2]
        yield f"Clean score: last task {p_value(last)}, earlier two given the last {p_value(earlier)} (exploratory)."
    elif len(clean):
        low, high = clean.min().min(), clean.max().max()
        yield f"Clean score: from {number(low, 1)} to {number(high, 1)} in all orders and replicates."
    if f"{PERTURBED} score by order" in tests:
        rows = _rows(tests[f"{PERTURBED} score by order"], LAST)
        smallest = detectable_ses(rows["df_residual"].iloc[0]) * rows["se"].max()
        yield (
            f"The smallest difference between two last tasks that these replicates find with power .8 is "
            f"{number(smallest, 1)} points."
        )
    means = outcomes[PERTURBED].table[orders].mean()
    r = order_effects([order.split(">") for order in orders], means.to_list()).mantel_r
    if np.isfinite(r):
        yield f"Orders at a greater Kendall distance differ more or less: r = {number(r)} (descriptive, no test)."


def _equivalent(name: str, found: list[Inference], margin: float) -> str:
    verdicts = [one.table["verdict"].iloc[0] for one in found]
    alike = verdicts.count("equivalent")
    if alike == len(verdicts):
        return f"{name.capitalize()} score: equivalent, all {alike} differences of order are within ±{margin:g} points."
    return (
        f"{name.capitalize()} score: {alike} of {len(verdicts)} differences of order are shown to be within "
        f"±{margin:g} points, the margin declared as no effect."
    )


def _equivalences(verdicts: dict[str, list[Inference]]) -> pd.DataFrame:
    frames = [
        one.table[["term", "estimate", "low", "high", "p", "verdict"]].assign(score=name)
        for name, found in verdicts.items()
        for one in found
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _by_order(outcomes: dict[str, Replicates], names: list[str]) -> pd.DataFrame:
    columns = {name: units.table.reindex(columns=names).mean() for name, units in outcomes.items()}
    return pd.DataFrame(columns).rename_axis("intermediate").reset_index().dropna()


def _controls(units: Replicates, orders: list[str]) -> list[str]:
    """Return what else was trained of the same tasks, and none."""
    tasks = set(orders[0].split(">"))
    alone = [name for name in units.table.columns if set(str(name).split("+")) <= tasks]
    return [*([NONE] if NONE in units.table else []), *alone]


def _kept(outcomes: dict[str, Replicates], orders: list[str]) -> pd.DataFrame:
    """Return what the earlier two tasks add to the last one alone, with intervals, where single tasks were trained."""
    rows = []
    for name, units in outcomes.items():
        for order in orders:
            alone = order.rsplit(">", 1)[1]
            if alone in units.table:
                table = pd.DataFrame({"difference": units.table[order] - units.table[alone]})
                found = replicate_interval(
                    Replicates(table, units.unit, units.n_encoders), "difference", term=order
                )
                rows.append({"score": name, "alone": alone, **found.table.iloc[0].to_dict()})
    columns = ["score", "term", "alone", "estimate", "low", "high", "p"]
    return pd.DataFrame(rows, columns=columns).rename(columns={"term": "order"})


def _forest(outcomes: dict[str, Replicates], orders: list[str]) -> Figure:
    tests = {}
    for name in (PERTURBED, CLEAN):
        units = outcomes[name]
        centred = units.table[orders].sub(units.table[orders].mean(axis=1, skipna=False), axis=0)
        for order in orders:
            tests[f"{name} score", order, ""] = replicate_interval(
                Replicates(centred, units.unit, units.n_encoders), order
            )
    return replicate_forest(
        tests,
        name=NAME,
        title="Score by order",
        caption="Score of each order minus the mean of the six in the same replicate; faint dots are replicates.",
        x="difference, points",
    )


def _flags(units: Replicates, orders: list[str], complete: int) -> tuple[str, ...]:
    partial = len(units.table) - complete
    left = f"{count(partial, units.unit)} without all six orders left out"
    return (*units.flags, *((left,) if partial else ()))


def design(cells: pd.DataFrame, margin: float) -> tuple[str, ...]:
    """Return what a planned grid can say of orders, before anything is trained."""
    orders = six_orders(cells["intermediate"].unique())
    if not orders:
        return ("not all six orders of three tasks are planned: the question cannot be answered",)
    perturbed = [name for name in dict.fromkeys(cells["perturbation"]) if name != CLEAN]
    mine = cells[cells["intermediate"].isin(orders)]
    n, unit = planned_replicates(mine)
    outcome = (
        f"outcome: score under {perturbed[0]}"
        if perturbed
        else "no perturbation is planned: cannot be answered"
    )
    of = f"orders of {listed(orders[0].split('>'))}; two last tasks are compared over the replicates"
    return (outcome, of, *paired_difference(n, unit, margin, assumed_sds(mine)))
