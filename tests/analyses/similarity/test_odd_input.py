"""Inputs of odd shapes: a language under two codes, labels without a language, ties, numbers as text."""

import numpy as np
import pandas as pd
import pytest

from analyses.similarity import (
    knn_accuracy,
    language_distances,
    language_features,
    log_me,
    nce,
    set_diversity,
    task_embeddings,
)
from analyses.similarity.semantic import centred
from simxfer.common.errors import InputError


@pytest.mark.parametrize("kind", ["syntactic", "geographic"])
def test_a_language_under_two_codes_counts_once(kind):
    expected = set_diversity(["en", "de", "zh"], kind, targets=["sw", "de"])
    found = set_diversity(["en", "eng", "de", "zh", "cmn", "ger"], kind, targets=["swh", "deu", "sw"])
    pd.testing.assert_frame_equal(found, expected)


def test_a_target_under_another_code_is_covered():
    found = set_diversity(["en", "de"], "syntactic", targets=["eng"]).set_index("measure")
    assert found.loc["target_coverage", ["value", "low", "high"]].tolist() == [1.0, 1.0, 1.0]


def test_codes_of_a_table_are_its_own():
    """`en` and `eng` of a LANGUAGES table are two languages: the table says what each is."""
    rows = [
        (code, "syntactic", f"S_{i}", float(v))
        for code, row in (("en", "10"), ("eng", "01"))
        for i, v in enumerate(row)
    ]
    table = pd.DataFrame(rows, columns=["language", "kind", "feature", "value"])
    assert set_diversity(["en", "eng"], "syntactic", table=table)["value"].iloc[0] == pytest.approx(1.0)


@pytest.mark.parametrize("languages", [[np.nan] * 2 + ["en"] * 2, [None] * 2 + ["en"] * 2, ["en"] * 3])
def test_centring_needs_a_language_for_every_example(languages):
    with pytest.raises(InputError, match="examples without a language"):
        centred(np.ones((4, 2)), np.array(languages, dtype=object))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"language": ["en", None]}, "no language"),
        ({"task": [None, "a"]}, "no task"),
        ({"n": [1, np.inf]}, "infinite"),
        ({"n": [1, np.nan]}, "missing"),
        ({"n": ["1", "2"]}, "pd.to_numeric"),
    ],
)
def test_task_embeddings_need_every_row_whole(change, message):
    examples = pd.DataFrame({"task": ["a", "a"], "language": ["en", "sw"], "n": [1, 3]}).assign(**change)
    with pytest.raises(InputError, match=message):
        task_embeddings(examples, "syntactic")


def test_no_language_is_refused():
    for call in (language_distances, lambda codes: language_features(codes, "syntactic")):
        with pytest.raises(InputError, match="no language is named"):
            call([])
    with pytest.raises(InputError, match="no kind"):
        language_distances(["en"], [])


def test_labels_are_of_one_kind():
    mixed = np.array([1, "a"] * 4, dtype=object)
    with pytest.raises(InputError, match="labels are numbers and text"):
        log_me(np.random.default_rng(0).normal(size=(8, 2)), mixed)
    with pytest.raises(InputError, match="source_labels are numbers and text"):
        nce(mixed, np.arange(8) % 2)
    with pytest.raises(InputError, match="source_labels are missing"):
        nce(np.array([np.nan] * 4 + [1.0] * 4), np.arange(8) % 2)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbours_at_one_distance_do_not_depend_on_the_order(k):
    """Sixty examples at eight places: nearly every neighbour is tied."""
    rng = np.random.default_rng(k)
    features, labels = rng.integers(0, 2, size=(60, 3)) + 1.0, rng.integers(0, 3, 60)
    orders = [rng.permutation(60) for _ in range(8)]
    found = [knn_accuracy(features[order], labels[order], k) for order in orders]
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


def test_tied_neighbours_share_their_places_by_hand():
    """One neighbour of a place with a twin of another class: its vote is half and half, the prediction too."""
    features = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    # The twins of the first say 0 and 1; those of the second 0 and 1; those of the third 0 and 0.
    assert knn_accuracy(features, np.array([0, 0, 1]), 1) == pytest.approx((0.5 + 0.5 + 0) / 3)
