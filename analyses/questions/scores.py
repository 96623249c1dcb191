"""The scores that questions look at: one setting of a run, with languages made comparable."""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import pandas as pd

from analyses.outcomes import CLEAN, degradation, encoder_of, is_control
from analyses.run import Run
from analyses.similarity.codes import iso639_3
from analyses.similarity.typology import language_distances
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

TEST = "test"
UNIT = ["checkpoint", "seed"]


def main_scores(run: Run) -> pd.DataFrame:
    """Return the clean scores of a run in its main setting, each in the metric that is its target's score.

    The main method of a target is `full` where it has scores of it, else its most frequent one; the main selection
    rule is `last`, and the main data are `test`, else the most frequent ones: from here on they are called `test`
    (the column `data` keeps their name). The column `control` tells no-pretraining controls, whose `checkpoint`
    becomes that of the encoder they copy.
    """
    scores = _scored_data(run.results[run.results["perturbation"] == CLEAN])
    scores = scores[scores["metric"] == scores["target"].map(_metrics(scores))]
    for name, preferred in (("method", "full"), ("selection", "last"), ("data", TEST)):
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


def headline_split(target: str) -> str:
    """Return the split that gains are read on: where training shows half of the nouns, the unseen ones.

    Such targets ask for planted knowledge that no score without a matching intermediate can show.
    """
    return f"{TEST}/unseen" if target in TASKS and "unseen" in TASKS[target].subsets else TEST


def distances_to_pivot(run: Run, languages: Iterable[str]) -> pd.Series:
    """Return how far languages lie from the pivot (0-1), index language, without those of which too little is known.

    The true total distance of artificial languages, the syntactic one of URIEL between real ones.
    """
    true = run.distances()
    real = [code for code in real_languages(languages) if code != run.pivot]
    if "total" in true or not real:
        return true["total"] if "total" in true else pd.Series(dtype=float)
    found = language_distances([run.pivot, *real], kinds=("syntactic",))
    found = found[(found["a"] == run.pivot) & (found["b"] != run.pivot) & (found["flag"] == "")]
    return found.set_index("b")["distance"]


def real_languages(codes: Iterable[str]) -> list[str]:
    """Return the codes that mean one real language, each once: not artificial ones, nor `qu`, which names several."""
    known = []
    for code in dict.fromkeys(codes):
        with suppress(InputError):
            iso639_3(code)
            known.append(code)
    return known


def ordered_by_distance(languages: Iterable[str], distances: pd.Series) -> list[str]:
    """Return the languages from near to far, those without a distance behind them by name."""
    known = distances.to_dict()
    return sorted(languages, key=lambda language: (known.get(language, float("inf")), language))


def degradation_by_language(scores: pd.DataFrame, pivot: str, order: Sequence[str]) -> pd.DataFrame:
    """Return degradation beside both scores, mean over encoders of the seeds' means; refused targets left out.

    Columns: target, language, y_pivot, y_language, degradation (points), encoders; languages in the given order.
    """
    if not (scores["language"] == pivot).any():
        return pd.DataFrame()
    pretrained = scores.loc[~scores["control"]]
    dropped = degradation(pretrained, pivot).dropna(subset=["degradation"])
    columns = ["y_pivot", "y_language", "degradation"]
    by_encoder = dropped.groupby(["target", "language", "checkpoint"])[columns].mean()
    table = by_encoder.groupby(["target", "language"]).agg(
        **{name: (name, "mean") for name in columns}, encoders=("degradation", "size")
    )
    near_first = table.reset_index().sort_values("language", key=lambda names: names.map(list(order).index))
    return near_first.sort_values("target", kind="stable")


def one_source(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of each target's runs that have most languages, so that sources of unlike languages never mix.

    Of runs with unlike languages (tables of several papers) the first by name of the largest stays; runs with the same
    languages, parts of one experiment, stay together.
    """
    kept = []
    for _, rows in scores.groupby("target", sort=False):
        languages = {run: frozenset(part["language"]) for run, part in rows.groupby("run")}
        most = max(languages.values(), key=len)
        kept.append(rows[rows["run"].map(languages.get) == most])
    return pd.concat(kept) if kept else scores


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
