"""The best checkpoint on English dev data: what is looked at, when, and what is kept."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid, parse_grid
from simxfer.run import stages
from simxfer.run.opening import open_run
from simxfer.run.results import gather
from simxfer.run.stages import StageRunner
from simxfer.sources import read_examples, revision, sampled
from simxfer.sources.request import HELD_OUT, KEPT, DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import ClassificationExample, MiningExample, RankingExample
from simxfer.training.loop import looks
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import TrainingTask

GRID = """\
name: chosen
encoders: [{checkpoint}]
blocks: [{{intermediates: [none], targets: [w-xnli]}}]
seeds: [0]
languages: [x-pivot]
overrides: {{'*': {{steps: 20, batch_size: 4, train_examples: 200, learning_rate: 0.01, selection: {selection}}}}}
test_examples: 40
"""


def opened(folder, checkpoint, selection="best-en-dev", extra=""):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "grid.yaml"
    file.write_text(GRID.format(checkpoint=checkpoint, selection=selection) + extra)
    grid = load_grid(file)
    plan = expand(grid, revision)
    run = open_run(file, grid, plan, folder / "runs")
    runner = StageRunner(run, plan, torch.device("cpu"), grid.keep_checkpoints)
    return SimpleNamespace(run=run, plan=plan, runner=runner, stage=list(plan.stages.values())[-1])


def work(made):
    for stage in made.plan.stages.values():
        made.runner.work(stage)
    return gather(made.run, made.plan)


def log_of(made):
    return [json.loads(line) for line in made.run.stage(made.stage.id).log.read_text().splitlines()]


@pytest.fixture(scope="module")
def chosen(tmp_path_factory, checkpoint):
    made = opened(tmp_path_factory.mktemp("chosen"), checkpoint)
    made.results = work(made)
    return made


def test_the_first_best_checkpoint_of_ten_is_kept(chosen):
    looks = [row for row in log_of(chosen) if "dev_score" in row]
    assert [row["step"] for row in looks] == list(range(2, 21, 2))
    best = max(row["dev_score"] for row in looks)
    first = next(row for row in looks if row["dev_score"] == best)
    done = json.loads(chosen.run.stage(chosen.stage.id).done.read_text())
    assert done["selected"] == {"score": best, "step": first["step"]}
    assert set(chosen.results["selection"]) == {"best-en-dev"}


def test_the_kept_weights_are_those_of_that_step(chosen, tmp_path, checkpoint):
    step = json.loads(chosen.run.stage(chosen.stage.id).done.read_text())["selected"]["step"]
    again = opened(tmp_path, checkpoint)
    runner, saved = again.runner, {}
    keep_best = runner._keep_best

    def spy(model, *rest):
        mark = keep_best(model, *rest)

        def look(at):
            saved[at] = {name: value.clone() for name, value in model.encoder.state_dict().items()}
            mark(at)

        return look

    runner._keep_best = spy
    work(again)
    kept = load_file(again.run.stage(again.stage.id).encoder)
    assert all(torch.equal(kept[name], value) for name, value in saved[step].items())
    assert step == 20 or any(not torch.equal(kept[name], value) for name, value in saved[20].items())


def test_looking_changes_nothing_of_the_training(chosen, tmp_path, checkpoint):
    """Losses are those of a run that is trained on the same data and keeps the last checkpoint."""
    plain = opened(tmp_path, checkpoint, "last")
    stage = chosen.stage
    model = plain.runner.checkpoints.load(plain.plan.stages[stage.parent])
    plain.runner.checkpoints.add_head(model, stage, "w-xnli")
    rows: list[dict] = []
    from simxfer.training.loop import fit

    fit(model, plain.runner.data.training_tasks(stage), plain.runner._settings(stage), rows.append)
    expected = [row["loss"] for row in log_of(chosen) if "loss" in row]
    assert [row["loss"] for row in rows] == expected


def test_held_out_examples_are_not_trained_on(chosen):
    stage = chosen.stage
    assert stage.parts == ((("w-xnli", "train" + KEPT),),)
    assert stage.dev_parts == ((("w-xnli", "train" + HELD_OUT),),)
    whole, kept, out = (
        {e.id for e in read_examples(DataRequest("w-xnli", "train" + part, "x-pivot"))}
        for part in ("", KEPT, HELD_OUT)
    )
    assert kept | out == whole and not kept & out
    assert 0.02 < len(out) / len(whole) < 0.09


def test_the_last_checkpoint_needs_no_held_out_data(tmp_path, checkpoint):
    made = opened(tmp_path, checkpoint, "last")
    assert made.stage.parts == ((("w-xnli", "train"),),) and made.stage.dev_parts == ()
    assert {cell.selection for cell in made.plan.cells} == {"last"}
    assert made.stage.id not in opened(tmp_path / "b", checkpoint).plan.stages


def test_dev_data_that_a_task_has_not_are_refused(tmp_path, checkpoint):
    made = opened(tmp_path, checkpoint, extra="data: {tasks: {w-xnli: {dev: dev}}}\n")
    with pytest.raises(InputError, match="unknown split 'dev'"):
        work(made)


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
def test_dev_data_are_looked_at_in_the_numerics_of_the_stage(numerics, tmp_path, checkpoint, monkeypatch):
    asked = []
    monkeypatch.setattr(stages, "dev_score", lambda *given: asked.append(given[-1]) or 50.0)
    work(opened(tmp_path, checkpoint, extra=f"numerics: {numerics}\n"))
    assert set(asked) == {numerics}


def test_looks_are_at_the_end_of_epochs_or_ten_times(chosen):
    [training] = chosen.runner.data.training_tasks(chosen.stage)
    values = {"learning_rate": 1e-3, "batch_size": 4}

    def marks(steps, epochs, total):
        one = TrainingTask(
            task=get_task("w-xnli"),
            features=training.features,
            values=Hyperparameters(**values, steps=steps, epochs=epochs),
        )
        return sorted(looks([one], total))

    assert marks(0, 3.0, 30) == [10, 20, 30]
    assert marks(25, 0.0, 25)[-1] == 25 and len(marks(25, 0.0, 25)) == 10
    assert marks(3, 0.0, 3) == [1, 2, 3]


def test_a_sample_keeps_order_ids_across_languages_and_all_candidates():
    def example(i, language):
        return ClassificationExample(id=f"{i}", text=f"{language} {i}", label="x")

    drawn = [[e.id for e in sampled([example(i, code) for i in range(50)], 10)] for code in ("sw", "ur")]
    assert drawn[0] == drawn[1] == sorted(drawn[0], key=int) and len(drawn[0]) == 10
    assert drawn[0] != [str(i) for i in range(10)]
    sides = ["query", "candidate"] * 5
    pool = [RankingExample(id=f"{i}", text="t", side=side, keys=()) for i, side in enumerate(sides)]
    kept = sampled(pool, 2)
    assert [e.side for e in kept].count("query") == 2 and [e.side for e in kept].count("candidate") == 5
    mined = [MiningExample(id=f"{i}", text="t", side="source") for i in range(9)]
    assert sampled(mined, 2) == mined


def test_text_beside_a_task_has_no_score_to_choose_by(tmp_path):
    text = "name: g\nencoders: [world/w0-s0]\nseeds: [0]\nblocks: [{intermediates: [w-nli+mlm], targets: [w-xnli]}]\n"
    plan = expand(parse_grid(text + "overrides: {'*': {selection: best-en-dev}}\n"), revision)
    [mixed] = [stage for stage in plan.stages.values() if len(stage.data) == 2]
    assert mixed.tasks == ("mlm", "w-nli")
    assert mixed.dev_parts == ((), (("w-nli", "train" + HELD_OUT),))


def test_text_alone_is_refused_where_a_checkpoint_is_chosen():
    text = "name: g\nseeds: [0]\nencoders: [world/w0-s0]\nblocks: [{intermediates: [w-nli>mlm], targets: [w-xnli]}]\n"
    chosen = "overrides: {'*': {selection: best-en-dev}"
    with pytest.raises(InputError, match=r"'w-nli>mlm': mlm alone has no score .* {mlm: {selection: last}}"):
        parse_grid(f"{text}{chosen}}}\n")
    assert parse_grid(f"{text}{chosen}, mlm: {{selection: last}}}}\n")


@pytest.mark.parametrize("stop_at", [4, 12, 20])
def test_an_interrupted_stage_ends_as_if_it_had_not_been(chosen, tmp_path, checkpoint, monkeypatch, stop_at):
    made = opened(tmp_path, checkpoint)
    settings, keep_best = StageRunner._settings, StageRunner._keep_best

    def stopping(self, model, stage, folder, log):
        mark = keep_best(self, model, stage, folder, log)

        def look(step):
            mark(step)
            if step == stop_at:
                raise KeyboardInterrupt

        return look

    always = {"save_every_seconds": -1.0}  # the state is written after every step
    monkeypatch.setattr(
        StageRunner, "_settings", lambda self, stage: replace(settings(self, stage), **always)
    )
    monkeypatch.setattr(StageRunner, "_keep_best", stopping)
    with pytest.raises(KeyboardInterrupt):
        work(made)
    assert made.run.stage(made.stage.id).state.exists()
    monkeypatch.setattr(StageRunner, "_keep_best", keep_best)
    work(made)
    for name in ("encoder", "heads"):
        there, here = (getattr(run.run.stage(made.stage.id), name).read_bytes() for run in (chosen, made))
        assert there == here
    done = [json.loads(run.run.stage(made.stage.id).done.read_text())["selected"] for run in (chosen, made)]
    assert done[0] == done[1]
