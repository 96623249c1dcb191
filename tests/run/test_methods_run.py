"""Methods from the grid file to the results table: what is shared, what is stored, what a child stage starts from."""

import pandas as pd
import pytest
import torch
import yaml
from trained import Trained, train

from analyses.outcomes import gains
from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.run.checkpoints import DamagedCheckpoint
from simxfer.run.opening import receipts
from simxfer.sources import revision
from simxfer.training.methods import load_method

ADAPTER, LORA = "adapter(pfeiffer,r=8)", "lora(r=2,alpha=4)"
METHODS = ["full", "full(freeze=1)", "adapter(r=8)", f"full>{ADAPTER}", LORA]
GRID = {
    "name": "methods",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "methods": METHODS,
    "overrides": {"*": {"steps": 3, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-2}},
    "blocks": [{"intermediates": ["none", "w-nli"], "targets": ["w-xnli", "w-tatoeba"]}],
    "retrieval": {"layer": -1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("methods"), GRID | {"encoders": [str(checkpoint)]})


def test_every_method_has_all_its_scores_under_its_one_spelling(run):
    spelled = ["full", "full(freeze=1)", ADAPTER, f"full>{ADAPTER}", LORA]
    assert sorted(run.results["method"].unique()) == sorted(spelled)
    counts = run.results.groupby("method").size()
    assert counts.nunique() == 1
    paired = gains(run.results)
    assert paired["gain"].notna().all() and set(paired["method"]) == set(spelled)


def test_receipts_and_titles_say_each_methods_own():
    methods = ["full", "adapter", "full>lora"]
    asked = {"name": "x", "encoders": ["FacebookAI/xlm-roberta-large"], "recipe": "xtreme", "seeds": [0]}
    grid = parse_grid(
        _yaml(asked | {"methods": methods, "blocks": [{"intermediates": ["none"], "targets": ["panx"]}]})
    )
    found = receipts(grid, expand(grid, lambda request: "hub:x@1"), {})["targets"]["panx"]["training"]
    rates = {method: values["learning_rate"] for method, values in found.items()}
    assert rates == {"full": 2e-5, "adapter(pfeiffer,r=16)": 1e-4, "full>lora(r=8,alpha=16)": 3e-4}
    titles = [stage.title for stage in expand(grid, lambda request: "hub:x@1").stages.values()]
    assert len(set(titles)) == len(titles)


def test_phases_that_are_alike_are_trained_once(run):
    def stage(method, intermediate="none", target="w-xnli"):
        return run.cell(method=method, intermediate=intermediate, target=target).stage

    assert stage(f"full>{ADAPTER}") == stage(ADAPTER) != stage("full")
    assert stage(f"full>{ADAPTER}", "w-nli", "w-tatoeba") == stage("full", "w-nli", "w-tatoeba")
    assert stage(f"full>{ADAPTER}", "w-nli") != stage(ADAPTER, "w-nli")
    titles = [s.method for s in run.plan.stages.values() if s.phase == "intermediate-1"]
    assert sorted(titles) == sorted(["full", "full(freeze=1)", ADAPTER, LORA])


def test_a_stage_beside_the_encoder_stores_its_own_weights_alone(run):
    encoder = run.weights(method="full", intermediate="none", target="w-xnli")
    for method in (ADAPTER, LORA):
        stage = run.plan.stages[run.cell(method=method, intermediate="none", target="w-xnli").stage]
        stored = run.run.stage(stage.id).encoder.stat().st_size
        assert stored < run.run.stage(_full(run)).encoder.stat().st_size / 10
    frozen = run.weights(method="full(freeze=1)", intermediate="none", target="w-xnli")
    base = run.runner.checkpoints.fresh(next(iter(run.plan.stages.values()))).encoder.state_dict()
    for name, value in frozen.items():
        rests = "embeddings" in name or "layer.0." in name
        if name in base and rests:
            assert torch.equal(value, base[name]), name
    assert any(not torch.equal(encoder[name], base[name]) for name in base)


def _full(run: Trained) -> str:
    return run.cell(method="full", intermediate="none", target="w-xnli").stage


@pytest.mark.parametrize("method", [ADAPTER, f"full>{ADAPTER}", LORA, "full(freeze=1)"])
def test_a_checkpoint_is_loaded_as_it_was_trained(run, method):
    """Scores made anew from the files are those that the stage wrote when it had just been trained."""
    for target in ("w-xnli", "w-tatoeba"):
        cell = run.cell(method=method, intermediate="w-nli", target=target)
        stage, before = (
            run.plan.stages[cell.stage],
            run.predictions(method=method, intermediate="w-nli", target=target),
        )
        folder = run.run.stage(stage.id)
        for path in (folder.scores(cell.evaluation), folder.predictions(cell.evaluation)):
            path.unlink()
        run.runner.work(stage)
        pd.testing.assert_frame_equal(pd.read_parquet(folder.predictions(cell.evaluation)), before)


def test_the_adapter_of_an_intermediate_goes_on_in_the_target(run):
    parent = run.plan.stages[run.cell(method=ADAPTER, intermediate="w-nli", target="w-tatoeba").stage]
    child = run.plan.stages[run.cell(method=ADAPTER, intermediate="w-nli", target="w-xnli").stage]
    assert child.parent == parent.id
    method = load_method(ADAPTER)
    models = [run.runner.checkpoints.load(stage) for stage in (parent, child)]
    start, end = (method.trained(model).state_dict() for model in models)
    fresh = run.runner.checkpoints.load(
        run.plan.stages[run.cell(method=ADAPTER, intermediate="none", target="w-xnli").stage]
    )
    distance = {n: float((end[n] - start[n]).norm()) for n in end}
    from_fresh = {n: float((end[n] - v).norm()) for n, v in method.trained(fresh).state_dict().items()}
    assert sum(distance.values()) < sum(from_fresh.values())


def test_a_damaged_adapter_is_trained_anew_and_its_encoder_is_not(run):
    stage = run.plan.stages[run.cell(method=LORA, intermediate="none", target="w-xnli").stage]
    folder = run.run.stage(stage.id)
    whole = folder.encoder.read_bytes()
    folder.encoder.write_bytes(whole[:-1])
    with pytest.raises(DamagedCheckpoint):
        run.runner.checkpoints.load(stage)
    run.runner.work(stage)
    assert folder.encoder.read_bytes() == whole


def test_a_retrieval_layer_that_rests_is_refused(checkpoint):
    grid = parse_grid(_yaml(GRID | {"encoders": [str(checkpoint)], "retrieval": {"layer": 1}}))
    with pytest.raises(InputError, match=r"w-tatoeba is read at hidden state 1 .* every gain would be 0"):
        expand(grid, revision)


def test_a_faulty_method_is_refused_with_its_line(checkpoint):
    with pytest.raises(InputError, match=r"unknown method 'adaptor'\. Did you mean 'adapter'"):
        parse_grid(_yaml(GRID | {"encoders": [str(checkpoint)], "methods": ["adaptor(r=2)"]}))
    with pytest.raises(InputError, match="given twice"):
        parse_grid(_yaml(GRID | {"encoders": [str(checkpoint)], "methods": ["adapter", "adapter(r=16)"]}))


def test_a_method_takes_its_recipe_unless_the_grid_overrides_it():
    asked = {"name": "x", "encoders": ["FacebookAI/xlm-roberta-large"], "recipe": "xtreme", "seeds": [0]}
    asked |= {
        "blocks": [{"intermediates": ["none"], "targets": ["xnli"]}],
        "overrides": {"xnli": {"epochs": 2}},
    }
    grid = parse_grid(_yaml(asked))
    assert grid.hyperparameters("xnli", "adapter").learning_rate == 1e-4
    assert grid.hyperparameters("xnli", "adapter").epochs == 2
    assert grid.hyperparameters("xnli").learning_rate == 3e-5


def test_a_method_that_leaves_nothing_to_train_is_refused_in_the_grid(checkpoint):
    with pytest.raises(
        InputError, match=r"leaves nothing to train in encoder .* of 2 layers; freeze at most 1"
    ):
        parse_grid(_yaml(GRID | {"encoders": [str(checkpoint)], "methods": ["full", "full(freeze=2)"]}))


def test_a_stage_that_changed_nothing_is_flagged(tmp_path, checkpoint, run):
    still = {"steps": 1, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-30, "weight_decay": 0}
    grid = GRID | {"encoders": [str(checkpoint)], "methods": ["full", "lora"], "overrides": {"*": still}}
    flags = train(tmp_path, grid | {"blocks": [{"intermediates": ["none"], "targets": ["w-xnli"]}]}).results[
        "flags"
    ]
    assert flags.str.contains("method-changes-nothing").all()
    assert not run.results["flags"].str.contains("method-changes-nothing").any()


def _yaml(grid: dict) -> str:
    return yaml.safe_dump(grid)
