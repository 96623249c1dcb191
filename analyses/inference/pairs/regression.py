"""Regression of an outcome on a similarity that is constant within (source, target), at the level of pairs.

Rows are averaged to pair means. The similarity is split into the means of its tasks and the part left by a
two-way fit (the centred part); the centred slope is the headline, because task means stand on a handful of
tasks and are confounded with everything else that tells the tasks apart. Model of the pair means:

    outcome ~ 1 + centred + source mean + target mean
              + (1 | s) + (0 + centred | s) + (1 | t) + (0 + centred | t) + residual

by REML, t with min(S, T) - 1 degrees of freedom for the centred slope. Slopes that vary by task are what
makes simpler models reject a true null too often (Barr, Levy, Scheepers and Tily 2013, J. Mem. Lang. 68).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_columns, require_levels, require_varying
from analyses.inference.coefficients import coefficient_row
from analyses.inference.mixed.fit import MixedFit, Term, fit_mixed
from analyses.inference.pairs.two_way import Cells, cells, label_columns, pair_means
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

FEWEST_TASKS = 3
SMALL_GRID = 6
SAME_DATA = "same_data"


@dataclass(frozen=True)
class PairTable:
    """Pair means with the split similarity.

    frame: one row a pair: source, target, outcome, similarity, centred, source_mean, target_mean, n_rows.
    """

    frame: pd.DataFrame
    cells: Cells
    notes: tuple[str, ...]


def pair_table(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    kind: tuple[str, str] | None = None,
) -> PairTable:
    """Return the pair means behind `pair_regression` (its arguments), for tables and figures.

    Raises:
        InputError: unknown columns, infinite values, fewer than 3 sources or targets, a constant similarity,
            or one that is constant once task means (and blocks of kinds) are removed.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, pair_table, simulate_grid
        >>> pairs = pair_table(simulate_grid(np.random.default_rng(1), Truth(sources=3, targets=3))).frame
        >>> pairs[["intermediate", "target", "similarity", "source_mean", "target_mean"]].head(3).round(2)
          intermediate target  similarity  source_mean  target_mean
        0           s0     t0        0.65          0.3         0.20
        1           s0     t1        0.10          0.3        -0.35
        2           s0     t2        0.48          0.3         0.15
        >>> bool(abs(pairs.groupby("target")["centred"].sum()).max() < 1e-9)
        True
    """
    keep = list(kind or ())
    frame, notes = complete_rows(
        data, [outcome, similarity], label_columns(data, source, target, language, kind or ())
    )
    varies = (
        frame.groupby([source, target])[similarity].agg(np.ptp).max() > 1e-9 * frame[similarity].abs().max()
    )
    if varies:
        notes.append(f"{similarity!r} varies within pairs; only its pair means are used")
    pairs, more = pair_means(frame, [outcome, similarity], keep, source, target, language)
    for name in (source, target):
        require_levels(pairs[name].nunique(), FEWEST_TASKS, name, "a slope over tasks needs several of them")
    require_varying(pairs[similarity].to_numpy(), similarity)
    grid = cells(pairs, source, target, kind)
    centred = grid.residuals(pairs[similarity].to_numpy())
    require_varying(centred, f"centred {similarity}", np.ptp(pairs[similarity].to_numpy()))
    of_source, of_target = grid.task_effects(pairs[similarity].to_numpy())
    pairs = pairs.assign(centred=centred, source_mean=of_source, target_mean=of_target)
    return PairTable(pairs, grid, tuple(notes + more))


def pair_regression(
    results: pd.DataFrame,
    similarity: str | pd.DataFrame = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    kind: tuple[str, str] | None = None,
    level: float = 0.95,
) -> Inference:
    """Test whether an outcome rises with a similarity of its pair of tasks, beyond what the tasks do.

    Args:
        results: one row a score, such as `analyses.gains` gives; seeds, languages and checkpoints are
            averaged. A boolean column `same_data` takes its rows out of the main estimate, which is then
            shown with and without them.
        similarity: the regressor, constant within (source, target): a column of `results`, or a similarity
            table of one measure (a, b, measure, value), joined where a is the source and b the target.
        outcome: the column explained, in its own unit (points).
        kind: names of the columns with the task kind of the source and of the target; the analysis is then
            within blocks of kinds.
        level: confidence level of the intervals.

    Returns:
        Rows `similarity (centred)` (the headline, outcome units per unit of similarity), `similarity
        (centred), same_data included`, and, without `kind`, `similarity (source mean)` and `similarity
        (target mean)`.

    Raises:
        InputError: as `pair_table`; a similarity table of several measures, or of none of the pairs.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, pair_regression, simulate_grid
        >>> data = simulate_grid(np.random.default_rng(1), Truth(slope=1.0, slope_by_target=0.5))
        >>> result = pair_regression(data)
        >>> round(result.estimate, 2), [round(limit, 2) for limit in result.interval], round(result.p, 3)
        (0.79, [0.33, 1.26], 0.004)
        >>> result.table["term"].tolist()
        ['similarity (centred)', 'similarity (source mean)', 'similarity (target mean)']
    """
    data = results
    if isinstance(similarity, pd.DataFrame):
        data, similarity = with_similarity(results, similarity, source, target)
    arguments = (similarity, outcome, source, target, language, kind)
    apart = SAME_DATA in data.columns and bool(_same_data(data).any())
    pairs = pair_table(data[~_same_data(data)] if apart else data, *arguments)
    fit = fit_pairs(pairs, outcome)
    rows = _rows(pairs, fit, similarity, level)
    notes = list(pairs.notes) + _notes(pairs, fit)
    if apart:
        everything = pair_table(data, *arguments)
        included = _rows(everything, fit_pairs(everything, outcome), similarity, level)[0]
        rows.insert(1, {**included, "term": f"{included['term']}, same_data included"})
        notes.append(
            f"{len(everything.frame) - len(pairs.frame)} same_data pairs left out of the main estimate"
        )
    S, T = pairs.cells.shape
    return Inference(
        procedure="pair_regression",
        null="the mean slope of the outcome on the centred similarity is zero; slopes may differ by task",
        table=pd.DataFrame(rows),
        counts={source: S, target: T, "pairs": len(pairs.frame), "rows": int(pairs.frame["n_rows"].sum())},
        level=level,
        notes=tuple(notes),
        references=(
            "Barr et al. 2013, J. Mem. Lang. 68: 255-278",
            "Bates et al. 2015, J. Stat. Softw. 67(1)",
        ),
    )


def with_similarity(
    results: pd.DataFrame, table: pd.DataFrame, source: str, target: str
) -> tuple[pd.DataFrame, str]:
    """Return the results with a column named by the table's measure, and that name.

    The value of a pair is the mean over languages and encoders; a pair that the table lacks has none.

    Raises:
        InputError: not a similarity table of one measure, or one without any of the pairs.
    """
    require_columns(table, ["a", "b", "measure", "value"])
    require_columns(results, [source, target])
    names = sorted(table["measure"].unique())
    if len(names) != 1:
        raise InputError(f"the similarity table holds the measures {names}; expected one: choose its rows")
    values = table.groupby(["a", "b"])["value"].mean()
    # A pair that the table lacks stays missing, and its rows are dropped with a note.
    joined = values.reindex(pd.MultiIndex.from_frame(results[[source, target]])).to_numpy()
    if np.isnan(joined).all():
        raise InputError(f"no pair of {source} and {target} is among a and b of the similarity table")
    return results.assign(**{names[0]: joined}), names[0]


def fit_pairs(pairs: PairTable, outcome: str) -> MixedFit:
    """Fit the model of the module's docstring to pair means; coefficient 1 is the centred slope."""
    X, terms = pair_design(pairs)
    return fit_mixed(X, pairs.frame[outcome].to_numpy(), terms)


def pair_design(pairs: PairTable) -> tuple[np.ndarray, tuple[Term, ...]]:
    """Return the fixed effects (intercept, centred slope, then task means or blocks) and the random terms."""
    frame, grid = pairs.frame, pairs.cells
    one, centred = np.ones((len(frame), 1)), frame[["centred"]].to_numpy()
    blocks = np.eye(grid.block.max() + 1)[grid.block][:, 1:]
    means = [frame[[name]].to_numpy() for name in ("source_mean", "target_mean")]
    # Task means without spread would make the design singular.
    nuisance = [blocks] if blocks.shape[1] else [m for m in means if np.ptp(m) > 1e-9 * np.abs(centred).max()]
    # Intercept and slope of a task apart: a handful of tasks carries no correlation of the two.
    terms = tuple(
        Term(name, (column,), codes, design, levels)
        for name, codes, levels in (("s", grid.source, grid.sources), ("t", grid.target, grid.targets))
        for column, design in (("1", one), ("centred", centred))
    )
    return np.hstack([one, centred, *nuisance]), terms


def _rows(pairs: PairTable, fit: MixedFit, similarity: str, level: float) -> list[dict[str, object]]:
    """Return one row a slope: the centred one, then the task means the model carries."""
    S, T = pairs.cells.shape
    dfs = {"centred": min(S, T) - 1}
    if pairs.cells.block.max() == 0:
        spread = {"source mean": ("source_mean", S - 2), "target mean": ("target_mean", T - 2)}
        scale = np.abs(pairs.frame["centred"]).max()
        dfs |= {name: df for name, (c, df) in spread.items() if np.ptp(pairs.frame[c]) > 1e-9 * scale}
    return [
        coefficient_row(
            f"{similarity} ({name})", fit.coefficients[i], np.sqrt(fit.covariance[i, i]), df, level
        )
        for i, (name, df) in enumerate(dfs.items(), start=1)
    ]


def _same_data(data: pd.DataFrame) -> pd.Series:
    require_columns(data, [SAME_DATA])
    if data[SAME_DATA].isna().any() or not data[SAME_DATA].isin([True, False]).all():
        raise InputError(f"column {SAME_DATA!r} must be true or false in every row")
    return data[SAME_DATA].astype(bool)


def _notes(pairs: PairTable, fit: MixedFit) -> list[str]:
    """Return what the reader must know of this grid and this fit."""
    (S, T), n = pairs.cells.shape, len(pairs.frame)
    notes = []
    if min(S, T) < SMALL_GRID:
        notes.append(f"small grid: the slope is judged by t with {min(S, T) - 1} degrees of freedom")
    if n < S * T:
        notes.append(f"{S * T - n} of {S * T} pairs are missing; the split is by two-way least squares")
    if fit.singular:
        notes.append("boundary fit: a variance between tasks was estimated as zero")
    if not fit.converged:
        notes.append("the fit did not converge: do not rely on it")
    return notes
