"""Ranking scores by hand and against scikit-learn; their ceiling against the oracle under known truth."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import ndcg_score

from analyses.inference import Truth, simulate_results
from analyses.prediction.ceiling import ceiling
from analyses.prediction.ranking import RANKING_METRICS, kendall, ndcg, regret, top_1
from simxfer.common.errors import InputError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_ranking_metrics_by_hand():
    """Three candidates, two seeds; the first is `none`. The prediction picks the third."""
    observed = np.array([[[50.0, 50.0], [52.0, 56.0], [55.0, 51.0]]])
    predicted = np.array([[0.0, 1.0, 2.0]])
    # Seed 1: the other seed's best is the second: 52 - 55. Seed 2: the other's best is the third: 0.
    assert regret(predicted, observed, 0) == pytest.approx(-1.5)
    assert top_1(predicted, observed, 0) == 0
    # Means 50, 54, 53: of three pairs two agree.
    assert kendall(predicted, observed, 0) == pytest.approx(1 / 3)
    expected = (3 + 4 / np.log2(3)) / (4 + 3 / np.log2(3))
    assert ndcg(predicted, observed, 0) == pytest.approx(expected)
    assert ndcg_score([[0, 4, 3]], predicted) == pytest.approx(expected)
    # Nothing gains over the best.
    assert np.isnan(ndcg(predicted, observed, 1))


@pytest.mark.parametrize("metric", RANKING_METRICS)
def test_ceiling_is_the_score_of_the_true_oracle(metric):
    """On grids of known means, the ceiling found from the scores alone is what the means themselves score."""
    ceilings, oracles = [], []
    for seed in range(30):
        g = rng(seed)
        means = 60 + np.column_stack([np.zeros(12), 0.5 + 1.5 * g.normal(size=(12, 7))])
        scores = means[:, :, None] + 2 * g.normal(size=(12, 1, 3)) + 1.5 * g.normal(size=(12, 8, 3))
        names = ["none", *(f"s{i}" for i in range(7))]
        rows = [
            {"target": f"t{t}", "intermediate": names[c], "seed": r, "value": y}
            for (t, c, r), y in np.ndenumerate(scores)
        ]
        data = pd.DataFrame(rows)
        # One noise and one spread for the whole grid: pooled over targets that share the first column.
        data["grid"] = "g"
        found = ceiling(data, metric, query=("grid", "target"), rng=g, simulations=200)
        ceilings.append(found.estimate)
        oracles.append(np.nanmean(RANKING_METRICS[metric](means, scores, 0)))
    difference = np.array(ceilings) - oracles
    # Three standard errors of the 30 grids: at most .14 points of regret and .08 of top-1, .04 of the others.
    # An oracle simulated around the observed means, unshrunk, is .047 of tau too good.
    assert abs(difference.mean()) < 3 * difference.std(ddof=1) / 30**0.5


def test_ceiling_without_noise_is_perfect():
    means = np.array([60.0, 61.0, 63.0, 66.0])
    rows = [
        {"target": "t", "language": "sw", "intermediate": name, "seed": r, "value": mean + r}
        for name, mean in zip(["none", "a", "b", "c"], means, strict=True)
        for r in range(3)
    ]
    for metric, best in (("regret", 0), ("top_1", 1), ("kendall", 1), ("ndcg", 1)):
        assert ceiling(pd.DataFrame(rows), metric, rng=rng(), simulations=20).estimate == pytest.approx(best)


def test_ceiling_reads_a_results_table_and_refuses_what_it_cannot_judge():
    truth = Truth(sources=4, targets=3, languages=2, noise=0.5)
    results = simulate_results(rng(16), truth)
    found = ceiling(results, "kendall", rng=rng(), simulations=50)
    assert found.counts["queries"] == 6 and found.counts["candidates"] == 5 and found.counts["seeds"] == 3
    assert found.interval[0] <= found.estimate <= found.interval[1] <= 1
    assert ceiling(results, "kendall", rng=rng(), simulations=50).estimate == found.estimate
    with pytest.raises(InputError, match="pass scores, not gains"):
        ceiling(results[results["intermediate"] != "none"], rng=rng())
    with pytest.raises(InputError, match="repeat a cell"):
        ceiling(results, query=("target",), rng=rng())
    with pytest.raises(InputError, match="needs seeds"):
        ceiling(results[results["seed"] == 0], rng=rng())
    with pytest.raises(InputError, match="Did you mean 'regret'"):
        ceiling(results, "regrets", rng=rng())
    part = results[(results["intermediate"] != "s0") | (results["seed"] > 0)]
    assert "rows left out" in ceiling(part, "top_1", rng=rng(), simulations=5).notes[0]
