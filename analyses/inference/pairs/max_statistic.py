"""Families of tests judged by the maximum of their statistics over one shared permutation (max-T)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.inference.pairs.permutation import task_null, task_tables
from analyses.inference.permutation import permutation_p, resolution
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


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
    by the maximum of |z| over the measures not yet rejected (Westfall and Young 1993, algorithm 4.1), which
    holds the family-wise error rate under their dependence, and under unequal tasks as `permute_tasks` does.

    Args:
        similarities: columns constant within (source, target). Only pairs complete in all of them are used.
            The other arguments are those of `permute_tasks`.

    Returns:
        One row a measure, the strongest first: slope, studentised `statistic` z, adjusted `p`, `p_single`.

    Raises:
        InputError: as `permute_tasks`; no measure, or one named twice.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, max_t, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=1, seeds=1, slope=0.7))
        >>> data = data.assign(cosine=rng.normal(size=81), overlap=rng.normal(size=81))
        >>> family = max_t(data, "gain", ["similarity", "cosine", "overlap"], rng=rng, permutations=999)
        >>> family.table[["term", "estimate", "p_single", "p"]].round(2)
                 term  estimate  p_single     p
        0  similarity      0.62      0.00  0.02
        1      cosine     -0.14      0.51  0.76
        2     overlap      0.07      0.66  0.76
    """
    if not similarities:
        raise InputError("no similarity is named; expected at least one column")
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
    # By z, not by slope: measures have units of their own.
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
        notes=(*notes, *resolution(null, exact)),
        references=("Westfall and Young 1993", "Phipson and Smyth 2010"),
    )


def step_down(null: np.ndarray, observed: np.ndarray, exact: bool) -> np.ndarray:
    """Return step-down max-T adjusted p values, (M,), from null statistics (B, M) and observed ones (M,)."""
    order = np.argsort(-np.abs(observed), kind="stable")
    # Maximum over the measures from rank i on, for every permutation.
    maxima = np.maximum.accumulate(np.abs(null[:, order[::-1]]), axis=1)[:, ::-1]
    p = np.array([permutation_p(maxima[:, i], observed[m], exact) for i, m in enumerate(order)])
    out = np.empty(len(observed))
    # Step-down: a weaker measure is never surer than a stronger one.
    out[order] = np.maximum.accumulate(p)
    return out
