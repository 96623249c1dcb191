"""The shipped table against the package it was made from, value by value, apart from build.py."""

import importlib.metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.similarity.uriel import uriel


def database() -> Path | None:
    try:
        distribution = importlib.metadata.distribution("urielplus")
    except importlib.metadata.PackageNotFoundError:
        return None
    return (
        Path(str(distribution.locate_file("urielplus/database"))) if distribution.version == "1.3.2" else None
    )


pytestmark = pytest.mark.skipif(
    database() is None, reason="urielplus 1.3.2 is not installed: nothing to compare"
)


def raw(name: str) -> tuple[list[str], list[str], np.ndarray]:
    with np.load(database() / "original_uriel" / f"{name}.npz", allow_pickle=False) as z:
        return list(z["langs"]), list(z["feats"]), z["data"]


@pytest.mark.parametrize(
    ("file", "prefix", "kind"),
    [
        ("features", "S_", "syntactic"),
        ("features", "P_", "phonological"),
        ("features", "INV_", "inventory"),
        ("script_features", "SC_", "script"),
    ],
)
def test_values_are_means_over_the_sources_that_state_them(file, prefix, kind):
    languages, features, data = raw(file)
    columns = [i for i, name in enumerate(features) if name.startswith(prefix)]
    assert [features[i] for i in columns] == list(uriel().names[kind])
    part = np.where(data[:, columns] < 0, np.nan, data[:, columns].astype(float))
    stated = ~np.isnan(part)
    expected = np.nansum(part, axis=2) / np.where(stated.any(axis=2), stated.sum(axis=2), np.nan)
    found = uriel().values[kind][[uriel().position[code] for code in languages]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_families_are_the_raw_ones_and_one_each_for_isolates():
    languages, features, data = raw("family_features")
    found = uriel().values["genetic"][[uriel().position[code] for code in languages]].astype(float)
    known = ~np.isnan(found).any(axis=1)
    classified = data[:, :, 0].any(axis=1)
    np.testing.assert_array_equal(np.nan_to_num(found[:, : len(features)]), data[:, :, 0])
    assert list(uriel().names["genetic"][: len(features)]) == features
    isolates = found[known & ~classified][:, len(features) :]
    assert (isolates.sum(axis=1) == 1).all() and (isolates.sum(axis=0) == 1).all()
    assert not np.isnan(found[classified]).any() and len(isolates) == 159


def test_coordinates_are_those_of_glottolog():
    """Recovered from distances alone; of four languages, three are where the other database has them (1.5 km).

    The rest are places that the two databases put elsewhere: their gaps are far above any rounding.
    """
    places = pd.read_csv(database() / "urielplus_csvs/lang_fam_geo.csv").set_index("language_id")
    codes = pd.read_csv(database() / "urielplus_csvs/uriel_glottocode_map.csv").dropna()
    codes = codes[codes["glottocode"].isin(places.index) & codes["iso_code"].isin(uriel().position)]
    latitude = uriel().values["geographic"][[uriel().position[code] for code in codes["iso_code"]], 0]
    gap = np.abs(latitude - places.loc[codes["glottocode"], "latitude"].to_numpy())
    assert np.nanquantile(gap, 0.75) < 0.015
