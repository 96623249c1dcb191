"""cluster_ols and wild_cluster_bootstrap: against statsmodels, against a plain loop, refusals, type I
error.
"""

import numpy as np
import pandas as pd
import pytest

from analyses.inference import Truth, cluster_ols, simulate_grid, wild_cluster_bootstrap
from analyses.inference.resampling.wild_bootstrap import WEBB
from simxfer.common.errors import InputError


def grid(seed: int = 0, **truth) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = simulate_grid(rng, Truth(**({"languages": 2, "seeds": 1, "slope": 1.0} | truth)))
    return data.assign(z=rng.normal(size=len(data)))


@pytest.mark.parametrize("clusters", [["intermediate"], ["intermediate", "target"]])
def test_against_statsmodels(clusters):
    import statsmodels.api as sm

    data = grid(1)
    groups = np.column_stack([pd.factorize(data[c])[0] for c in clusters])
    X = sm.add_constant(data[["similarity", "z"]])
    reference = sm.OLS(data["gain"], X).fit(cov_type="cluster", cov_kwds={"groups": groups.squeeze()})
    table = cluster_ols(data, "gain", ["similarity", "z"], clusters).table.set_index("term")
    for term in ("similarity", "z"):
        assert table.loc[term, "estimate"] == pytest.approx(reference.params[term])
        assert table.loc[term, "se"] == pytest.approx(reference.bse[term])
    assert table.loc["similarity", "df"] == 8


def test_by_the_formula():
    """V = G/(G-1) (n-1)/(n-k) (X'X)^-1 sum_g X_g'e_g e_g'X_g (X'X)^-1; two-way V_1 + V_2 - V_12."""
    data = grid(5)
    X = np.column_stack([np.ones(len(data)), data["similarity"]])
    residuals = data["gain"].to_numpy() - X @ np.linalg.lstsq(X, data["gain"], rcond=None)[0]
    bread, (n, k) = np.linalg.inv(X.T @ X), X.shape

    def variance(names: list[str]) -> float:
        sums = [X[rows].T @ residuals[rows] for rows in data.groupby(names).indices.values()]
        factor = len(sums) / (len(sums) - 1) * (n - 1) / (n - k)
        return factor * (bread @ sum(np.outer(s, s) for s in sums) @ bread)[1, 1]

    both = ["intermediate", "target"]
    expected = variance(both[:1]) + variance(both[1:]) - variance(both)
    assert cluster_ols(data, "gain", ["similarity"], both).table["se"].iloc[0] == pytest.approx(expected**0.5)
    one = cluster_ols(data, "gain", ["similarity"], both[:1]).table["se"].iloc[0]
    assert one == pytest.approx(variance(both[:1]) ** 0.5)


@pytest.mark.parametrize("clusters", [["intermediate"], ["intermediate", "target"]])
def test_all_ones_draw_is_the_cluster_robust_t(clusters):
    data = grid(2)
    wild = wild_cluster_bootstrap(
        data, "gain", "similarity", clusters, ["z"], rng=np.random.default_rng(0), draws=99
    )
    ols = cluster_ols(data, "gain", ["similarity", "z"], clusters)
    assert wild.estimate == pytest.approx(ols.estimate)
    assert wild.table["statistic"].iloc[0] == pytest.approx(ols.table["statistic"].iloc[0])


@pytest.mark.parametrize("clusters", [["target"], ["target", "intermediate"]])
def test_draws_equal_refitted_samples(clusters):
    """The cluster-sum formula against building y* and fitting it, draw by draw."""
    data = grid(3, sources=5, targets=6)
    weights = np.random.default_rng(9).choice(WEBB, size=(20, 6))
    fast = wild_cluster_bootstrap(
        data, "gain", "similarity", clusters, ["z"], rng=np.random.default_rng(9), draws=20
    )
    Z = np.column_stack([np.ones(len(data)), data["z"]])
    fitted = Z @ np.linalg.lstsq(Z, data["gain"], rcond=None)[0]
    codes = pd.factorize(data["target"], sort=True)[0]
    for w, t in zip(weights, fast.distribution, strict=True):
        star = data.assign(gain=fitted + (data["gain"] - fitted) * w[codes])
        slow = cluster_ols(star, "gain", ["similarity", "z"], clusters).table["statistic"].iloc[0]
        assert t == pytest.approx(slow)


def test_interval_inverts_the_test():
    data = grid(4)
    arguments = {"outcome": "gain", "regressor": "similarity", "clusters": ["intermediate"]}
    result = wild_cluster_bootstrap(data, rng=np.random.default_rng(0), draws=999, **arguments)
    for limit in result.interval:
        shifted = data.assign(gain=data["gain"] - limit * data["similarity"])
        p = wild_cluster_bootstrap(shifted, rng=np.random.default_rng(0), draws=999, **arguments).p
        assert p == pytest.approx(0.05, abs=0.005)
    assert result.interval[0] < result.estimate < result.interval[1]


def test_webb_weights_have_mean_zero_and_variance_one():
    assert WEBB.mean() == pytest.approx(0)
    assert (WEBB**2).mean() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "clusters", "message"),
    [
        (lambda d: d, [], "expected one or two columns"),
        (lambda d: d[d["target"] < "t2"], ["target"], "2 levels, expected at least 3"),
        (lambda d: d.assign(z=2 * d["similarity"]), ["target"], "collinear"),
        (lambda d: d.assign(z=1), ["target"], "constant"),
        (lambda d: d, ["targets"], "Did you mean 'target'"),
    ],
)
def test_refusals(change, clusters, message):
    with pytest.raises(InputError, match=message):
        cluster_ols(change(grid()), "gain", ["similarity", "z"], clusters)
