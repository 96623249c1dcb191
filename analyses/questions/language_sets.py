"""Sets of training languages in a results table: which there are, what pools they come from, what they score.

Sets that share a language, directly or through others, come from one pool. Only sets of one pool are compared as
units: between pools languages differ, and what is compared are these languages on the replicates at hand.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.sets import precision_of
from analyses.inference.student import detectable_ses
from analyses.questions.scores import TEST, UNIT, headline_split
from analyses.run import Run
from analyses.similarity.language_sets import ALIKE, DIVERSE, set_arms
from analyses.similarity.typology import language_distances
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import LANGUAGE_GROUPS, NONE

FEWEST = 3
"""Sets of a pool that are compared at all."""
TRANSLATED = f"{TEST}/unseen+translated"
"""Nouns of the pivot's form tell nothing of the languages that were taught."""
_ONE_TASK = re.compile(r"([^@+>\s]+)@([^@+>\s]+)")


@dataclass(frozen=True, eq=False)
class Pool:
    """Sets of one task and size that are linked by languages."""

    task: str
    sets: pd.DataFrame
    """One row a set: intermediate, languages (joined by commas), diversity, arm."""
    languages: tuple[str, ...]

    def languages_of(self, intermediate: str) -> tuple[str, ...]:
        """Return the languages of a set."""
        row = self.sets.loc[self.sets["intermediate"] == intermediate, "languages"]
        return tuple(row.iloc[0].split(","))


def language_sets(intermediates: list[str]) -> pd.DataFrame:
    """Return the sets of the task and size that most sets have: intermediate, task, languages; empty below two."""
    rows = []
    for name in dict.fromkeys(intermediates):
        if match := _ONE_TASK.fullmatch(name):
            codes = sorted(LANGUAGE_GROUPS.get(match[2], tuple(match[2].split(","))))
            rows.append((name, match[1], ",".join(codes), len(codes)))
    found = pd.DataFrame(rows, columns=["intermediate", "task", "languages", "size"])
    sizes: pd.Series = found[found["size"] > 1].groupby(["task", "size"])["intermediate"].size()
    if sizes.empty or sizes.max() < 2:
        return found.iloc[:0].drop(columns="size")
    most = pd.MultiIndex.from_frame(found[["task", "size"]]) == sizes.idxmax()
    return found[most].drop(columns="size")


def pools(sets: pd.DataFrame, languages: pd.DataFrame) -> list[Pool]:
    """Return the pools of sets, that of most sets first, diversity and arms measured; too small ones left out.

    Args:
        languages: a LANGUAGES table; where it is empty, URIEL's features.

    Raises:
        InputError: a language without features.
    """
    found = [
        Pool(str(rows["task"].iloc[0]), with_arms(rows, codes, languages), tuple(codes))
        for rows, codes in linked(sets)
        if len(rows) >= FEWEST
    ]
    return sorted(found, key=lambda pool: -len(pool.sets))


def linked(sets: pd.DataFrame) -> list[tuple[pd.DataFrame, list[str]]]:
    """Return the sets of every pool with the languages of the pool, in order of first use."""
    linked: list[set[str]] = []
    for text in sets["languages"]:
        codes = set(text.split(","))
        touching = [pool for pool in linked if pool & codes]
        linked = [pool for pool in linked if not pool & codes] + [codes.union(*touching)]
    of = [sets[[bool(set(text.split(",")) & codes) for text in sets["languages"]]] for codes in linked]
    return [(rows.reset_index(drop=True), sorted(codes)) for rows, codes in zip(of, linked, strict=True)]


def with_arms(rows: pd.DataFrame, codes: list[str], languages: pd.DataFrame) -> pd.DataFrame:
    """Return the sets of one pool with their diversity and arm; a pool no larger than its sets has none."""
    distances = language_distances(codes, ["syntactic"], languages if len(languages) else None)
    wide = distances.pivot(index="a", columns="b", values="distance").loc[codes, codes]
    return pd.concat([rows, set_arms([text.split(",") for text in rows["languages"]], wide)], axis=1)


def planned_intermediates(run: Run) -> list[str]:
    """Return all intermediates, those that are planned and not yet scored too: bands follow from the plan."""
    planned = [] if run.planned is None else run.planned["intermediate"].tolist()
    return [*planned, *run.results["intermediate"].tolist()]


def target_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are read: of targets with translated nouns those, of others their headline split."""
    splits = {t: _split(t) for t in scores["target"].unique()}
    in_pivot = scores["target"].map(headline_split)
    translated = scores["target"].map(splits)
    # The pivot translates nothing: its score is that of its own unseen nouns.
    has = scores.groupby(["target", "language"])["split"].transform(lambda s: TRANSLATED in set(s))
    return scores[scores["split"] == translated.where(has, in_pivot)]


def _split(target: str) -> str:
    known = target in TASKS and "unseen+translated" in TASKS[target].subsets
    return TRANSLATED if known else headline_split(target)


def complete(scores: pd.DataFrame, intermediates: list[str], languages: list[str]) -> pd.DataFrame:
    """Return scores (unit, target, intermediate) x language of the replicates that have all of these.

    Sets without any score are left out; a replicate that lacks a target, set or language of the others is too.
    """
    rows = scores[scores["intermediate"].isin(intermediates) & scores["language"].isin(languages)]
    wide = rows.pivot_table(index=UNIT, columns=["intermediate", "target", "language"], values="value")
    kept = pd.DataFrame(wide.dropna().stack(["intermediate", "target"], future_stack=True))
    return kept.reindex(columns=[code for code in languages if code in kept.columns])


def outcomes(pool: Pool, scores: pd.DataFrame, pivot: str, untaught: list[str]) -> pd.DataFrame:
    """Return one row a set: its score in the languages that no set has, the pivot's, gap, spread, worst third, taught.

    `spread` is the SD over languages with the noise of replicates taken off; `worst_third` the languages with the
    lowest scores of `none`, which enters no set's score; `taught` the score in the set's own languages less that of
    the other sets there.
    """
    names = pool.sets["intermediate"].tolist()
    table = complete(scores, names, untaught)
    if table.empty:
        return pd.DataFrame()
    by_set = table.groupby("intermediate")
    out = pd.DataFrame({"score": by_set.mean().mean(axis=1), "spread": by_set.apply(_spread)})
    in_pivot = complete(scores, names, [pivot])
    out["pivot"] = in_pivot.groupby("intermediate").mean().mean(axis=1) if len(in_pivot) else np.nan
    out["gap"] = out["pivot"] - out["score"]
    out["worst_third"] = by_set.mean().loc[:, _worst_third(scores, untaught)].mean(axis=1)
    out["replicates"] = len(table.reset_index()[UNIT].drop_duplicates())
    return pool.sets.merge(out, left_on="intermediate", right_index=True)


def _spread(rows: pd.DataFrame) -> float:
    """Return the SD over languages of mean scores, less what the noise of replicates adds to it."""
    by_unit = rows.groupby(level=UNIT).mean()
    n = len(by_unit)
    if rows.shape[1] < 2 or n < 2:
        return float("nan")
    deviation = by_unit.sub(by_unit.mean(axis=1), axis=0)
    noise = deviation.var(axis=0, ddof=1).mean() / n
    # Deviations of L languages have (L - 1) / L of the noise, the variance over languages divides by L - 1.
    return float(
        np.sqrt(max(deviation.mean().var(ddof=1) - noise * rows.shape[1] / (rows.shape[1] - 1), 0.0))
    )


def _worst_third(scores: pd.DataFrame, languages: list[str]) -> list[str]:
    none = scores[(scores["intermediate"] == NONE) & scores["language"].isin(languages)]
    means = none.groupby("language")["value"].mean()
    ranked = means.sort_values(kind="stable").index.tolist() or languages
    return [code for code in ranked if code in languages][: max(1, round(len(languages) / 3))]


def by_replicate(
    scores: pd.DataFrame, plus: list[str], minus: list[str], languages: list[str]
) -> pd.DataFrame:
    """Return by (checkpoint, seed) the mean of some intermediates less that of others, over languages."""
    wide = complete(scores, [*plus, *minus], languages)
    if wide.empty:
        return pd.DataFrame(columns=["difference"])
    means = wide.mean(axis=1).groupby([*UNIT, "intermediate"]).mean().unstack("intermediate")
    if not (set(plus) & set(means) and set(minus) & set(means)):
        return pd.DataFrame(columns=["difference"])
    sides = [means[[name for name in side if name in means]].mean(axis=1) for side in (plus, minus)]
    return pd.DataFrame({"difference": sides[0] - sides[1]})


def taught_by_replicate(
    scores: pd.DataFrame, sets: dict[str, tuple[str, ...]], others: list[str]
) -> pd.DataFrame:
    """Return by (checkpoint, seed) the score of sets in their own languages less that of others in the same ones.

    Mean over languages; without `others`, those sets that lack the language.
    """
    parts = {}
    for code in sorted({code for codes in sets.values() for code in codes}):
        plus = [name for name, codes in sets.items() if code in codes]
        minus = others or [name for name, codes in sets.items() if code not in codes]
        found = by_replicate(scores, plus, minus, [code]) if minus else pd.DataFrame()
        if len(found):
            parts[code] = found["difference"]
    return (
        pd.DataFrame({"difference": pd.DataFrame(parts).mean(axis=1, skipna=False)}).dropna()
        if parts
        else (pd.DataFrame(columns=["difference"]))
    )


def nearest_distances(pool: Pool, untaught: list[str], languages: pd.DataFrame) -> pd.DataFrame:
    """Return by (intermediate, language) the distance to the nearest language of the set."""
    table = languages if len(languages) else None
    d = language_distances([*pool.languages, *untaught], ["syntactic"], table)
    wide = d.pivot(index="a", columns="b", values="distance")
    rows = [
        (name, code, wide.loc[code, text.split(",")].min())
        for name, text in pool.sets[["intermediate", "languages"]].itertuples(index=False)
        for code in untaught
    ]
    return pd.DataFrame(rows, columns=["intermediate", "language", "distance"])


def attainable(rows: pd.DataFrame, codes: list[str], margin: float, sds: Sequence[float]) -> str:
    """Return the smallest effect of one pool; arms of artificial languages are in no plan: half of the sets each."""
    world = any(code.startswith("x-") for code in codes)
    if world:
        precision, df, arms = (
            len(rows) / 4,
            len(rows) - len(codes) - 1,
            "at best, arms even over the languages",
        )
    else:
        arm = with_arms(rows, codes, pd.DataFrame())
        arm = arm[arm["arm"].isin([DIVERSE, ALIKE])]
        diverse = (arm["arm"] == DIVERSE).to_numpy(float)
        even = len(arm) and 0 < diverse.mean() < 1
        precision, df = precision_of(diverse, arm["languages"]) if even else (0.0, 0)
        arms = f"{int(diverse.sum())} diverse against {int((1 - diverse).sum())} alike"
    if df < 1 or precision <= 0:
        return "arms of diverse and alike sets cannot be told from languages here: described, not judged"
    root = np.sqrt(precision)
    smallest = detectable_ses(df) / root
    points = ", ".join(f"{smallest * sd:.1f} at {sd:g}" for sd in sds)
    return (
        f"{arms}, {df} degrees of freedom; smallest effect with power .8: {smallest:.2f} SDs of a set, points by SD "
        f"{points}; 'equivalent' within {margin:g} points is attainable up to an SD of "
        f"{margin * root / stats.t.ppf(0.95, df):.2f}"
    )
