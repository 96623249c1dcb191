"""Model-based measures against textbook versions, on features such as XLM-R Large gives.

The textbook versions are written from the papers, in the form of the authors' code: LogME by fixed-point
iteration on a singular value decomposition of the Gram matrix, class by class (You et al. 2022, arXiv
2110.10545); H-score by the pseudo-inverse of the Ledoit-Wolf covariance (Ibrahim et al. 2022, equation 5, with
scikit-learn's estimate); TransRate by determinants of dimension x dimension matrices (Huang et al. 2022,
equation 7); LEEP by loops over examples (Nguyen et al. 2020, equation 2). LogME and H-score stand beside
transformer-ranker's own estimators as well, on one thread.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np
from sklearn.covariance import LedoitWolf

from analyses.similarity import leep, log_me, regularized_h_score, transrate
from simxfer.common.streams import stream

from .measure import Row, Timer, absent, compared, has

EXAMPLES, DIMENSIONS, CLASSES = 2000, 1024, 17
"""A test set of UDPOS or so: 17 tags, hidden states of XLM-R Large."""
EPS = 1e-4


def run(timer: Timer) -> list[Row]:
    """Measure each measure; the notes say how far the values are apart."""
    features, labels, probabilities = _data()
    pairs: dict[str, tuple[Callable, Callable, np.ndarray, float | None]] = {
        "LogME": (log_me, _log_me, features, 5.0),
        "H-score": (regularized_h_score, _h_score, features, 5.0),
        "TransRate": (transrate, _transrate, features, 5.0),
        "LEEP": (leep, _leep, probabilities, None),
    }
    rows = [_row(timer, name, labels, *pair) for name, pair in pairs.items()]
    against = "transformer-ranker"
    for name, ours, estimator in (
        ("LogME", log_me, "logme.LogME"),
        ("H-score", regularized_h_score, "hscore.HScore"),
    ):
        if has("transformer_ranker"):
            theirs = _transformer_ranker(estimator)
            rows.append(_row(timer, name, labels, ours, theirs, features, 5.0, against))
        else:
            rows.append(absent("similarity", name, against, "pip install transformer-ranker"))
    return rows


def _transformer_ranker(name: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return one of its estimators as a function of arrays."""
    import torch

    torch.set_num_threads(1)
    module, attribute = name.split(".")
    estimator = getattr(import_module(f"transformer_ranker.estimators.{module}"), attribute)
    return lambda x, labels: estimator().fit(torch.from_numpy(x), torch.from_numpy(labels))


def _row(
    timer: Timer,
    name: str,
    labels: np.ndarray,
    ours: Callable,
    theirs: Callable,
    x: np.ndarray,
    times: float | None,
    against: str = "a textbook version",
) -> Row:
    values: dict[str, float] = {}

    def keep(who: str, function: Callable) -> None:
        values[who] = function(x, labels)

    seconds = timer.interleave(
        {"ours": partial(keep, "ours", ours), "theirs": partial(keep, "theirs", theirs)}, most=3
    )
    what = f"{name}, {x.shape[0]:,} x {x.shape[1]:,}, {CLASSES} classes"
    note = f"values {values['ours']:.6g} and {values['theirs']:.6g}"
    return compared("similarity", what, seconds["ours"], against, seconds["theirs"], times=times, note=note)


def _data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features with class means and a decaying spectrum, labels, and a source model's probabilities."""
    rng = stream("bench", "similarity")
    labels = rng.integers(0, CLASSES, EXAMPLES)
    spread = 1 / np.sqrt(1 + np.arange(DIMENSIONS))
    features = (
        rng.normal(size=(CLASSES, DIMENSIONS))[labels] + rng.normal(size=(EXAMPLES, DIMENSIONS))
    ) * spread
    return features, labels, rng.dirichlet(np.ones(CLASSES), EXAMPLES)


def _log_me(features: np.ndarray, labels: np.ndarray) -> float:
    n, d = features.shape
    _, squares, right = np.linalg.svd(features.T @ features)
    u = features @ right.T / np.sqrt(squares)
    members = [labels == c for c in range(CLASSES)]
    return float(np.mean([_fixed_point(u.T @ of, squares, of.sum(), n, d) for of in members]))


def _fixed_point(z: np.ndarray, squares: np.ndarray, total: float, n: int, d: int) -> float:
    """Log evidence an example of one class; alpha and beta by MacKay's updates."""
    rest, alpha, beta = total - (z**2).sum(), 1.0, 1.0
    for _ in range(100):
        gamma = (squares / (squares + alpha / beta)).sum()
        m2 = (squares * z**2 / (squares + alpha / beta) ** 2).sum()
        residual = (z**2 / (1 + squares * beta / alpha) ** 2).sum() + rest
        before, alpha, beta = alpha / beta, gamma / m2, (n - gamma) / residual
        if abs(alpha / beta - before) <= 1e-5 * before:
            break
    m2 = (squares * z**2 / (squares + alpha / beta) ** 2).sum()
    residual = (z**2 / (1 + squares * beta / alpha) ** 2).sum() + rest
    evidence = d * np.log(alpha) + n * np.log(beta / (2 * np.pi)) - beta * residual - alpha * m2
    return float(evidence - np.log(alpha + beta * squares).sum()) / (2 * n)


def _h_score(features: np.ndarray, labels: np.ndarray) -> float:
    x = features - features.mean(axis=0)
    estimate = LedoitWolf(assume_centered=True).fit(x)
    means = np.zeros_like(x)
    for c in range(CLASSES):
        means[labels == c] = x[labels == c].mean(axis=0)
    between = (1 - estimate.shrinkage_) * np.cov(means, rowvar=False)
    return float(np.trace(np.linalg.pinv(estimate.covariance_, hermitian=True) @ between))


def _transrate(features: np.ndarray, labels: np.ndarray) -> float:
    x = features - features.mean(axis=0)
    return _rate(x) - float(np.mean([_rate(x[labels == c]) for c in range(CLASSES)]))


def _rate(x: np.ndarray) -> float:
    return float(np.linalg.slogdet(np.eye(x.shape[1]) + x.T @ x / (len(x) * EPS))[1]) / 2


def _leep(probabilities: np.ndarray, labels: np.ndarray) -> float:
    joint = np.zeros((CLASSES, probabilities.shape[1]))
    for row, label in zip(probabilities, labels, strict=True):
        joint[label] += row / len(labels)
    conditional = joint / joint.sum(axis=0)
    return float(
        np.mean([np.log(conditional[y] @ row) for row, y in zip(probabilities, labels, strict=True)])
    )
