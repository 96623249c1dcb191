"""Typological diversity of a set of languages, with bounds for what URIEL does not state.

A missing value could be 0 or 1; the bounds are over all ways to fill them in. They are not confidence
intervals: the truth lies inside for certain, as far as the stated features are right. Values on which URIEL's
sources disagree count as missing in the bounds. Features here are 0 or 1, coordinates are known or not.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.similarity.codes import iso639_3
from analyses.similarity.typology import (
    angular_distances,
    great_circle_distances,
    language_features,
)
from simxfer.common.errors import InputError


def set_diversity(
    languages: Sequence[str],
    kind: str = "featural",
    targets: Sequence[str] = (),
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the diversity of a set of languages, one row a measure.

    Measures, all in [0, 1], higher = more diverse or covering more:

        mean_pairwise_distance   mean distance of the pairs of the set
        entropy                  mean binary entropy of the features over the set, bits (not for coordinates)
        target_coverage          facility location: mean over targets of the largest similarity (1 - distance)
                                 to a language of the set; only with targets

    Args:
        languages: codes of the set, each language counted once, whatever its code.
        kind: kind of typological feature.
        targets: codes of the languages to cover.
        table: a LANGUAGES table, for artificial languages.

    Returns:
        Columns: measure, value (on what is observed; NaN where a pair has nothing in common), low, high
        (bounds over all fillings), observed_share (of the cells of the set, or of set and targets).

    Raises:
        InputError: as `language_features`; an empty set.

    Example:
        >>> from analyses import set_diversity
        >>> set_diversity(["de", "tr", "zh"], "syntactic", targets=["sw"]).round(2)
                          measure  value   low  high  observed_share
        0  mean_pairwise_distance   0.57  0.48  0.71            0.90
        1                 entropy   0.41  0.33  0.58            0.90
        2         target_coverage   0.31  0.21  0.45            0.88
    """
    first_of: dict[str, str] = {}
    codes, asked = (
        list(dict.fromkeys(_first(code, first_of, table) for code in s)) for s in (languages, targets)
    )
    if not codes:
        raise InputError("the set of languages is empty; expected at least one code")
    everyone = list(dict.fromkeys([*codes, *asked]))
    features = language_features(everyone, kind, table).to_numpy()
    distances = _with_bounds(features, kind)
    own, pairs = features[: len(codes)], np.triu_indices(len(codes), 1)
    rows = []
    if len(codes) > 1:
        rows.append(("mean_pairwise_distance", *(float(d[pairs].mean()) for d in distances), _stated(own)))
    if kind != "geographic":
        rows.append(("entropy", *feature_entropy(own), _stated(own)))
    if asked:
        rows_of = [everyone.index(target) for target in asked]
        value, high, low = (1 - _nearest(d[rows_of, : len(codes)]) for d in distances)
        rows.append(("target_coverage", value, low, high, _stated(features)))
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high", "observed_share"])


def _first(code: str, first_of: dict[str, str], table: pd.DataFrame | None) -> str:
    """Return the first code seen of this language: `en` and `eng` are one."""
    own = code.startswith("x-") or (table is not None and code in set(table["language"]))
    return first_of.setdefault(code if own else iso639_3(code), code)


def feature_entropy(x: np.ndarray) -> tuple[float, float, float]:
    """Return the mean binary entropy of the columns in bits: on observed values, least, greatest.

    Averaged values (sources disagree) count with their share. A feature's entropy on what is observed is held
    within the bounds of its fillings, which know the size of the set; one stated for no language counts only
    in the bounds.

    Args:
        x: (languages, features) in [0, 1], NaN where missing.
    """
    n = len(x)
    stated = ~np.isnan(x)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = _bits(np.nansum(x, axis=0) / stated.sum(axis=0))
    binary = stated & ((x == 0) | (x == 1))
    least_ones = np.where(binary, x, 0).sum(axis=0)
    most_ones = least_ones + (~binary).sum(axis=0)
    # An odd n may round either way: p and 1 - p have the same entropy.
    nearest_half = np.clip(np.round(n / 2), least_ones, most_ones)
    # Entropy is concave in p: it is least at one of the ends.
    low = np.minimum(_bits(least_ones / n), _bits(most_ones / n))
    high = _bits(nearest_half / n)
    observed = float(np.nanmean(np.clip(value, low, high))) if stated.any() else np.nan
    return observed, float(low.mean()), float(high.mean())


def angular_bounds(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest angular distance of rows over all 0/1 fillings of their missing values.

    For 0/1 vectors the cosine a / (|u| |v|) grows with every agreeing pair of ones and falls with every one
    that stands alone, since a <= min(|u|^2, |v|^2) makes (2a + 1)|u|^2 >= a^2. So the closest filling copies
    the other vector's value and sets cells missing in both to one; the farthest sets ones where the other has
    zeros and shares the cells missing in both so that |u|^2 |v|^2 is greatest. A zero vector counts as at
    distance 1 from any other.

    Args:
        x: (n, features) of 0, 1 and NaN; other values count as missing.
        y: (m, features).

    Returns:
        Low and high, both (n, m).
    """
    ones_x, zeros_x, free_x = _cells(x)
    ones_y, zeros_y, free_y = _cells(y)
    both = ones_x @ ones_y.T
    copied = free_x @ ones_y.T + ones_x @ free_y.T + free_x @ free_y.T
    norm_x = ones_x.sum(axis=1)[:, None] + free_x @ ones_y.T + free_x @ free_y.T
    norm_y = ones_y.sum(axis=1)[None, :] + ones_x @ free_y.T + free_x @ free_y.T
    low = _angle(both + copied, norm_x * norm_y)
    far_x = ones_x.sum(axis=1)[:, None] + free_x @ zeros_y.T
    far_y = ones_y.sum(axis=1)[None, :] + zeros_x @ free_y.T
    free = free_x @ free_y.T
    to_x = np.clip(np.round((far_y - far_x + free) / 2), 0, free)
    high = _angle(both, (far_x + to_x) * (far_y + free - to_x))
    return low, high


def _with_bounds(x: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distances of the rows, the least and the greatest ones; the diagonal is 0."""
    if kind == "geographic":
        value = great_circle_distances(x, x)[0]
        matrices = value, np.nan_to_num(value, nan=0.0), np.nan_to_num(value, nan=1.0)
    else:
        matrices = angular_distances(x, x)[0], *angular_bounds(x, x)
    for matrix in matrices:
        np.fill_diagonal(matrix, 0.0)
    return matrices


def _nearest(distances: np.ndarray) -> float:
    """Mean over rows of the least distance: 0 settles it, else an unknown one leaves it unknown (NaN)."""
    return float(np.where((distances == 0).any(axis=1), 0.0, distances.min(axis=1)).mean())


def _cells(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indicators of ones, zeros and cells that are neither."""
    ones, zeros = (x == 1).astype(np.float64), (x == 0).astype(np.float64)
    return ones, zeros, 1 - ones - zeros


def _angle(dot: np.ndarray, norms: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.where(norms > 0, dot / np.sqrt(norms), 0.0)
    return 2 / np.pi * np.arccos(np.clip(cosine, 0.0, 1.0))


def _bits(p: np.ndarray) -> np.ndarray:
    """Entropy of a coin in bits."""
    with np.errstate(invalid="ignore", divide="ignore"):
        bits = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return np.where((p == 0) | (p == 1), 0.0, bits)


def _stated(x: np.ndarray) -> float:
    return float((~np.isnan(x)).mean())
