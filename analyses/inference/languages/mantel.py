"""Mantel's test of two distance matrices, plain and partial: descriptive only.

Under shared ancestry of the languages it rejects a true null far too often (Guillot and Rousset 2013, Methods
Ecol. Evol. 4: 336-344; its measured error is among the notes of every result). Use `pgls` for a test.
"""

from math import factorial

import numpy as np
import pandas as pd

from analyses.inference.checks import require_draws, require_labelled, require_levels
from analyses.inference.permutation import (
    Alternative,
    Method,
    all_orders,
    crossed_sizes,
    permutation_p,
    random_orders,
    resolution,
    standardised,
)
from analyses.inference.rates import measured
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def mantel(
    first: pd.DataFrame,
    second: pd.DataFrame,
    control: pd.DataFrame | None = None,
    *,
    rng: np.random.Generator,
    method: Method = "pearson",
    alternative: Alternative = "two-sided",
    permutations: int = 9999,
) -> Inference:
    """Correlate the distances of two symmetric matrices over the same items (Mantel 1967, Cancer Res. 27).

    With `control` the correlation is partial, and the raw first matrix is permuted (Smouse, Long and Sokal
    1986, Syst. Zool. 35: 627-632; vegan's mantel.partial).

    Args:
        first, second, control: n x n distances, labelled alike on rows and columns.

    Raises:
        InputError: not square, not symmetric, a label twice, missing or infinite values, different items, fewer than 4
        items, no permutation asked for, a control that equals one of the matrices up to scale.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import mantel
        >>> place, features = np.array([0, 1, 2, 5, 9]), np.array([0, 2, 1, 4, 6])
        >>> far, unlike = (pd.DataFrame(abs(x[:, None] - x)) for x in (place, features))
        >>> result = mantel(far, unlike, rng=np.random.default_rng(1))
        >>> round(result.estimate, 2), result.recommended
        (0.9, False)
    """
    require_draws(rng, permutations, "permutations")
    given = [m for m in (first, second, control) if m is not None]
    require_labelled("distance matrices", *given)
    names = list(first.index.astype(str))
    require_levels(len(names), 4, "items", "a permutation of three items says nothing")
    matrices = [_checked(m, first) for m in given]
    upper = np.triu_indices(len(names), 1)
    vectors = [standardised(m[upper], "distances", method) for m in matrices]
    # The partial correlation divides by 1 - r^2 with the control.
    if control is not None and max(abs(vectors[-1] @ v) for v in vectors[:-1]) > 1 - 1e-9:
        raise InputError("the control is one of the two matrices, up to scale: nothing is left to correlate")
    r, null, exact = _null(vectors, upper, rng, permutations)
    row = {"term": "correlation of distances", "estimate": r, "low": np.nan, "high": np.nan}
    notes = [
        "descriptive: items with shared ancestry make it reject a true null too often",
        *measured("mantel"),
        *resolution(null, exact),
    ]
    return Inference(
        procedure="mantel" if control is None else "mantel (partial)",
        null="no association: the items of one matrix are exchangeable",
        table=pd.DataFrame([{**row, "p": permutation_p(null, r, exact, alternative)}]),
        counts={"items": len(names), "permutations": len(null)},
        distribution=null,
        notes=tuple([*notes, "exact: all permutations enumerated"] if exact else notes),
        recommended=False,
        references=("Mantel 1967", "Smouse, Long and Sokal 1986", "Guillot and Rousset 2013"),
    )


def _checked(matrix: pd.DataFrame, like: pd.DataFrame) -> np.ndarray:
    """Return the matrix in the order of `like`."""
    if set(matrix.index) != set(like.index) or set(matrix.columns) != set(like.index):
        raise InputError(
            "the matrices stand for different items; expected the same labels on rows and columns"
        )
    values = matrix.loc[like.index, like.index].to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise InputError("a distance is missing or infinite; drop the items it belongs to")
    # Distances computed once a triangle differ in their last digits.
    if not np.allclose(values, values.T, atol=1e-8 * np.abs(values).max()):
        raise InputError("a distance matrix is not symmetric; expected d(a, b) = d(b, a)")
    return values


def _null(
    vectors: list[np.ndarray],
    upper: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    permutations: int,
) -> tuple[float, np.ndarray, bool]:
    """Return the observed (partial) correlation, those of the permutations, and whether they are all."""
    n = int(upper[1].max()) + 1
    exact = factorial(n) <= permutations + 1
    if exact:
        first, others = all_orders(n), np.arange(n)[None]
    else:
        first, others = (random_orders([np.arange(n)], rng, size) for size in crossed_sizes(permutations))
    cross = _cross_products(vectors, upper, first, others).reshape(-1, len(vectors) - 1)
    null = _partial(cross, float(vectors[1] @ vectors[-1]))
    # The first order is the observed one, which permutation_p adds to random ones itself.
    return float(null[0]), null if exact else null[1:], exact


def _cross_products(
    vectors: list[np.ndarray], upper: tuple[np.ndarray, np.ndarray], first: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Return <first vector in order a, other vector in order b>, (A, B, others), for orders A x n and B x n."""
    n = first.shape[1]
    squares = np.zeros((len(vectors), n, n))
    squares[:, *upper] = vectors
    squares += squares.transpose(0, 2, 1)
    flat = squares.reshape(-1, n * n)
    a, b = (np.ascontiguousarray(orders.T) for orders in (first, others))
    cross = np.zeros((len(vectors) - 1, len(first), len(others)))
    for i in range(n - 1):  # one row of the matrices at a time stays in the cache
        moved, at = flat[0].take(a[i] * n + a[i + 1 :]).T, b[i] * n + b[i + 1 :]
        for out, other in zip(cross, flat[1:], strict=True):
            out += moved @ other.take(at)
    return cross.transpose(1, 2, 0)


def _partial(cross: np.ndarray, between: float) -> np.ndarray:
    """Return r_ab, or r_ab.c from the columns r_ab and r_ac and the scalar r_bc."""
    if cross.shape[1] == 1:
        return cross[:, 0]
    ab, ac = cross.T
    return (ab - ac * between) / np.sqrt((1 - ac**2) * (1 - between**2))
