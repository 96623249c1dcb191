"""Agreement: scipy's tau and rho, Shrout and Fleiss' table, theory of split halves."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from analyses.inference import (
    intraclass_correlation,
    rank_agreement,
    seed_reliability,
)
from analyses.inference.rankings.agreement import _correlations
from simxfer.common.errors import InputError

# Shrout and Fleiss 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)


def long(table: np.ndarray, value: str = "gain", unit: str = "intermediate", rater: str = "method"):
    rows = [
        {unit: f"s{i}", rater: f"m{j}", value: y} for (i, j), y in np.ndenumerate(np.asarray(table, float))
    ]
    return pd.DataFrame(rows)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def agree(table: np.ndarray, **arguments):
    return rank_agreement(long(table), "gain", "intermediate", "method", rng=rng(1), **arguments)


@pytest.mark.parametrize(
    ("method", "scipy_of"), [("kendall", stats.kendalltau), ("spearman", stats.spearmanr)]
)
def test_pairs_equal_scipy_with_ties(method, scipy_of):
    table = rng(2).integers(0, 5, (12, 3))
    found = agree(table, method=method, permutations=50, resamples=50).table.set_index("term")
    symbol = {"kendall": "tau", "spearman": "rho"}[method]
    expected = {(a, b): scipy_of(table[:, a], table[:, b]).statistic for a, b in ((0, 1), (0, 2), (1, 2))}
    for (a, b), statistic in expected.items():
        assert found.loc[f"{symbol} of m{a} and m{b}", "estimate"] == pytest.approx(statistic)
    assert found["estimate"].iloc[0] == pytest.approx(np.mean(list(expected.values())))


def test_concordance_by_hand_and_by_mean_rho():
    """W = ((m - 1) mean rho + 1) / m without ties (Kendall 1948); with ties as Friedman's chi2 / (m (n - 1))."""
    free = np.argsort(rng(3).normal(size=(4, 7)), axis=1).T
    found = agree(free, method="spearman", permutations=20, resamples=20).table
    assert found["estimate"].iloc[-1] == pytest.approx((3 * found["estimate"].iloc[0] + 1) / 4)
    tied = rng(4).integers(0, 4, (8, 5))
    friedman = stats.friedmanchisquare(*tied).statistic
    assert agree(tied, permutations=20, resamples=20).table["estimate"].iloc[-1] == pytest.approx(
        friedman / (5 * 7)
    )


def test_exact_p_of_two_levels():
    """Of the 5! orders, the share with a tau as large, counted by scipy."""
    table = np.array([[1, 2], [2, 1], [3, 4], [4, 3], [5, 5]])
    taus = [stats.kendalltau(range(5), order).statistic for order in permutations(range(5))]
    observed = stats.kendalltau(*table.T).statistic
    found = agree(table)
    assert found.counts["permutations"] == 120
    assert found.p == np.mean(np.array(taus) >= observed - 1e-9)
    assert len(found.table) == 1


@pytest.mark.parametrize("method", ["kendall", "spearman"])
def test_weights_are_copies(method):
    table, weights = rng(5).integers(0, 6, (7, 2)).astype(float), np.array([1, 0, 2, 3, 1, 0, 2])
    signs = np.sign(table.T[:, :, None] - table.T[:, None, :])
    copied = np.repeat(table, weights, axis=0)
    scipy_of = {"kendall": stats.kendalltau, "spearman": stats.spearmanr}[method]
    assert _correlations(signs, weights, method)[0, 1] == pytest.approx(scipy_of(*copied.T).statistic)


def test_p_is_uniform_without_agreement_and_small_with_it():
    p = [
        rank_agreement(
            long(rng(seed).normal(size=(6, 3))),
            "gain",
            "intermediate",
            "method",
            rng=rng(seed),
            permutations=99,
            resamples=5,
        ).p
        for seed in range(150)
    ]
    # SD of a share of .2 in 150 runs: .033.
    assert np.mean(np.array(p) <= 0.2) == pytest.approx(0.2, abs=0.1)
    shared = rng(6).normal(size=(9, 1)) + 0.2 * rng(7).normal(size=(9, 3))
    assert agree(shared, permutations=999).table[["p"]].to_numpy().max() < 0.01


def test_interval_only_from_five_items():
    few, enough = agree(rng(8).normal(size=(4, 3))), agree(rng(8).normal(size=(16, 6)), resamples=200)
    assert np.isnan(few.table["low"]).all() and any("no interval" in note for note in few.notes)
    assert few.counts["resamples"] == 0
    low, high = enough.interval
    assert low < enough.estimate < high
    assert not any("for these" in note for note in enough.notes)
    assert any("for these 3 levels" in note for note in agree(rng(8).normal(size=(6, 3)), resamples=9).notes)


def test_incomplete_items_are_left_out_and_bad_input_refused():
    data = long(rng(9).normal(size=(8, 2)))
    found = rank_agreement(data.iloc[1:], "gain", "intermediate", "method", rng=rng(), resamples=9)
    assert found.counts["intermediate"] == 7 and "1 of 8 left out" in found.notes[0]
    with pytest.raises(InputError, match="unknown method"):
        agree(rng().normal(size=(5, 2)), method="pearson")
    with pytest.raises(InputError, match="constant"):
        agree(np.array([[1, 2], [1, 3], [1, 4]]))
    with pytest.raises(InputError, match="at least 2"):
        agree(rng().normal(size=(5, 1)))
    with pytest.raises(InputError, match="at least 3"):
        agree(rng().normal(size=(2, 2)))


def test_same_seed_same_numbers():
    tables = [agree(rng(10).normal(size=(9, 3)), permutations=99, resamples=99).table for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)


def test_icc_of_shrout_and_fleiss():
    """.29 and .62 are the paper's (table 4); intervals those that psych::ICC documents for this table."""
    found = intraclass_correlation(long(SHROUT_FLEISS), "gain", "intermediate", "method").table
    np.testing.assert_allclose(found["estimate"], [0.29, 0.62], atol=0.005)
    np.testing.assert_allclose(found[["low", "high"]], [[0.019, 0.76], [0.071, 0.93]], atol=0.005)
    assert found["F"].iloc[0] == pytest.approx(11.03, abs=0.01)
    assert tuple(found[["df1", "df2"]].iloc[0]) == (5, 15)


def test_icc_mean_squares_against_statsmodels():
    data = long(rng(11).normal(size=(7, 4)) + rng(12).normal(size=(7, 1)))
    squares = anova_lm(ols("gain ~ C(intermediate) + C(method)", data).fit())
    r, c, e = (squares["sum_sq"] / squares["df"]).to_numpy()
    found = intraclass_correlation(data, "gain", "intermediate", "method").table
    assert found["estimate"].iloc[0] == pytest.approx((r - e) / (r + 3 * e + 4 * (c - e) / 7))
    assert found["p"].iloc[0] == pytest.approx(squares["PR(>F)"].iloc[0])


def test_icc_interval_covers_the_true_one():
    """Units, raters and noise with variances 2, .5, 1: ICC(2,1) = 2 / 3.5; 300 runs, SD of coverage .013."""
    hits = 0
    for seed in range(300):
        g = rng(seed)
        table = g.normal(0, 2**0.5, (12, 1)) + g.normal(0, 0.5**0.5, (1, 5)) + g.normal(size=(12, 5))
        low, high = intraclass_correlation(long(table), "gain", "intermediate", "method").interval
        hits += low <= 2 / 3.5 <= high
    assert hits / 300 == pytest.approx(0.95, abs=0.04)


def test_icc_at_the_borders():
    same = intraclass_correlation(
        long(np.repeat([[1.0], [2.0], [4.0]], 3, 1)), "gain", "intermediate", "method"
    )
    assert same.estimate == 1 and same.interval == (1, 1) and same.p == 0
    with pytest.raises(InputError, match="constant"):
        intraclass_correlation(long(np.ones((3, 3))), "gain", "intermediate", "method")


def test_split_halves_of_two_seeds_are_their_correlation():
    table = rng(13).normal(size=(10, 2)) + rng(14).normal(size=(10, 1))
    found = seed_reliability(long(table, rater="seed"), rng=rng())
    r = stats.pearsonr(*table.T).statistic
    np.testing.assert_allclose(found.table["estimate"], [2 * r / (1 + r), r])
    assert found.counts["splits"] == 1


@pytest.mark.parametrize("seeds", [3, 4, 12])
def test_reliability_against_theory(seeds):
    """Spread 2, noise 1, seed shifts 3: reliability of the mean of S seeds is 4 / (4 + 1 / S), whatever the
    shifts; with 2,000 units to .01.
    """
    g = rng(seeds)
    table = 2 * g.normal(size=(2000, 1)) + 3 * g.normal(size=(1, seeds)) + g.normal(size=(2000, seeds))
    found = seed_reliability(long(table, rater="seed"), rng=rng(), splits=60, resamples=20)
    assert found.estimate == pytest.approx(4 / (4 + 1 / seeds), abs=0.01)
    assert found.interval[0] < found.estimate < found.interval[1]


def test_split_counts_and_few_units():
    """Four seeds: 3 splits in halves; five: 5 x 3; none of four units is resampled."""
    for seeds, splits in ((3, 3), (4, 3), (5, 15)):
        data = long(rng(15).normal(size=(4, seeds)), rater="seed")
        found = seed_reliability(data, rng=rng())
        assert found.counts["splits"] == splits
        assert np.isnan(found.interval).all() and "held fixed" in found.notes[0]
    with pytest.raises(InputError, match="'seed' has 1 levels"):
        seed_reliability(long(rng().normal(size=(5, 1)), rater="seed"), rng=rng())


@pytest.mark.parametrize("levels", [3, 5])
def test_concordance_has_no_interval(levels):
    """Levels drawn twice agree with themselves: resampled W is biased upward, with three levels as with more."""
    data = long(rng().normal(size=(8, levels)))
    arguments = {"rng": rng(), "resamples": 49, "permutations": 49}
    table = rank_agreement(data, "gain", "intermediate", "method", **arguments).table.set_index("term")
    assert table.loc["Kendall's W", ["low", "high"]].isna().all()
    assert table.drop(index="Kendall's W")[["low", "high"]].notna().all(axis=None)
