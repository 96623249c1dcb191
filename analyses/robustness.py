"""Scores of single examples -> robust drop, paired by example, with its error over examples.

`analyses.outcomes.robust_drop` subtracts two rows of a results table. Here the same difference is taken example by
example, so that its error is known: what an example scores clean and what it scores perturbed go together.
"""

from collections.abc import Sequence

import pandas as pd
from scipy import stats

from analyses.inference.checks import require_columns, require_level
from analyses.outcomes import CLEAN
from simxfer.common.errors import InputError
from simxfer.schema.tables import EXAMPLES, validate

FEWEST_EXAMPLES = 5
"""Below this many examples there is no interval."""

_PAIR = ["stage", "target", "selection", "language", "example_id"]
_CELL = ["stage", "target", "selection", "language", "perturbation"]


def paired_drop(
    examples: pd.DataFrame, by: Sequence[str] = ("stage", "language"), *, level: float = 0.95
) -> pd.DataFrame:
    """Return robust drop y(clean) - y(perturbed) over the examples that have both scores, with its error.

    A score is 100 sum(a) / sum(b): of plain scores a is the score and b is 1, of counts a = 2 tp and
    b = 2 tp + fp + fn. An example moves it by 100 (a - y b) / sum(b) to first order; its difference clean - perturbed
    is the unit of the error, which for plain scores is that of Student's paired t. Stages and languages that a row
    averages over count alike; an example of one id is one unit in all of them, as in parallel test sets, so that
    a language more is not so many examples more. Stages and languages are those at hand: the error is over other
    examples alone. An example that its perturbation left as it was counts, with a difference of 0.

    Args:
        examples: an examples table (`simxfer.schema.tables.EXAMPLES`).
        by: columns, beside target and perturbation, that rows are told apart by; each belongs to a stage or is
            `language`.
        level: of the intervals.

    Returns:
        target, perturbation, the columns of `by`, y_clean, y_perturbed, robust_drop, low, high, p, se, df,
        n_examples, n_languages, n_stages, n_unpaired (scores without their partner, left out). Interval and p are
        missing with fewer than 5 examples, or where all differ alike.

    Raises:
        InputError: not a valid examples table, unknown columns, or no example with both scores.

    Example:
        >>> import pandas as pd
        >>> from analyses import paired_drop
        >>> names = ["stage", "target", "language", "perturbation", "example_id", "score"]
        >>> clean = [("s", "xnli", "sw", "clean", str(i), 1.0) for i in range(8)]
        >>> noisy = [("s", "xnli", "sw", "swap(0.1)", str(i), float(i > 1)) for i in range(8)]
        >>> drops = paired_drop(pd.DataFrame(clean + noisy, columns=names))
        >>> drops[["y_clean", "y_perturbed", "robust_drop", "low", "high", "p"]].round(2)
           y_clean  y_perturbed  robust_drop   low  high     p
        0    100.0         75.0         25.0 -13.7  63.7  0.17
    """
    require_level(level)
    rows = validate(examples, EXAMPLES)
    rows["selection"] = rows["selection"].fillna("") if "selection" in rows else ""
    require_columns(rows, by)
    pairs, unpaired = _pairs(rows)
    keys = list(dict.fromkeys(["target", "perturbation", *by]))
    cell = list(dict.fromkeys([*_CELL, *keys]))
    cells = pairs.groupby(cell, sort=False)[["a_clean", "b_clean", "a", "b"]].sum().reset_index()
    cells["y_clean"] = 100 * cells["a_clean"] / cells["b_clean"].clip(lower=1)
    cells["y_perturbed"] = 100 * cells["a"] / cells["b"].clip(lower=1)
    pairs = pairs.merge(cells.drop(columns=["a", "a_clean"]), on=cell, suffixes=("", "_sum"))
    clean = _influence(pairs["a_clean"], pairs["b_clean"], pairs["y_clean"], pairs["b_clean_sum"])
    pairs["unit"] = clean - _influence(pairs["a"], pairs["b"], pairs["y_perturbed"], pairs["b_sum"])
    cells = cells.merge(unpaired, on=_CELL)
    out = cells.groupby(keys, sort=False).agg(
        y_clean=("y_clean", "mean"),
        y_perturbed=("y_perturbed", "mean"),
        n_languages=("language", "nunique"),
        n_stages=("stage", "nunique"),
        n_unpaired=("unpaired", "sum"),
        n_cells=("y_clean", "size"),
    )
    out["robust_drop"] = out["y_clean"] - out["y_perturbed"]
    units = pairs.groupby([*keys, "example_id"], sort=False)["unit"].sum().reset_index()
    # Units of a row add up over its cells, whose mean the row is.
    units["square"] = (units["unit"] / units[keys].merge(out["n_cells"], on=keys)["n_cells"]) ** 2
    found = units.groupby(keys, sort=False)["square"]
    return _with_error(out.assign(n_examples=found.count(), square=found.sum()), level)


def _pairs(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row an example that has both scores, and how many of each cell have one alone."""
    counted = rows["tp"].notna()
    tp, fp, fn = (rows[name].fillna(0).astype(float) for name in ("tp", "fp", "fn"))
    rows = rows.assign(a=(2 * tp).where(counted, rows["score"]), b=(2 * tp + fp + fn).where(counted, 1.0))
    is_clean = rows["perturbation"] == CLEAN
    clean, noisy = rows[is_clean], rows[~is_clean]
    pairs = noisy.merge(clean[[*_PAIR, "a", "b"]], on=_PAIR, suffixes=("", "_clean"))
    if pairs.empty:
        raise InputError(
            f"no example has both a clean and a perturbed score ({len(clean)} clean, {len(noisy)} perturbed ones); "
            "name perturbations in the grid, and score it again"
        )
    n_clean = clean.groupby(_CELL[:-1], sort=False).size().rename("n_clean")
    n_noisy = noisy.groupby(_CELL, sort=False).size().rename("n_noisy")
    sizes = pairs.groupby(_CELL, sort=False).size().rename("n_pairs").reset_index()
    sizes = sizes.merge(n_noisy.reset_index(), on=_CELL).merge(n_clean.reset_index(), on=_CELL[:-1])
    return pairs, sizes[_CELL].assign(unpaired=sizes["n_clean"] + sizes["n_noisy"] - 2 * sizes["n_pairs"])


def _influence(a: pd.Series, b: pd.Series, y: pd.Series, total: pd.Series) -> pd.Series:
    """Return by how many points each example moves the score 100 sum(a) / sum(b)."""
    return (100 * a - y * b) / total.clip(lower=1)


def _with_error(out: pd.DataFrame, level: float) -> pd.DataFrame:
    n = out["n_examples"]
    # Rounding alone leaves squares of about 1e-28.
    varies = (n >= FEWEST_EXAMPLES) & (out["square"] > 1e-18)
    se = (out["square"] * n / (n - 1).clip(lower=1)).where(varies) ** 0.5
    half = stats.t.ppf(0.5 + level / 2, n - 1) * se
    p = 2 * stats.t.sf(out["robust_drop"].abs() / se, n - 1)
    low, high = out["robust_drop"] - half, out["robust_drop"] + half
    values = ["y_clean", "y_perturbed", "robust_drop", "low", "high", "p", "se", "df"]
    counts = ["n_examples", "n_languages", "n_stages", "n_unpaired"]
    return out.assign(low=low, high=high, p=p, se=se, df=n - 1)[[*values, *counts]].reset_index()
