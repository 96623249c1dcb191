"""Permutation test of a correlation over languages: is the score related to the distance?"""

from math import factorial

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_draws, require_levels
from analyses.inference.permutation import (
    BATCH_NUMBERS,
    Alternative,
    Method,
    all_orders,
    permutation_p,
    resolution,
    standardised,
)
from analyses.inference.result import Inference


def permute_labels(
    data: pd.DataFrame,
    outcome: str = "value",
    covariate: str = "distance",
    label: str = "language",
    *,
    rng: np.random.Generator,
    method: Method = "spearman",
    alternative: Alternative = "two-sided",
    permutations: int = 9999,
) -> Inference:
    """Correlate outcome and covariate over languages (rows of one language averaged) by permuting languages.

    Exact where all n! orders are no more than `permutations`. The languages are exchangeable under the null
    only if kinship does not make neighbours alike: with relatives among them use `pgls`.

    Returns:
        One row: the correlation and p; a permutation test gives no interval.

    Raises:
        InputError: unknown columns, infinite values, fewer than 4 languages, a constant column.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import permute_labels
        >>> scores = pd.DataFrame({"language": ["de", "ru", "tr", "sw", "th", "zh"]})
        >>> scores["distance"], scores["value"] = [0.2, 0.4, 0.5, 0.6, 0.7, 0.8], [77, 76, 74, 65, 71, 70]
        >>> result = permute_labels(scores, rng=np.random.default_rng(1))
        >>> round(result.estimate, 2), round(result.p, 3)
        (-0.83, 0.058)
        >>> result.notes
        ('exact: all permutations enumerated',)
    """
    frame, notes = complete_rows(data, [outcome, covariate], [label])
    means = frame.groupby(label, sort=True)[[outcome, covariate]].mean()
    require_levels(len(means), 4, label, "a permutation of three values says nothing")
    y, x = (standardised(means[name].to_numpy(), name, method) for name in (outcome, covariate))
    n = len(means)
    # One more, for the observed order is among all n! and not among random ones.
    exact = factorial(n) <= permutations + 1
    require_draws(rng, permutations, "permutations")
    null = y[all_orders(n)] @ x if exact else _random(y, x, rng, permutations)
    r = float(y @ x)
    row = {"term": covariate, "estimate": r, "low": np.nan, "high": np.nan}
    return Inference(
        procedure=f"permute_labels ({method})",
        null=f"no association: the {label} labels are exchangeable",
        table=pd.DataFrame([{**row, "p": permutation_p(null, r, exact, alternative)}]),
        counts={label: n, "rows": len(frame), "permutations": len(null)},
        distribution=null,
        notes=(*notes, *resolution(null, exact), *(["exact: all permutations enumerated"] if exact else [])),
        references=("Phipson and Smyth 2010",),
    )


def _random(y: np.ndarray, x: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    batch = max(1, BATCH_NUMBERS // len(y))
    sizes = [min(batch, count - start) for start in range(0, count, batch)]
    return np.concatenate([rng.permuted(np.tile(y, (size, 1)), axis=1) @ x for size in sizes])
