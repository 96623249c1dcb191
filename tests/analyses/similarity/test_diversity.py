"""Diversity of language sets: by hand, and bounds against every filling."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyses.similarity.diversity import angular_bounds, feature_entropy, set_diversity
from analyses.similarity.typology import angular_distances, language_distances
from simxfer.common.errors import InputError

NAN = np.nan
CELLS = st.sampled_from([0.0, 1.0, NAN])


def fillings(x: np.ndarray):
    """Every way to put 0 or 1 into the missing cells."""
    holes = np.flatnonzero(np.isnan(x.ravel()))
    for values in itertools.product([0.0, 1.0], repeat=len(holes)):
        full = x.ravel().copy()
        full[holes] = values
        yield full.reshape(x.shape)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (2, 4), elements=CELLS))
def test_angular_bounds_are_the_extremes_of_all_fillings(x):
    low, high = (bound[0, 0] for bound in angular_bounds(x[:1], x[1:]))
    every = [np.nan_to_num(angular_distances(f[:1], f[1:])[0][0, 0], nan=1.0) for f in fillings(x)]
    assert low == pytest.approx(min(every), abs=1e-7)
    assert high == pytest.approx(max(every), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (3, 2), elements=CELLS))
def test_entropy_bounds_are_the_extremes_of_all_fillings(x):
    _, low, high = feature_entropy(x)
    every = np.array([feature_entropy(f)[0] for f in fillings(x)])
    assert low == pytest.approx(every.min())
    assert high == pytest.approx(every.max())


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (3, 2), elements=st.sampled_from([0.0, 0.33, 1.0, NAN])))
def test_entropy_lies_in_its_bounds(x):
    value, low, high = feature_entropy(x)
    assert np.isnan(value) or low - 1e-12 <= value <= high + 1e-12


def test_entropy_by_hand():
    x = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    assert feature_entropy(x) == (0.5, 0.5, 0.5)  # a fair coin and a certain one


def test_set_measures_are_means_of_distances():
    codes, targets = ["en", "de", "sw"], ["zh", "ar"]
    d = language_distances([*codes, *targets], ["genetic"]).pivot(index="a", columns="b", values="distance")
    found = set_diversity(codes, "genetic", targets).set_index("measure")
    pairs = [d.loc[a, b] for a, b in itertools.combinations(codes, 2)]
    assert found.loc["mean_pairwise_distance", "value"] == pytest.approx(np.mean(pairs))
    best = [1 - d.loc[t, codes].min() for t in targets]
    assert found.loc["target_coverage", "value"] == pytest.approx(np.mean(best))


def test_bounds_hold_the_value_and_close_where_all_is_known():
    found = set_diversity(["en", "et", "sw"], "syntactic", ["ar", "zh"])
    assert (found["low"] <= found["high"]).all()
    distances = found[found["measure"] != "entropy"]
    assert distances["value"].between(distances["low"], distances["high"]).all()
    known = set_diversity(["en", "de"], "genetic")
    np.testing.assert_allclose(known["low"], known["high"])


def test_a_target_in_the_set_is_covered_for_certain():
    found = set_diversity(["en", "et"], "phonological", ["et"]).set_index("measure").loc["target_coverage"]
    assert (found["value"], found["low"], found["high"]) == (1, 1, 1)


def test_repeating_a_language_changes_nothing_and_adding_one_never_uncovers():
    pd.testing.assert_frame_equal(set_diversity(["en", "de", "en"]), set_diversity(["en", "de"]))
    small, large = (
        set_diversity(codes, "featural", ["ja", "ar"]).set_index("measure").loc["target_coverage", "value"]
        for codes in (["en", "de"], ["en", "de", "ko"])
    )
    assert large >= small


def test_an_empty_set_is_refused():
    with pytest.raises(InputError, match="empty"):
        set_diversity([])
