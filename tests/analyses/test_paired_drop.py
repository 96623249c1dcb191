"""Robust drop paired by example: Student's paired t, F1 by its sentences, a language more is no example more."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated import simulated_results, write_run

from analyses.questions import robustness
from analyses.robustness import paired_drop
from analyses.run import load_run
from simxfer.common.errors import InputError
from simxfer.metrics import METRICS

NAMES = ["stage", "target", "language", "perturbation", "example_id", "score"]


def table(scores: dict[tuple[str, str], np.ndarray], stage: str = "s", ids=str) -> pd.DataFrame:
    """Return the examples table of {(language, perturbation): scores}."""
    rows = [
        (stage, "xnli", language, perturbation, ids(i), score)
        for (language, perturbation), values in scores.items()
        for i, score in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=NAMES)


def drawn(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clean = (rng.random(n) < 0.8).astype(float)
    return clean, clean * (rng.random(n) < 0.85)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_of_plain_scores_it_is_the_paired_t(level):
    clean, noisy = drawn()
    given = table({("sw", "clean"): clean, ("sw", "swap(0.1)"): noisy})
    [row] = paired_drop(given, level=level).to_dict("records")
    theirs = stats.ttest_rel(100 * clean, 100 * noisy)
    np.testing.assert_allclose([row["low"], row["high"]], theirs.confidence_interval(level))
    np.testing.assert_allclose([row["p"], row["df"]], [theirs.pvalue, theirs.df])
    assert row["robust_drop"] == pytest.approx(100 * (clean - noisy).mean())


def tagged(rng: np.random.Generator, n: int, right: float) -> tuple[list, list]:
    gold = [list(rng.choice(["B-X", "B-Y", "O"], size=rng.integers(2, 9))) for _ in range(n)]
    tags = [[g if rng.random() < right else "O" for g in sentence] for sentence in gold]
    return gold, tags


def test_an_f1_has_the_error_of_a_bootstrap_over_sentences():
    rng, n, metric = np.random.default_rng(3), 300, METRICS["chunk_f1"]
    gold, better = tagged(rng, n, 0.9)
    worse = [[t if rng.random() < 0.8 else "O" for t in tags] for tags in better]
    frames, scored = [], {"clean": metric(gold, better), "drop(0.1)": metric(gold, worse)}
    for name, found in scored.items():
        counts = pd.DataFrame(found.counts, columns=["tp", "fp", "fn"])
        frames.append(table({("sw", name): found.examples}).assign(target="panx").join(counts))
    [row] = paired_drop(pd.concat(frames, ignore_index=True)).to_dict("records")
    assert row["y_clean"] == pytest.approx(scored["clean"].value)
    assert row["y_perturbed"] == pytest.approx(scored["drop(0.1)"].value)

    def f1(counts: np.ndarray) -> float:
        tp, fp, fn = counts.sum(axis=0)
        return 200 * tp / (2 * tp + fp + fn)

    draws = rng.integers(n, size=(2000, n))
    drops = [f1(scored["clean"].counts[d]) - f1(scored["drop(0.1)"].counts[d]) for d in draws]
    assert row["se"] == pytest.approx(np.std(drops), rel=0.08)


def test_a_parallel_language_more_is_not_so_many_examples_more():
    clean, noisy = drawn()
    scores = {("sw", "clean"): clean, ("sw", "swap(0.1)"): noisy}
    again = scores | {("de", name): values for (_, name), values in scores.items()}
    [one] = paired_drop(table(scores), by=()).to_dict("records")
    [two] = paired_drop(table(again), by=()).to_dict("records")
    assert two["n_languages"] == 2 and two["n_examples"] == one["n_examples"] == 200
    assert (two["robust_drop"], two["se"]) == pytest.approx((one["robust_drop"], one["se"]))
    other = table(
        dict(zip([("de", "clean"), ("de", "swap(0.1)")], drawn(seed=1), strict=True)), ids="d{}".format
    )
    apart = paired_drop(other, by=())["se"].item()
    [both] = paired_drop(pd.concat([table(scores), other]), by=()).to_dict("records")
    assert both["se"] == pytest.approx(np.hypot(one["se"], apart) / 2, rel=0.01)


def test_a_model_more_is_not_so_many_examples_more():
    clean, noisy = drawn()
    scores = {("sw", "clean"): clean, ("sw", "swap(0.1)"): noisy}
    both = pd.concat([table(scores), table(scores, stage="t")])
    [one] = paired_drop(table(scores), by=()).to_dict("records")
    [two] = paired_drop(both, by=("language",)).to_dict("records")
    assert two["se"] == pytest.approx(one["se"]) and two["n_stages"] == 2
    assert len(paired_drop(both)) == 2


def test_only_examples_with_both_scores_are_compared():
    clean, noisy = drawn(20)
    whole = table({("sw", "clean"): clean, ("sw", "swap(0.1)"): noisy})
    gone = (whole["perturbation"] == "clean") & (whole["example_id"] == "3")
    gone |= (whole["perturbation"] != "clean") & whole["example_id"].isin(["5", "7"])
    [row] = paired_drop(whole[~gone]).to_dict("records")
    kept = [i for i in range(20) if i not in (3, 5, 7)]
    assert row["robust_drop"] == pytest.approx(100 * (clean - noisy)[kept].mean())
    assert (row["n_examples"], row["n_unpaired"]) == (17, 3)
    with pytest.raises(InputError, match="no example has both"):
        paired_drop(whole[whole["perturbation"] == "clean"])


@pytest.mark.parametrize(("n", "shift"), [(20, 0.0), (4, 0.5), (20, 0.25)])
def test_without_spread_or_with_few_examples_there_is_no_interval(n, shift):
    values = np.linspace(0.5, 0.75, n)
    [row] = paired_drop(table({("sw", "clean"): values, ("sw", "case(1)"): values - shift})).to_dict(
        "records"
    )
    assert (
        row["robust_drop"] == pytest.approx(100 * shift)
        and np.isnan([row["low"], row["high"], row["p"]]).all()
    )


def test_the_interval_covers_the_drop_of_all_examples():
    """Of 400 samples of 80 examples, paired and with a language in common, at least .95 minus three errors."""
    rng, hits = np.random.default_rng(8), 0
    for _ in range(400):
        clean = (rng.random((80, 1)) < rng.beta(4, 1, size=(80, 1))) * np.ones((1, 2))
        noisy = clean * (rng.random((80, 1)) < 0.8) * (rng.random((80, 2)) < 0.9)
        scores = {("sw", "clean"): clean[:, 0], ("de", "clean"): clean[:, 1]}
        scores |= {("sw", "swap(0.1)"): noisy[:, 0], ("de", "swap(0.1)"): noisy[:, 1]}
        [row] = paired_drop(table(scores), by=()).to_dict("records")
        hits += row["low"] < 100 * 0.8 * (1 - 0.8 * 0.9) < row["high"]
    assert hits / 400 > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_perturbed_scores_without_those_of_examples_are_not_judged(tmp_path):
    clean = simulated_results(2, targets=("w-xnli",))
    noisy = clean.assign(perturbation="swap(0.1)", value=clean["value"] / 2)
    found = robustness.answer(load_run(write_run(tmp_path / "noisy", pd.concat([clean, noisy]))))
    assert not found.answered and "no scores of single examples" in found.sentence
    assert robustness.answer(load_run(write_run(tmp_path / "clean", clean))) is None


def test_checkpoints_of_one_training_run_are_paired_each_with_itself():
    clean, noisy = drawn()
    found = []
    for rule, scores in (("last", noisy), ("averaged", clean * 0.0)):
        found.append(table({("sw", "clean"): clean, ("sw", "swap(0.1)"): scores}).assign(selection=rule))
    both = paired_drop(pd.concat(found, ignore_index=True), by=("selection",)).set_index("selection")
    for rule, rows in zip(("last", "averaged"), found, strict=True):
        [alone] = paired_drop(rows.drop(columns="selection")).to_dict("records")
        assert both.loc[rule, "robust_drop"] == pytest.approx(alone["robust_drop"])
        assert both.loc[rule, "n_examples"] == len(clean)
