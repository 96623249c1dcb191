"""Typological features and distances: by hand, against scipy, against URIEL's own package, and properties."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cosine

from analyses.similarity.codes import AMBIGUOUS
from analyses.similarity.typology import (
    angular_distances,
    distance_blocks,
    great_circle_distances,
    knn_fill,
    language_distances,
    language_features,
)
from analyses.similarity.uriel import KINDS, uriel
from simxfer.common.errors import InputError

NAN = np.nan
LANGUAGES = ["en", "de", "ar", "zh", "sw", "et", "fa", "tl", "eu", "ja"]
BINARY = arrays(
    np.float64, st.tuples(st.integers(2, 6), st.just(7)), elements=st.sampled_from([0.0, 1.0, NAN])
)


def row(distances: pd.DataFrame, a: str, b: str, kind: str) -> pd.Series:
    return distances.set_index(["a", "b", "kind"]).loc[(a, b, kind)]


def test_angular_distance_by_hand():
    x = np.array([[1, 0, 1, NAN], [1, 1, 0, 1], [NAN, NAN, NAN, 0]])
    distance, share = angular_distances(x, x)
    # common features of rows 0 and 1: (1, 0, 1) and (1, 1, 0); cosine 1/2; arccos = 60 degrees
    assert distance[0, 1] == pytest.approx(2 / 3)
    assert share[0, 1] == 0.75
    assert np.isnan(distance[0, 2]) and share[0, 2] == 0
    assert np.isnan(distance[1, 2])  # in common: 1 against 0, and zero has no angle


def test_angular_distance_against_scipy_on_uriel():
    features = language_features(["en", "ja"], "syntactic").dropna(axis=1)
    expected = 2 / np.pi * np.arccos(1 - cosine(*features.to_numpy()))
    found = row(language_distances(["en", "ja"], ["syntactic"]), "en", "ja", "syntactic")
    assert found["distance"] == pytest.approx(expected, abs=1e-12)
    assert found["observed_share"] == features.shape[1] / 103


@given(BINARY)
def test_angular_distance_is_symmetric_and_in_range(x):
    distance, share = angular_distances(x, x)
    np.testing.assert_allclose(distance, distance.T, atol=1e-12)
    np.testing.assert_array_equal(share, share.T)
    known = ~np.isnan(distance)
    assert ((distance[known] >= 0) & (distance[known] <= 1)).all()


@given(arrays(np.float64, st.tuples(st.just(3), st.just(6)), elements=st.sampled_from([0.0, 1.0])))
def test_angular_distance_of_complete_rows_keeps_the_triangle(x):
    d = angular_distances(x, x)[0]
    if not np.isnan(d).any():
        assert d[0, 2] <= d[0, 1] + d[1, 2] + 1e-7


def test_great_circle_by_hand():
    places = np.array([[90, 0], [-90, 0], [0, 0], [0, 90], [0, -180], [NAN, NAN]])
    distance, share = great_circle_distances(places, places)
    assert distance[0, 1] == pytest.approx(1)
    assert distance[0, 2] == pytest.approx(0.5)
    assert distance[2, 3] == pytest.approx(0.5)
    assert distance[2, 4] == pytest.approx(1)
    assert np.isnan(distance[0, 5]) and share[0, 5] == 0


def test_geographic_distance_is_that_of_uriels_own_features():
    """URIEL states English at .7665 of the antipodal distance from the point at 83 S, 42 E.

    The names of the points are rounded to whole degrees: .005 (100 km) is what is left of the rounding.
    """
    english = language_features(["en"], "geographic").to_numpy()
    assert great_circle_distances(english, np.array([[-83.0, 42.0]]))[0].item() == pytest.approx(
        0.7665, abs=0.005
    )


def test_isolates_share_no_family_and_unclassified_languages_have_no_distance():
    distances = language_distances(["eu", "en", "de", "bsk"], ["genetic"])
    assert row(distances, "eu", "en", "genetic")["distance"] == pytest.approx(1)
    assert row(distances, "eu", "bsk", "genetic")["distance"] == pytest.approx(1)
    assert row(distances, "eu", "eu", "genetic")["distance"] == 0
    assert row(distances, "en", "de", "genetic")["distance"] < 0.7
    assert np.isnan(row(language_distances(["dap", "en"], ["genetic"]), "dap", "en", "genetic")["distance"])


def test_genetic_distance_is_the_angle_of_the_shared_lineage():
    families = language_features(["en", "de"], "genetic").to_numpy()
    shared, (n_en, n_de) = families.prod(axis=0).sum(), families.sum(axis=1)
    expected = 2 / np.pi * np.arccos(shared / np.sqrt(n_en * n_de))
    assert row(language_distances(["en", "de"], ["genetic"]), "en", "de", "genetic")[
        "distance"
    ] == pytest.approx(expected)


def test_a_macrolanguage_fills_what_its_standard_leaves_open():
    own, macro = (uriel().values["syntactic"][uriel().position[code]] for code in ("arb", "ara"))
    filled = language_features(["ar"], "syntactic").to_numpy()[0]
    stated = ~np.isnan(own)
    np.testing.assert_array_equal(filled[stated], own[stated])
    np.testing.assert_array_equal(filled[~stated], macro[~stated])
    pd.testing.assert_frame_equal(
        language_features(["ar"], "syntactic").set_axis(["x"]),
        language_features(["arb"], "syntactic").set_axis(["x"]),
    )


def test_tagalog_is_not_filipino():
    assert language_features(["tl"], "syntactic").notna().sum(axis=1).item() == 74
    assert language_features(["fil"], "syntactic").notna().sum(axis=1).item() == 0


def test_featural_is_its_parts_together():
    parts = [language_features(LANGUAGES, kind) for kind in ("syntactic", "phonological", "inventory")]
    pd.testing.assert_frame_equal(language_features(LANGUAGES, "featural"), pd.concat(parts, axis=1))


def test_thin_rows_are_flagged_and_never_silent():
    distances = language_distances(["en", "et", "ht"], ["phonological", "featural"])
    assert row(distances, "en", "et", "phonological")["flag"] == "nothing in common is observed"
    thin = row(distances, "en", "ht", "featural")
    assert thin["observed_share"] < 0.25 and thin["flag"].startswith("under 25%")
    assert not np.isnan(thin["distance"])


def test_imputation_is_marked_and_only_on_request():
    plain = language_distances(["en", "et"], ["phonological"])
    assert plain["imputed_share"].eq(0).all()
    imputed = row(language_distances(["en", "et"], ["phonological"], impute=10), "en", "et", "phonological")
    assert 0 <= imputed["distance"] <= 1
    assert imputed["flag"] == "imputed" and imputed["imputed_share"] == 1
    assert imputed["observed_share"] == 0
    with pytest.raises(InputError, match="not imputed"):
        language_features(["en"], "geographic", impute=10)


def test_knn_fill_by_hand():
    donors = np.array([[1.0, 0.0, NAN], [0.0, 1.0, NAN], [1.0, NAN, NAN], [0.0, 1.0, 1.0]])
    distances = np.array([0.3, 0.1, 0.2, NAN])
    filled = knn_fill(np.array([NAN, NAN, NAN]), donors, distances, 2)
    # nearest two that have the value: column 0: donors 1, 2; column 1: donors 1, 0; column 2: none near
    np.testing.assert_array_equal(filled, [0.5, 0.5, NAN])
    np.testing.assert_array_equal(
        knn_fill(np.array([0.25, NAN, NAN]), donors, distances, 1), [0.25, 1.0, NAN]
    )


def test_imputation_predicts_what_is_known():
    """Hide English's known syntax; the neighbours must do better than each feature's mean over languages."""
    from analyses.similarity.typology import _nearness

    table = uriel()
    truth = table.rows(["en"], "syntactic")[0]
    stated = ~np.isnan(table.values["syntactic"]).all(axis=1)
    stated[table.position["eng"]] = False
    donors = np.flatnonzero(stated)
    nearness = _nearness(["en"], donors)[0]
    filled = knn_fill(np.full(103, NAN), table.values["syntactic"][donors], nearness, 10)
    base = np.nanmean(table.values["syntactic"][donors], axis=0)
    known = ~np.isnan(truth)
    assert np.abs(filled - truth)[known].mean() < 0.6 * np.abs(base - truth)[known].mean()


ARTIFICIAL = pd.DataFrame(
    [
        ("x-a1", "syntactic", "S_SVO", 1.0),
        ("x-a1", "syntactic", "S_SOV", 0.0),
        ("x-a1", "geographic", "latitude", 0.0),
        ("x-a1", "geographic", "longitude", 0.0),
        ("x-b1", "syntactic", "S_SVO", 0.0),
        ("x-b1", "syntactic", "S_SOV", 1.0),
        ("x-b1", "lexical", "stock_1", 1.0),
    ],
    columns=["language", "kind", "feature", "value"],
)


def test_artificial_languages_go_the_same_way():
    distances = language_distances(["x-a1", "x-b1", "en"], ["syntactic", "geographic"], ARTIFICIAL)
    assert row(distances, "x-a1", "x-b1", "syntactic")["distance"] == pytest.approx(1)
    assert row(distances, "x-a1", "en", "syntactic")["distance"] == 0
    assert row(distances, "x-a1", "en", "syntactic")["flag"].startswith("under 25%")
    alone = language_distances(["x-a1", "x-b1"], ["syntactic"], ARTIFICIAL)
    assert row(alone, "x-a1", "x-b1", "syntactic")["observed_share"] == 1
    assert np.isnan(row(distances, "x-b1", "en", "geographic")["distance"])


def test_an_artificial_language_without_a_table_is_refused():
    with pytest.raises(InputError, match="LANGUAGES table"):
        language_features(["x-a1"], "syntactic")


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'syntactic'"):
        language_distances(["en"], ["syntax"])


def test_blocks_agree_with_pairs():
    codes = list(uriel().languages)
    english, german = codes.index("eng"), codes.index("deu")
    block = next(b for start, b in enumerate(distance_blocks("syntactic", 1024)) if start == english // 1024)
    expected = row(language_distances(["en", "de"], ["syntactic"]), "en", "de", "syntactic")["distance"]
    assert block[1].shape[1] == 7970
    assert block[1][english % 1024, german] == pytest.approx(expected)


def test_fifty_languages_are_quick():
    """A generous ceiling; 0.04 s were measured for all seven kinds."""
    uriel()
    start = time.perf_counter()
    language_distances([code for code in uriel().languages if code not in AMBIGUOUS][1000:1050])
    assert time.perf_counter() - start < 1


def test_more_alike_languages_are_nearer():
    distances = language_distances(["es", "it", "ja", "ko"], [k for k in KINDS if k != "phonological"])
    for kind in ("syntactic", "genetic", "geographic"):
        near, far = row(distances, "es", "it", kind), row(distances, "es", "ja", kind)
        assert near["distance"] < far["distance"]
