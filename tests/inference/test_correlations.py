"""permute_labels and mantel: by hand, exact against enumeration, against scipy, calibration."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import mantel, permute_labels
from simxfer.errors import InputError


def table(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {"language": [f"l{i}" for i in range(n)], "distance": rng.random(n), "value": rng.normal(60, 5, n)}
    )


def distances(seed: int, n: int) -> pd.DataFrame:
    points = np.random.default_rng(seed).normal(size=(n, 2))
    names = [f"l{i}" for i in range(n)]
    return pd.DataFrame(np.linalg.norm(points[:, None] - points, axis=-1), names, names)


def test_four_languages_by_hand():
    """Ranks 1234 against 1243: rho = 1 - 6*2/60 = .8; of 24 orders 4 reach +.8 and 4 reach -.8."""
    data = pd.DataFrame({"language": list("abcd"), "distance": [1, 2, 3, 4], "value": [1.0, 2.0, 9.0, 5.0]})
    result = permute_labels(data, rng=np.random.default_rng(0))
    assert result.estimate == pytest.approx(0.8)
    assert result.p == pytest.approx(8 / 24)
    one_sided = permute_labels(data, rng=np.random.default_rng(0), alternative="greater")
    assert one_sided.p == pytest.approx(4 / 24)


@pytest.mark.parametrize(
    ("method", "scipy_test"), [("pearson", stats.pearsonr), ("spearman", stats.spearmanr)]
)
def test_exact_equals_scipy_permutation_test(method, scipy_test):
    data = table(1, 6)
    reference = stats.permutation_test(
        (data["value"],), lambda y: scipy_test(y, data["distance"]).statistic, permutation_type="pairings",
        n_resamples=np.inf, vectorized=False,
    )  # fmt: skip
    result = permute_labels(data, rng=np.random.default_rng(0), method=method)
    assert result.estimate == pytest.approx(reference.statistic)
    assert (np.abs(result.distribution) >= abs(result.estimate) - 1e-9).mean() == pytest.approx(result.p)
    # scipy doubles the smaller tail; ours counts absolute values: both equal on their own null.
    two_sided = np.mean(np.abs(reference.null_distribution) >= abs(reference.statistic) - 1e-9)
    assert result.p == pytest.approx(two_sided)


def test_rows_of_one_language_are_averaged():
    data = table(2, 9)
    twice = pd.concat([data.assign(value=data["value"] + 1), data.assign(value=data["value"] - 1)])
    p = [permute_labels(d, rng=np.random.default_rng(0), permutations=500).p for d in (data, twice)]
    assert p[0] == p[1]


def test_random_labels_hold_their_level():
    rng = np.random.default_rng(5)
    p = []
    for seed in range(200):
        p.append(permute_labels(table(seed, 10), rng=rng, permutations=99).p)
    # Binomial(200, .05): mean 10, SD 3.1.
    assert 1 <= (np.array(p) <= 0.05).sum() <= 21


def test_mantel_equals_enumeration_by_loops():
    a, b, c = (distances(seed, 5) for seed in (1, 2, 3))
    upper = np.triu_indices(5, 1)

    def partial(x):
        design = np.column_stack([np.ones(10), c.to_numpy()[upper]])
        clear = lambda v: v - design @ np.linalg.lstsq(design, v, rcond=None)[0]  # noqa: E731
        return np.corrcoef(clear(x), clear(b.to_numpy()[upper]))[0, 1]

    slow = [partial(a.to_numpy()[np.ix_(order, order)][upper]) for order in permutations(range(5))]
    result = mantel(a, b, c, rng=np.random.default_rng(0))
    np.testing.assert_allclose(result.distribution, slow, atol=1e-12)
    assert result.estimate == pytest.approx(slow[0])
    assert result.p == pytest.approx(np.mean(np.abs(slow) >= abs(slow[0]) - 1e-9))
    assert not result.recommended


def test_mantel_plain_is_the_correlation_and_ignores_the_order_of_labels():
    a, b = distances(1, 12), distances(2, 12)
    order = list(np.random.default_rng(0).permutation(a.index))
    upper = np.triu_indices(12, 1)
    results = [mantel(a, m, rng=np.random.default_rng(0)) for m in (b, b.loc[order, order])]
    assert results[0].estimate == pytest.approx(np.corrcoef(a.to_numpy()[upper], b.to_numpy()[upper])[0, 1])
    assert results[0].p == results[1].p
    same = mantel(a, a**3, rng=np.random.default_rng(0), method="spearman")
    assert same.estimate == pytest.approx(1.0)
    assert same.p == pytest.approx(1 / 10000)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda m: m.add(np.arange(6), axis=0), "not symmetric"),
        (lambda m: m.rename(index={"l0": "x"}, columns={"l0": "x"}), "different items"),
        (lambda m: m.where(m > 0), "missing or infinite"),
        (lambda m: m * 0, "constant"),
    ],
)
def test_mantel_refusals(spoil, message):
    with pytest.raises(InputError, match=message):
        mantel(distances(1, 6), spoil(distances(2, 6)), rng=np.random.default_rng(0))


def test_label_refusals():
    for change, message in [
        (lambda d: d.head(3), "3 levels"),
        (lambda d: d.assign(distance=1.0), "constant"),
        (lambda d: d.rename(columns={"distance": "distances"}), "Did you mean 'distances'"),
    ]:
        with pytest.raises(InputError, match=message):
            permute_labels(change(table(0, 8)), rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="unknown method"):
        permute_labels(table(0, 8), rng=np.random.default_rng(0), method="kendall")
