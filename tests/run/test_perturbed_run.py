"""Perturbations from the grid file to the results table: one more evaluation of every cell, paired with the clean."""

import pytest
from trained import Trained, train

from analyses.outcomes import robust_drop
from simxfer.grid.growth import compare
from simxfer.grid.plan import Plan

GRID = {
    "name": "perturbed",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "perturbations": ["repeat(0.5)", "order(1)"],
    "overrides": {"*": {"steps": 3, "batch_size": 4, "train_examples": 12}},
    "blocks": [{"intermediates": ["none"], "targets": ["w-xnli", "w-pos", "w-xqa", "w-xcloze", "w-tatoeba"]}],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("perturbed"), GRID | {"encoders": [str(checkpoint)]})


def test_every_score_stands_beside_its_perturbed_ones(run):
    counts = run.results.groupby(["target", "perturbation"]).size().unstack()
    assert set(counts.columns) == {"clean", "repeat(0.5)", "order(1)"} and counts.nunique(axis=1).eq(1).all()
    drops = robust_drop(run.results)
    assert len(drops) == 2 * (run.results["perturbation"] == "clean").sum() and drops["y_clean"].notna().all()
    assert (run.results["n_examples"] == 8).all()


def test_how_many_words_really_changed_stands_in_the_flags(run):
    noisy = run.results[run.results["perturbation"] == "repeat(0.5)"]
    assert noisy["flags"].str.contains("perturbed-words=").all()
    assert (
        not run.results.loc[run.results["perturbation"] == "clean", "flags"].str.contains("perturbed").any()
    )


def test_examples_are_paired_by_their_ids(run):
    folder = run.run.examples
    import pandas as pd

    examples = pd.read_parquet(folder)
    ids = examples.groupby(["target", "language", "perturbation"])["example_id"].agg(frozenset).unstack()
    assert (ids["clean"] == ids["repeat(0.5)"]).all() and (ids["clean"] == ids["order(1)"]).all()


def test_nothing_is_trained_anew_for_them(run):
    again = Plan.from_dict(run.plan.as_dict())
    assert again == run.plan
    fewer = Plan(run.plan.stages, run.plan.evaluations, run.plan.cells)
    growth = compare(fewer, run.plan)
    assert not growth.new_stages and not growth.changed
    assert len(run.plan.stages) == 1 + 4  # the encoder, and four targets that are trained


def test_a_language_that_a_perturbation_has_nothing_for_has_no_score_and_is_named(tmp_path, checkpoint):
    """No language is mixed with itself."""
    asked = {
        "languages": ["x-pivot", "x-d1"],
        "perturbations": ["code-mix(1,x-d1)"],
        "blocks": [{"intermediates": ["none"], "targets": ["w-xnli"]}],
    }
    results = train(tmp_path, GRID | {"encoders": [str(checkpoint)]} | asked).results
    mixed = results[results["perturbation"] == "code-mix(1,x-d1)"]
    assert set(mixed["language"]) == {"x-pivot"} and set(results["language"]) == {"x-pivot", "x-d1"}
    assert mixed["flags"].str.contains("not-available-in=x-d1").all()
