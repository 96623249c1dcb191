import json
from dataclasses import fields

import pytest

from simxfer.common.errors import InputError
from simxfer.grid.file import load_grid, parse_grid
from simxfer.grid.parts import Override
from simxfer.training.recipes import RECIPES, Hyperparameters


@pytest.fixture
def grid_text(checkpoint) -> str:
    return f"""\
name: g
encoders: [{checkpoint}]
blocks:
  - {{intermediates: [none, w-nli], targets: [w-xnli]}}
seeds: [0]
"""


def faults_of(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_grid(text, "my.yaml")
    head, *lines = str(caught.value).splitlines()
    assert head == f"my.yaml has {len(lines)} fault{'s' * (len(lines) > 1)}:"
    return [line.strip() for line in lines]


def test_defaults_and_overrides(grid_text):
    grid = parse_grid(
        grid_text + "overrides: {'*': {batch_size: 4}, w-nli: {batch_size: 8, learning_rate: 0.1}}\n"
    )
    assert grid.intermediates == ("none", "w-nli")
    assert grid.hyperparameters("w-xnli").batch_size == 4
    assert grid.hyperparameters("w-nli").batch_size == 8
    assert grid.hyperparameters("w-nli").learning_rate == 0.1
    assert grid.hyperparameters("w-nli").steps == RECIPES["world"].hyperparameters("w-nli").steps
    assert grid.test_languages("w-tatoeba")[0] == "x-sov"  # a retrieval task is not tested in the pivot


def test_epochs_take_the_place_of_the_recipes_steps(grid_text):
    values = parse_grid(grid_text + "overrides: {w-xnli: {epochs: 3}}\n").hyperparameters("w-xnli")
    assert (values.steps, values.epochs) == (0, 3.0)
    values = parse_grid(grid_text + "overrides: {'*': {epochs: 3}, w-xnli: {steps: 5}}\n").hyperparameters(
        "w-xnli"
    )
    assert (values.steps, values.epochs) == (5, 0.0)
    [fault] = faults_of(grid_text + "overrides: {w-xnli: {epochs: 3, steps: 5}}\n")
    assert "give one of them" in fault


def test_all_faults_at_once_with_their_lines_and_the_nearest_name():
    text = """\
name: g
encoders:
  - world/none
blocks:
  - intermediates:
      - w-nly
      - w-nli>
      - w-qa+w-qa
      - w-xqa
    targets: [w-qa, w-xnly]
    sedes: [1]
seeds: [-1]
languages: [x-pivto]
methods: [ful]
recipe: wrld
overrides:
  w-xnly: {lr: 1, batch_size: many}
retrieval: {layers: 2}
nmae: h
"""
    expected = [
        (3, "unknown encoder 'world/none'"),
        (6, "'w-nli'?"),
        (7, "'w-nli>' has an empty part"),
        (8, "mixes a task with itself"),
        (9, "'w-xqa' is a target only; intermediates: "),
        (10, "'w-qa' is an intermediate only; targets: "),
        (10, "'w-xnli'?"),
        (11, "unknown key 'sedes'. Did you mean 'seeds'?"),
        (12, "greater than or equal to 0 (got -1)"),
        (13, "'x-pivot'?"),
        (14, "'full'?"),
        (15, "'world'?"),
        (17, "'w-xnli'?"),
        (17, "batch_size: Input should be a valid integer"),
        (17, "unknown key 'lr'"),
        (18, "unknown key 'layers'. Did you mean 'layer'?"),
        (19, "unknown key 'nmae'. Did you mean 'name'?"),
    ]
    found = faults_of(text)
    assert len(found) == len(expected)
    for line, words in expected:
        assert any(fault.startswith(f"line {line}: ") and words in fault for fault in found), (line, words)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("seeds: [1]\n", "line 6: key 'seeds' given twice; keep one"),
        (
            "languages: x-sov\n",
            "languages: got 'x-sov', expected a list of languages such as [en, sw], or one of all, xtreme, xtreme-r",
        ),
        ("languages: [x-sov, x-sov]\n", "x-sov given twice; name each once"),
        ("languages: [avg]\n", "unknown language 'avg'"),
        ("retrieval: {layer: 3}\n", "has layers 0 (embeddings) to 2"),
        ("overrides: {'*': {max_length: 129}}\n", "more than the 128 subwords"),
        (
            "overrides: {w-nli: {learning_rate: 0}}\n",
            "overrides.w-nli.learning_rate: Input should be greater than 0",
        ),
        ("overrides: {w-nli: {adam_beta2: 1}}\n", "adam_beta2: Input should be less than 1 (got 1)"),
        (
            "overrides: {w-nli: {train_examples: 0}}\n",
            "overrides.w-nli.train_examples: Input should be greater",
        ),
        ("overrides: {w-nli: {selection: best}}\n", "'last' or 'best-en-dev' (got 'best')"),
        ("overrides: {w-nli: {steps: 5, epochs: 1}}\n", "steps and epochs both say how long to train"),
        ("overrides: {w-nli: {batch_tokens: 5}}\n", "unknown key 'batch_tokens'. Did you mean 'batch_size'?"),
        ("overrides: {w-nli: {warmup_step: 5}}\n", "Did you mean 'warmup_steps'?"),
        ("mixture_temperature: 0.5\n", "greater than or equal to 1"),
        ("method_overrides: {adaptr: {}}\n", "unknown method 'adaptr'. Did you mean 'adapter'?"),
        ("method_overrides: {lora: {}}\n", "no method of the grid is 'lora'; it has full"),
        ("method_overrides: {full: {w-nli: {step: 1}}}\n", "unknown key 'step'. Did you mean 'steps'?"),
        ("perturbations: ['code-mix(0.2,x-svo)']\n", "unknown language 'x-svo'. Did you mean 'x-vso'?"),
        (
            "perturbations: ['worst(k=2,code-mix(0.2,x-svo))']\n",
            "unknown language 'x-svo'. Did you mean 'x-vso'?",
        ),
        ("numerics: fp16\n", "'fp32', 'bf16' or 'auto' (got 'fp16')"),
    ],
)
def test_one_fault(grid_text, extra, words):
    [fault] = faults_of(grid_text + extra)
    assert fault.startswith("line ") and words in fault


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("seeds: [0]", "seeds: [2, 2]", "line 5: seeds: 2 given twice"),
        ("seeds: [0]", "seeds: []", "line 5: seeds: Tuple should have at least 1 item"),
        ("seeds: [0]", "description: ''", "line 1: key 'seeds' is missing"),
        ("name: g", "name: ../g", "line 1: name: String should match"),
        ("none, w-nli", "'w-nli + w-qa', 'w-qa+w-nli'", "w-nli+w-qa given twice"),
        ("none, w-nli", "'>w-nli'", "has an empty part"),
        ("none, w-nli", "'w-nli@x-svo'", "Did you mean 'x-vso'?"),
        ("none, w-nli", "'w-nli@'", "unknown training language of w-nli ''"),
        ("none, w-nli", "'w-nli@x-sov,x-sov'", "names a language twice"),
    ],
)
def test_one_changed_line(grid_text, before, after, words):
    [fault] = faults_of(grid_text.replace(before, after))
    assert words in fault


@pytest.mark.parametrize(("layer", "there"), [(-4, False), (-3, True), (2, True), (3, False)])
def test_a_layer_is_one_of_the_encoders_hidden_states(grid_text, layer, there):
    """Two layers have three hidden states, counted from either end."""
    text = grid_text + f"retrieval: {{layer: {layer}}}\n"
    assert there or f"retrieval.layer is {layer}" in faults_of(text)[0]
    assert not there or parse_grid(text).retrieval.layer == layer


def test_a_tasks_own_row_changes_only_what_it_names(grid_text):
    rows = "data: {tasks: {'*': {fields: as-is}, w-xnli: {dev: held-out}}}\n"
    grid = parse_grid(grid_text + rows)
    assert (grid.task_data("w-xnli").fields, grid.task_data("w-xnli").dev) == ("as-is", "held-out")


@pytest.mark.parametrize("asked", ["pgd(1)", "adversarial(code-mix(0.3,x-d1))"])
def test_what_follows_a_loss_is_refused_where_no_target_has_one(grid_text, asked):
    text = grid_text + f"perturbations: ['{asked}']\n"
    [fault] = faults_of(text.replace("[w-xnli]", "[w-tatoeba]"))
    assert "follows the loss of a trained target" in fault and "(w-tatoeba)" in fault
    assert parse_grid(text.replace("[w-xnli]", "[w-tatoeba, w-xnli]")).perturbations == (asked,)


def test_the_control_needs_its_baseline(grid_text):
    block = "intermediates: [w-nli], no_pretraining_control: true"
    [fault] = faults_of(grid_text.replace("intermediates: [none, w-nli]", block))
    assert "add it to the block" in fault


def test_a_target_without_any_of_the_languages_is_refused(grid_text):
    [fault] = faults_of(grid_text.replace("[w-xnli]", "[w-tatoeba]") + "languages: [x-pivot]\n")
    assert "'w-tatoeba' has no test data" in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected keys and values"),
        ("- a\n", "expected keys and values"),
        ("name: [\n", "is not valid YAML"),
        ("name: !!python/object:os.system x\n", "is not valid YAML"),
        ("description: 2020-13-45\n", "is not valid YAML"),
        ("[a, b]: 1\n", "is not valid YAML"),
    ],
)
def test_no_yaml(text, words):
    with pytest.raises(InputError, match=words):
        parse_grid(text, "my.yaml")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "default.yaml").write_text("name: g\n")
    with pytest.raises(InputError, match=r"no grid file .*Did you mean 'default'\?"):
        load_grid(tmp_path / "defalt.yaml")
    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        load_grid(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("name: café\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not a text file in UTF-8"):
        load_grid(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("pieces", "settings", "refused"),
    [
        ("die\nMühle", None, True),
        ("die\nMühle", {"model_max_length": 512}, True),
        ("die\nMühle", {"do_lower_case": False}, False),
        ("die\nmuhle\nपानी", {}, False),  # what lower-casing leaves as it is
    ],
)
def test_a_lone_vocabulary_must_not_contradict_lower_casing(
    grid_text, checkpoint, tmp_path, pieces, settings, refused
):
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text())
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "vocab.txt").write_text(f"[PAD]\n[UNK]\n{pieces}\n", encoding="utf-8")
    if settings is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    text = grid_text.replace(str(checkpoint), str(tmp_path))
    if refused:
        [fault] = faults_of(text)
        assert "says whether text is lower-cased" in fault and "'Mühle'" in fault
        assert '{"do_lower_case": false} or true' in fault
    else:
        parse_grid(text)


def test_a_folder_that_is_no_checkpoint(grid_text, checkpoint, tmp_path):
    [fault] = faults_of(grid_text.replace(str(checkpoint), str(tmp_path)))
    assert "lacks config.json, model.safetensors" in fault
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "model.safetensors").touch()
    [fault] = faults_of(grid_text.replace(str(checkpoint), str(tmp_path)))
    assert "lacks a tokenizer" in fault
    (tmp_path / "tokenizer.json").touch()
    [fault] = faults_of(grid_text.replace(str(checkpoint), str(tmp_path)))
    assert "config.json is no JSON" in fault


def test_what_is_no_encoder_at_all(grid_text, checkpoint):
    [fault] = faults_of(grid_text.replace(str(checkpoint), "'no/such/folder'"))
    assert "is no folder, no hub id such as" in fault


def test_ranking_is_not_trained_in_micro_batches():
    text = (
        "name: g\nencoders: [world/w0-s0]\nseeds: [0]\nblocks: [{intermediates: [none], targets: [lareqa]}]\n"
    )
    parse_grid(text)
    with pytest.raises(InputError, match="takes its negatives from the batch"):
        parse_grid(text + "overrides: {lareqa: {micro_batch_size: 4}}\n")


def test_every_hyperparameter_can_be_overridden_but_that_of_pretraining():
    assert set(Override.model_fields) == {f.name for f in fields(Hyperparameters)} - {"batch_tokens"}
    assert not Override().model_dump(exclude_none=True), "what is not named stays the recipe's"


def test_methods_have_values_of_their_own_after_those_of_the_task(grid_text):
    text = grid_text + (
        "methods: [full, adapter]\noverrides: {'*': {batch_size: 8}, w-nli: {learning_rate: 0.1}}\n"
        "method_overrides: {adapter: {'*': {learning_rate: 0.2}, w-xnli: {steps: 7}}}\n"
    )
    grid = parse_grid(text)
    found = {
        (task, method): grid.hyperparameters(task, method)
        for task in ("w-nli", "w-xnli")
        for method in ("full", "adapter")
    }
    assert found["w-nli", "full"].learning_rate == 0.1 and found["w-nli", "adapter"].learning_rate == 0.2
    assert found["w-xnli", "adapter"].steps == 7 != found["w-xnli", "full"].steps
    assert {values.batch_size for values in found.values()} == {8}
