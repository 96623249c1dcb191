"""Minimal pairs: what one typological switch alone costs zero-shot, all else equal to the pivot."""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.multiplicity import holm
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.replicates import Replicates, replicate_forest, replicate_interval, replicates
from analyses.questions.scores import UNIT, baseline_scores, main_scores
from analyses.questions.wording import count, effect, listed
from analyses.run import Run

NAME, TITLE = "switches", "One switch at a time"
QUESTION = "Which single typological difference from the pivot costs score, all else equal?"


def minimal_pairs(languages: pd.DataFrame, pivot: str) -> dict[str, str]:
    """Return the languages that differ from the pivot in exactly one switch, with that switch.

    `languages` is a LANGUAGES table; switches are its rows of kind `switch` (`order=SOV`: 1 where it holds), and
    a share of roots below 1 (kind `lexical`, feature `cognacy`) counts as one.
    """
    switches = languages[languages["kind"] == "switch"].pivot(
        index="language", columns="feature", values="value"
    )
    if pivot not in switches.index:
        return {}
    rooted = languages[languages["feature"] == "cognacy"]
    roots = dict(zip(rooted["language"], rooted["value"], strict=True))
    names = [str(language) for language in switches.index]
    holds = {
        name: set(switches.columns[row == 1]) for name, row in zip(names, switches.to_numpy(), strict=True)
    }
    found = {}
    for language in holds:
        changed = sorted(holds[language] - holds[pivot])
        if roots.get(language, 1.0) < 1:
            changed.append(f"cognacy={roots[language]:.2g}")
        if len(changed) == 1:
            found[language] = changed[0]
    return found


def answer(run: Run) -> Answer | None:
    """Answer from a run with minimal-pair languages; None for any other run."""
    pairs = minimal_pairs(run.languages, run.pivot)
    scores = baseline_scores(main_scores(run))
    scores = scores[~scores["control"]]
    pairs = {language: switch for language, switch in pairs.items() if (scores["language"] == language).any()}
    if not pairs:
        return None
    costs = _costs(scores, pairs, run.pivot)
    if costs.empty or _complete(costs).empty:
        why = (
            "The run cannot tell: no target has scores in the pivot and all minimal pairs in every replicate."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    units = {
        str(target): replicates(rows.droplevel("target")) for target, rows in costs.groupby(level="target")
    }
    table = _table(units, pairs)
    mean = replicates(_complete(costs).groupby(level=UNIT).mean())
    tests = {
        switch: replicate_interval(mean, language, "score minus pivot's, mean over targets")
        for language, switch in pairs.items()
        if language in mean.table
    }
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(tests, mean),
        tables={"Score minus the pivot's, by switch and target (points)": table},
        inferences=tests,
        figures=(_figure(units, pairs),),
        what_would_change="More pretrained encoders: each has its own luck with each language.",
        not_shown=_not_shown(tests),
        flags=mean.flags,
    )


def _costs(scores: pd.DataFrame, pairs: dict[str, str], pivot: str) -> pd.DataFrame:
    """Return score minus the pivot's, rows (target, checkpoint, seed) and a column a minimal pair."""
    wide = scores.pivot_table(index=["target", *UNIT], columns="language", values="value")
    if pivot not in wide:
        return pd.DataFrame()
    here = [language for language in pairs if language in wide]
    return wide[here].sub(wide[pivot], axis=0).dropna(how="all")


def _complete(costs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the targets that every replicate has in every language, so that means compare."""
    n_units = len(costs.groupby(level=UNIT))
    kept = [
        target
        for target, rows in costs.groupby(level="target")
        if len(rows) == n_units and rows.notna().all(axis=None)
    ]
    return costs[costs.index.get_level_values("target").isin(kept)]


def _table(units: dict[str, Replicates], pairs: dict[str, str]) -> pd.DataFrame:
    rows = []
    for target, replicate in units.items():
        for language in replicate.table.columns:
            row = replicate_interval(replicate, language, pairs[language]).table.iloc[0].to_dict()
            rows.append({"target": target, "language": language, "switch": row.pop("term"), **row})
    table = pd.DataFrame(rows).drop(columns=["se", "df"])
    return table.assign(
        p_holm=holm(table["p"].to_numpy()),
        replicates=[len(units[target].table) for target in table["target"]],
    )


def _sentence(tests: dict[str, Inference], units: Replicates) -> str:
    worst = min(tests, key=lambda switch: tests[switch].estimate)
    costs = f"averaged over targets, {worst} costs most: {effect(tests[worst])}"
    tried = count(len(tests), "switch")
    if not units.enough:
        return f"Not judged: {costs} ({units.described}, {tried} tried)."
    shown = f"a cost is shown for {listed(_costly(tests), 10)} ({units.described}; Holm over {tried} at .05)"
    return f"{costs[0].upper()}{costs[1:]}; {shown}."


def _costly(tests: dict[str, Inference]) -> list[str]:
    """Return the switches whose cost is shown, p adjusted over all of them."""
    adjusted = holm(np.array([test.p for test in tests.values()]))
    return [s for (s, test), p in zip(tests.items(), adjusted, strict=True) if p < 0.05 and test.estimate < 0]


def _not_shown(tests: dict) -> tuple[str, ...]:
    unclear = [switch for switch in tests if switch not in _costly(tests)]
    return (f"A cost of: {listed(unclear, 10)}.",) if unclear else ()


def _figure(units: dict[str, Replicates], pairs: dict[str, str]) -> Figure:
    tests = {
        (target, pairs[language], ""): replicate_interval(replicate, language)
        for target, replicate in units.items()
        for language in replicate.table.columns
    }
    return replicate_forest(
        tests,
        name="switches",
        title="Score in a language with one switch, minus the pivot's",
        caption="No intermediate; faint dots are encoders (their seeds averaged).",
        x="difference from the pivot, points",
    )
