"""Minimal pairs: what one typological switch alone costs zero-shot, all else equal to the pivot."""

import numpy as np
import pandas as pd

from analyses.inference.multiplicity import holm
from analyses.questions.answer import Answer, Figure, unanswerable
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
    roots = languages[languages["feature"] == "cognacy"].set_index("language")["value"]
    found = {}
    for language, row in switches.drop(index=pivot).iterrows():
        changed = list(switches.columns[(row == 1) & (switches.loc[pivot] == 0)])
        if roots.get(language, 1.0) < 1:
            changed.append(f"cognacy={roots[language]:.2g}")
        if len(changed) == 1:
            found[str(language)] = changed[0]
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
    if costs.empty:
        return unanswerable(
            NAME,
            TITLE,
            QUESTION,
            "The run cannot tell: no target has scores in the pivot and in a minimal pair.",
        )
    units = {
        target: replicates(costs.loc[target].unstack("language")) for target in costs.index.unique("target")
    }
    table = _table(units, pairs)
    mean = replicates(costs.groupby([*UNIT, "language"]).mean().unstack("language"))
    tests = {
        switch: replicate_interval(mean, language, f"{switch}: score minus pivot's, mean over targets")
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
        flags=() if mean.enough else (mean.note(),),
    )


def _costs(scores: pd.DataFrame, pairs: dict[str, str], pivot: str) -> pd.Series:
    """Return score minus the pivot's by (target, checkpoint, seed, language), minimal pairs only."""
    wide = scores.set_index(["target", *UNIT, "language"])["value"].unstack("language")
    if pivot not in wide:
        return pd.Series(dtype=float)
    here = [language for language in pairs if language in wide]
    return wide[here].sub(wide[pivot], axis=0).stack().dropna()


def _table(units: dict[str, Replicates], pairs: dict[str, str]) -> pd.DataFrame:
    rows = []
    for target, replicate in units.items():
        for language in replicate.table.columns:
            row = replicate_interval(replicate, language, pairs[language]).table.iloc[0].to_dict()
            rows.append({"target": target, "language": language, "switch": row.pop("term"), **row})
    table = pd.DataFrame(rows).drop(columns=["se", "df"])
    if table["p"].notna().any():
        table["p_holm"] = np.nan
        judged = table["p"].notna()
        table.loc[judged, "p_holm"] = holm(table.loc[judged, "p"].to_numpy())
    return table.assign(replicates=[len(units[target].table) for target in table["target"]])


def _sentence(tests: dict, units: Replicates) -> str:
    worst = min(tests, key=lambda switch: tests[switch].estimate)
    clear = [switch for switch, test in tests.items() if test.interval[1] < 0]
    return (
        f"Averaged over targets, {worst} costs most: {effect(tests[worst])}. "
        f"Switches whose unadjusted interval lies below zero: {listed(clear)} "
        f"({count(len(units.table), units.unit)}, {count(len(tests), 'switch')} tried)."
    )


def _not_shown(tests: dict) -> tuple[str, ...]:
    unclear = [switch for switch, test in tests.items() if not test.interval[1] < 0]
    return (f"A cost of: {listed(unclear, 10)}.",) if unclear else ()


def _figure(units: dict[str, Replicates], pairs: dict[str, str]) -> Figure:
    tests = {
        (target, pairs[language], ""): replicate_interval(replicate, language, language)
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
