"""A ranking of candidates and their true values -> how good the ranking is."""

from collections.abc import Callable
from typing import Literal

import numpy as np

RankingMetricName = Literal["regret", "top_1", "kendall", "ndcg"]


def regret(predicted: np.ndarray, observed: np.ndarray, none: int) -> np.ndarray:
    """Points lost by the first choice against the best candidate on the other seeds, averaged over seeds.

    The best of the same seeds would be the best by luck. Can be negative: the true best can beat the best of
    a few seeds.
    """
    n_seeds = observed.shape[2]
    others = (observed.sum(axis=2, keepdims=True) - observed) / (n_seeds - 1)
    best = np.take_along_axis(observed, others.argmax(axis=1)[:, None, :], axis=1)[:, 0]
    picked = observed[np.arange(len(observed)), predicted.argmax(axis=1)]
    return (best - picked).mean(axis=1)


def top_1(predicted: np.ndarray, observed: np.ndarray, none: int) -> np.ndarray:
    """1 where the first choice has the highest mean over seeds, otherwise 0."""
    return (predicted.argmax(axis=1) == observed.mean(axis=2).argmax(axis=1)).astype(float)


def kendall(predicted: np.ndarray, observed: np.ndarray, none: int) -> np.ndarray:
    """Kendall's tau-b of the predictions with the means over seeds; NaN where all are tied."""
    # Own code: scipy's kendalltau takes one pair of rankings at a time; here are thousands of simulated ones.
    signs = [np.sign(x[:, :, None] - x[:, None, :]) for x in (predicted, observed.mean(axis=2))]
    untied = np.abs(signs[0]).sum(axis=(1, 2)) * np.abs(signs[1]).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return (signs[0] * signs[1]).sum(axis=(1, 2)) / np.sqrt(untied)


def ndcg(predicted: np.ndarray, observed: np.ndarray, none: int) -> np.ndarray:
    """NDCG with linear gains max(g, 0), g the mean gain over `none`, and discount 1 / log2(rank + 1).

    NaN where no candidate gains (Jarvelin and Kekalainen 2002, ACM TOIS 20).
    """
    means = observed.mean(axis=2)
    gains = np.maximum(means - means[:, [none]], 0.0)
    discount = 1 / np.log2(np.arange(2, gains.shape[1] + 2))
    order = np.argsort(-predicted, axis=1, kind="stable")
    best = -np.sort(-gains, axis=1) @ discount
    with np.errstate(invalid="ignore"):
        # Own code: scikit-learn's ndcg_score is 0 where no candidate gains, as if the predictor had failed.
        return np.take_along_axis(gains, order, axis=1) @ discount / np.where(best > 0, best, np.nan)


RANKING_METRICS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "regret": regret,
    "top_1": top_1,
    "kendall": kendall,
    "ndcg": ndcg,
}
"""Functions of predicted (B, candidates), observed (B, candidates, seeds) and the index of `none`: (B,)."""
