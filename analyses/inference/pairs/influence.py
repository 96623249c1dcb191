"""How much does a conclusion hang on one task or one language? And how entangled are the regressors?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_varying, unit_columns
from analyses.inference.pairs.regression import pair_regression
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def leave_one_out(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    kind: tuple[str, str] | None = None,
    level: float = 0.95,
) -> Inference:
    """Repeat `pair_regression` without each source, each target and each language.

    Returns:
        Row `all` (the headline), then one row a left-out level with `factor`, `left_out` and `shift`, the
        change of the slope in standard errors of the whole fit; the largest shifts first. A note tells
        whether any of them takes the slope across zero or p across .05.

    Raises:
        InputError: as `pair_regression`, also for a reduced table (three tasks leave two).

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, leave_one_out, simulate_grid
        >>> truth = Truth(sources=5, targets=5, languages=3, slope=1.0)
        >>> data = simulate_grid(np.random.default_rng(1), truth)
        >>> leave_one_out(data).table[["term", "factor", "estimate", "shift"]].round(2).head(3)
                 term  factor  estimate  shift
        0         all              1.13   0.00
        1  without t2  target      1.59   1.16
        2  without t3  target      1.58   1.15
    """
    arguments = (similarity, outcome, source, target, language)
    whole = pair_regression(data, *arguments, kind=kind, level=level)
    first = whole.table.iloc[0]
    rows = []
    for factor in (name for name in (source, target, language) if name in data.columns):
        levels = sorted(data[factor].dropna().unique(), key=str)
        # Without its only language a table is empty, and nothing hangs on it.
        for left_out in levels if len(levels) > 1 else []:
            part = pair_regression(data[data[factor] != left_out], *arguments, kind=kind, level=level)
            row = part.table.iloc[0]
            shift = (row["estimate"] - first["estimate"]) / first["se"]
            rows.append(
                {**row, "term": f"without {left_out}", "factor": factor, "left_out": left_out, "shift": shift}
            )
    table = pd.DataFrame(rows).sort_values("shift", key=np.abs, ascending=False, kind="stable")
    head = pd.DataFrame([{**first, "term": "all", "factor": "", "left_out": "", "shift": 0.0}])
    return Inference(
        procedure="leave_one_out",
        null=whole.null,
        table=pd.concat([head, table], ignore_index=True),
        counts=whole.counts,
        level=level,
        distribution=table["statistic"].to_numpy(),
        notes=(*whole.notes, *_notes(first, table)),
        references=whole.references,
    )


def _notes(first: pd.Series, table: pd.DataFrame) -> list[str]:
    turned = table.loc[np.sign(table["estimate"]) != np.sign(first["estimate"]), "left_out"]
    crossed = table.loc[(table["p"] < 0.05) != (first["p"] < 0.05), "left_out"]
    return [
        f"{what} without {', '.join(map(str, names))}"
        for what, names in (("the slope changes its sign", turned), ("p crosses .05", crossed))
        if len(names)
    ]


def collinearity(data: pd.DataFrame, columns: Sequence[str], within: Sequence[str] = ()) -> pd.DataFrame:
    """Return the variance inflation factor of each regressor and its largest correlation with another.

    Args:
        columns: at least two numeric columns. within: labels, such as ("intermediate", "target"): their rows
            are averaged first, so that repeated rows do not count.

    Returns:
        Columns term, vif (1 to infinity; 10 is the usual alarm: Belsley, Kuh and Welsch 1980), correlation,
        with.

    Raises:
        InputError: unknown columns, infinite or constant values, fewer than two columns.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import collinearity
        >>> rng = np.random.default_rng(2)
        >>> data = pd.DataFrame({"semantic": rng.normal(size=50), "lexical": rng.normal(size=50)})
        >>> data["embedding"] = data["semantic"] + 0.1 * rng.normal(size=50)
        >>> collinearity(data, ["semantic", "lexical", "embedding"]).round(2)
                term     vif  correlation       with
        0   semantic  110.85         1.00  embedding
        1    lexical    1.01        -0.12   semantic
        2  embedding  110.79         1.00   semantic
    """
    if len(columns) < 2:
        raise InputError(f"collinearity of {list(columns)}: expected at least two columns")
    frame, _ = complete_rows(data, list(columns), list(within))
    if within:
        frame = frame.groupby(list(within))[list(columns)].mean()
    for name in columns:
        require_varying(frame[name].to_numpy(), name)
    correlations = np.corrcoef(frame[list(columns)].to_numpy().T)
    others = np.abs(correlations - np.eye(len(columns)))
    nearest = others.argmax(axis=1)
    unexplained = np.array([_unexplained(frame[list(columns)].to_numpy(), j) for j in range(len(columns))])
    with np.errstate(divide="ignore"):
        # Below it rounding is all that tells the regressor from the others.
        vif = np.where(unexplained < 1e-12, np.inf, 1 / unexplained)
    return pd.DataFrame(
        {
            "term": list(columns),
            "vif": vif,
            "correlation": correlations[np.arange(len(columns)), nearest],
            "with": [columns[j] for j in nearest],
        }
    )


def _unexplained(values: np.ndarray, j: int) -> float:
    """Return 1 - R^2 of column j on the others."""
    centred = unit_columns(values - values.mean(axis=0))
    rest = np.delete(centred, j, axis=1)
    residual = centred[:, j] - rest @ np.linalg.lstsq(rest, centred[:, j], rcond=None)[0]
    return float((residual**2).sum())
