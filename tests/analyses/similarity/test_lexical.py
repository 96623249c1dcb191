"""Lexical similarity: by hand, against scipy, and the tokenizer's profile."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from analyses.similarity.lexical import (
    jaccard_overlap,
    js_similarity,
    rate_similarity,
    ratio_similarity,
    tokenizer_profile,
    vocabulary_coverage,
)
from simxfer.common.errors import InputError

COUNTS = st.lists(st.integers(0, 50), min_size=5, max_size=5).filter(any).map(np.array)


def test_js_by_hand():
    assert js_similarity(np.array([1, 0]), np.array([0, 3])) == pytest.approx(0)
    # (1/2, 1/2) and (1, 0): H(3/4, 1/4) - 1/2 = .8113 - .5
    assert js_similarity(np.array([2, 2]), np.array([5, 0])) == pytest.approx(1 - 0.31127812)


@given(COUNTS, COUNTS)
def test_js_against_scipy(x, y):
    assert js_similarity(x, y) == pytest.approx(1 - jensenshannon(x, y, base=2) ** 2, abs=1e-7)


def test_overlap_by_hand():
    x, y = np.array([3, 1, 0, 0]), np.array([9, 0, 1, 1])
    assert jaccard_overlap(x, y) == 0.25
    assert vocabulary_coverage(x, y) == pytest.approx(1 / 3)
    assert vocabulary_coverage(y, x) == 0.5


def test_ratio_and_rate():
    assert ratio_similarity(1.5, 3.0) == ratio_similarity(3.0, 1.5) == 0.5
    assert rate_similarity(0.2, 0.0) == 0.8
    for call in (
        lambda: ratio_similarity(0, 1),
        lambda: rate_similarity(1.2, 0),
        lambda: ratio_similarity(np.nan, 1),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize("bad", [np.zeros(2), np.array([1, -1]), np.array([1, np.nan]), np.ones(3)])
def test_counts_that_are_none_are_refused(bad):
    with pytest.raises(InputError):
        js_similarity(bad, np.ones(2))


def test_tokenizer_profile_by_hand():
    rows = [
        ("c", "t", "en", "train", "a", 3, 4),
        ("c", "t", "en", "train", "<unk>", 1, 4),
        ("c", "t", "sw", "test", "a", 6, 3),
    ]
    table = pd.DataFrame(rows, columns=["checkpoint", "task", "language", "split", "piece", "count", "words"])
    profile = tokenizer_profile(table).set_index("language")
    assert profile.loc["en", ["pieces", "fertility", "unknown_rate"]].tolist() == [4, 1.0, 0.25]
    assert profile.loc["sw", ["fertility", "unknown_rate"]].tolist() == [2.0, 0.0]
