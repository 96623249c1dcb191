"""Scores of several selections in one table: questions rest on one of them, and on an oracle only where they must."""

import numpy as np
import pandas as pd
import pytest

from analyses import Truth, simulate_results
from analyses.outcomes import gains
from analyses.questions.scores import left_out, main_scores
from analyses.run import load_run

ORACLE = "best-target-dev"


def run_with(folder, *rules):
    """A run whose scores are 1 point higher under each further rule."""
    one = simulate_results(np.random.default_rng(1), Truth(sources=2, targets=1, languages=3, seeds=2))
    every = [
        one.assign(selection=rule, value=one["value"] + i, stage=one["stage"]) for i, rule in enumerate(rules)
    ]
    pd.concat(every).to_csv(folder / "results.csv", index=False)
    return load_run(folder)


@pytest.mark.parametrize(
    ("rules", "main"),
    [
        (("averaged", ORACLE, "last"), "last"),
        ((ORACLE, "averaged"), "averaged"),
        ((ORACLE, "best-en-dev"), "best-en-dev"),
        ((ORACLE,), ORACLE),
    ],
)
def test_questions_rest_on_one_selection_and_on_an_oracle_only_alone(tmp_path, rules, main):
    run = run_with(tmp_path, *rules)
    assert set(main_scores(run)["selection"]) == {main}
    said = " ".join(left_out(run))
    assert all(rule in said for rule in rules if rule != main)
    assert ("an oracle's" in said) == (main == ORACLE)


def test_gains_are_those_within_a_selection(tmp_path):
    run = run_with(tmp_path, "last", ORACLE)
    wide = gains(run.results).pivot(
        index=["intermediate", "language", "seed"], columns="selection", values="gain"
    )
    assert wide.notna().all(axis=None)
    np.testing.assert_allclose(wide["last"], wide[ORACLE], atol=1e-9)
