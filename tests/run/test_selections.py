"""Several selections of one training run: which checkpoint each is, whose rows it scores, what is trained for it."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from trained import Trained, same, train

from analyses.outcomes import gains, robust_drop
from simxfer.cli.show import plan_text
from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.growth import compare
from simxfer.grid.plan import Plan
from simxfer.grid.selections import target_dev
from simxfer.run import stages as stages_room
from simxfer.run.checkpoints import DamagedCheckpoint
from simxfer.run.opening import receipts
from simxfer.run.stages import StageRunner
from simxfer.scoring.evaluate import dev_score
from simxfer.sources import revision
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task

ASKED = ["averaged", "best-en-dev", "best-target-dev", "last"]
VALUES = {"steps": 20, "batch_size": 4, "train_examples": 200, "learning_rate": 0.01, "look_every": 5}
GRID = {
    "name": "selections",
    "languages": ["x-pivot", "x-agg", "x-sov"],
    "seeds": [0],
    "test_examples": 40,
    "selections": ASKED,
    "perturbations": ["drop(0.5)"],
    "methods": ["full", "lora(r=2,alpha=4)"],
    "overrides": {"*": VALUES},
    "blocks": [{"intermediates": ["none", "w-nli"], "targets": ["w-pos", "w-tatoeba"]}],
}
CELL = {"intermediate": "none", "target": "w-pos"}


def grid(checkpoint, **changes):
    return GRID | {"encoders": [str(checkpoint)]} | changes


def planned(checkpoint, **changes) -> Plan:
    return expand(parse_grid(json.dumps(grid(checkpoint, **changes))), revision)


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    """Train the grid; `ends` has the weights at the tenths of every target's training."""
    ends: dict[str, dict[int, dict[str, torch.Tensor]]] = {}
    marks = StageRunner._marks

    def spying(self, model, stage, folder, log, tasks, steps):
        def spy(step):
            trained = stages_room.load_method(stage.method).trained(model).state_dict()
            weights = {**trained, **model.heads.state_dict()}
            ends.setdefault(stage.id, {})[step] = {k: v.clone() for k, v in weights.items()}

        every = stages_room.Mark(frozenset(range(1, 21)), spy)
        return [*marks(self, model, stage, folder, log, tasks, steps), every]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageRunner, "_marks", spying)
        made = train(tmp_path_factory.mktemp("selections"), grid(checkpoint))
    object.__setattr__(made, "ends", ends)
    return made


def stage_of(run, method, **keys):
    [stage] = {cell.stage for cell in run.plan.cells if cell.method == method and _has(cell, **CELL | keys)}
    return stage


def _has(cell, **keys):
    return all(getattr(cell, name) == value for name, value in keys.items())


def kept(run, stage, rule):
    folder = run.run.stage(stage)
    files = folder if rule == "last" else folder.kept(rule)
    return load_file(files.encoder) | load_file(files.heads)


def test_one_training_run_gives_rows_of_every_selection(run):
    trained = [stage for stage in run.plan.stages.values() if stage.phase == "target"]
    assert len(trained) == 4  # two methods, with and without an intermediate
    counts = run.results.groupby(["target", "selection"]).size()
    assert set(counts["w-pos"].index) == set(ASKED) and counts["w-pos"].nunique() == 1
    assert list(counts["w-tatoeba"].index) == ["last"]  # is not trained
    values = run.results[run.results["target"] == "w-pos"].groupby("selection")["value"].agg(tuple)
    assert values.nunique() == 4


@pytest.mark.parametrize("method", GRID["methods"])
def test_each_selection_is_its_checkpoint(run, method):
    stage = stage_of(run, method)
    ends = run.ends[stage]
    assert same(kept(run, stage, "last"), ends[20])
    selected = run.done(stage)["selected"]
    assert same(kept(run, stage, "best-en-dev"), ends[selected["step"]])
    tenths = [ends[step] for step in range(2, 21, 2)]
    for name, value in kept(run, stage, "averaged").items():
        mean = torch.stack([weights[name].double() for weights in tenths]).mean(0)
        torch.testing.assert_close(value.double(), mean, rtol=0, atol=1e-6)
    assert not same(kept(run, stage, "averaged"), ends[20])


def test_dev_data_are_looked_at_where_the_recipe_says_not_where_checkpoints_are_averaged(run):
    log = run.run.stage(stage_of(run, "full")).log.read_text().splitlines()
    assert [row["step"] for row in map(json.loads, log) if "dev_score" in row] == [5, 10, 15, 20]


def test_a_lora_keeps_its_own_weights_alone(run):
    for rule in ("averaged", "best-en-dev"):
        lora, full = (run.run.stage(stage_of(run, method)).kept(rule) for method in GRID["methods"][::-1])
        assert lora.encoder.stat().st_size < full.encoder.stat().st_size / 10


def test_a_rule_scores_what_a_run_of_its_own_scores(run, tmp_path, checkpoint):
    """`best-en-dev` alone trains on the same data; `last` alone has the held-out ones too."""
    alone = train(tmp_path, grid(checkpoint, selections=["best-en-dev"], methods=["full"]))
    columns = ["intermediate", "target", "language", "perturbation", "metric", "value"]
    both = run.results[(run.results["selection"] == "best-en-dev") & (run.results["method"] == "full")]
    theirs = alone.results[alone.results["target"] == "w-pos"]
    assert len(both) and both[columns].reset_index(drop=True).equals(theirs[columns].reset_index(drop=True))


def test_examples_of_every_selection_stand_apart(run):
    examples = pd.read_parquet(run.run.examples)
    assert set(examples["selection"]) == set(ASKED)
    [one, two] = (examples[examples["selection"] == rule] for rule in ("last", "averaged"))
    of_last = one[one["target"] == "w-pos"]
    assert len(of_last) == len(two) and not of_last["score"].reset_index(drop=True).equals(
        two["score"].reset_index(drop=True)
    )


def test_outcomes_pair_equal_selections(run):
    paired = gains(run.results)
    assert paired["gain"].notna().all() and set(paired["selection"]) == set(ASKED)
    wide = run.results.set_index(
        ["method", "target", "language", "perturbation", "selection", "intermediate"]
    )
    for row in paired[paired["target"] == "w-pos"].itertuples():
        keys = (row.method, row.target, row.language, row.perturbation, row.selection)
        assert row.gain == wide.loc[(*keys, "w-nli"), "value"] - wide.loc[(*keys, "none"), "value"]
    assert robust_drop(run.results)["y_clean"].notna().all()


def test_the_oracle_scores_each_language_with_what_its_dev_data_choose(run):
    """Of the tenths, each is scored anew on the held-out part of the language's own training data."""
    stage = run.plan.stages[stage_of(run, "full")]
    rows = run.results[(run.results["selection"] == "best-target-dev") & (run.results["stage"] == stage.id)]
    model, task = run.runner.checkpoints.load(stage), get_task("w-pos")
    files = {step: kept(run, stage.id, f"best-target-dev/{step}") for step in range(2, 21, 2)}
    assert all(same(files[step], run.ends[stage.id][step]) for step in files)
    steps = set()
    for language in GRID["languages"]:
        scores, tests = {}, {}
        for step in files:
            run.runner.checkpoints.switch(model, stage, f"best-target-dev/{step}")
            for split, found, limit in (("train#held-out", scores, 40), ("test", tests, 40)):
                request = DataRequest("w-pos", split, language, limit=limit)
                data = run.runner.data.dataset(request, "w-pos", stage.encoder, 64, 16)
                found[step] = dev_score(model, task, data, 1, language)
        best = min(step for step in scores if scores[step] == max(scores.values()))
        steps.add(best)
        told = rows[(rows["language"] == language) & (rows["metric"] == task.metric)]
        [clean] = told.loc[told["perturbation"] == "clean", "value"]
        assert clean == tests[best] and len(set(tests.values())) > 1
        assert told["flags"].str.split(";").map(lambda flags, b=best: f"oracle-selection={b}" in flags).all()
    assert len(steps) > 1  # nothing is one for all
    others = run.results[run.results["selection"] != "best-target-dev"]
    assert not others["flags"].str.contains("oracle").any()


def test_the_oracle_chooses_on_data_that_are_not_trained_on(checkpoint):
    plan = planned(checkpoint, selections=["last", "best-target-dev"])
    stage = next(stage for stage in plan.stages.values() if stage.phase == "target")
    assert stage.parts == ((("w-pos", "train#kept"),),) and stage.dev_parts == ()
    tuned = {e.selection: e.tuned_on for e in plan.evaluations[stage.id].values()}
    assert tuned == {"last": "", "best-target-dev": "train#held-out"}


@pytest.mark.parametrize(
    ("target", "choice", "expected"),
    [
        ("panx", {}, "dev"),
        ("mlqa", {}, "dev"),
        ("tydiqa", {}, "train#held-out"),  # its dev is scored
        ("panx", {"test": "dev"}, ""),
        ("panx", {"test": "dev", "dev": "held-out"}, "train#held-out"),
        ("xquad", {}, ""),
        ("w-pos", {}, "train#held-out"),
        ("w-xnli-cue", {}, ""),  # is trained in the pivot alone
    ],
)
def test_dev_data_of_a_language_are_never_the_scored_ones(target, choice, expected):
    text = {"name": "x", "encoders": ["FacebookAI/xlm-roberta-base"], "recipe": "xtreme", "seeds": [0]}
    text |= {
        "blocks": [{"intermediates": ["none"], "targets": [target]}],
        "data": {"tasks": {target: choice}},
    }
    made = parse_grid(json.dumps(text))
    assert target_dev(get_task(target), made.task_data(target), made.test_languages(target)) == expected
    if expected:
        parse_grid(json.dumps(text | {"selections": ["best-target-dev"]}))
    else:
        with pytest.raises(InputError, match=f"target '{target}' has no data but the scored ones"):
            parse_grid(json.dumps(text | {"selections": ["best-target-dev"]}))


def test_candidates_of_all_languages_have_one_checkpoint():
    with pytest.raises(InputError, match="'lareqa' ranks the candidates of all languages together"):
        parse_grid(
            json.dumps(
                {
                    "name": "x",
                    "encoders": ["FacebookAI/xlm-roberta-base"],
                    "recipe": "xtreme",
                    "seeds": [0],
                    "selections": ["best-target-dev"],
                    "blocks": [{"intermediates": ["none"], "targets": ["lareqa"]}],
                }
            )
        )


@pytest.mark.parametrize("rule", ["last", "best-en-dev"])
def test_one_rule_alone_is_the_stage_of_its_hyperparameter(checkpoint, rule):
    named = planned(checkpoint, selections=[rule])
    by_value = {"*": VALUES, "w-pos": {"selection": rule}}
    plain = planned(checkpoint, selections=[], overrides=by_value)
    assert named == plain and all(stage.kept == () for stage in named.stages.values())


def test_the_order_of_rules_decides_nothing_and_intermediates_know_of_none(checkpoint):
    one, two = planned(checkpoint), planned(checkpoint, selections=ASKED[::-1])
    assert one == two
    plain = planned(checkpoint, selections=[])
    intermediate = [{s.id for s in p.stages.values() if s.phase == "intermediate-1"} for p in (one, plain)]
    assert intermediate[0] == intermediate[1] and len(intermediate[0]) == 2
    assert Plan.from_dict(one.as_dict()) == one


def test_what_a_target_stage_before_the_last_one_ends_with_is_its_hyperparameter(checkpoint):
    plan = planned(
        checkpoint,
        blocks=[{"intermediates": ["none"], "targets": ["w-xnli"]}],
        data={"tasks": {"w-xnli": {"trains_on": ["w-nli", "w-xnli"]}}},
        overrides={"*": VALUES | {"in_turn": True}},
    )
    found = {stage.phase: stage for stage in plan.stages.values()}
    assert found["before-target-1"].kept == () and not found["before-target-1"].dev_parts
    assert (
        found["target"].kept == ("best-en-dev", "averaged", "best-target-dev") and found["target"].dev_parts
    )


def test_a_rule_that_no_stage_can_start_from_is_refused_as_a_hyperparameter(checkpoint):
    with pytest.raises(InputError, match="averaged is a rule that targets are scored by: name it under sel"):
        planned(checkpoint, overrides={"*": VALUES | {"selection": "averaged"}})
    with pytest.raises(InputError, match=r"'averaged'.* \(got 'mean'\)"):
        planned(checkpoint, selections=["mean"])
    with pytest.raises(InputError, match="no step: there is no checkpoint to select by best-target-dev"):
        planned(checkpoint, overrides={"*": {"steps": 0}})


def test_a_run_grows_by_all_but_rules(checkpoint):
    before = planned(checkpoint)
    more = compare(before, planned(checkpoint, seeds=[0, 1]))
    assert not more.changed and not more.gone_cells
    assert compare(before, planned(checkpoint, selections=ASKED[1:])).changed == (
        "selections: ('best-en-dev', 'averaged', 'best-target-dev') there, ('best-en-dev', 'best-target-dev') here",
    )
    assert not compare(before, before).new_evaluations


def test_what_is_written_is_counted_before(run, checkpoint):
    written = list(run.run.root.glob("stages/**/encoder.safetensors"))
    assert sum(stage.checkpoints for stage in run.plan.stages.values()) == len(written)
    said = plan_text(parse_grid(json.dumps(grid(checkpoint))), run.plan)
    assert f"{len(written)} checkpoints" in said and "2 methods, 4 selections" in said


def test_receipts_say_the_rules(checkpoint):
    asked = parse_grid(json.dumps(grid(checkpoint)))
    training = receipts(asked, expand(asked, revision), {})["targets"]["w-pos"]["training"]
    assert training["full"]["selection"] == "last, best-en-dev, averaged, best-target-dev"


@pytest.mark.parametrize("method", GRID["methods"])
@pytest.mark.parametrize("stop_at", [5, 10, 13, 20])
def test_an_interrupted_stage_keeps_the_same_checkpoints(
    run, tmp_path, checkpoint, monkeypatch, method, stop_at
):
    blocks = [{"intermediates": ["none"], "targets": ["w-pos"]}]
    settings, marks = StageRunner._settings, StageRunner._marks

    def stopping(self, *rest):
        def stop(step):
            raise KeyboardInterrupt

        return [*marks(self, *rest), stages_room.Mark(frozenset([stop_at]), stop)]

    # The state is written after every third step: what is done after it is done again.
    monkeypatch.setattr(
        StageRunner,
        "_settings",
        lambda self, stage: replace(settings(self, stage), save_every_seconds=-1.0),
    )
    save = stages_room.fit.__globals__["_save"]
    monkeypatch.setitem(
        stages_room.fit.__globals__, "_save", lambda *args: save(*args) if args[-1] % 3 == 0 else None
    )
    monkeypatch.setattr(StageRunner, "_marks", stopping)
    changed = grid(checkpoint, blocks=blocks, methods=[method])
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, changed)
    monkeypatch.setattr(StageRunner, "_marks", marks)
    made = train(tmp_path, changed)
    stage = stage_of(run, method)
    assert made.done(stage)["files"] == run.done(stage)["files"]
    assert len(made.done(stage)["files"]) == 26


def test_checkpoints_that_are_not_kept_and_damaged_ones(run, tmp_path, checkpoint):
    blocks = [{"intermediates": ["none"], "targets": ["w-pos"]}]
    made = train(tmp_path, grid(checkpoint, blocks=blocks, methods=["full"]))
    stage = made.plan.stages[stage_of(made, "full")]
    folder = made.run.stage(stage.id)
    [cell] = [c for c in made.plan.cells if c.selection == "averaged"]
    before = folder.scores(cell.evaluation).read_bytes()
    folder.scores(cell.evaluation).unlink()
    made.runner.work(stage)  # from the stored checkpoint, whatever others there are
    assert folder.scores(cell.evaluation).read_bytes() == before
    made.runner.keep_checkpoints = "intermediates"
    made.runner.work(stage)
    assert not list(folder.root.glob("**/*.safetensors"))
    folder.scores(cell.evaluation).unlink()
    with pytest.raises(DamagedCheckpoint):
        made.runner.work(stage)
