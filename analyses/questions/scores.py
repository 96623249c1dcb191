"""The scores that questions look at: one setting of a run, with languages made comparable."""

from collections.abc import Sequence

import pandas as pd

from analyses.outcomes import CLEAN, encoder_of, is_control
from analyses.run import Run
from simxfer.schema.tables import TARGET_DEV
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

TEST = "test"
FULL = "full"
"""The main method where a run has it."""
UNIT = ["checkpoint", "seed"]


def main_scores(run: Run, perturbation: str = CLEAN) -> pd.DataFrame:
    """Return the scores of a run in its main setting, clean unless told, each in the metric that is its target's score.

    The main method of a target is `full` where it has scores of it, else its most frequent one; the main selection
    rule is `last`, an oracle only where there is nothing else; the main data are `test`, else the most frequent ones:
    from here on they are called `test` (the column `data` keeps their name). The column `control` tells no-pretraining
    controls, whose `checkpoint` becomes that of the encoder they copy.
    """
    scores = _scored_data(run.results[run.results["perturbation"] == perturbation])
    scores = scores[scores["metric"] == scores["target"].map(_metrics(scores))]
    oracle = scores["selection"] == TARGET_DEV
    scores = scores[~oracle | ~scores["target"].isin(scores.loc[~oracle, "target"])]
    for name, preferred in (("method", FULL), ("selection", "last"), ("data", TEST)):
        scores = scores[scores[name] == scores["target"].map(_most_frequent(scores, name, preferred))]
    subset = scores["split"].str.partition("/")[2]
    return scores.assign(
        split=TEST + subset.where(subset == "", "/" + subset),
        control=is_control(scores["checkpoint"]),
        checkpoint=encoder_of(scores["checkpoint"]),
    )


def left_out(run: Run) -> tuple[str, ...]:
    """Return a statement for every method, selection rule or perturbation that `main_scores` leaves out."""
    kept = main_scores(run)
    statements = []
    for name in ("method", "selection", "perturbation"):
        others = sorted(set(run.results[name].unique()) - set(kept[name].unique()))
        if others:
            shown = ", ".join(sorted(kept[name].unique()))
            statements.append(
                f"these answers are about {name} {shown}; the run also holds {', '.join(others)}"
            )
    oracles = sorted(kept.loc[kept["selection"] == TARGET_DEV, "target"].unique())
    if oracles:
        statements.append(
            f"scores of {', '.join(oracles)} are an oracle's: labelled data in each language chose its checkpoint"
        )
    data = _scored_data(run.results).groupby("data")["target"].unique()
    statements += [
        f"scores of {', '.join(sorted(targets))} are on {name} data"
        for name, targets in data.items()
        if name != TEST
    ]
    return tuple(statements)


def _scored_data(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a column `data`: the split without its subset."""
    return results.assign(data=results["split"].str.partition("/")[0])


def zero_shot_languages(scores: pd.DataFrame, pivot: str, by: Sequence[str]) -> list[str]:
    """Return the languages outside the pivot that every group of rows has, so that means are comparable."""
    rows = scores[scores["language"] != pivot]
    n_groups = len(rows[list(by)].drop_duplicates())
    present = rows.drop_duplicates([*by, "language"]).groupby("language", sort=False).size()
    return sorted(present.index[present == n_groups])


def language_means(
    scores: pd.DataFrame, languages: Sequence[str], by: Sequence[str], value: str = "value"
) -> pd.Series:
    """Return the mean of `value` over these languages by group; a group that lacks one of them is missing."""
    wide = scores.groupby([*by, "language"])[value].mean().unstack("language")
    return wide.reindex(columns=list(languages)).mean(axis=1, skipna=False)


def baseline_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without an intermediate on the whole test set, of targets that need no planted knowledge."""
    planted = scores["target"].map(headline_split) != TEST
    return scores[(scores["intermediate"] == NONE) & (scores["split"] == TEST) & ~planted]


def language_scores(run: Run) -> pd.DataFrame:
    """Return what pretrained encoders score without an intermediate, of one source a target and encoder.

    Runs of a table are sources: scores of two papers, say. Those with most languages stay, so that languages never
    differ by their source; runs with the same languages, parts of one experiment, stay together.
    """
    scores = baseline_scores(main_scores(run))
    scores = scores[~scores["control"]]
    kept = [scores.iloc[:0]]
    for _, rows in scores.groupby(["target", "checkpoint"], sort=False):
        languages = {name: frozenset(part["language"]) for name, part in rows.groupby("run")}
        most = max(languages.values(), key=len)
        kept.append(rows[rows["run"].map(lambda name, of=languages: of[name]) == most])
    return pd.concat(kept)


def headline_split(target: str) -> str:
    """Return the split that gains are read on: where training shows half of the nouns, the unseen ones.

    Such targets ask for planted knowledge that no score without a matching intermediate can show.
    """
    return f"{TEST}/unseen" if target in TASKS and "unseen" in TASKS[target].subsets else TEST


def _most_frequent(scores: pd.DataFrame, name: str, preferred: str) -> dict[str, str]:
    """Return the value of a column by target: the preferred one where it occurs, else the most frequent."""
    counts = {str(target): rows[name].value_counts() for target, rows in scores.groupby("target")}
    return {target: preferred if preferred in known else known.index[0] for target, known in counts.items()}


def _metrics(scores: pd.DataFrame) -> dict[str, str]:
    """Return the metric of each target: its record's; without a record the most frequent one, not EM if possible."""
    found = {}
    for target, rows in scores.groupby("target"):
        declared = TASKS[str(target)].metric if target in TASKS else ""
        counts = rows["metric"].value_counts()
        known = [name for name in counts.index if name != "exact_match"] or ["exact_match"]
        found[str(target)] = declared if declared in known else known[0]
    return found
