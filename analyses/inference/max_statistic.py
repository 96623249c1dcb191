"""Families of tests judged by the maximum of their statistics over one shared permutation or resample."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_levels
from analyses.inference.pigeonhole import FEWEST_LEVELS, factor_weights
from analyses.inference.result import Inference
from analyses.inference.task_permutation import permutation_p, task_null, task_tables
from simxfer.errors import InputError


def max_t(
    data: pd.DataFrame,
    outcome: str,
    similarities: Sequence[str],
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    rng: np.random.Generator,
    covariates: Sequence[str] = (),
    kind: tuple[str, str] | None = None,
    permutations: int = 9999,
) -> Inference:
    """Test many similarity measures at once, permuting whole tasks; the only fair way to name the best of
    them.

    All measures see the same permutations of the outcome's residuals (Freedman-Lane). p is adjusted step-down
    by the maximum of |t| over the measures not yet rejected (Westfall and Young 1993, algorithm 4.1), which
    holds the family-wise error rate under their dependence.

    Args:
        similarities: columns constant within (source, target). Only pairs complete in all of them are used.
            The other arguments are those of `permute_tasks`.

    Returns:
        One row a measure, the strongest first: slope, t as `statistic`, adjusted `p`, `p_single`.

    Raises:
        InputError: as `permute_tasks`; a measure named twice.
    """
    if len(set(similarities)) < len(similarities):
        raise InputError("a similarity is named twice")
    tables, grid, notes = task_tables(data, outcome, similarities, source, target, language, covariates, kind)
    null, observed, exact = task_null(tables, rng, permutations=permutations)
    table = pd.DataFrame(
        {
            "term": list(similarities),
            "estimate": tables.slopes,
            "low": np.nan,
            "high": np.nan,
            "p": step_down(null, observed, exact),
            "p_single": [permutation_p(null[:, i], observed[i], exact) for i in range(len(observed))],
            "statistic": observed,
        }
    )
    strongest_first = np.argsort(-np.abs(observed), kind="stable")
    return Inference(
        procedure="max_t",
        null="no association with any of the measures: task labels are exchangeable",
        table=table.iloc[strongest_first].reset_index(drop=True),
        counts={
            source: grid.shape[0],
            target: grid.shape[1],
            "measures": len(observed),
            "permutations": len(null),
        },
        distribution=np.abs(null).max(axis=1),
        notes=notes,
        references=("Westfall and Young 1993", "Phipson and Smyth 2010"),
    )


def step_down(null: np.ndarray, observed: np.ndarray, exact: bool) -> np.ndarray:
    """Return step-down max-T adjusted p values, (M,), from null statistics (B, M) and observed ones (M,)."""
    order = np.argsort(-np.abs(observed), kind="stable")
    # Maximum over the measures from rank i on, for every permutation.
    maxima = np.maximum.accumulate(np.abs(null[:, order[::-1]]), axis=1)[:, ::-1]
    p = np.array([permutation_p(maxima[:, i], observed[m], exact) for i, m in enumerate(order)])
    out = np.empty(len(observed))
    out[order] = np.maximum.accumulate(p)
    return out


def simultaneous_means(
    data: pd.DataFrame,
    value: str,
    by: str,
    factors: Sequence[str],
    *,
    rng: np.random.Generator,
    resamples: int = 4999,
    level: float = 0.95,
) -> Inference:
    """Means by group with intervals that hold for all groups at once.

    Crossed factors are resampled as in `crossed_bootstrap`, with the same resample for every group; intervals
    are estimate -+ c se with c the quantile of max_g |m*_g - m_g| / se_g (max-T). For example the mean gain
    of every intermediate on one target over its languages.

    Args:
        by: the column with the groups. factors: columns whose levels are resampled, shared by the groups.

    Returns:
        One row a group, the largest mean first; p is adjusted: the share of maxima beyond |m_g| / se_g.

    Raises:
        InputError: unknown columns, a factor with fewer than 5 levels, a group that lacks some combination of
            levels (its mean would stand on other levels than its neighbours').
    """
    frame, notes = complete_rows(data, [value], [by, *factors])
    for name in factors:
        require_levels(frame[name].nunique(), FEWEST_LEVELS, name, "an interval needs levels to resample")
    means = frame.groupby([*factors, by], sort=True)[value].mean().unstack(by)
    if means.isna().any(axis=None):
        lacking = means.columns[means.isna().any()][0]
        raise InputError(f"{by} {lacking!r} lacks some combination of {list(factors)}; keep the common ones")
    cells = means.reset_index()
    draws = np.concatenate(
        [
            w @ means.to_numpy() / w.sum(axis=1, keepdims=True)
            for w in factor_weights(cells, factors, rng, resamples)
        ]
    )
    estimate, se = means.mean().to_numpy(), draws.std(axis=0, ddof=1)
    if (se == 0).any():
        raise InputError(
            f"{by} {means.columns[se == 0][0]!r} has no spread over {list(factors)}: no interval"
        )
    maxima = (np.abs(draws - estimate) / se).max(axis=1)
    half = np.quantile(maxima, level) * se
    p = [permutation_p(maxima, t, exact=False) for t in estimate / se]
    columns = {
        "estimate": estimate,
        "low": estimate - half,
        "high": estimate + half,
        "p": p,
        "se": se,
        "statistic": estimate / se,
    }
    table = pd.DataFrame({"term": means.columns.astype(str), **columns})
    return Inference(
        procedure="simultaneous_means",
        null=f"every mean of {value} by {by} is zero",
        table=table.sort_values("estimate", ascending=False, kind="stable").reset_index(drop=True),
        counts={by: len(estimate), **{name: int(frame[name].nunique()) for name in factors}},
        level=level,
        distribution=maxima,
        notes=tuple(notes),
        references=("Owen 2007", "Westfall and Young 1993"),
    )
