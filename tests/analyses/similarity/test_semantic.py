"""Distances between sets of embeddings: by hand, against theory, scipy and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

from analyses.similarity.semantic import (
    centred,
    mean_cosine,
    median_distance,
    nearest_coverage,
    sliced_wasserstein,
    squared_frechet,
    squared_mmd,
)


def samples(n: int, m: int, d: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(m, d)) @ rng.normal(size=(d, d)) + 1


def test_mean_cosine_by_hand():
    x, y = np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])
    assert mean_cosine(x, y) == pytest.approx(np.sqrt(0.5))  # means (1, 0) and (1, 1): 45 degrees


def test_mean_cosine_of_a_zero_mean_is_undefined():
    assert np.isnan(mean_cosine(np.array([[1.0], [-1.0]]), np.ones((2, 1))))


def test_coverage_by_hand_and_directed():
    x, y = np.array([[1.0, 0.0]]), np.array([[5.0, 0.0], [0.0, 1.0]])
    assert nearest_coverage(x, y) == pytest.approx(0.5)  # (1 + 0) / 2
    assert nearest_coverage(y, x) == pytest.approx(1.0)


def test_squared_mmd_against_the_double_sum():
    x, y = samples(6, 5)

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * 1.7**2))

    within_x = np.mean([kernel(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j])
    within_y = np.mean([kernel(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert squared_mmd(x, y, 1.7) == pytest.approx(within_x + within_y - 2 * across)


def test_squared_mmd_is_unbiased():
    """Over 400 pairs of samples of one normal distribution the mean is 0 within 4 standard errors."""
    rng = np.random.default_rng(1)
    values = [squared_mmd(rng.normal(size=(10, 3)), rng.normal(size=(8, 3)), 1.5) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20


def test_squared_mmd_of_normals_meets_theory():
    """N(0, 1) against N(2, 1), bandwidth s: 2 c (1 - exp(-4 / (2 (s^2 + 2)))), c = s / sqrt(s^2 + 2)."""
    rng = np.random.default_rng(2)
    values = [squared_mmd(rng.normal(size=(200, 1)), rng.normal(size=(200, 1)) + 2, 1.0) for _ in range(100)]
    c = 1 / np.sqrt(3)
    error = np.std(values) / 10
    assert np.mean(values) == pytest.approx(2 * c * (1 - np.exp(-4 / 6)), abs=4 * error)
    assert error < 0.01


def test_median_distance_by_hand():
    assert median_distance(np.array([[0.0], [1.0], [3.0]])) == 2.0  # 1, 3, 2
    assert median_distance(np.zeros((3, 2))) == 1.0


@pytest.mark.parametrize(("n", "m", "d"), [(30, 20, 4), (5, 7, 12), (40, 3, 6)])
def test_frechet_against_the_matrix_square_root(n, m, d):
    x, y = samples(n, m, d)
    sx, sy = np.cov(x.T, bias=True), np.cov(y.T, bias=True)
    values = np.linalg.eigvals(sx @ sy)
    root = np.sqrt(np.clip(values.real, 0, None)).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(sx + sy) - 2 * root
    assert squared_frechet(x, y) == pytest.approx(expected, rel=1e-6)
    if n > d and m > d:
        assert root == pytest.approx(np.trace(sqrtm(sx @ sy)).real)


def test_frechet_of_shifted_copies_is_the_squared_shift():
    x, _ = samples(20, 1)
    assert squared_frechet(x, x + np.array([3.0, 0, 4.0, 0])) == pytest.approx(25)
    assert squared_frechet(x, 2 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(x.var(axis=0).sum())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_wasserstein_in_one_dimension_against_brute_force(n, m, seed):
    """Repeat both samples to one length, where the sorted pairing is the optimal one."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 1)), rng.normal(size=(m, 1))
    pairs = np.sort(np.repeat(x[:, 0], m)), np.sort(np.repeat(y[:, 0], n))
    expected = np.sqrt(np.mean((pairs[0] - pairs[1]) ** 2))
    assert sliced_wasserstein(x, y, rng, 1) == pytest.approx(expected)


def test_wasserstein_of_a_shift_against_scipy():
    x, _ = samples(25, 1, 1)
    assert sliced_wasserstein(x, x + 2.5, np.random.default_rng(0), 3) == pytest.approx(2.5)
    assert wasserstein_distance(x[:, 0], x[:, 0] + 2.5) == pytest.approx(2.5)


def test_sliced_wasserstein_of_a_shift_meets_theory():
    """The mean squared projection of a shift on a random direction is |shift|^2 / dimensions."""
    x, _ = samples(10, 1, 8)
    shift = np.zeros(8)
    shift[0] = 4.0
    found = sliced_wasserstein(x, x + shift, np.random.default_rng(3), 20_000)
    assert found == pytest.approx(4 / np.sqrt(8), rel=0.02)


def test_sliced_wasserstein_draws_only_from_its_generator():
    x, y = samples(9, 9)
    np.random.seed(1)
    first = sliced_wasserstein(x, y, np.random.default_rng(7))
    np.random.seed(2)
    assert sliced_wasserstein(x, y, np.random.default_rng(7)) == first
    assert sliced_wasserstein(x, y, np.random.default_rng(8)) != first


def test_centring_removes_what_languages_differ_in():
    """Two tasks in two languages, a language shift ten times the task shift: raw says language, centred task."""
    rng = np.random.default_rng(4)
    language, task = np.repeat([0, 1, 0, 1], 50), np.repeat([0, 0, 1, 1], 50)
    values = rng.normal(size=(200, 5))
    values[:, 0] += 10 * (2 * language - 1)
    values[:, 1] += 2 * task - 1
    middle = centred(values, np.array(["en", "sw"])[language])

    def between(x, first, second):
        return mean_cosine(*(x[(task == t) & (language == code)] for t, code in (first, second)))

    assert between(values, (0, 0), (1, 0)) > 0.9 > -0.9 > between(values, (0, 0), (0, 1))
    assert between(middle, (0, 0), (0, 1)) > 0.8 > -0.8 > between(middle, (0, 0), (1, 0))
    for code in (0, 1):
        np.testing.assert_allclose(middle[language == code].mean(axis=0), 0, atol=1e-12)
