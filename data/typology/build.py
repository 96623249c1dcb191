"""Make `uriel.npz` from the raw feature tables of URIEL that the PyPI package urielplus carries.

    .venv/bin/python data/typology/build.py

Values are averaged over the sources that state them (lang2vec's `*_average` sets). The file holds:

    languages                ISO 639-3 codes, 7,970
    features, kinds          names of the 331 features and their kind
    levels, codes            value = levels[codes[language, feature]]; code -1: no source states it
    families                 names of the genetic features
    family_language, family_feature   positions of the ones of the (languages x families) matrix
    family_known             whether the language has a genetic record
    latitude, longitude      degrees; NaN: unknown
    source                   package, version and sha256 of every file read
"""

import hashlib
import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
PACKAGE, VERSION = "urielplus", "1.3.2"
SHA256 = {
    "original_uriel/features.npz": "1a83a5fc6ea31dfb2d27e634c0d601b47b784b398c4305e410db9d7be72ddbba",
    "original_uriel/family_features.npz": "e814e0588c0263297c76ddfc9c2744937a52233a4ed525ba5bc86ffc54958fb3",
    "original_uriel/geocoord_features.npz": (
        "d7364bd05ecd2f7075755b8361aff6a6cda82519c11c98d7e88bda817bd353ab"
    ),
    "original_uriel/script_features.npz": "f9084a80cf9195cf570215633bda38b6590498a97f23416b3f71b52c49d6743d",
    "urielplus_csvs/lang_fam_geo.csv": "d15c7410507ae03e2237a9577c287a9c778e5811bf262a8e73ea08e9b142abc3",
    "urielplus_csvs/uriel_glottocode_map.csv": (
        "3fb1589fed85ef105bff844ff21c7d33021da9785df8da5e63aeda6eaf4e5562"
    ),
}
KINDS = {"S": "syntactic", "P": "phonological", "INV": "inventory", "SC": "script"}


def source_folder() -> Path:
    """Return the package's database folder after checking the version and the sha256 of every file."""
    found = importlib.metadata.version(PACKAGE)
    if found != VERSION:
        sys.exit(f"{PACKAGE} {found} is installed; this script was checked with {VERSION}")
    folder = Path(str(importlib.metadata.distribution(PACKAGE).locate_file("urielplus/database")))
    for name, expected in SHA256.items():
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if digest != expected:
            sys.exit(f"{name}: sha256 {digest}, expected {expected}")
    return folder


def read(
    folder: Path, name: str, languages: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return languages, features and values (languages x features x sources), in the order of `languages`."""
    with np.load(folder / "original_uriel" / f"{name}.npz", allow_pickle=False) as archive:
        own, features, data = archive["langs"], archive["feats"], archive["data"]
    if languages is None:
        return own, features, data
    order = pd.Index(own).get_indexer(pd.Index(languages))
    if (order < 0).any():
        sys.exit(f"{name}: languages differ between the tables")
    return languages, features, data[order]


def average(data: np.ndarray) -> np.ndarray:
    """Average over sources; -1 is a missing value."""
    stated = data >= 0
    total = np.where(stated, data, 0).sum(axis=2, dtype=np.float64)
    return np.where(stated.any(axis=2), total / np.maximum(stated.sum(axis=2), 1), np.nan)


def coded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the levels that occur and every value's position among them (-1: missing)."""
    levels = np.unique(values[~np.isnan(values)])
    codes = np.searchsorted(levels, np.nan_to_num(values))
    return levels, np.where(np.isnan(values), -1, codes).astype(np.int8)


def coordinates(features: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recover latitude and longitude from great-circle distances to 299 points (shares of the antipodal).

    cos(pi d) is the inner product of unit vectors: a least-squares problem. The names give the points in
    whole degrees only, so points and languages are solved for in turn until the distances fit to four digits.
    """
    latitude, longitude = np.radians([[float(p) for p in f.split("_")[1:]] for f in features]).T
    points = np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], 1
    )
    known = distances.std(axis=1) > 0
    cosines = np.cos(np.pi * distances[known].astype(np.float64))
    for _ in range(20):
        vectors = unit(np.linalg.lstsq(points, cosines.T, rcond=None)[0].T)
        points = unit(np.linalg.lstsq(vectors, cosines, rcond=None)[0].T)
    worst = np.abs(np.arccos(np.clip(vectors @ points.T, -1, 1)) / np.pi - distances[known]).max()
    print(f"largest misfit of a distance: {worst:.2e} of the antipodal distance")
    out = np.full((2, len(distances)), np.nan, dtype=np.float32)
    out[0, known] = np.degrees(np.arcsin(vectors[:, 2]))
    out[1, known] = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0]))
    return out[0], out[1]


def unit(x: np.ndarray) -> np.ndarray:
    """Scale rows to length one."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def families(folder: Path, languages: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return names and the (languages x families) 0/1 matrix, every isolate with a family of its own.

    URIEL's table has no entry for an isolate nor for a language it does not classify. Glottolog's lineages in
    the same package tell them apart: a language that Glottolog lists without a lineage is an isolate.
    """
    _, names, data = read(folder, "family_features", languages)
    matrix = data[:, :, 0]
    glottolog = pd.read_csv(folder / "urielplus_csvs/lang_fam_geo.csv").set_index("language_id")
    codes = pd.read_csv(folder / "urielplus_csvs/uriel_glottocode_map.csv").set_index("iso_code")[
        "glottocode"
    ]
    own = []
    for row in np.flatnonzero(matrix.sum(axis=1) == 0):
        glottocode = codes.get(languages[row])
        if glottocode in glottolog.index and pd.isna(glottolog.at[glottocode, "lineage"]):
            own.append((row, f"F_{glottolog.at[glottocode, 'language_name']} (isolate)"))
    extra = np.zeros((len(languages), len(own)), dtype=matrix.dtype)
    extra[[row for row, _ in own], np.arange(len(own))] = 1
    return np.concatenate([names, [name for _, name in own]]), np.concatenate([matrix, extra], axis=1)


def main() -> None:
    """Read, check, convert, write."""
    folder = source_folder()
    languages, features, data = read(folder, "features")
    _, scripts, script_data = read(folder, "script_features", languages)
    values = np.concatenate([average(data), average(script_data)], axis=1)
    names = np.concatenate([features, scripts])
    levels, codes = coded(values)
    family_names, family_matrix = families(folder, languages)
    _, points, distances = read(folder, "geocoord_features", languages)
    latitude, longitude = coordinates(points, distances[:, :, 0])
    family_language, family_feature = np.nonzero(family_matrix)
    np.savez_compressed(
        HERE / "uriel.npz",
        languages=languages,
        features=names,
        kinds=np.array([KINDS[name.split("_")[0]] for name in names]),
        levels=levels,
        codes=codes,
        families=family_names,
        family_language=family_language.astype(np.uint16),
        family_feature=family_feature.astype(np.uint16),
        family_known=family_matrix.any(axis=1),
        latitude=latitude,
        longitude=longitude,
        source=np.array(
            [f"{PACKAGE} {VERSION}", *(f"{name} sha256:{digest}" for name, digest in SHA256.items())]
        ),
    )


if __name__ == "__main__":
    main()
