"""paired_randomisation: by hand, against scipy, F1 against swapping by loops, refusals, level."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import paired_randomisation
from simxfer.common.errors import InputError


def scores(values, **columns) -> pd.DataFrame:
    return pd.DataFrame({"example_id": [f"e{i}" for i in range(len(values))], "score": values} | columns)


def test_five_examples_by_hand():
    """Differences 1, 1, 1, 1, -1: mean .6; |mean| >= .6 in 2 (1 + 5) = 12 of 32 patterns."""
    result = paired_randomisation(
        scores([1, 1, 1, 1, 0]), scores([0, 0, 0, 0, 1]), rng=np.random.default_rng(0), scale=100
    )
    assert result.estimate == pytest.approx(60)
    assert result.p == pytest.approx(12 / 32)
    assert result.table["first"].iloc[0] == pytest.approx(80)
    assert "exact" in result.summary()
    assert "no two-sided p can be smaller than 0.0625" in result.summary()


def test_exact_equals_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.random(10), rng.random(10) + 0.1
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    result = paired_randomisation(scores(a), scores(b), rng=rng)
    assert result.estimate == pytest.approx(expected.statistic)
    assert result.p == pytest.approx(expected.pvalue)


def test_random_swaps_come_near_the_exact_p():
    rng = np.random.default_rng(4)
    a, b = rng.random(12), rng.random(12) + 0.2
    exact = paired_randomisation(scores(a), scores(b), rng=rng)
    drawn = paired_randomisation(scores(a), scores(b), rng=rng, permutations=4000)
    assert exact.counts["permutations"] == 4096
    assert drawn.counts["permutations"] == 4000
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 4000))


def test_f1_equals_swapping_sentences_by_loops():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 6, (2, 6, 3))
    frames = [scores(np.zeros(6), tp=m[:, 0], fp=m[:, 1], fn=m[:, 2]) for m in (a, b)]

    def f1(m):
        tp, fp, fn = m.sum(axis=0)
        return 100 * 2 * tp / (2 * tp + fp + fn)

    null = []
    for swap in product([False, True], repeat=6):
        s = np.array(swap)[:, None]
        null.append(f1(np.where(s, b, a)) - f1(np.where(s, a, b)))
    result = paired_randomisation(*frames, rng=rng, score=("tp", "fp", "fn"))
    np.testing.assert_allclose(np.sort(result.distribution), np.sort(null), atol=1e-9)
    assert result.estimate == pytest.approx(f1(a) - f1(b))
    assert result.p == pytest.approx(np.mean(np.abs(null) >= abs(null[0]) - 1e-9))


def test_parallel_examples_are_swapped_together():
    rng = np.random.default_rng(6)
    a = pd.concat([scores(rng.random(8), language=code) for code in ("en", "sw", "de")])
    b = a.assign(score=np.tile(rng.random(8), 3))
    result = paired_randomisation(a, b, ["language", "example_id"], unit=["example_id"], rng=rng)
    assert result.counts["units"] == 8
    by_example = [f.groupby("example_id", as_index=False)["score"].mean() for f in (a, b)]
    assert result.p == pytest.approx(paired_randomisation(*by_example, rng=rng).p)


def test_rows_without_a_partner_are_left_out_and_counted():
    result = paired_randomisation(scores(np.arange(8.0)), scores(np.zeros(6)), rng=np.random.default_rng(0))
    assert result.counts["rows"] == 6
    assert "2 rows without a partner" in result.summary()


@pytest.mark.parametrize(
    ("first", "second", "arguments", "message"),
    [
        (scores(range(6)), scores(range(6)), {}, "equal scores in every row"),
        (scores([1]), scores([9]), {}, "1 levels, expected at least 2"),
        (scores(range(6)), scores([9] * 6).assign(example_id="x"), {}, "occurs twice"),
        (scores(range(6)), scores([9] * 6, k=1), {"on": ["k"]}, "unknown column 'k'"),
        (scores(range(6)), scores([9] * 6), {"unit": ["language"]}, "not part of the key"),
        (scores(range(6)), scores([9] * 6), {"alternative": "more"}, "unknown alternative"),
        (scores(range(6)), scores([9] * 6), {"score": ("tp", "fp")}, "three counts"),
    ],
)
def test_refusals(first, second, arguments, message):
    with pytest.raises(InputError, match=message):
        paired_randomisation(first, second, rng=np.random.default_rng(0), **arguments)


def test_level_under_the_null():
    rng = np.random.default_rng(7)
    p = [
        paired_randomisation(scores(rng.random(20)), scores(rng.random(20)), rng=rng, permutations=99).p
        for _ in range(150)
    ]
    # Binomial(150, .05): mean 7.5, SD 2.7.
    assert (np.array(p) <= 0.05).sum() <= 16


@pytest.mark.parametrize(("units", "smallest"), [(4, "0.125"), (5, "0.0625"), (6, None), (12, None)])
def test_the_smallest_p_is_said_where_it_is_above_5_percent(units, smallest):
    """Two of the 2^n patterns are as extreme as the extreme one, itself and its mirror image."""
    result = paired_randomisation(
        scores(np.arange(1.0, units + 1)), scores(np.zeros(units)), rng=np.random.default_rng(0)
    )
    assert result.p == pytest.approx(2 / 2**units, abs=1e-9)
    said = [note for note in result.notes if "no two-sided p can be smaller" in note]
    assert said == ([f"{units} units: no two-sided p can be smaller than {smallest}"] if smallest else [])
