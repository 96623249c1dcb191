"""Two-way tables of tasks: pair means, and the split of a regressor into task means and what is left.

With all cells present the left part is x_st - x_s. - x_.t + x_.. ; with missing cells, or blocks of task
kinds, it is the residual of the least-squares fit of source, target and block effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from simxfer.common.errors import InputError

MADE = ("centred", "source_mean", "target_mean", "n_rows")
"""Columns that are added to pair means."""


@dataclass(frozen=True)
class Cells:
    """The observed cells of a sources x targets table.

    source, target: (n,) codes. block: (n,) code of the cell's block of task kinds, all 0 without blocks.
    """

    source: np.ndarray
    target: np.ndarray
    block: np.ndarray
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of sources and targets."""
        return len(self.sources), len(self.targets)

    def design(self) -> sparse.csr_matrix:
        """Return the dummies of source, target and block, n x (S + T + blocks); not of full rank."""
        parts = (self.source, self.target, self.block)
        starts = np.cumsum([0, *self.shape])
        columns = np.stack([codes + start for codes, start in zip(parts, starts, strict=True)], axis=1)
        n, k = columns.shape
        width = starts[-1] + self.block.max() + 1
        return sparse.csr_matrix((np.ones(n * k), columns.ravel(), np.arange(0, n * k + 1, k)), (n, width))

    def rank(self) -> int:
        """Return the rank of the design."""
        design = self.design()
        return int(np.linalg.matrix_rank((design.T @ design).toarray(), hermitian=True))

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Return values, (n,) or (n, k), cleared of source, target and block effects."""
        design = self.design()
        for _ in range(2):  # normal equations lose half of the digits, which a second pass brings back
            values = values - design @ _least_squares(design, values)
        return values

    def task_effects(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the centred source and target effects of the additive fit, each (n,): the task means."""
        S = self.shape[0]
        effects = _least_squares(self.design()[:, : sum(self.shape)], values)
        of_source, of_target = effects[:S][self.source], effects[S:][self.target]
        return of_source - of_source.mean(), of_target - of_target.mean()

    def fill(self, values: np.ndarray, empty: float = 0.0) -> np.ndarray:
        """Return values (n,) as a sources x targets table."""
        table = np.full(self.shape, empty)
        table[self.source, self.target] = values
        return table


def _least_squares(design: sparse.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Return the shortest least-squares solution, through the normal equations: the design has many rows."""
    gram = (design.T @ design).toarray()
    # Dummies are not of full rank: directions below this are their dependencies.
    return np.linalg.lstsq(gram, design.T @ values, rcond=1e-10)[0]


def cells(pairs: pd.DataFrame, source: str, target: str, kind: tuple[str, str] | None = None) -> Cells:
    """Return the cells of a table with one row a pair; `kind` names the columns with the kinds of both tasks.

    Raises:
        InputError: a task has two kinds.
    """
    codes, labels = zip(*(pd.factorize(pairs[c], sort=True) for c in (source, target)), strict=True)
    block: np.ndarray = np.zeros(len(pairs), dtype=int)
    if kind is not None:
        for task, column in zip((source, target), kind, strict=True):
            task_kinds(pairs, task, column)
        # The pair of kinds, not each kind: it is blocks that similarity and gain can share.
        block = pairs.groupby(list(kind), sort=True).ngroup().to_numpy()
    sources, targets = (tuple(str(label) for label in found) for found in labels)
    return Cells(codes[0], codes[1], block, sources, targets)


def task_kinds(pairs: pd.DataFrame, task: str, column: str) -> pd.Series:
    """Return the kind of each task, sorted by task; raise InputError if a task has two."""
    kinds = pairs.groupby(task, sort=True)[column]
    if (kinds.nunique() > 1).any():
        twice = kinds.nunique().idxmax()
        raise InputError(f"{task} {twice!r} has several values in {column!r}; expected one kind a task")
    return kinds.first()


def label_columns(
    data: pd.DataFrame, source: str, target: str, language: str, kinds: Sequence[str] = ()
) -> list[str]:
    """Return the label columns of a table of pairs, none of which may be missing; the language where it has one."""
    if len(kinds) not in (0, 2):
        raise InputError(f"kind is {kinds!r}; expected the two columns with the kinds of source and target")
    return [source, target, *([language] if language in data.columns else []), *dict.fromkeys(kinds)]


def pair_means(
    data: pd.DataFrame, values: Sequence[str], keep: Sequence[str], source: str, target: str, language: str
) -> tuple[pd.DataFrame, list[str]]:
    """Average seeds and checkpoints within (source, target, language), then languages within the pair.

    Each target is averaged over the languages that all its sources have, so that no pair mean stands on other
    languages than its neighbours. `keep` are columns constant within a pair. A table without the language
    column is averaged within the pair directly.

    Returns:
        One row a pair with the columns source, target, keep, values, n_rows; and notes on what was left out.

    Raises:
        InputError: the sources of a target have no language in common; a column with a name of the result.
    """
    pair = [source, target]
    for name in {*values, *keep, *pair} & set(MADE):
        raise InputError(f"column {name!r} has the name of a column that is made here; rename it")
    notes: list[str] = []
    counts = data.groupby(pair, sort=True).size()
    if language in data.columns:
        data, notes = _common_languages(data, source, target, language)
        data = _averaged(data, [*pair, language], values, keep).reset_index()
    means = _averaged(data, pair, values, keep)
    if counts.nunique() > 1:
        notes.append(f"pair means rest on {counts.min()} to {counts.max()} rows each and count alike")
    return means.assign(n_rows=counts).reset_index(), notes


def _averaged(
    data: pd.DataFrame, by: Sequence[str], values: Sequence[str], keep: Sequence[str]
) -> pd.DataFrame:
    """Return the means of values by group, and the first of keep."""
    groups = data.groupby(list(by), sort=True)
    means = groups[list(dict.fromkeys(values))].mean()
    return means.join(groups[list(dict.fromkeys(keep))].first()) if keep else means


def _common_languages(
    data: pd.DataFrame, source: str, target: str, language: str
) -> tuple[pd.DataFrame, list[str]]:
    present = data.drop_duplicates([source, target, language]).groupby([target, language]).size()
    sources = data.groupby(target)[source].nunique()
    common = present.index[
        present.to_numpy() == sources.reindex(present.index.get_level_values(0)).to_numpy()
    ]
    lost = set(sources.index) - set(common.get_level_values(0))
    if lost:
        raise InputError(
            f"the sources of target {sorted(lost)[0]!r} have no language in common; run the missing cells "
            "or drop the sources with few languages"
        )
    keep = pd.MultiIndex.from_frame(data[[target, language]]).isin(common)
    if keep.all():
        return data, []
    left_out = len(present) - len(common)
    return data[keep], [
        f"{left_out} of {len(present)} (target, language) combinations left out: not every source has them"
    ]


def clear_tasks(stack: np.ndarray, present: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Clear (B, V, S, T) of row, column and block effects on present cells, by alternating projections."""
    masks = [block == code for code in range(block.max() + 1)] if block.max() else []
    stack = stack * present
    small = 1e-9 * np.abs(stack).max()
    for _ in range(200):
        change = 0.0
        for axis in (3, 2):
            means = stack.sum(axis, keepdims=True) / np.maximum(present.sum(axis, keepdims=True), 1)
            stack -= means * present
            change = max(change, float(np.abs(means).max()))
        for mask in masks:
            inside = present * mask
            means = (stack * inside).sum((2, 3), keepdims=True) / np.maximum(
                inside.sum((2, 3), keepdims=True), 1
            )
            stack -= means * inside
            change = max(change, float(np.abs(means).max()))
        if change <= small:
            break
    return stack


def task_rank(present: np.ndarray) -> np.ndarray:
    """Return the rank (B,) of row and column effects on the cells (B, S, T): tasks with cells less components."""
    S = present.shape[1]
    rows = np.where(present.any(2), np.arange(S), S)
    for _ in range(S):  # rows take the smallest label that a shared column hands on, until nothing changes
        columns = np.where(present, rows[:, :, None], S).min(1)
        spread = np.where(present, columns[:, None, :], S).min(2)
        if (spread == rows).all():
            break
        rows = spread
    components = (rows == np.arange(S)).sum(1)
    return present.any(2).sum(1) + present.any(1).sum(1) - components
