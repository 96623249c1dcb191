"""The figures of ../shared/tables/README.md come out of the tables, by the project's own procedures where one
does the job.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from statsmodels.formula.api import ols

from analyses.inference import pair_regression, permute_tasks
from analyses.inference.pairs.two_way import cells

TABLES = Path(__file__).parents[3] / ".." / "shared" / "tables"
pytestmark = pytest.mark.skipif(not TABLES.exists(), reason=f"the result tables are not at {TABLES}")


def read(path: str, **options) -> pd.DataFrame:
    """The codes `no` and `nan` are languages, not missing values."""
    return pd.read_csv(TABLES / path, keep_default_na=False, na_values=[""], **options)


@pytest.fixture(scope="module")
def xpos() -> pd.DataFrame:
    """6,760 zero-shot accuracies at a budget of 10,000 examples, LDND distance and same script of each pair."""
    rows = read("xpos_source_target_pos_long.csv", dtype={"train_budget": str})
    rows = rows[(rows["train_budget"] == "10000") & (rows["source_lang"] != rows["target_lang"])]
    languages = read("xpos_raw/results/udpos-langs.csv").set_index("language_id")
    distance = read("xpos_raw/results/ldnd.csv", index_col=0).stack()
    names = [rows[side].map(languages["language"]) for side in ("source_lang", "target_lang")]
    scripts = [rows[side].map(languages["script"]) for side in ("source_lang", "target_lang")]
    ldnd = distance.reindex(pd.MultiIndex.from_arrays(names)).to_numpy()
    return rows.assign(ldnd=ldnd, same_script=(scripts[0] == scripts[1]).astype(float), language="all")


@pytest.fixture(scope="module")
def measured(xpos) -> pd.DataFrame:
    """The pairs whose distance is known."""
    return xpos.dropna(subset="ldnd")


def test_xpos_rank_correlations(xpos, measured):
    """-.42 pooled, but -.30 within a target (the mean over the 90 targets with a distance)."""
    assert len(xpos) == 6760
    assert stats.spearmanr(measured["ldnd"], measured["value"]).statistic == pytest.approx(-0.42, abs=0.005)
    within = [stats.spearmanr(g["ldnd"], g["value"]).statistic for _, g in measured.groupby("target_lang")]
    assert np.mean(within) == pytest.approx(-0.30, abs=0.005)


def test_xpos_explained_variance(measured):
    """R2 of target .76, source .13, both .90, with LDND and same script .91; two of them by `two_way`."""
    explained = {
        formula: ols(f"value ~ {formula}", measured).fit().rsquared
        for formula in ("C(target_lang)", "C(source_lang)")
    }
    assert explained["C(target_lang)"] == pytest.approx(0.76, abs=0.005)
    assert explained["C(source_lang)"] == pytest.approx(0.13, abs=0.005)
    value, *regressors = measured[["value", "ldnd", "same_script"]].to_numpy().T
    grid = cells(measured, "source_lang", "target_lang")
    left = grid.residuals(np.column_stack([value, *regressors]))
    total = ((value - value.mean()) ** 2).sum()
    assert 1 - (left[:, 0] ** 2).sum() / total == pytest.approx(0.90, abs=0.005)
    rest = left[:, 0] - left[:, 1:] @ np.linalg.lstsq(left[:, 1:], left[:, 0], rcond=None)[0]
    assert 1 - (rest**2).sum() / total == pytest.approx(0.91, abs=0.005)


def test_xpos_slope_by_permutation_of_tasks(measured):
    """The slope is that of least squares with dummies of both sides; no permutation comes near it."""
    found = permute_tasks(
        measured, "ldnd", "value", "source_lang", "target_lang", rng=np.random.default_rng(0), permutations=99
    )
    grid = cells(measured, "source_lang", "target_lang")
    y, x = grid.residuals(measured[["value", "ldnd"]].to_numpy()).T
    assert found.estimate == pytest.approx((x @ y) / (x @ x), rel=1e-6)
    assert found.estimate < 0
    assert found.p == 0.01


def test_xpos_slope_by_pair_regression(measured):
    """With slopes that vary by source and target the distance still counts."""
    found = pair_regression(measured, "ldnd", "value", "source_lang", "target_lang")
    assert found.counts["pairs"] == len(measured)
    assert found.interval[1] < 0 and found.p < 0.001


def _regret(chosen: pd.Series, table: pd.DataFrame) -> tuple[float, float]:
    """Percent lost against the best source: of the means over targets, and the mean over targets."""
    best = table.max()
    return 100 * (1 - chosen.mean() / best.mean()), 100 * (1 - chosen / best).mean()


def _best_elsewhere(table: pd.DataFrame, target: str) -> float:
    """Score on a target of the source that is best on average over all other targets."""
    means = table.drop(columns=target).mean(axis=1).drop(target, errors="ignore")
    return float(table.loc[means.idxmax(), target])


def test_xpos_regret(xpos):
    """Regret@1, percent: best on average 7.4 / 8.4, English 14.0 / 18.1, random 21.0 / 22.7."""
    table = xpos.pivot(index="source_lang", columns="target_lang", values="value")
    elsewhere = pd.Series({target: _best_elsewhere(table, target) for target in table.columns})
    others = table.drop(columns="en")
    figures = {
        (7.4, 8.4): _regret(elsewhere, table),
        (14.0, 18.1): _regret(others.loc["en"], others),
        (21.0, 22.7): _regret(table.mean(), table),
    }
    for expected, got in figures.items():
        assert got == pytest.approx(expected, abs=0.05)


LITMUS_ROWS = {"XNLI": 600, "UDPOS": 12000, "WikiANN": 15600}
RANDOM_SPLITS = {"XNLI": 0.33, "UDPOS": 0.63, "WikiANN": 0.66}
"""The README's mean absolute errors in points; its predictor is not named, so ours is held to within a fifth."""


def litmus(task: str) -> tuple[np.ndarray, np.ndarray, pd.Series]:
    """Log sizes of the training mixture and of the target's own share, scores in points, target languages."""
    rows = read("litmus_sumeval_long.csv")
    rows = rows[(rows["split"] == "train") & (rows["file"] == f"{task}_XLMR")].reset_index(drop=True)
    sizes = read("litmus_sumeval_train_configs.csv")
    sizes = sizes[(sizes["split"] == "train") & (sizes["file"] == f"{task}_XLMR")]
    mixtures = sizes.pivot(index="config_idx", columns="train_lang", values="train_size").fillna(0)
    of_row = mixtures.loc[rows["config_idx"]].to_numpy(dtype=float)
    features = np.log1p(np.column_stack([of_row, rows["target_lang_train_size"]]))
    return features, 100 * rows["score"].to_numpy(), rows["target_lang"]


@pytest.mark.parametrize("task", LITMUS_ROWS)
def test_litmus_random_splits_leak(task):
    """Gradient boosting: .3-.7 points on random splits; on unseen languages it barely beats a mean, or not at all.

    The README's errors on unseen languages (3.44, 4.42, 13.73) come from a split that it does not give.
    """
    features, score, language = litmus(task)
    assert len(score) == LITMUS_ROWS[task]
    model = HistGradientBoostingRegressor(random_state=0)
    known = np.column_stack([features, pd.get_dummies(language).to_numpy(dtype=float)])
    random = cross_val_predict(model, known, score, cv=KFold(5, shuffle=True, random_state=0))
    unseen = cross_val_predict(model, features, score, cv=GroupKFold(5), groups=language)
    mean = (score.sum() - language.map(pd.Series(score).groupby(language).sum())) / (
        len(score) - language.map(language.value_counts())
    )
    errors = [np.abs(predicted - score).mean() for predicted in (random, unseen, mean)]
    assert errors[0] == pytest.approx(RANDOM_SPLITS[task], rel=0.2)
    assert errors[1] > 8 * errors[0]
    assert errors[1] > 0.85 * errors[2]


def test_litmus_released_rows_carry_no_score():
    rows = read("litmus_sumeval_long.csv")
    assert rows.loc[rows["split"] == "train", "score"].between(0, 1).all()
    assert rows.loc[rows["split"] != "train", "score"].isna().all()
