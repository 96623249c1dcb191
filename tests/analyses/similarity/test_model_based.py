"""Transferability estimators: official outputs, direct definitions, theory."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import KNeighborsClassifier

from analyses.similarity.model_based import (
    _ledoit_wolf,
    knn_accuracy,
    leep,
    linear_cka,
    log_me,
    nce,
    regularized_h_score,
    transrate,
)
from simxfer.common.errors import InputError

ORACLES = Path(__file__).parents[3] / ".." / "shared" / "oracles"
needs_oracles = pytest.mark.skipif(not ORACLES.exists(), reason=f"official outputs are not at {ORACLES}")


def official(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, float]]:
    """Features, labels, source probabilities, and what thuml's code printed for them."""
    with np.load(ORACLES / f"feat_{name}.npz", allow_pickle=False) as z:
        expected = json.loads((ORACLES / "transferability_expected.json").read_text())[name]
        return z["f"], z["y"], z["src_probs"], expected


def direct_log_evidence(features, target, alpha, beta):
    """log N(y; 0, I/beta + F F'/alpha) per example, from the definition."""
    n = len(features)
    covariance = np.eye(n) / beta + features @ features.T / alpha
    return multivariate_normal(np.zeros(n), covariance, allow_singular=False).logpdf(target) / n


def best_direct_evidence(features, labels):
    """Maximise the direct evidence of every class numerically from several starts."""
    best = []
    for c in np.unique(labels):
        y = (labels == c).astype(float)
        runs = [
            minimize(
                lambda v, y=y: -direct_log_evidence(features, y, *np.exp(v)), start, method="Nelder-Mead"
            )
            for start in ([0.0, 0.0], [3.0, 2.0], [-3.0, 2.0])
        ]
        best.append(max(-run.fun for run in runs))
    return np.mean(best)


@needs_oracles
@pytest.mark.parametrize("name", ["tall", "wide"])
def test_official_outputs(name):
    """1e-9 relative: the same formulas in another order of operations."""
    features, labels, probabilities, expected = official(name)
    assert regularized_h_score(features, labels) == pytest.approx(
        expected["regularized_h_score(tll)"], rel=1e-9
    )
    for eps, text in ((1e-4, "0.0001"), (1e-2, "0.01"), (1.0, "1.0")):
        assert transrate(features, labels, eps) == pytest.approx(
            expected[f"transrate(tll,eps={text})"], rel=1e-9
        )
    assert leep(probabilities, labels) == pytest.approx(expected["leep(thuml/LogME)"], rel=1e-9)
    assert nce(probabilities.argmax(axis=1), labels) == pytest.approx(
        expected["nce_argmax(thuml/LogME)"], rel=1e-9
    )


@needs_oracles
def test_log_me_equals_the_official_one_where_that_is_right():
    """1e-8: the official fixed point stops early, at a slightly smaller evidence."""
    features, labels, _, expected = official("tall")
    ours, theirs = log_me(features, labels), expected["logme_fixed_point(thuml/LogME fit)"]
    assert ours == pytest.approx(theirs, abs=1e-8) and ours >= theirs


@needs_oracles
def test_log_me_is_the_evidence_where_the_official_one_is_not():
    """60 examples, 128 dimensions: thuml prints 3.7177; the evidence at its alpha and beta is -.25088."""
    features, labels, _, expected = official("wide")
    at_theirs = expected["OURS_direct_gaussian_evidence_at_official_alpha_beta"]
    assert at_theirs <= log_me(features, labels) < at_theirs + 1e-3


@pytest.mark.parametrize(("n", "d"), [(40, 5), (25, 60), (30, 30)])
def test_log_me_is_the_greatest_direct_evidence(n, d):
    rng = np.random.default_rng(n + d)
    labels = np.arange(n) % 3
    features = rng.normal(size=(n, d)) + 0.7 * np.eye(3, d)[labels]
    assert log_me(features, labels) == pytest.approx(best_direct_evidence(features, labels), abs=1e-6)


def test_log_me_of_rank_deficient_features():
    rng = np.random.default_rng(0)
    labels = np.arange(50) % 2
    features = (rng.normal(size=(50, 3)) + labels[:, None]) @ rng.normal(size=(3, 20))
    assert log_me(features, labels) == pytest.approx(best_direct_evidence(features, labels), abs=1e-6)


def test_log_me_of_an_exact_fit_is_infinite():
    labels = np.arange(30) % 3
    assert log_me(np.eye(3)[labels], labels) == np.inf


def test_shrinkage_is_scikit_learns():
    x = np.random.default_rng(0).normal(size=(40, 60)) @ np.diag(np.linspace(0.1, 3, 60))
    x -= x.mean(axis=0)
    covariance, shrinkage = _ledoit_wolf(x)
    theirs, their_shrinkage = ledoit_wolf(x, assume_centered=True)
    assert shrinkage == pytest.approx(their_shrinkage)
    np.testing.assert_allclose(covariance, theirs, rtol=1e-10, atol=1e-12)


def test_h_score_does_not_saturate():
    """More dimensions than examples and labels without meaning: plain H-score is classes - 1 = 2."""
    rng = np.random.default_rng(1)
    assert regularized_h_score(rng.normal(size=(40, 200)), np.arange(40) % 3) < 0.7


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("n", [2, 40])
def test_h_score_of_two_points_by_hand(n, unit):
    """Features that are the label: S_between has n - 1 where S has n, and both lie in one direction."""
    labels = np.arange(n) % 2
    points = np.random.default_rng(4).normal(size=(2, 20))
    for features in (points[labels], np.eye(2)[labels], labels[:, None]):
        assert regularized_h_score(unit * features, labels) == pytest.approx(n / (n - 1))
    # Labels that the points do not tell apart.
    if n > 2:
        assert regularized_h_score(unit * points[np.arange(n) // 2 % 2], labels) == pytest.approx(
            0, abs=1e-12
        )


def test_h_score_of_four_corners_by_hand():
    """Uncorrelated coordinates, each point a class: S is the identity, S_between n / (n - 1) times it."""
    corners = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    index = np.arange(40) % 4
    assert regularized_h_score(corners[index], index) == pytest.approx(2 * 40 / 39)


def test_transrate_by_hand():
    """One dimension, classes {-1, -1} and {1, 1}: within the classes as spread around 0 as over all."""
    x, y = np.array([[-1.0], [-1.0], [1.0], [1.0]]), np.array([0, 0, 1, 1])
    assert transrate(x, y, 1.0) == pytest.approx(0.0)
    two = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    # all: det(I + diag(2, 2) / 4) = 9/4; a class: 1 + 2/2 = 2
    assert transrate(two, y, 1.0) == pytest.approx(0.5 * np.log(9 / 4) - 0.5 * np.log(2))


@pytest.mark.parametrize("k", [1, 3, 6])
def test_knn_against_scikit_learn(k):
    """Leave one out by hand; distance weights that break ties for the nearer leave the majority alone."""
    rng = np.random.default_rng(k)
    labels = rng.integers(0, 2, 60)
    features = rng.normal(size=(60, 4)) + labels[:, None]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    right, ties = 0, 0
    for i in range(60):
        others = np.arange(60) != i
        model = KNeighborsClassifier(k).fit(unit[others], labels[others])
        share = model.predict_proba(unit[i : i + 1])[0]
        ties += share[0] == share[1]
        right += (share[0] != share[1]) and model.predict(unit[i : i + 1])[0] == labels[i]
    assert right / 60 <= knn_accuracy(features, labels, k) <= (right + ties) / 60
    assert ties == 0 or k % 2 == 0


def test_knn_ties_go_to_the_nearest():
    angles = np.radians([0, 1, 5])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # for the first example, one neighbour of each class: the nearer is of class 0
    assert knn_accuracy(features, np.array([0, 0, 1]), 2) == pytest.approx(2 / 3)


def test_knn_refuses_zero_vectors_and_impossible_k():
    with pytest.raises(InputError, match="zero vector"):
        knn_accuracy(np.zeros((4, 2)), np.array([0, 1, 0, 1]), 1)
    with pytest.raises(InputError, match="k is 4"):
        knn_accuracy(np.ones((4, 2)), np.array([0, 1, 0, 1]), 4)


def test_leep_by_hand_and_nce_is_its_hard_form():
    theta = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.5, 0.5]])
    y = np.array([0, 0, 1, 1])
    # P(y=0|z) = 3/4, 1/4: likelihoods 3/4, 1/2, 3/4, 1/2
    assert leep(theta, y) == pytest.approx((2 * np.log(0.75) + 2 * np.log(0.5)) / 4)
    # labels given source labels: z=0 -> y in {0, 0, 1}, z=1 -> {1}: entropy 3/4 H(1/3)
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert nce(np.array(["a", "a", "b", "a"]), y) == pytest.approx(-0.75 * entropy)


def test_leep_refuses_what_is_no_distribution():
    with pytest.raises(InputError, match="sum to 1"):
        leep(np.array([[0.2, 0.2], [0.5, 0.5]]), np.array([0, 1]))


def test_linear_cka_is_invariant_and_both_ways_agree():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 8)), rng.normal(size=(50, 5))
    rotation = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert linear_cka(x, 3 * x @ rotation + 1) == pytest.approx(1)
    wide = np.concatenate([x, np.zeros((50, 60))], axis=1)
    assert linear_cka(wide, y) == pytest.approx(linear_cka(x, y))
    xc, yc = x - x.mean(0), y - y.mean(0)
    hsic = [np.trace(a @ a.T @ b @ b.T) for a, b in ((xc, yc), (xc, xc), (yc, yc))]
    assert linear_cka(x, y) == pytest.approx(hsic[0] / np.sqrt(hsic[1] * hsic[2]))


@pytest.mark.parametrize("measure", [log_me, regularized_h_score, transrate, knn_accuracy])
def test_better_features_score_higher(measure):
    rng = np.random.default_rng(3)
    labels = np.arange(120) % 4
    noise = rng.normal(size=(120, 10))
    scores = [measure(noise + s * np.eye(4, 10)[labels], labels) for s in (0.0, 1.5, 4.0)]
    assert scores[0] < scores[1] < scores[2]


@pytest.mark.parametrize("measure", [log_me, regularized_h_score, transrate, knn_accuracy, leep, nce])
def test_labels_must_fit(measure):
    features = np.full((6, 2), 0.5)
    given = features[:, 0] if measure is nce else features
    with pytest.raises(InputError, match="one an example"):
        measure(given, np.array([0, 1]))
    with pytest.raises(InputError, match="at least two"):
        measure(given, np.zeros(6))
    with pytest.raises(InputError, match="1 of 4 labels are missing"):
        log_me(np.eye(4), np.array([0, 1, np.nan, 1]))
    with pytest.raises(InputError, match="values of a regression"):
        log_me(np.eye(4), np.array([0.1, 1, 2, 1]))
