"""Semantic similarity of two sets of examples, on their embeddings. Higher means more alike.

x and y are (examples, dimensions) arrays of one encoder. `mean_cosine` compares centroids only (TextEmb, Vu et
al. 2020); the others compare distributions. Across languages, pass embeddings centred by language as well
(`centred`), else the measures mostly say how far apart the languages lie in the encoder.
"""

import numpy as np
import pandas as pd

from analyses.similarity.arrays import matrix, pair, unit_rows
from simxfer.common.errors import InputError
from simxfer.common.streams import stream

N_PROJECTIONS = 64


def mean_cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Cosine of the mean embeddings (TextEmb, Vu et al. 2020, section 3.1); range [-1, 1], symmetric.

    NaN where a mean is zero, since it has no direction.

    Example:
        >>> import numpy as np
        >>> from analyses import mean_cosine
        >>> x, y = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [3.0, 0.0]])
        >>> round(mean_cosine(x, y), 2)
        0.71
    """
    x, y = pair(x, y)
    a, b = unit_rows(np.stack([x.mean(axis=0), y.mean(axis=0)]))
    return float(np.clip(a @ b, -1.0, 1.0))


def nearest_coverage(x: np.ndarray, y: np.ndarray) -> float:
    """Mean over y of the cosine to its nearest example of x: how well x covers y; range [-1, 1], directed.

    NaN where an embedding is zero.

    Example:
        >>> import numpy as np
        >>> from analyses import nearest_coverage
        >>> narrow, wide = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> nearest_coverage(wide, narrow), nearest_coverage(narrow, wide)
        (1.0, 0.5)
    """
    x, y = pair(x, y)
    return float(np.clip((unit_rows(y) @ unit_rows(x).T).max(axis=1), -1.0, 1.0).mean())


def mmd_similarity(x: np.ndarray, y: np.ndarray, bandwidth: float | None = None) -> float:
    """Minus `squared_mmd`; range [-2, 2), around 0 for equal distributions, symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import mmd_similarity
        >>> x, near, far = np.random.default_rng(1).normal([[[0.0]], [[0.5]], [[3.0]]], size=(3, 50, 2))
        >>> round(mmd_similarity(x, near, bandwidth=1.0), 1), round(mmd_similarity(x, far, bandwidth=1.0), 1)
        (-0.1, -0.8)
    """
    return -squared_mmd(x, y, bandwidth)


def frechet_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Minus `squared_frechet`; range (-inf, 0], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import frechet_similarity
        >>> x = np.array([[0.0, 0.0], [2.0, 0.0]])
        >>> round(frechet_similarity(x, x + [0.0, 3.0]), 6)
        -9.0
    """
    return -squared_frechet(x, y)


def sliced_wasserstein_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Minus `sliced_wasserstein` over the same directions for every pair; range (-inf, 0], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import sliced_wasserstein_similarity
        >>> x = np.array([[0.0], [1.0], [2.0]])
        >>> [round(sliced_wasserstein_similarity(x, x + shift), 2) for shift in (1, 3)]
        [-1.0, -3.0]
    """
    dimensions = matrix(x, "x").shape[1]
    # The same directions for every pair, so that pairs differ by their data and not by luck.
    return -sliced_wasserstein(x, y, stream("similarity", "sliced_wasserstein", dimensions))


def squared_mmd(x: np.ndarray, y: np.ndarray, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy, unbiased, Gaussian kernel exp(-d^2 / 2 bandwidth^2).

    Gretton et al. 2012, equation 3. Unbiased: it may be slightly below 0, and repeating examples changes it.
    Values are comparable only at one bandwidth.

    Args:
        x: (n, dimensions), n >= 2.
        y: (m, dimensions), m >= 2.
        bandwidth: by default the median distance of the pooled examples (`median_distance`).
    """
    x, y = pair(x, y, least=2)
    sigma = median_distance(np.concatenate([x, y])) if bandwidth is None else bandwidth
    xx, yy, xy = (np.exp(-_squared_distances(a, b) / (2 * sigma**2)) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def median_distance(x: np.ndarray) -> float:
    """Median distance of different examples, the usual kernel bandwidth; 1 where it is 0."""
    x = matrix(x, "x", least=2)
    distances = np.sqrt(_squared_distances(x, x)[np.triu_indices(len(x), 1)])
    return float(np.median(distances)) or 1.0


def squared_frechet(x: np.ndarray, y: np.ndarray) -> float:
    """Squared Frechet (2-Wasserstein) distance of the Gaussians fitted to x and y; range [0, inf).

    |mx - my|^2 + tr(Sx + Sy - 2 (Sx Sy)^1/2), Dowson and Landau 1982, with covariances divided by n. Since
    S = X'X / n for centred X, the last trace is the nuclear norm of X Y' / sqrt(n m): no square root of a
    singular matrix. Biased upwards for few examples: compare sets of equal size.
    """
    x, y = pair(x, y)
    shift = x.mean(axis=0) - y.mean(axis=0)
    x, y = ((z - z.mean(axis=0)) / np.sqrt(len(z)) for z in (x, y))
    root = np.linalg.svd(_short(x) @ _short(y).T, compute_uv=False).sum()
    return float(max(0.0, shift @ shift + (x * x).sum() + (y * y).sum() - 2 * root))


def sliced_wasserstein(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, n_projections: int = N_PROJECTIONS
) -> float:
    """Sliced 2-Wasserstein distance over random directions (Bonneel et al. 2015); range [0, inf)."""
    x, y = pair(x, y)
    directions = unit_rows(rng.standard_normal((n_projections, x.shape[1]))).T
    quantiles_x, quantiles_y, weights = _common_quantiles(len(x), len(y))
    gap = np.sort(x @ directions, axis=0)[quantiles_x] - np.sort(y @ directions, axis=0)[quantiles_y]
    return float(np.sqrt((weights @ (gap * gap)).mean()))


def centred(embeddings: np.ndarray, languages: np.ndarray) -> np.ndarray:
    """Subtract from every embedding the mean of its language (Libovicky et al. 2020).

    Args:
        embeddings: (examples, dimensions).
        languages: (examples,) language of each.

    Raises:
        InputError: as `matrix`; not one language an example, or a missing one.
    """
    out, languages = matrix(embeddings, "embeddings").copy(), np.asarray(languages)
    if languages.shape != (len(out),) or pd.isna(languages).any():
        raise InputError(
            f"languages have shape {languages.shape}, {int(pd.isna(languages).sum())} of them missing; expected one "
            f"for each of {len(out)} embeddings: drop the examples without a language"
        )
    for language in np.unique(languages):
        out[languages == language] -= out[languages == language].mean(axis=0)
    return out


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Squared distances, not negative; of equal rows 0 up to rounding."""
    squares = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)[None, :]
    # One matrix product instead of all differences, which would be examples x examples x dimensions.
    return np.maximum(squares - 2 * x @ y.T, 0.0)


def _short(x: np.ndarray) -> np.ndarray:
    """Return a matrix with the same X'X and at most as many rows as columns."""
    # The nuclear norm depends on X through X'X alone.
    return x if len(x) <= x.shape[1] else np.asarray(np.linalg.qr(x, mode="r"))


def _common_quantiles(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the positions of both sorted samples on every piece of the common quantile axis, and its length.

    Levels are whole multiples of 1 / (n m), so that no rounding moves a quantile.
    """
    levels = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    weights = np.diff(levels, prepend=0) / (n * m)
    return (levels - 1) // m, (levels - 1) // n, weights
