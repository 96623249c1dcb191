"""Simulated grids: what is planted is there."""

import numpy as np
import pytest

from analyses.inference import Truth, simulate_families, simulate_grid, simulate_results
from simxfer.common.errors import InputError
from simxfer.schema.tables import is_language


def test_gains_of_one_cell_correlate_half_and_are_the_scores_differences():
    data = simulate_grid(np.random.default_rng(0), Truth(languages=40, seeds=5, source=0, target=0, pair=0))
    wide = data.pivot_table(index=["target", "language", "seed"], columns="intermediate", values="gain")
    wide = wide - wide.groupby(["target", "language"]).transform("mean")
    correlations = wide.corr().to_numpy()[np.triu_indices(9, 1)]
    assert correlations.mean() == pytest.approx(0.5, abs=0.03)


def test_results_give_the_gains_back():
    truth = Truth(sources=4, targets=3, languages=2, seeds=2)
    results = simulate_results(np.random.default_rng(3), truth)
    gains = simulate_grid(np.random.default_rng(3), truth)
    key = ["target", "language", "seed"]
    none = results[results["intermediate"] == "none"].set_index(key)["value"]
    rest = results[results["intermediate"] != "none"].reset_index(drop=True)
    np.testing.assert_allclose(rest["value"] - none.loc[list(zip(*(rest[k] for k in key), strict=True))].to_numpy(),
                               gains["gain"])  # fmt: skip
    assert all(is_language(code) for code in results["language"].unique())


def test_scores_outside_their_range_are_refused():
    with pytest.raises(InputError, match="expected 0-100"):
        simulate_results(np.random.default_rng(0), Truth(source=60))


def test_slopes_shares_and_missing_pairs_are_planted():
    truth = Truth(sources=40, targets=40, languages=1, seeds=1, slope=2.0, noise=0.1, pair=0.1, missing=0.25)
    data = simulate_grid(np.random.default_rng(1), truth)
    assert len(data) == pytest.approx(1200, abs=70)
    complete = simulate_grid(np.random.default_rng(1), Truth(sources=40, targets=40, languages=1, seeds=1))
    x = complete.pivot(index="intermediate", columns="target", values="similarity").to_numpy()
    pair_part = x - x.mean(0) - x.mean(1)[:, None] + x.mean()
    assert pair_part.var() == pytest.approx(0.5, abs=0.08)


def test_families_are_nested():
    families = simulate_families(np.random.default_rng(0), families=3, size=5, depth=3)
    assert families.shape[0] == 15
    assert (families.sum(axis=1) == 3).all()
    for child in (name for name in families.columns if "." in name):
        assert (families[child] <= families[child.rpartition(".")[0]]).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_similarity_has_unit_variance_and_its_share_in_the_task_means(share):
    """Mean over 40 draws of 60 x 60; the means of a side have an SD of .18 of their variance a draw."""
    rng = np.random.default_rng(4)
    truth = Truth(sources=60, targets=60, languages=1, seeds=1, task_share=share)
    variances, means = [], []
    for _ in range(40):
        x = (
            simulate_grid(rng, truth)
            .pivot(index="intermediate", columns="target", values="similarity")
            .to_numpy()
        )
        variances.append(x.var())
        means.append(x.mean(axis=0).var(ddof=1) + x.mean(axis=1).var(ddof=1))
    assert np.mean(variances) == pytest.approx(1, abs=0.08)
    assert np.mean(means) == pytest.approx(share + 2 * (1 - share) / 60, abs=0.08)
