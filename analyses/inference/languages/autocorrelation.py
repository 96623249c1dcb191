"""Moran's I: do kin (or neighbours) resemble each other in a value, such as a residual?"""

from typing import Literal

import numpy as np
import pandas as pd

from analyses.inference.checks import require_draws, require_labelled, require_levels, require_varying
from analyses.inference.permutation import BATCH_NUMBERS, permutation_p, resolution
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def morans_i(
    values: pd.Series,
    weights: pd.DataFrame,
    *,
    rng: np.random.Generator,
    alternative: Literal["two-sided", "greater", "less"] = "greater",
    permutations: int = 9999,
) -> Inference:
    """Test the autocorrelation of a value over languages (Moran 1950, Biometrika 37: 17-23).

        I = (n / sum_ij w_ij) sum_ij w_ij z_i z_j / sum_i z_i^2,   E[I] = -1 / (n - 1)

    Args:
        values: one value a language, indexed by language. weights: languages x languages, not negative; the
            diagonal does not count. A genealogical covariance serves.

    Raises:
        InputError: a language twice or without weights, missing or constant values, negative or all-zero weights.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import genealogical_covariance, morans_i
        >>> residuals = pd.Series({"de": 2.1, "en": 1.8, "nl": 2.4, "es": -1.9, "fr": -2.2, "it": -2.0})
        >>> families = pd.DataFrame({"F_germanic": [1, 1, 1, 0, 0, 0], "F_romance": [0, 0, 0, 1, 1, 1]})
        >>> weights = genealogical_covariance(families.set_axis(residuals.index))
        >>> result = morans_i(residuals, weights, rng=np.random.default_rng(1))
        >>> round(result.estimate, 2), round(result.table["expected"].item(), 2)
        (0.99, -0.2)
    """
    require_labelled("values and weights", values, weights)
    names = list(values.index)
    require_levels(len(names), 4, "languages", "a permutation of three values says nothing")
    lacking = set(names) - (set(weights.index) & set(weights.columns))
    if lacking:
        raise InputError(
            f"no weights for {sorted(map(str, lacking))}; expected a row and a column a language"
        )
    z = values.to_numpy(dtype=float)
    w = weights.loc[names, names].to_numpy(dtype=float, copy=True)
    # A covariance has ones there, with which every language would resemble itself.
    np.fill_diagonal(w, 0.0)
    if not np.isfinite(z).all() or not np.isfinite(w).all() or (w < 0).any() or w.sum() == 0:
        raise InputError("expected finite values and finite weights that are not negative and not all zero")
    require_varying(z, "values")
    require_draws(rng, permutations, "permutations")
    z = z - z.mean()
    scale = len(z) / w.sum() / (z @ z)
    observed = float(scale * (z @ w @ z))
    null = scale * _quadratic(z, w, rng, permutations)
    expected = -1 / (len(z) - 1)
    # Two-sided is about E[I], which is below zero: -1 / (n - 1) itself is no sign of anything.
    p = permutation_p(null - expected, observed - expected, exact=False, alternative=alternative)
    row = {
        "term": "Moran's I",
        "estimate": observed,
        "low": np.nan,
        "high": np.nan,
        "p": p,
        "expected": expected,
    }
    return Inference(
        procedure="morans_i",
        null="values are exchangeable between languages",
        table=pd.DataFrame([row]),
        counts={"languages": len(z), "permutations": permutations},
        distribution=null,
        notes=tuple(resolution(null, exact=False)),
        references=("Moran 1950",),
    )


def _quadratic(z: np.ndarray, w: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return z'wz for permuted z."""
    batch = max(1, BATCH_NUMBERS // len(z))
    pieces = []
    for start in range(0, count, batch):
        shuffled = rng.permuted(np.tile(z, (min(batch, count - start), 1)), axis=1)
        pieces.append(((shuffled @ w) * shuffled).sum(axis=1))
    return np.concatenate(pieces)
