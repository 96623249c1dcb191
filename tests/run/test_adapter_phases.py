"""Adapters of several phases: continued, stacked, fused; adapters of languages beneath, swapped when tested."""

import pandas as pd
import pytest
import torch
import yaml
from trained import Trained, same, train

from analyses.robustness import paired_drop
from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.sources import revision

CONTINUED = "adapter(pfeiffer,r=8)"
STACKED, FUSED = "adapter(pfeiffer,r=8,phases=stacked)", "adapter(pfeiffer,r=8,phases=fused)"
DROPPED = "adapter(pfeiffer,r=8,phases=dropped)"
SWAPPED, SOURCE = "adapter(pfeiffer,r=8,language_r=2)", "adapter(pfeiffer,r=8,language_r=2,swap=false)"
STACKED_SWAPPED = "adapter(pfeiffer,r=8,phases=stacked,language_r=2)"
GRID = {
    "name": "phases",
    "languages": ["x-pivot", "x-agg", "x-cyrl"],
    "seeds": [0],
    "test_examples": 8,
    "methods": [CONTINUED, STACKED, FUSED, DROPPED, SWAPPED, STACKED_SWAPPED],
    "overrides": {"*": {"steps": 3, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-2}},
    "unlabelled": {"task": "w-qa", "languages": ["x-agg"], "examples": 8},
    "blocks": [{"intermediates": ["none", "w-nli"], "targets": ["w-xnli", "w-tatoeba"]}],
    "retrieval": {"layer": -1},
}


@pytest.fixture(scope="module")
def grid(checkpoint) -> dict:
    return GRID | {"encoders": [str(checkpoint)]}


@pytest.fixture(scope="module")
def run(tmp_path_factory, grid) -> Trained:
    return train(tmp_path_factory.mktemp("phases"), grid)


def cell_of(run: Trained, method: str, intermediate: str = "w-nli", target: str = "w-xnli"):
    return run.cell(method=method, intermediate=intermediate, target=target)


def model_of(run: Trained, *where: str):
    return run.runner.checkpoints.load(run.plan.stages[cell_of(run, *where).stage])


def test_what_phases_do_not_change_is_trained_once(run):
    """The stages of an intermediate and of a target alone are the same, whatever the target does after the other."""
    phases = (CONTINUED, STACKED, FUSED, DROPPED)
    for where in (("none", "w-xnli"), ("w-nli", "w-tatoeba")):
        assert len({cell_of(run, method, *where).stage for method in phases}) == 1
    assert len({cell_of(run, method).stage for method in phases}) == 4


def test_a_target_that_drops_the_intermediates_adapter_is_the_one_without_an_intermediate(run):
    """Bit for bit, weights and scores: whatever the intermediate taught, the gain is 0."""
    kept, alone = (
        run.weights(method=DROPPED, intermediate=name, target="w-xnli") for name in ("w-nli", "none")
    )
    assert same(kept, alone) and list(model_of(run, DROPPED).beside.specs) == ["0"]
    rows = run.results[(run.results["method"] == DROPPED) & (run.results["target"] == "w-xnli")]
    scores = rows.pivot(index=["language", "split"], columns="intermediate", values="value")
    assert (scores["w-nli"] == scores["none"]).all() and len(scores)


def test_a_stacked_target_leaves_the_adapter_below_as_it_is_and_stores_its_own_alone(run):
    below, above = model_of(run, CONTINUED, "w-nli", "w-tatoeba"), model_of(run, STACKED)
    assert list(above.beside.specs) == ["0", "1"]
    assert same(above.beside.adapters["0"].state_dict(), below.beside.adapters["0"].state_dict())
    stored = run.weights(method=STACKED, intermediate="w-nli", target="w-xnli")
    own = above.beside.adapters["1"].state_dict()
    assert own.keys() <= stored.keys() and all(torch.equal(stored[name], own[name]) for name in own)
    assert all(name in own or name.startswith("w-xnli") for name in stored)
    assert any(float(value.norm()) > 0 for name, value in own.items() if "up.weight" in name)


def test_a_fused_target_stores_the_attention_over_two_adapters_that_rest(run):
    fused, intermediate = model_of(run, FUSED), model_of(run, CONTINUED, "w-nli", "w-tatoeba")
    alone = model_of(run, CONTINUED, "none")
    assert same(fused.beside.adapters["0"].state_dict(), intermediate.beside.adapters["0"].state_dict())
    assert same(fused.beside.adapters["1"].state_dict(), alone.beside.adapters["0"].state_dict())
    [places] = {len(fused.beside.fusion)}
    stored = run.weights(method=FUSED, intermediate="w-nli", target="w-xnli")
    assert sum(name.endswith("value.weight") for name in stored) == places == 2
    moved = [unit.penalty() for layer in fused.beside.fusion.values() for unit in layer.values()]
    assert all(0 < float(value.detach()) < 10 for value in moved)
    stage = run.plan.stages[cell_of(run, FUSED).stage]
    assert set(run.plan.needs[stage.id]) == {stage.parent, cell_of(run, CONTINUED, "none").stage}


@pytest.mark.parametrize("method", [STACKED, FUSED, SWAPPED, SOURCE, STACKED_SWAPPED])
def test_a_checkpoint_is_loaded_as_it_was_trained(run, method):
    cell, before = (
        cell_of(run, method),
        run.predictions(method=method, intermediate="w-nli", target="w-xnli"),
    )
    folder = run.run.stage(cell.stage)
    for path in (folder.scores(cell.evaluation), folder.predictions(cell.evaluation)):
        path.unlink()
    run.runner.work(run.plan.stages[cell.stage])
    pd.testing.assert_frame_equal(pd.read_parquet(folder.predictions(cell.evaluation)), before)


def test_the_adapter_of_a_language_stands_beneath_and_is_swapped_when_it_is_tested(run):
    swapped, source = cell_of(run, SWAPPED), cell_of(run, SOURCE)
    assert swapped.stage == source.stage
    scores = run.results.query("target == 'w-xnli' and intermediate == 'w-nli' and metric == 'accuracy'")
    languages = {method: sorted(found["language"]) for method, found in scores.groupby("method")}
    assert languages[SOURCE] == ["x-agg", "x-cyrl", "x-pivot"]
    assert languages[SWAPPED] == ["x-agg", "x-pivot"]  # no text in x-cyrl is named
    pivot = scores[scores["language"] == "x-pivot"].set_index("method")["value"]
    assert pivot[SWAPPED] == pivot[SOURCE]
    # The adapter of the source is beneath again once another was tested; the swapped one is that of its language.
    model, path = model_of(run, SWAPPED), run.plan.path(swapped.stage)
    assert [one.phase for one in path] == ["pretrained", "language", "intermediate-1", "target"]
    assert list(model.beside.specs) == ["0", "1"] and model.beside.coupling is not None
    lowest = model.beside.adapters["0"]
    own = {name: value.clone() for name, value in lowest.state_dict().items()}
    evaluation = run.plan.evaluations[swapped.stage][swapped.evaluation]
    other = dict(evaluation.beneath)["x-agg"]
    trained = run.runner.checkpoints.load(run.plan.stages[other]).beside.adapters["0"].state_dict()
    with run.runner.checkpoints.over(model, other):
        assert same(lowest.state_dict(), trained) and not same(trained, own)
    assert same(lowest.state_dict(), own)
    assert len(model_of(run, STACKED_SWAPPED).beside.specs) == 3


def test_two_languages_are_read_at_once_in_retrieval_so_that_nothing_is_swapped(run):
    methods = set(run.results.query("target == 'w-tatoeba'")["method"])
    assert SOURCE in methods and SWAPPED not in methods


def test_language_adapters_are_trained_by_masked_text_that_counts_in_their_receipts(run):
    stages = [stage for stage in run.plan.stages.values() if stage.phase == "language"]
    assert sorted(str(stage.data[0]) for stage in stages) == ["mlm@x-agg", "mlm@x-pivot"]
    for stage in stages:
        [receipt] = run.done(stage.id)["data"]
        assert (receipt["from"], receipt["examples"]) == ("w-qa", 8)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"unlabelled": None}, "reads unlabelled text; say which"),
        ({"methods": ["full>adapter(r=8,language_r=2)"]}, "write adapter.* alone"),
        ({"methods": ["adapter(parallel,phases=fused)"]}, "phases=fused is defined for pfeiffer and houlsby"),
        ({"methods": ["adapter(phases=fused,language_r=2)"]}, "do not go together"),
        ({"methods": ["adapter(swap=false)"]}, "give language_r"),
        (
            {"blocks": [{"intermediates": ["w-nli@x-agg"], "targets": ["w-xnli"]}]},
            "adapter of one language, and a block of the grid trains in x-agg, x-pivot",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(grid, changed, message):
    asked = {name: value for name, value in {**grid, **changed}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        expand(parse_grid(yaml.safe_dump(asked)), revision)


def test_selections_perturbations_and_swaps_meet_in_one_table(tmp_path, grid):
    """Every combination has rows of its own; a swapped test's oracle looks at dev data over the swapped adapter."""
    blocks = [{"intermediates": ["none"], "targets": ["w-xnli"]}]
    more = {
        "selections": ["last", "averaged", "best-target-dev"],
        "perturbations": ["worst(k=2,swap(0.5))", "adversarial(code-mix(0.5,x-d1))"],
    }
    run = train(tmp_path, grid | more | {"methods": [SWAPPED], "blocks": blocks})
    rows = run.results.query("metric == 'accuracy'").groupby(["method", "selection", "perturbation"])
    assert {key: set(found["language"]) for key, found in rows} == {
        (method, rule, perturbation): languages
        for method, languages in ((SOURCE, {"x-pivot", "x-agg", "x-cyrl"}), (SWAPPED, {"x-pivot", "x-agg"}))
        for rule in more["selections"]
        for perturbation in ("clean", *more["perturbations"])
    }
    oracle = run.results["selection"] == "best-target-dev"
    assert list(run.results["flags"].str.contains("oracle-selection=")) == list(oracle)
    drops = paired_drop(pd.read_parquet(run.run.examples), by=("stage", "selection"))
    assert len(drops) == 12 and (drops["robust_drop"] >= 0).all()
