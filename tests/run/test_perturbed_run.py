"""Perturbations from the grid file to the results table: one more evaluation of every cell, paired with the clean."""

import pandas as pd
import pytest
import torch
from trained import Trained, train

from analyses.outcomes import robust_drop
from analyses.questions import robustness
from analyses.robustness import paired_drop
from analyses.run import load_run
from simxfer.grid.file import Grid
from simxfer.grid.growth import compare
from simxfer.grid.plan import Plan
from simxfer.run.stages import StageRunner
from simxfer.schema.tables import RESULTS
from simxfer.tasks import TASKS

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
    examples = pd.read_parquet(folder)
    ids = examples.groupby(["target", "language", "perturbation"])["example_id"].agg(frozenset).unstack()
    assert (ids["clean"] == ids["repeat(0.5)"]).all() and (ids["clean"] == ids["order(1)"]).all()


def test_the_drop_paired_by_example_is_that_of_the_scores(run):
    key = ["stage", "target", "language", "perturbation"]
    metric = run.results["target"].map(lambda name: TASKS[name].metric)
    whole = run.results[(run.results["metric"] == metric) & ~run.results["split"].str.contains("/")]
    drops = robust_drop(whole).merge(whole[[*RESULTS.key, "stage"]], on=list(RESULTS.key)).set_index(key)
    paired = paired_drop(load_run(run.run.root).examples).set_index(key)
    assert len(paired) == len(drops) == 2 * 5 * 2 - 2 and (paired["n_unpaired"] == 0).all()
    for name in ("y_clean", "y_perturbed", "robust_drop"):
        assert paired[name].to_dict() == pytest.approx(drops[name].to_dict(), abs=1e-9)


def test_the_report_shows_it_beside_what_was_changed(run):
    found = robustness.answer(load_run(run.run.root))
    assert len(found.inferences) == 10 and found.answered and "under" in found.sentence
    table = found.tables["Robust drop by language (points), and what was changed"].set_index("perturbation")
    assert table.loc["repeat(0.5)", "words_changed_percent"].between(30, 70).all()
    questions = table[table["target"] == "w-xqa"]
    hit = run.results.loc[run.results["target"] == "w-xqa", "flags"].str.extract(
        r"answers-hit-stay-clean=(\d+)"
    )
    assert questions["answers_hit"].max() == hit[0].astype(float).max() > 0


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


DRAWS = ["repeat(0.5)", "repeat(0.5)#1", "repeat(0.5)#2"]
WORST = "worst(k=3,repeat(0.5))"


@pytest.fixture(scope="module")
def worst(tmp_path_factory, checkpoint) -> Trained:
    asked = {"encoders": [str(checkpoint)], "perturbations": [*DRAWS, WORST]}
    return train(tmp_path_factory.mktemp("worst"), GRID | asked)


def test_the_worst_of_k_is_every_examples_lowest_draw(worst):
    examples = pd.read_parquet(worst.run.examples)
    wide = examples.pivot(index=["target", "language", "example_id"], columns="perturbation", values="score")
    assert wide.notna().all(axis=None) and len(wide) == 8 * (2 * 4 + 1)
    assert (wide[WORST] == wide[DRAWS].min(axis=1)).all()
    assert (wide[DRAWS].nunique(axis=1) > 1).any()  # the draws are told apart


def test_of_equal_draws_the_first_is_predicted(worst):
    cell = worst.cell(target="w-xqa")
    named = {e.perturbation: e.id for e in worst.plan.evaluations[cell.stage].values() if e.target == "w-xqa"}
    folder = worst.run.stage(cell.stage)
    key = ["language", "example_id"]
    predicted, scores = (
        {name: pd.read_parquet(path(i)).set_index(key)[column] for name, i in named.items()}
        for path, column in ((folder.predictions, "prediction"), (folder.examples, "score"))
    )
    first = pd.DataFrame({name: scores[name] for name in DRAWS}).idxmin(axis=1)
    assert [predicted[name][i] for i, name in first.items()] == list(predicted[WORST])


def test_the_worst_of_k_is_scored_again_to_the_byte_by_another_worker(worst):
    cell = worst.cell(target="w-pos")
    folder = worst.run.stage(cell.stage)
    paths = [
        path(name) for name in cell.perturbed for path in (folder.examples, folder.predictions, folder.scores)
    ]
    before = {path: path.read_bytes() for path in paths}
    for path in (*paths, *worst.run.features.iterdir()):
        path.unlink()
    StageRunner(worst.run, worst.plan, torch.device("cpu"), "all").work(worst.plan.stages[cell.stage])
    assert {path: path.read_bytes() for path in paths} == before


def test_the_worst_of_one_is_the_plain_perturbation():
    parsed = Grid.model_validate(
        GRID | {"encoders": ["world/w0-s0"], "perturbations": ["worst(k=1,repeat(0.5))"]}
    )
    assert parsed.perturbations == ("repeat(0.5)",)


def test_an_attack_on_embeddings_is_scored_where_there_is_a_loss(tmp_path, checkpoint):
    targets = ["w-xnli", "w-pos", "w-xqa", "w-xcloze", "w-tatoeba"]
    asked = {
        "perturbations": ["pgd(1)"],
        "languages": ["x-agg"],
        "blocks": [{"intermediates": ["none"], "targets": targets}],
    }
    made = train(tmp_path, GRID | {"encoders": [str(checkpoint)]} | asked)
    wide = pd.read_parquet(made.run.examples).pivot(
        index=["target", "example_id"], columns="perturbation", values="score"
    )
    assert wide.loc["w-tatoeba", "pgd(1)"].isna().all() and wide.drop("w-tatoeba").notna().all(axis=None)
    assert not (wide["pgd(1)"] > wide["clean"]).any() and (wide["pgd(1)"] < wide["clean"]).any()


ADVERSARIAL = "adversarial(code-mix(0.5,x-d1))"


@pytest.fixture(scope="module")
def adversarial(tmp_path_factory, checkpoint) -> Trained:
    asked = {
        "encoders": [str(checkpoint)],
        "perturbations": ["code-mix(0.5,x-d1)", ADVERSARIAL],
        "languages": ["x-agg", "x-d1"],
    }
    return train(tmp_path_factory.mktemp("adversarial"), GRID | asked)


def test_words_are_exchanged_against_every_model_that_has_a_loss(adversarial):
    results = adversarial.results[adversarial.results["perturbation"] == ADVERSARIAL]
    assert set(results["target"]) == {"w-xnli", "w-pos", "w-xqa", "w-xcloze"}
    assert (
        set(results["language"]) == {"x-agg"} and results["flags"].str.contains("not-available-in=x-d1").all()
    )
    wide = pd.read_parquet(adversarial.run.examples).pivot(
        index=["target", "language", "example_id"], columns="perturbation", values="score"
    )
    wide = wide.loc[wide[ADVERSARIAL].notna()]
    assert len(wide) == 4 * 8 and not (wide[ADVERSARIAL] > wide["clean"]).any()
    assert (wide[ADVERSARIAL] < wide["clean"]).any()


def test_the_share_of_words_that_were_exchanged_stands_in_the_flags_and_keeps_to_its_bound(adversarial):
    flags = adversarial.results.loc[adversarial.results["perturbation"] == ADVERSARIAL, "flags"]
    counts = flags.str.extract(r"perturbed-words=(\d+)")[0].fillna("0").astype(int)
    words = flags.str.extract(r"perturbed-words-of=(\d+)")[0].astype(int)
    assert (counts <= 0.5 * words).all() and (counts > 0).any()


def test_an_attack_on_words_is_scored_again_to_the_byte_by_another_worker(adversarial):
    folder = adversarial.run.stage(adversarial.cell(target="w-pos").stage)
    paths = [
        path(name)
        for name in adversarial.cell(target="w-pos").perturbed
        for path in (folder.examples, folder.predictions, folder.scores)
    ]
    before = {path: path.read_bytes() for path in paths}
    for path in (*paths, *adversarial.run.features.iterdir()):
        path.unlink()
    stage = adversarial.plan.stages[adversarial.cell(target="w-pos").stage]
    StageRunner(adversarial.run, adversarial.plan, torch.device("cpu"), "all").work(stage)
    assert {path: path.read_bytes() for path in paths} == before
