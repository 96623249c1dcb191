"""permute_labels and mantel: by hand, exact against enumeration, against scipy, calibration."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analyses.inference import mantel, permute_labels
from analyses.inference.permutation import crossed_sizes, random_orders
from simxfer.common.errors import InputError


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


def test_mantel_of_random_orders_equals_a_loop():
    """3 x 4 orders: the first matrix in order a against the second in order b, the identities first."""
    a, b, c = (distances(seed, 9).to_numpy() for seed in (1, 2, 3))
    rows, columns = crossed_sizes(11)
    assert (rows, columns) == (3, 4)
    rng = np.random.default_rng(0)
    orders = [random_orders([np.arange(9)], rng, size) for size in (rows, columns)]
    upper = np.triu_indices(9, 1)

    def partial(first, second):
        (x, y, z) = (m[np.ix_(order, order)][upper] for m, order in ((a, first), (b, second), (c, second)))
        xy, xz, yz = np.corrcoef([x, y, z])[[0, 0, 1], [1, 2, 2]]
        return (xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2))

    slow = [partial(first, second) for first in orders[0] for second in orders[1]]
    frames = [pd.DataFrame(m) for m in (a, b, c)]
    result = mantel(*frames, rng=np.random.default_rng(0), permutations=11)
    assert result.estimate == pytest.approx(slow[0])
    np.testing.assert_allclose(result.distribution, slow[1:], atol=1e-12)


def test_crossed_orders_hold_the_level_exactly():
    """P(p <= k / 20) = k / 20 for every k, here with 4 x 5 orders of 8 items; 1,000 tests, 4 SD."""
    rng = np.random.default_rng(1)
    p = []
    for _ in range(1000):
        points = rng.normal(size=(2, 8))
        first, second = (pd.DataFrame(np.abs(x[:, None] - x)) for x in points)
        p.append(mantel(first, second, rng=rng, permutations=19, alternative="greater").p)
    levels = np.arange(1, 20) / 20
    reached = (np.array(p)[:, None] <= levels + 1e-9).mean(axis=0)
    assert (np.abs(reached - levels) <= 4 * np.sqrt(levels * (1 - levels) / 1000)).all()


@given(st.integers(1, 3000))
def test_crossed_sizes_give_the_count_asked_for(count):
    a, b = crossed_sizes(count)
    assert a * b == count + 1 and 1 <= a <= b


def test_random_orders_move_items_within_their_groups_only():
    orders = random_orders([np.array([0, 2, 4]), np.array([1, 3])], np.random.default_rng(0), 200)
    np.testing.assert_array_equal(orders[0], np.arange(5))
    assert (np.sort(orders, axis=1) == np.arange(5)).all()
    assert (orders % 2 == np.arange(5) % 2).all()
    assert len(np.unique(orders, axis=0)) == 12


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


@pytest.mark.parametrize(("permutations", "drawn"), [(22, 22), (23, 24), (24, 24)])
def test_all_orders_are_taken_as_soon_as_they_are_no_more_than_asked_for(permutations, drawn):
    """Of four items 24 orders: 23 permutations beside the observed one are all of them."""
    names, points = list("abcd"), np.array([0.0, 1.0, 3.0, 7.0])
    first = pd.DataFrame(np.abs(points[:, None] - points), names, names)
    result = mantel(first, np.sqrt(first), rng=np.random.default_rng(0), permutations=permutations)
    assert result.counts["permutations"] == drawn
    assert ("exact: all permutations enumerated" in result.notes) == (drawn == 24)
