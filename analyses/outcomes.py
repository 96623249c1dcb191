"""Results table -> outcomes: gain, degradation, gap reduction, robust drop, and what is missing.

Every function takes a results table (`simxfer.schema.tables.RESULTS`) and returns a new table, one row an outcome,
in points. Nothing is averaged here. An outcome whose partner is absent is a row with a missing value and a
flag.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from simxfer.common.errors import InputError, unknown
from simxfer.schema.tables import MEASUREMENT, PIVOT, RESULTS, SAME_CHECKPOINT, validate
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE, shares_data, shares_kind

CLEAN = "clean"
PIVOT_TARGETS = {"xcopa": "copa"}
"""Targets whose pivot test set is a data set of its own."""

NO_BASELINE = "no score without an intermediate to compare with"
NO_PIVOT = "no pivot score: degradation is not defined"
NOT_PARALLEL = "test sets are not parallel: degradation mixes languages with data"
NO_CLEAN = "no clean score to compare with"
UNEQUAL_TESTS = "clean and perturbed scores rest on different numbers of examples"


def is_control(checkpoints: pd.Series) -> pd.Series:
    """Tell which checkpoints are no-pretraining controls, named `random(<encoder>)`."""
    return checkpoints.str.startswith("random(").astype(bool)


def encoder_of(checkpoints: pd.Series) -> pd.Series:
    """Return the encoder of each checkpoint: itself, or the one that a no-pretraining control copies."""
    return checkpoints.str.replace(r"^random\((.*)\)$", r"\1", regex=True)


def measurements(results: pd.DataFrame) -> pd.DataFrame:
    """Return a results table with every measurement once, whatever number of seeds it stands for.

    Targets without training are scored on the pretrained checkpoint itself, which has no seed: its rows are one
    number as often as there are seeds, and replicates to nobody. The row of the first seed stays and is flagged;
    `gains` takes it as the baseline of all seeds. Rows without a stage are left as they are.

    Raises:
        InputError: the table is not a valid results table.
    """
    results = validate(results, RESULTS).sort_values("seed", kind="stable")
    columns = list(MEASUREMENT)
    one_number = results.groupby(columns)["value"].transform("nunique") == 1
    repeated = one_number & (results["stage"].fillna("") != "") & results.duplicated(columns, keep=False)
    results = _flag(results, repeated & ~is_shared(results), SAME_CHECKPOINT)
    return results[~(repeated & results.duplicated(columns))].sort_index(ignore_index=True)


def is_shared(results: pd.DataFrame) -> pd.Series:
    """Tell which scores are those of a checkpoint that all seeds share."""
    return results["flags"].fillna("").str.split(";").map(lambda flags: SAME_CHECKPOINT in flags).astype(bool)


def gains(results: pd.DataFrame) -> pd.DataFrame:
    """Return gain g = y(s) - y(none) of every score with an intermediate.

    Rows are paired where every key column but `intermediate` is equal (DESIGN.md section 3), so gains of one
    cell share their baseline and are correlated. The score of an untrained checkpoint (`measurements`) is the
    baseline of all seeds.

    Returns:
        key columns, score, baseline, gain (points; missing without a baseline), same_data and same_kind
        (boolean, missing where a task has no record), flags.

    Raises:
        InputError: the table is not a valid results table.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, gains, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=2, seeds=1)
        >>> results = simulate_results(np.random.default_rng(1), truth)
        >>> gains(results)[["intermediate", "language", "score", "baseline", "gain"]].round(2)
          intermediate language  score  baseline  gain
        0           s0       en  61.73     59.26  2.47
        1           s0    x-l01  63.33     59.84  3.49
    """
    results = validate(results, RESULTS)
    key = [name for name in RESULTS.key if name != "intermediate"]
    baseline = results.loc[results["intermediate"] == NONE, [*key, "value", "flags"]]
    baseline = baseline.rename(columns={"value": "baseline", "flags": "flags_of_baseline"})
    scores = results.loc[results["intermediate"] != NONE, [*RESULTS.key, "value", "flags"]]
    # One baseline a score: a second one would double gains in silence.
    out = scores.merge(baseline, on=key, how="left", validate="many_to_one").rename(
        columns={"value": "score"}
    )
    out = _with_shared_baselines(out, baseline, [name for name in key if name != "seed"])
    out["gain"] = out["score"] - out["baseline"]
    for flag in set(out["flags_of_baseline"].dropna()) - {""}:
        out = _flag(out, out["flags_of_baseline"] == flag, f"baseline: {flag}")
    out = _flag(out, out["baseline"].isna(), NO_BASELINE)
    return _ordered(with_relations(out), ["score", "baseline", "gain", "same_data", "same_kind"])


def _with_shared_baselines(out: pd.DataFrame, baseline: pd.DataFrame, key: list[str]) -> pd.DataFrame:
    """Fill in missing baselines that all seeds share."""
    shared = baseline[is_shared(baseline.rename(columns={"flags_of_baseline": "flags"}))]
    columns = ["baseline", "flags_of_baseline"]
    found = out[key].merge(shared.drop_duplicates(key)[[*key, *columns]], on=key, how="left")
    missing = out["baseline"].isna()
    return out.assign(
        **{name: out[name].where(~missing, found[name].set_axis(out.index)) for name in columns}
    )


def degradation(results: pd.DataFrame, pivot: str = PIVOT) -> pd.DataFrame:
    """Return degradation d = y(t, pivot) - y(t, l), XTREME's transfer gap, beside both scores.

    A target without a pivot score gives missing values and a flag; a target whose test sets are not parallel
    is flagged. XCOPA's pivot score is COPA's.

    Returns:
        key columns, y_pivot, y_language, degradation (points), parallel (boolean, missing for a task without
        a record), flags; one row a score outside the pivot.

    Raises:
        InputError: the table is not valid, or no target has a score in the pivot.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, degradation, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=2, seeds=1)
        >>> results = simulate_results(np.random.default_rng(1), truth)
        >>> drops = degradation(results)
        >>> drops[["intermediate", "language", "y_pivot", "y_language", "degradation"]].round(2)
          intermediate language  y_pivot  y_language  degradation
        0           s0    x-l01    61.73       63.33        -1.60
        1         none    x-l01    59.26       59.84        -0.57
    """
    results = validate(results, RESULTS)
    if not (results["language"] == pivot).any():
        raise InputError(
            f"no score in the pivot {pivot!r}, so degradation is not defined. "
            + unknown("language", pivot, results["language"].unique())
        )
    key = [name for name in RESULTS.key if name != "language"]
    scores = results.loc[results["language"] != pivot, [*RESULTS.key, "value", "flags"]]
    out = scores.merge(_pivot_scores(results, pivot, key), on=key, how="left", validate="many_to_one")
    out = out.rename(columns={"value": "y_language"})
    out["degradation"] = out["y_pivot"] - out["y_language"]
    out["parallel"] = out["target"].map(_by_task(out["target"], "parallel")).astype("boolean")
    out = _flag(out, out["y_pivot"].isna(), NO_PIVOT)
    # A task without a record is not known to be unlike: no flag.
    out = _flag(out, ~out["parallel"].fillna(True), NOT_PARALLEL)
    return _ordered(out, ["y_pivot", "y_language", "degradation", "parallel"])


def gap_reduction(results: pd.DataFrame, pivot: str = PIVOT) -> pd.DataFrame:
    """Return gap reduction d(none) - d(s) = gain(l) - gain(pivot), beside both gains.

    Returns:
        key columns, gain_pivot, gain, gap_reduction (points), same_data, same_kind, flags; one row a score
        with an intermediate outside the pivot.

    Raises:
        InputError: the table is not valid, or no target has a score in the pivot.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, gap_reduction, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=3, seeds=1)
        >>> results = simulate_results(np.random.default_rng(1), truth)
        >>> gap_reduction(results)[["language", "gain_pivot", "gain", "gap_reduction"]].round(2)
          language  gain_pivot  gain  gap_reduction
        0    x-l01        2.42  2.92           0.51
        1    x-l02        2.42  0.07          -2.35
    """
    with_gain = gains(results)
    dropped = degradation(results, pivot)
    of_none = dropped[dropped["intermediate"] == NONE].drop(columns=["intermediate", "flags", "parallel"])
    key = [name for name in RESULTS.key if name != "intermediate"]
    out = dropped[dropped["intermediate"] != NONE].merge(
        of_none[[*key, "degradation"]].rename(columns={"degradation": "degradation_none"}), on=key, how="left"
    )
    out = out.merge(
        with_gain[[*RESULTS.key, "gain", "same_data", "same_kind"]], on=list(RESULTS.key), how="left"
    )
    out["gap_reduction"] = out["degradation_none"] - out["degradation"]
    # Not looked up among the gains: the pivot of XCOPA is COPA, which is another target.
    out["gain_pivot"] = out["gain"] - out["gap_reduction"]
    # Where the pivot lacks, its own flag stands already.
    out = _flag(out, out["degradation_none"].isna() & out["degradation"].notna(), NO_BASELINE)
    return _ordered(out, ["gain_pivot", "gain", "gap_reduction", "same_data", "same_kind"])


def robust_drop(results: pd.DataFrame) -> pd.DataFrame:
    """Return robust drop y(clean) - y(perturbed), beside both scores.

    Rows are paired where every key column but `perturbation` is equal; both scores are means over the same
    examples, and a pair whose numbers of examples differ is flagged.

    Returns:
        key columns, y_clean, y_perturbed, robust_drop (points), flags; one row a perturbed score.

    Raises:
        InputError: the table is not a valid results table.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import Truth, robust_drop, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=1, seeds=1)
        >>> clean = simulate_results(np.random.default_rng(1), truth)
        >>> noisy = clean.assign(perturbation="typos(0.1)", value=clean["value"] - [4.0, 9.0])
        >>> drops = robust_drop(pd.concat([clean, noisy]))
        >>> drops[["intermediate", "y_clean", "y_perturbed", "robust_drop"]].round(1)
          intermediate  y_clean  y_perturbed  robust_drop
        0           s0     61.5         57.5          4.0
        1         none     60.5         51.5          9.0
    """
    results = validate(results, RESULTS)
    key = [name for name in RESULTS.key if name != "perturbation"]
    kept = [*RESULTS.key, "value", "n_examples", "flags"]
    clean = results.loc[results["perturbation"] == CLEAN, [*key, "value", "n_examples"]]
    clean = clean.rename(columns={"value": "y_clean", "n_examples": "n_clean"})
    out = results.loc[results["perturbation"] != CLEAN, kept].merge(clean, on=key, how="left")
    out = out.rename(columns={"value": "y_perturbed"})
    out["robust_drop"] = out["y_clean"] - out["y_perturbed"]
    out = _flag(out, out["y_clean"].isna(), NO_CLEAN)
    # Imported tables may not say how many examples there were, which is no difference.
    out = _flag(out, (out["n_examples"] != out["n_clean"]).fillna(False), UNEQUAL_TESTS)
    return _ordered(out, ["y_clean", "y_perturbed", "robust_drop"])


Expected = Callable[[dict], dict[Any, int]]
"""From the key of a target's test to its expected intermediates, each with its number of replicates."""

_CELL = ["run", "method", "target", "metric", "split", "perturbation", "selection", "intermediate"]


def coverage(results: pd.DataFrame, planned: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return what the table holds and what it lacks, one row an intermediate x target.

    A target's languages are all those that any row of it has. No-pretraining controls stand apart, as `control`.

    Args:
        results: a results table.
        planned: one row a planned cell: checkpoint, method, intermediate, target, seed, selection. Without it,
            every intermediate of a run and method is expected for each of its targets, with the pairs of
            checkpoint and seed that it has there.

    Returns:
        run, method, target, metric, split, perturbation, selection, intermediate, control, n_encoders,
        n_replicates, n_languages, n_scores, n_expected, missing_languages (absent from every replicate).

    Raises:
        InputError: the table is not a valid results table.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, coverage, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=3, seeds=2)
        >>> results = simulate_results(np.random.default_rng(1), truth)
        >>> lost = (results["intermediate"] == "s0") & (results["language"] == "x-l02")
        >>> coverage(results[~lost])[["intermediate", "n_scores", "n_expected", "missing_languages"]]
          intermediate  n_scores  n_expected missing_languages
        0           s0         4           6             x-l02
        1         none         6           6
    """
    results = validate(results, RESULTS)
    results["control"] = is_control(results["checkpoint"])
    # A separator that stands in no name: e1 with seed 2 is not e with seed 12.
    results["replicate"] = results["checkpoint"] + "\x1f" + results["seed"].astype("string")
    expected_of = _crossed(results) if planned is None else _by_plan(planned)
    test = [*_CELL[:-1], "control"]
    rows = []
    for key, cells in results.groupby(test, sort=False):
        languages = set(cells["language"])
        found = dict(iter(cells.groupby("intermediate", sort=False)))
        expected = expected_of(dict(zip(test, key, strict=True)))
        for intermediate in dict.fromkeys([*expected, *found]):
            cell = found.get(intermediate, cells.iloc[:0])
            counts = _cell_coverage(cell, languages, expected.get(intermediate, 0))
            rows.append((*key, intermediate, *counts))
    counted = ["n_encoders", "n_replicates", "n_languages", "n_scores", "n_expected", "missing_languages"]
    out = pd.DataFrame(rows, columns=[*test, "intermediate", *counted])
    return out[[*_CELL, "control", *counted]]


def with_relations(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with same_data and same_kind of its intermediate and target, from the task records.

    A pair with a task that has no record is missing, not false.
    """
    pairs = table[["intermediate", "target"]].drop_duplicates()
    for name, holds in (("same_data", shares_data), ("same_kind", shares_kind)):
        values = [_relation(holds, s, t) for s, t in zip(pairs["intermediate"], pairs["target"], strict=True)]
        pairs[name] = pd.array(values, "boolean")
    return table.merge(pairs, on=["intermediate", "target"], how="left", validate="many_to_one")


def _relation(holds: Callable[[str, str], bool], intermediate: str, target: str) -> bool | None:
    """Return whether a relation of two tasks holds; None where a task has no record, as in imported tables."""
    try:
        return holds(intermediate, target) if target in TASKS else None
    except InputError:
        return None


def _pivot_scores(results: pd.DataFrame, pivot: str, key: list[str]) -> pd.DataFrame:
    """Return y_pivot by key; a target in `PIVOT_TARGETS` without its own takes that of its pivot data set."""
    scores = results.loc[results["language"] == pivot, [*key, "value"]].rename(columns={"value": "y_pivot"})
    borrowed = [
        scores[scores["target"] == source].assign(target=target)
        # A table may file COPA's score under the target itself; then nothing is borrowed.
        for target, source in PIVOT_TARGETS.items()
        if target not in set(scores["target"])
    ]
    return pd.concat([scores, *borrowed])


def _by_task(names: pd.Series, field: str) -> dict[str, object]:
    return {name: getattr(TASKS[name], field) if name in TASKS else pd.NA for name in names.unique()}


def _crossed(results: pd.DataFrame) -> Expected:
    """Expect every intermediate of a run and method once for each of its targets, controls apart."""
    by = ["run", "method", "control"]
    known = {key: dict.fromkeys(rows["intermediate"].unique(), 1) for key, rows in results.groupby(by)}
    return lambda test: known[tuple(test[name] for name in by)]


def _by_plan(planned: pd.DataFrame) -> Expected:
    """Expect the planned intermediates of a target, each with its number of replicates."""
    by = ["method", "target", "selection", "control"]
    planned = planned.assign(control=is_control(planned["checkpoint"]))
    planned = planned.drop_duplicates(["stage", "evaluation"]) if "stage" in planned else planned
    known = {
        key: rows["intermediate"].value_counts(sort=False).to_dict() for key, rows in planned.groupby(by)
    }
    return lambda test: known.get(tuple(test[name] for name in by), {})


def _cell_coverage(
    cell: pd.DataFrame, languages: set[str], planned: int
) -> tuple[int, int, int, int, int, str]:
    n_replicates = cell["replicate"].nunique()
    missing = sorted(languages - set(cell["language"]))
    n_expected = max(n_replicates, planned) * len(languages)
    n_languages = len(languages) - len(missing)
    return cell["checkpoint"].nunique(), n_replicates, n_languages, len(cell), n_expected, " ".join(missing)


def _flag(table: pd.DataFrame, where: pd.Series, flag: str) -> pd.DataFrame:
    """Return the table with `flag` added to the flags of the rows where the mask holds."""
    flags = table["flags"].where(~where, (table["flags"] + ";" + flag).str.strip(";"))
    return table.assign(flags=flags)


def _ordered(table: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    return table[[*RESULTS.key, *values, "flags"]].reset_index(drop=True)
