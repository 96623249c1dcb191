"""Coverage: what translations reach is told apart from what texts are about."""

import numpy as np
import pandas as pd
import pytest

from analyses import Embeddings, encoder_coverage
from simxfer.common.errors import InputError

RNG = np.random.default_rng(0)
N = 30


def embeddings(sides: dict[tuple[str, str], np.ndarray]) -> Embeddings:
    parts = [
        pd.DataFrame({"task": task, "language": language, "split": "test", "example_id": range(len(x))})
        for (task, language), x in sides.items()
    ]
    values = np.concatenate(list(sides.values()))
    return Embeddings(values, pd.concat(parts), "demo", frozenset({"en", "de", "sw", "ta"}))


def test_a_shifted_copy_is_well_covered_and_noise_is_not():
    english = RNG.normal(size=(N, 16))
    found = encoder_coverage(
        embeddings({
            ("xnli", "en"): english,
            ("xnli", "de"): english + 5,  # far off as a language, the same in meaning
            ("xnli", "sw"): RNG.normal(size=(N, 16)) / 10,  # another meaning, and hardly told apart
        })
    ).set_index("language")  # fmt: skip
    assert found.loc["de", "centred"] == pytest.approx(1) and found.loc["de", "found"] == 1
    assert found.loc["de", "spread"] == pytest.approx(1)
    assert abs(found.loc["sw", "centred"]) < 0.2 and found.loc["sw", "found"] < 0.2
    assert found.loc["sw", "spread"] == pytest.approx(0.1, rel=0.2)
    by_hand = [
        x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(english, english + 5, strict=True)
    ]
    assert found.loc["de", "raw"] == pytest.approx(np.mean(by_hand))


def test_translations_are_paired_by_id_not_by_place():
    english = RNG.normal(size=(N, 8))
    given = embeddings({("xnli", "en"): english, ("xnli", "de"): english})
    order = np.r_[np.arange(N), N + RNG.permutation(N)]
    shuffled = Embeddings(given.values[order], given.rows.iloc[order], "demo", given.languages)
    pd.testing.assert_frame_equal(encoder_coverage(shuffled), encoder_coverage(given))


def test_test_sets_that_are_no_translations_have_a_spread_only():
    x = RNG.normal(size=(N, 8))
    found = encoder_coverage(embeddings({("udpos", "en"): x, ("udpos", "ta"): 2 * x, ("panx", "de"): x}))
    assert found["translations"].tolist() == [0, 0]
    assert found["found"].isna().all()
    assert found["spread"].tolist()[0] == pytest.approx(2) and np.isnan(found["spread"].tolist()[1])


def test_embeddings_without_ids_are_refused():
    rows = pd.DataFrame({"task": ["xnli"], "language": "en", "split": "test"})
    with pytest.raises(InputError, match="example_id"):
        encoder_coverage(Embeddings(np.ones((1, 2)), rows, "demo", frozenset({"en"})))
