"""Permutation of whole tasks: a test of a similarity matrix under dependence within rows and columns.

Scores of one source, or of one target, are dependent; exchangeable are the tasks. Both tables are cleared of
source, target (and block) effects, the sources and the targets of one of them are permuted independently, and
the statistic is the partial correlation

    r = <a, b> / sqrt((|a|^2 - |Q'a|^2) |b|^2),   Q an orthonormal basis of the cleared covariates,

studentised as in `studentised`: some tasks may be noisier than others, and their similarity wider.

With missing pairs a permutation leaves the overlap of the moved and the unmoved cells: residuals are taken
anew on it, and its own degrees of freedom count.

Freedman-Lane permutes a = the residual of the outcome against b = the residual of the similarity; double
semi-partialling permutes a = the residual of the similarity against b = that of the outcome (Dekker,
Krackhardt and Snijders 2007, Psychometrika 72: 563-581). p = (1 + #{|z*| >= |z|}) / (1 + permutations) for
random permutations (Phipson and Smyth 2010), #/total where all are enumerated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_draws, require_levels, require_varying
from analyses.inference.pairs.orders import (
    Groups,
    Orders,
    composed,
    count_orders,
    crossed_orders,
    every_order,
    flat_places,
)
from analyses.inference.pairs.studentised import deviates, overlap_load, whole_load
from analyses.inference.pairs.two_way import (
    Cells,
    cells,
    clear_tasks,
    label_columns,
    pair_means,
    task_kinds,
    task_rank,
)
from analyses.inference.permutation import BATCH_NUMBERS, permutation_p, resolution
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

Scheme = Literal["freedman-lane", "double-semi-partialling"]

SMALLEST_SHARE = 0.5
"""Share of the orders that must leave a statistic where pairs are missing; below it nothing is tested."""


@dataclass(frozen=True)
class TaskTables:
    """Residual tables of one grid, cells of missing pairs 0.

    outcome: (S, T). regressors: (M, S, T). covariates: (S * T, k) orthonormal basis. present: (S, T), 0 or 1.
    block: (S, T) codes of the blocks of kinds. slopes: (M,) partial slopes. df: degrees of freedom left.
    groups: indices of the exchangeable sources and of the exchangeable targets. correlations: (M,), partial.
    """

    outcome: np.ndarray
    regressors: np.ndarray
    covariates: np.ndarray
    present: np.ndarray
    block: np.ndarray
    slopes: np.ndarray
    df: int
    groups: Groups
    correlations: np.ndarray


@dataclass(frozen=True)
class PairGrid:
    """Pair means, one row a pair, with their cells, the tasks that may change places, and notes."""

    pairs: pd.DataFrame
    cells: Cells
    groups: Groups
    notes: tuple[str, ...]

    def tables(self, outcome: str, similarities: Sequence[str], covariates: Sequence[str] = ()) -> TaskTables:
        """Return the residual tables of some of its columns."""
        values = self.pairs[[outcome, *similarities, *covariates]].to_numpy()
        return _residual_tables(self.cells, values, list(similarities), self.groups)


def permute_tasks(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    rng: np.random.Generator,
    covariates: Sequence[str] = (),
    kind: tuple[str, str] | None = None,
    scheme: Scheme = "freedman-lane",
    permutations: int = 9999,
) -> Inference:
    """Test the association of outcome and similarity over pairs by permuting whole tasks.

    Exact where the tasks of a side are exchangeable. Where some are noisier and their similarity is wider, the
    studentised statistic holds the level to about .06 (docs/calibration.md); where a single pair is (6:1 in both)
    it does not: .10 of data sets. Simulated power at 9 x 9 tasks is that of the plain correlation (.68 for .69),
    at 5 x 6 .60 for .64, at 4 x 4 .53 for .70. A slope that varies around zero by task is another null: see
    `pair_regression`.

    Args:
        data: one row a score; averaged to pair means as in `pair_regression`.
        covariates: columns that vary by pair, partialled out.
        kind: columns with the kinds of source and target: tasks move within their kind only.
        permutations: random permutations; all are enumerated where there are no more than that.

    Returns:
        One row: the partial slope, the normal deviate of its correlation as `statistic`, p; a permutation test
        gives no interval.

    Raises:
        InputError: unknown columns, infinite values, fewer than 3 sources or targets, a constant regressor,
            no task that could move.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, permute_tasks, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=3, slope=1.0))
        >>> result = permute_tasks(data, rng=rng, permutations=999)
        >>> round(result.estimate, 2), result.p
        (0.87, 0.001)
    """
    tables, grid, notes = task_tables(data, outcome, [similarity], source, target, language, covariates, kind)
    null, observed, exact = task_null(tables, rng, scheme, permutations)
    p = permutation_p(null[:, 0], observed[0], exact)
    row = {"term": similarity, "estimate": tables.slopes[0], "low": np.nan, "high": np.nan, "p": p}
    S, T = grid.shape
    return Inference(
        procedure=f"permute_tasks ({scheme})",
        null="no association: source and target labels are exchangeable" + (" within kinds" if kind else ""),
        table=pd.DataFrame([{**row, "statistic": observed[0]}]),
        counts={source: S, target: T, "pairs": int(tables.present.sum()), "permutations": len(null)},
        distribution=null[:, 0],
        notes=(*notes, *resolution(null, exact), *(["exact: all permutations enumerated"] if exact else [])),
        references=(
            "Dekker, Krackhardt and Snijders 2007",
            "DiCiccio and Romano 2017",
            "Phipson and Smyth 2010",
        ),
    )


def task_tables(
    data: pd.DataFrame,
    outcome: str,
    similarities: Sequence[str],
    source: str,
    target: str,
    language: str,
    covariates: Sequence[str] = (),
    kind: tuple[str, str] | None = None,
) -> tuple[TaskTables, Cells, tuple[str, ...]]:
    """Average to pair means and clear outcome, similarities and covariates of task (and block) effects.

    Raises:
        InputError: as `permute_tasks`.
    """
    columns = [outcome, *similarities, *covariates]
    grid = pair_grid(data, columns, source, target, language, kind)
    return grid.tables(outcome, similarities, covariates), grid.cells, grid.notes


def pair_grid(
    data: pd.DataFrame,
    columns: Sequence[str],
    source: str,
    target: str,
    language: str,
    kind: tuple[str, str] | None = None,
) -> PairGrid:
    """Average the complete rows of numeric columns to pair means.

    Raises:
        InputError: as `permute_tasks`.
    """
    keep = list(kind or ())
    frame, notes = complete_rows(data, columns, label_columns(data, source, target, language, kind or ()))
    pairs, more = pair_means(frame, columns, keep, source, target, language)
    for name in (source, target):
        require_levels(pairs[name].nunique(), 3, name, "permutations of two tasks say nothing")
    for name in columns:
        require_varying(pairs[name].to_numpy(), name)
    of_source, of_target = kind or (None, None)
    groups = (_groups(pairs, source, of_source), _groups(pairs, target, of_target))
    if count_orders(groups) == 1:
        raise InputError("no task can move: every kind has one source and one target; permute without `kind`")
    return PairGrid(pairs, cells(pairs, source, target, kind), groups, tuple(notes + more))


def _residual_tables(
    grid: Cells,
    values: np.ndarray,
    similarities: list[str],
    groups: Groups,
) -> TaskTables:
    # In units of the columns' ranges, so that one tolerance serves them all.
    ranges = np.ptp(values, axis=0)
    rest = grid.residuals(values) / ranges
    M = len(similarities)
    # Whitened by SVD: covariates that are collinear, or only task means, leave no column.
    u, size, _ = np.linalg.svd(rest[:, 1 + M :], full_matrices=False)
    basis = u[:, size > 1e-9 * np.sqrt(rest.size)]
    rest = rest[:, : 1 + M] - basis @ (basis.T @ rest[:, : 1 + M])
    for name, column in zip(["the outcome", *similarities], rest.T, strict=True):
        require_varying(column, f"{name} beyond task means and covariates", size=1.0)
    tables = np.stack([grid.fill(column) for column in rest.T])
    filled = [grid.fill(column).ravel() for column in basis.T]
    return TaskTables(
        outcome=tables[0],
        regressors=tables[1:],
        covariates=np.stack(filled, axis=1) if filled else np.zeros((tables[0].size, 0)),
        present=grid.fill(np.ones(len(rest))),
        block=grid.fill(grid.block).astype(int),
        # The last one for the slope itself.
        df=len(rest) - grid.rank() - basis.shape[1] - 1,
        slopes=(rest[:, 1:].T @ rest[:, 0]) / (rest[:, 1:] ** 2).sum(axis=0) * ranges[0] / ranges[1 : 1 + M],
        groups=groups,
        correlations=(rest / np.linalg.norm(rest, axis=0))[:, 1:].T
        @ (rest[:, 0] / np.linalg.norm(rest[:, 0])),
    )


def task_null(
    tables: TaskTables, rng: np.random.Generator, scheme: Scheme = "freedman-lane", permutations: int = 9999
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the null statistics (B, M), the observed ones (M,), and whether they enumerate all orders.

    All M regressors see the same permutations. Statistics are normal deviates of the partial correlation.

    Orders that leave no degree of freedom, where pairs are missing, are dropped.

    Raises:
        InputError: unknown scheme; double semi-partialling of several regressors at once; too many missing pairs.
    """
    require_draws(rng, permutations, "permutations")
    if scheme not in ("freedman-lane", "double-semi-partialling"):
        raise InputError(f"unknown scheme {scheme!r}; expected 'freedman-lane' or 'double-semi-partialling'")
    moved, fixed = tables.outcome, tables.regressors
    if scheme == "double-semi-partialling":
        if len(fixed) != 1:
            raise InputError(
                "double semi-partialling permutes one regressor; use 'freedman-lane' for several"
            )
        moved, fixed = fixed[0], moved[None]
    # One more, for the observed order is among all and not among random ones.
    exact = count_orders(tables.groups) <= permutations + 1
    sides = every_order(tables.groups) if exact else crossed_orders(tables.groups, rng, permutations)
    statistics = _whole_statistics if tables.present.all() else _overlap_statistics
    null = statistics(moved, fixed, tables, *sides)
    observed, null = null[0], null if exact else null[1:]
    kept = null[~np.isnan(null).any(axis=1)]
    if len(kept) < SMALLEST_SHARE * len(null):
        raise InputError(
            f"in {1 - len(kept) / len(null):.0%} of the orders the pairs that are there leave too few in common: "
            "with so many missing pairs no permutation of tasks is a test; fill the grid or use pair_regression"
        )
    return kept, observed, exact


def _whole_statistics(
    moved: np.ndarray, fixed: np.ndarray, tables: TaskTables, first: Orders, others: Orders
) -> np.ndarray:
    """Return statistics (A B, M) of the moved table in A orders against all else in B orders, no pair missing."""
    M, k = len(fixed), tables.covariates.shape[1]
    unmoved = np.concatenate([fixed.reshape(M, -1), tables.covariates.T])
    left = moved.ravel().take(flat_places(first, moved.shape))
    # All orders against all orders are matrix products: 9,999 statistics cost 200 gathered tables.
    cross = np.empty((len(left), len(others.rows), M + k))
    batch = max(1, BATCH_NUMBERS // moved.size)
    for start in range(0, len(others.rows), batch):
        piece = slice(start, start + batch)
        right = flat_places(others.only(piece), moved.shape)
        for i, table in enumerate(unmoved):
            cross[:, piece, i] = left @ table.take(right).T
    cross = cross.reshape(-1, M + k)
    explained = (cross[:, M:] ** 2).sum(axis=1)
    norms = ((moved**2).sum() - explained)[:, None] * (fixed.reshape(M, -1) ** 2).sum(axis=1)
    df, load = np.full(len(cross), tables.df), whole_load(moved, fixed, first, others)
    return deviates(cross[:, :M] / np.sqrt(norms), df, load)


def _overlap_statistics(
    moved: np.ndarray, fixed: np.ndarray, tables: TaskTables, first: Orders, others: Orders
) -> np.ndarray:
    """Return statistics (A B, M) where pairs are missing: every order is fitted anew on the cells that it leaves.

    The moved table in the order of `first` after the inverse of `others`, against the rest as it stands.
    """
    together = composed(first, others)
    batch = max(1, BATCH_NUMBERS // moved.size)
    pieces = (together.only(slice(i, i + batch)) for i in range(0, len(together.rows), batch))
    return np.concatenate([_on_overlap(moved, fixed, tables, flat_places(p, moved.shape)) for p in pieces])


def _on_overlap(moved: np.ndarray, fixed: np.ndarray, tables: TaskTables, flat: np.ndarray) -> np.ndarray:
    """Return statistics (B, M) of the moved table, taken at flat (B, S T), on the cells that both tables have."""
    S, T = moved.shape
    M, k = len(fixed), tables.covariates.shape[1]
    both = (tables.present.ravel()[flat] * tables.present.ravel()).reshape(-1, S, T)
    unmoved = np.concatenate([fixed, tables.covariates.T.reshape(k, S, T)])
    stack = np.concatenate(
        [moved.ravel()[flat].reshape(-1, 1, S, T), np.repeat(unmoved[None], len(flat), 0)], 1
    )
    stack = clear_tasks(stack, both[:, None], tables.block)
    load = overlap_load(stack[:, : 1 + M], both)
    stack = stack.reshape(len(flat), 1 + M + k, -1)
    for j in range(1 + M, 1 + M + k):
        q = stack[:, [j]] / np.maximum(np.linalg.norm(stack[:, [j]], axis=2, keepdims=True), 1e-300)
        stack -= (stack * q).sum(axis=2, keepdims=True) * q
    norms = np.linalg.norm(stack[:, : 1 + M], axis=2)
    cross = np.einsum("bn,bmn->bm", stack[:, 0], stack[:, 1 : 1 + M])
    whole = np.linalg.norm(np.concatenate([moved[None], fixed]).reshape(1 + M, -1), axis=1)
    flat_out = (norms < 1e-6 * whole).any(axis=1)  # the cells in common leave no variance
    r = cross / np.maximum(norms[:, :1] * norms[:, 1:], 1e-300)
    whole_df = tables.present.sum() - task_rank(tables.present[None] > 0)[0]
    df = tables.df - whole_df + both.sum(axis=(1, 2)) - task_rank(both > 0)
    return np.where(flat_out[:, None], np.nan, deviates(r, df, load))


def _groups(pairs: pd.DataFrame, task: str, kind: str | None) -> list[np.ndarray]:
    """Return the indices of the tasks that may change places, in the order of their sorted names."""
    if kind is None:
        return [np.arange(pairs[task].nunique())]
    kinds = task_kinds(pairs, task, kind).to_numpy()
    return [np.flatnonzero(kinds == k) for k in pd.unique(kinds)]
