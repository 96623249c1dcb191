"""What grids of real tasks would cost, by hand and against Hugging Face; plans of data that are not at hand."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

from simxfer.cli.show import plan_text
from simxfer.common.errors import InputError
from simxfer.encoder.network import Head
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.cost import PEAK_FLOPS, UTILISATION, parameters, project
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid, parse_grid
from simxfer.run.train import train_grid
from simxfer.sources import revision
from simxfer.sources.origin import source_of
from simxfer.sources.request import UNRESOLVED, DataRequest
from simxfer.tasks import get_task
from simxfer.training.recipes import get_recipe

GRIDS = Path(__file__).parents[2] / "data" / "grids"
REAL = ("phang2020", "phang2020-8", "xtreme-r")


@pytest.fixture(autouse=True)
def nothing_at_hand(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


def test_xlmr_large_has_559_9_million_weights_with_a_classification_head():
    """The published 560 M (Conneau et al. 2020, Table 1: 550 M): from the configuration, no download."""
    encoder = resolve_encoder("FacebookAI/xlm-roberta-large")
    head = Head(get_task("xnli"), encoder.config["hidden_size"], 0.02, 0.0)
    total = parameters(encoder) + sum(p.numel() for p in head.parameters())
    with torch.device("meta"):
        reference = XLMRobertaForSequenceClassification(XLMRobertaConfig(**encoder.config, num_labels=3))
    assert total == sum(p.numel() for p in reference.parameters())
    assert round(total / 1e6, 1) == 559.9


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
def test_weights_are_counted_as_hugging_face_does(kind):
    sizes = {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 100,
        "vocab_size": 77,
        "max_position_embeddings": 33,
        "type_vocab_size": 2,
    }
    config, model = (BertConfig, BertModel) if kind == "bert" else (XLMRobertaConfig, XLMRobertaModel)
    reference = model(config(**sizes), add_pooling_layer=False)
    encoder = Encoder("e", "m", "l", config={"model_type": kind, **sizes})
    assert parameters(encoder) == sum(p.numel() for p in reference.parameters())


def plan_of(text: str):
    grid = parse_grid(
        "name: g\nencoders: [FacebookAI/xlm-roberta-base]\nseeds: [0]\nrecipe: xtreme\nlanguages: [en, sw]\n"
        + text
    )
    return grid, expand(grid, revision)


def test_a_projection_by_hand():
    grid, plan = plan_of("blocks: [{intermediates: [none], targets: [xnli]}]\n")
    task, values = get_task("xnli"), get_recipe("xtreme").hyperparameters("xnli")
    length = get_task("mnli").mean_characters / 4 + 3
    whole = task.size("train") // values.batch_size * values.batch_size  # the rest of a batch is dropped
    training = values.epochs * whole * length
    scored = 2 * task.size("test") * (task.mean_characters / 4 + 3)
    cost = project(plan, "all")
    assert cost.training_subwords == pytest.approx(training)
    assert cost.scored_subwords == pytest.approx(scored)
    body = 12 * 12 * 768**2
    forward = [2 * body + 4 * 12 * 768 * at for at in (length, scored / 2 / task.size("test"))]
    assert cost.flops == pytest.approx(3 * training * forward[0] + scored * forward[1])
    assert cost.gpu_hours == pytest.approx(cost.flops / PEAK_FLOPS / UTILISATION / 3600)
    assert cost.checkpoint_bytes == 4 * parameters(resolve_encoder(grid.encoders[0]))
    assert project(plan, "intermediates").checkpoint_bytes == 0


def test_every_draw_of_a_perturbation_is_scored(tmp_path):
    text = "blocks: [{{intermediates: [none], targets: [xnli]}}]\nperturbations: [{}]\n"
    text += f"data: {{{{lexicons: {tmp_path}}}}}\n"
    clean, plain, worst, adversarial = (
        project(plan_of(text.format(name))[1], "all").scored_subwords
        for name in ("", "swap(0.1)", "'worst(k=5,swap(0.1))'", "'adversarial(code-mix(0.5,de))'")
    )
    assert (plain, worst) == (pytest.approx(2 * clean), pytest.approx(6 * clean))
    assert adversarial == pytest.approx((1 + 3 + 64 * 1.5) * clean)  # a bound


def test_inputs_are_cut_at_the_maximal_length():
    _, plan = plan_of(
        "blocks: [{intermediates: [none], targets: [xnli]}]\noverrides: {xnli: {max_length: 8, steps: 10}}\n"
    )
    assert project(plan, "all").training_subwords == 10 * 32 * 8


def test_training_examples_are_shared_by_parts_and_languages():
    text = "blocks: [{intermediates: ['panx@en,sw'], targets: [xnli]}]\noverrides: {panx: {train_examples: 300}}\n"
    _, plan = plan_of(text)
    [stage] = [s for s in plan.stages.values() if s.tasks == ("panx",)]
    assert stage.sequences == (300 // 32 * 32 * 10,)


@pytest.mark.parametrize("name", REAL)
def test_grids_of_real_tasks_are_planned_with_nothing_at_hand(name):
    grid = load_grid(GRIDS / f"{name}.yaml")
    plan = expand(grid, revision)
    text = plan_text(grid, plan)
    assert "stage ids are provisional" in text and "GPU time     about" in text
    assert len(plan.stages) < plan.unshared_stages
    assert all(UNRESOLVED in text for s in plan.stages.values() for text in s.revisions)


def test_phang_2020_is_nine_tasks_their_mixture_and_none_with_and_without_mlm():
    grid = load_grid(GRIDS / "phang2020.yaml")
    plain = [name for name in grid.intermediates if "mlm" not in name]
    nine = {
        "anli_plus",
        "mnli",
        "qqp",
        "squad_v1",
        "squad_v2",
        "hellaswag",
        "ccg",
        "cosmosqa",
        "commonsenseqa",
    }
    assert set(plain) == {"none", *nine, "+".join(sorted(nine))}
    with_mlm = {
        "mlm@xtreme" if name == "none" else "+".join(sorted([*name.split("+"), "mlm@xtreme"]))
        for name in plain
    }
    assert set(grid.intermediates) == set(plain) | with_mlm
    cells = expand(grid, revision).cells
    seeds = {name: len({c.seed for c in cells if c.intermediate == name}) for name in grid.intermediates}
    assert seeds.pop("none") == 9 and set(seeds.values()) == {3}
    assert len(grid.targets) == 9
    eight = load_grid(GRIDS / "phang2020-8.yaml")
    assert eight.targets == grid.targets and not any("ccg" in name for name in eight.intermediates)


def test_training_without_data_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError) as error:
        train_grid(GRIDS / "xtreme-r.yaml", tmp_path / "runs")
    words = str(error.value)
    assert "not on this machine" in words and "simxfer fetch" in words
    assert (
        "encoder FacebookAI/xlm-roberta-large@main" in words
        and "mnli, train (nyu-mll/glue on the hub)" in words
    )
    assert not (tmp_path / "runs").exists()


def test_a_folder_serves_the_tasks_it_has_and_the_hub_the_others(tmp_path):
    (tmp_path / "panx").mkdir()
    sources = {
        name: source_of(DataRequest(name, "train", "en", folder=str(tmp_path)))
        for name in ("panx", "mnli", "ccg")
    }
    assert sources == {"panx": "files", "mnli": "hub", "ccg": "files"}
    assert source_of(DataRequest("panx", "train", "en")) == "hub"
    assert source_of(DataRequest("w-nli", "train", "x-pivot", folder=str(tmp_path))) == "world"


def test_where_data_stand_does_not_decide_ids(tmp_path):
    _, plan = plan_of("blocks: [{intermediates: [none], targets: [xnli]}]\n")
    stage = list(plan.stages.values())[-1]
    [evaluation] = plan.evaluations[stage.id].values()
    assert replace(stage, folder="elsewhere").id == stage.id
    assert replace(evaluation, folder="elsewhere").id == evaluation.id
    assert replace(evaluation, split="dev").id != evaluation.id
    assert replace(stage, parts=((("snli", "train"),),)).id != stage.id


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{folder: nowhere}", "'nowhere' is no folder"),
        ("{tasks: {xnlj: {test: dev}}}", "Did you mean 'xnli'?"),
        ("{tasks: {xnli: {test: valid}}}", "Known: dev, test, train. Or a path pattern"),
        ("{tasks: {xnli: {trains_on: [mnlj]}}}", "Did you mean 'mnli'?"),
        ("{tasks: {xnli: {tset: dev}}}", "Did you mean 'test'?"),
        ("{fodler: x}", "Did you mean 'folder'?"),
    ],
)
def test_faults_of_the_data_section(data, words):
    with pytest.raises(InputError, match="line 7") as error:
        plan_of(f"blocks: [{{intermediates: [none], targets: [xnli]}}]\ndata: {data}\n")
    assert words in str(error.value)


def test_training_data_in_other_languages_are_the_tasks_own():
    _, plan = plan_of("blocks: [{intermediates: ['xnli@sw', xnli], targets: [pawsx]}]\n")
    parts = {
        str(stage.data[0]): stage.parts for stage in plan.stages.values() if stage.phase == "intermediate-1"
    }
    assert parts == {"xnli@sw": ((("xnli", "train"),),), "xnli": ((("mnli", "train"),),)}


def test_all_languages_that_files_lack_are_named(tmp_path):
    (tmp_path / "panx").mkdir()
    for name in ("train-en", "test-en"):
        (tmp_path / "panx" / f"{name}.tsv").write_text("a\tO\n\n")
    text = f"data: {{folder: {tmp_path}}}\nblocks: [{{intermediates: [none], targets: [panx]}}]\n"
    grid = "name: g\nencoders: [world/w0-s0]\nseeds: [0]\nlanguages: [en, sw, ur, zh]\n" + text
    with pytest.raises(InputError, match=r"no test files of panx in sw.*So it is in ur, zh: leave them out"):
        expand(parse_grid(grid), revision)
