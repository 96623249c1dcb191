"""One training method against another: paired scores of replicates in several languages."""

import numpy as np
import pandas as pd

from analyses.inference.checks import require_level
from analyses.inference.multiplicity import holm
from analyses.inference.result import Inference
from analyses.inference.student import student_intervals
from simxfer.common.errors import InputError


def method_difference(differences: pd.DataFrame, *, level: float = 0.95, term: str = "mean") -> Inference:
    """Test the mean over languages (or tasks) of a method's score minus another's, over replicates.

        d_r = mean over columns of d_rl;   t = mean(d_r) / (SD(d_r) / sqrt(n)) with n - 1 degrees of freedom

    Languages and tasks are fixed: those at hand. Replicates are encoders, or the fine-tuning seeds of one.

    Args:
        differences: points, (replicates, languages or tasks); a replicate that lacks one is left out, and said.
        level: confidence level of the intervals.
        term: name of the first row.

    Returns:
        The mean over columns first, then each column, in their order: estimate, low, high, p, p_holm (over the
        columns), se, df. With fewer than five replicates, or where all are equal, interval and p are missing.
        `distribution` holds the replicates' means.

    Raises:
        InputError: no replicate has all columns, or there is no column.

    Example:
        >>> import pandas as pd
        >>> from analyses import method_difference
        >>> differences = pd.DataFrame({"sw": [1.0, 2, 3, 2, 2], "th": [-3.0, -1, -2, -2, -1]})
        >>> result = method_difference(differences)
        >>> result.table[["term", "estimate", "low", "high"]].round(1)
           term  estimate  low  high
        0  mean       0.1 -0.7   0.9
        1    sw       2.0  1.1   2.9
        2    th      -1.8 -2.8  -0.8
    """
    require_level(level)
    kept = differences.dropna()
    if kept.empty or not kept.shape[1]:
        raise InputError(
            f"no replicate has a difference in each of {list(differences.columns)}; leave out languages that some lack"
        )
    values = np.column_stack([kept.mean(axis=1), kept.to_numpy(float)])
    terms = [term, *map(str, kept.columns)]
    table = student_intervals(pd.DataFrame(values), level).reset_index(drop=True)
    table.insert(0, "term", terms)
    table["p_holm"] = [np.nan, *holm(table["p"].iloc[1:].to_numpy(float))]
    left = len(differences) - len(kept)
    return Inference(
        procedure="method_difference",
        null="the mean difference is zero",
        table=table,
        counts={"replicates": len(kept), "columns": kept.shape[1]},
        level=level,
        distribution=values[:, 0],
        notes=(f"{left} {'replicate lacks' if left == 1 else 'replicates lack'} a column: left out",)
        * bool(left),
        references=("Student 1908, Biometrika 6: 1-25", "Holm 1979, Scand. J. Stat. 6: 65-70"),
    )
