"""Typological features and distances of languages, from URIEL's raw features or from a run's LANGUAGES table.

Distances are computed on the features that both languages have; the share of those among all features of the
kind stands beside every distance. URIEL's precomputed distances cannot be reproduced from its features
(antonisa/lang2vec issue 17) and are not used.

    kind                                     distance                                          range
    syntactic, phonological, inventory,      angular: 2/pi arccos of the cosine (URIEL+'s      [0, 1]
    featural, genetic, script, any other     definition, Khan et al. 2025)
    geographic                               great circle over half the circumference          [0, 1]

References: Littell et al. 2017 (URIEL and lang2vec); Khan et al. 2025 (URIEL+), coling-main.463.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from analyses.similarity.uriel import COORDINATES, KINDS, PARTS, uriel
from simxfer.common.errors import InputError, unknown
from simxfer.schema.tables import LANGUAGES, validate

MIN_SHARE = 0.25
"""Below this share of commonly observed features a distance is flagged, and left out of similarity tables."""

DISTANCE_COLUMNS = ("a", "b", "kind", "distance", "observed_share", "imputed_share", "flag")


def language_features(
    languages: Sequence[str], kind: str, table: pd.DataFrame | None = None, impute: int = 0
) -> pd.DataFrame:
    """Return the (languages x features) table of one kind; NaN where a feature is not stated.

    Args:
        languages: BCP-47 or ISO 639-3 codes; `x-...` for artificial ones.
        kind: one of `KINDS`, or another kind of `table`.
        table: a LANGUAGES table. A language that it holds takes all its features from there.
        impute: number of neighbours for kNN imputation (URIEL: 10) of URIEL's languages; 0, the default, imputes
            nothing. Which cells were imputed follows from the table without it, and `language_distances`
            states their share.

    Raises:
        InputError: no code, an unknown or ambiguous one, an artificial language without a table, or an unknown kind.

    Example:
        >>> from analyses import language_features
        >>> features = language_features(["en", "tr"], "syntactic")
        >>> features[["S_SVO", "S_SOV"]].astype(int).T.to_dict("list")
        {'en': [1, 0], 'tr': [0, 1]}
    """
    codes = list(dict.fromkeys(languages))
    if not codes:
        raise InputError("no language is named; expected at least one code, such as 'sw'")
    table = None if table is None else validate(table, LANGUAGES)
    held = set() if table is None else set(table["language"])
    _check_kind(kind, table)
    known = [code for code in codes if code not in held]
    frames = []
    if known and kind in KINDS:
        stated = uriel().rows(known, kind)
        values = _imputed(known, stated, kind, impute) if impute else stated
        frames.append(pd.DataFrame(values, index=known, columns=list(uriel().names[kind])))
    if table is not None:
        frames.append(_from_table(table, [code for code in codes if code in held], kind))
    return pd.concat(frames).reindex(codes).astype(np.float64)


def language_distances(
    languages: Sequence[str],
    kinds: Sequence[str] = KINDS,
    table: pd.DataFrame | None = None,
    impute: int = 0,
    min_share: float = MIN_SHARE,
) -> pd.DataFrame:
    """Return the distances of all ordered pairs of languages, one row a pair and kind.

    Columns: a, b, kind, distance (0-1, NaN where nothing is observed in common), observed_share (share of the
    kind's features stated for both), imputed_share (share of the features used that was imputed for either),
    flag (empty, or what is wrong with the row).

    Raises:
        InputError: as `language_features`.

    Example:
        >>> from analyses import language_distances
        >>> rows = language_distances(["en", "de", "tr"], ["genetic"])
        >>> rows[["a", "b", "distance", "observed_share"]].round(2).head(3)
            a   b  distance  observed_share
        0  en  en      0.00             1.0
        1  en  de      0.63             1.0
        2  en  tr      1.00             1.0
    """
    codes = list(dict.fromkeys(languages))
    if not kinds:
        raise InputError(f"no kind of feature is named; expected some of {KINDS}")
    return pd.concat(
        [_kind_distances(codes, kind, table, impute, min_share) for kind in kinds], ignore_index=True
    )


def distance_blocks(kind: str, rows: int = 512) -> Iterator[tuple[tuple[str, ...], np.ndarray, np.ndarray]]:
    """Yield (codes, distances, observed shares) for blocks of languages against all 7,970 languages of URIEL.

    The arrays are (rows x 7,970). Rows are URIEL's own: a macrolanguage and its standard stay apart.

    Example:
        >>> from analyses import distance_blocks
        >>> codes, distances, shares = next(distance_blocks("geographic", rows=100))
        >>> len(codes), distances.shape
        (100, (100, 7970))
    """
    _check_kind(kind, None)
    table, values = uriel(), uriel().values[kind]
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        distance, share = _measure(block, values, kind)
        yield table.languages[start : start + rows], distance, share


def angular_distances(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return angular distances of rows on the features that both rows have, and the share of those.

    d = 2/pi arccos(u.v / |u||v|), in [0, 1] for non-negative features; NaN where a vector is zero or empty on
    the common features, since it has no angle.

    Args:
        x: (n, features), NaN where missing.
        y: (m, features).

    Returns:
        Distances and shares, both (n, m).
    """
    x0, y0 = (np.nan_to_num(z.astype(np.float64)) for z in (x, y))
    has_x, has_y = (~np.isnan(x)).astype(np.float64), (~np.isnan(y)).astype(np.float64)
    # Lengths on the common features only, for all pairs by two products.
    norms = ((x0 * x0) @ has_y.T) * (has_x @ (y0 * y0).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = (x0 @ y0.T) / np.sqrt(norms)
    share = (has_x @ has_y.T) / max(1, x.shape[1])
    return 2 / np.pi * np.arccos(np.clip(cosine, -1.0, 1.0)), share


def great_circle_distances(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return great-circle distances as a share of the antipodal distance, and whether both places are known.

    Args:
        x: (n, 2) latitude and longitude in degrees, NaN where unknown.
        y: (m, 2).
    """
    (lat_x, lon_x), (lat_y, lon_y) = np.radians(x).T[:, :, None], np.radians(y).T[:, None, :]
    chord = (
        np.sin((lat_x - lat_y) / 2) ** 2 + np.cos(lat_x) * np.cos(lat_y) * np.sin((lon_x - lon_y) / 2) ** 2
    )
    # Haversine: the arc cosine of a dot product loses half of the digits between near places.
    distance = 2 / np.pi * np.arcsin(np.sqrt(np.clip(chord, 0.0, 1.0)))
    return distance, (~np.isnan(distance)).astype(np.float64)


def angular_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """1 - angular distance of two feature vectors (features,), NaN where missing; range [0, 1], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import angular_similarity
        >>> x, y = np.array([1.0, 1.0, 0.0, np.nan]), np.array([1.0, 0.0, 0.0, 1.0])
        >>> round(angular_similarity(x, y), 2), round(angular_similarity(x, x), 2)
        (0.5, 1.0)
    """
    return 1 - float(angular_distances(x[None, :], y[None, :])[0].item())


def great_circle_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """1 - great-circle distance of two places (latitude, longitude) in degrees; range [0, 1], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import great_circle_similarity
        >>> pole, equator = np.array([90.0, 0.0]), np.array([0.0, 30.0])
        >>> round(great_circle_similarity(pole, equator), 2), round(great_circle_similarity(pole, -pole), 2)
        (0.5, 0.0)
    """
    return 1 - float(great_circle_distances(x[None, :], y[None, :])[0].item())


def _measure(x: np.ndarray, y: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    return great_circle_distances(x, y) if kind == "geographic" else angular_distances(x, y)


def _kind_distances(
    codes: list[str], kind: str, table: pd.DataFrame | None, impute: int, min_share: float
) -> pd.DataFrame:
    stated = language_features(codes, kind, table)
    if kind == "geographic":
        if set(stated.columns) - set(COORDINATES):
            raise InputError(f"geographic features are {list(stated.columns)}; expected {list(COORDINATES)}")
        stated = stated.reindex(columns=list(COORDINATES))
    if kind not in KINDS and not stated.isin([0, 1, np.nan]).all(axis=None):
        raise InputError(
            f"{kind!r} features are not all 0 or 1, so they have no angle; read them by language_features"
        )
    used = language_features(codes, kind, table, impute) if impute else stated
    distance, used_share = _measure(used.to_numpy(), used.to_numpy(), kind)
    observed_share = _measure(stated.to_numpy(), stated.to_numpy(), kind)[1] if impute else used_share
    # A language is at distance 0 from itself, which rounding in the arc cosine would miss by 1e-8.
    np.fill_diagonal(distance, np.where(np.isnan(np.diag(distance)), np.nan, 0.0))
    a, b = (index.ravel() for index in np.indices(distance.shape))
    out = pd.DataFrame({"a": np.array(codes)[a], "b": np.array(codes)[b], "kind": kind})
    out["distance"], out["observed_share"] = distance.ravel(), observed_share.ravel()
    with np.errstate(invalid="ignore"):
        out["imputed_share"] = np.nan_to_num(1 - observed_share / used_share).ravel()
    # The first that holds is told: a distance of imputed cells is no longer a thin one.
    out["flag"] = np.select(
        [out["distance"].isna(), out["imputed_share"] > 0, out["observed_share"] < min_share],
        ["nothing in common is observed", "imputed", f"under {min_share:.0%} of the features are observed"],
        "",
    )
    return out[list(DISTANCE_COLUMNS)]


def _from_table(table: pd.DataFrame, codes: list[str], kind: str) -> pd.DataFrame:
    """Return the features that a LANGUAGES table states of these languages."""
    rows = table[table["language"].isin(codes) & table["kind"].isin(PARTS.get(kind, (kind,)))]
    wide = rows.pivot_table(index="language", columns="feature", values="value", sort=False)
    wide.columns.name = wide.index.name = None
    return wide.reindex(codes)


def _check_kind(kind: str, table: pd.DataFrame | None) -> None:
    known = set(KINDS) | (set() if table is None else set(table["kind"]))
    if kind not in known:
        raise InputError(unknown("kind of typological feature", kind, known))


def _imputed(codes: list[str], stated: np.ndarray, kind: str, neighbours: int) -> np.ndarray:
    """Fill missing values with the mean of the nearest languages of URIEL that state them.

    Nearness is the mean of genetic, geographic and featural distance, as far as known (Littell et al. 2017).
    """
    if kind not in ("syntactic", "phonological", "inventory", "featural"):
        raise InputError(
            f"{kind} features are not imputed; expected syntactic, phonological, inventory or featural"
        )
    donors = np.flatnonzero(~np.isnan(uriel().values[kind]).all(axis=1))
    nearness = _nearness(codes, donors)
    values = uriel().values[kind][donors]
    # Own code: scikit-learn's KNNImputer finds neighbours by the features themselves, URIEL by kinship and place too.
    return np.stack([knn_fill(row, values, d, neighbours) for row, d in zip(stated, nearness, strict=True)])


def _nearness(codes: list[str], donors: np.ndarray) -> np.ndarray:
    """Return the mean genetic, geographic and featural distance, as far as known, (codes, donors)."""
    table, kinds = uriel(), ("genetic", "geographic", "featural")
    each = np.stack([_measure(table.rows(codes, of), table.values[of][donors], of)[0] for of in kinds])
    known = ~np.isnan(each)
    return np.where(known.any(axis=0), np.nansum(each, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def knn_fill(row: np.ndarray, donors: np.ndarray, distances: np.ndarray, neighbours: int) -> np.ndarray:
    """Fill a row's missing values with the mean of the nearest donors that have the value.

    Args:
        row: (features,), NaN where missing.
        donors: (n, features), NaN where missing.
        distances: (n,) of the donors to the row; donors at an unknown distance (NaN) give nothing.
        neighbours: how many donors to average; fewer where fewer have the value.
    """
    order = np.argsort(distances, kind="stable")[: np.count_nonzero(~np.isnan(distances))]
    values = donors[order]
    has = ~np.isnan(values)
    chosen = has & (np.cumsum(has, axis=0) <= neighbours)
    count = chosen.sum(axis=0)
    mean = np.where(count > 0, np.where(chosen, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return np.where(np.isnan(row), mean, row)
