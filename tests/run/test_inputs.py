"""A run holds on to what it began with: files, encoder, versions; what changes is refused by name, or flagged."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from support import write_xlmr_checkpoint

from simxfer.common.errors import InputError
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.run import train
from simxfer.run.environment import differences, environment
from simxfer.run.opening import open_run
from simxfer.run.results import gather
from simxfer.run.stages import StageRunner
from simxfer.sources import revision

GRID = """\
name: own
encoders: [{encoder}]
blocks: [{{intermediates: [none], targets: [panx]}}]
seeds: [0]
languages: [en, sw]
recipe: world
data: {{folder: {folder}}}
overrides: {{'*': {{steps: 2, batch_size: 2}}}}
"""
TAGS = ("B-PER", "I-PER", "B-LOC", "O", "O")


def sentences(n: int, start: int = 0) -> str:
    """Return sentences; those of one start share none with those of another."""
    words = [f"{word}{'aeio'[start]}" for word in ("be", "so", "ta", "mi", "lo", "ka")]
    lines = [[f"{words[(start + i + k) % 6]}\t{TAGS[(i + k) % 5]}" for k in range(4)] for i in range(n)]
    return "\n\n".join("\n".join(line) for line in lines) + "\n"


@pytest.fixture
def own(tmp_path):
    """A grid on native files and a folder of its own, planned, and what opens it."""
    data = tmp_path / "data" / "panx"
    data.mkdir(parents=True)
    for k, name in enumerate(("train-en", "dev-en", "test-en", "test-sw")):
        (data / f"{name}.tsv").write_text(sentences(8, k))
    encoder = write_xlmr_checkpoint(tmp_path / "encoder")
    file = tmp_path / "own.yaml"
    file.write_text(GRID.format(encoder=encoder, folder=data.parent))

    def opened():
        grid = load_grid(file)
        plan = expand(grid, revision)
        run = open_run(file, grid, plan, tmp_path / "runs")
        return SimpleNamespace(run=run, plan=plan, runner=StageRunner(run, plan, torch.device("cpu"), "all"))

    return SimpleNamespace(data=data, encoder=encoder, file=file, open=opened)


def work(made) -> pd.DataFrame:
    for stage in made.plan.stages.values():
        made.runner.work(stage)
    return gather(made.run, made.plan)


@pytest.mark.parametrize("name", ["train-en.tsv", "test-sw.tsv"])
def test_data_that_change_after_planning_are_not_read(own, name):
    made = own.open()
    before = (own.data / name).read_bytes()
    (own.data / name).write_text(sentences(9, 3))
    with pytest.raises(
        InputError, match=rf"begun with other inputs: panx/{name} \(\w{{16}} then, \w{{16}} now\)"
    ):
        work(made)
    (own.data / name).write_bytes(before)
    assert set(work(made)["language"]) == {"en", "sw"}


@pytest.mark.parametrize("name", ["train-en.tsv", "test-sw.tsv"])
def test_data_that_change_before_the_run_is_opened_are_not_read_under_the_planned_id(own, name):
    made = own.open()
    made.run.inputs.unlink()  # as if the file had changed before the inputs were noted
    (own.data / name).write_text(sentences(9, 3))
    with pytest.raises(InputError, match=r"data changed after .* was planned"):
        work(made)


@pytest.mark.parametrize("name", ["train-en.tsv", "test-sw.tsv"])
def test_a_run_is_not_taken_up_with_a_changed_file_and_the_file_is_named(own, name):
    made = own.open()
    scores = work(made)
    before = (own.data / name).read_bytes()
    (own.data / name).write_text(sentences(9, 3))
    with pytest.raises(InputError, match=f"panx/{name} .*; .*|panx/{name} ") as refusal:
        own.open()
    assert "stages" not in str(refusal.value)
    (own.data / name).write_bytes(before)
    assert work(own.open()).equals(scores)


def test_text_that_languages_are_compared_by_is_the_same_before_and_after(own):
    """English is read by no stage: its labelled data are."""
    texts = own.data.parent / "mlm"
    texts.mkdir()
    for code, word in (("en", "tame"), ("sw", "lobe")):
        (texts / f"{code}.txt").write_text("".join(f"{word} {i}\n" for i in range(60)))
    own.file.write_text(own.file.read_text() + "methods: [adversarial(mean)]\nunlabelled: {task: mlm}\n")
    made = own.open()
    assert [request.language for stage in made.plan.stages.values() for request in stage.texts] == ["sw"]
    root, target = made.plan.stages.values()
    made.runner.work(root)
    (texts / "en.txt").write_text("others\n" * 60)
    for refused in (lambda: made.runner.work(target), own.open):
        with pytest.raises(InputError, match=r"begun with other inputs: mlm/en\.txt"):
            refused()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_encoder_that_changes_after_planning_is_not_loaded(own, name):
    made = own.open()
    (own.encoder / name).write_bytes((own.encoder / name).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"begun with other inputs: .*encoder/{name}"):
        work(made)
    with pytest.raises(InputError, match=f"begun with other inputs: .*encoder/{name}"):
        own.open()


def test_settings_of_a_tokenizer_are_part_of_it(own):
    """Casing and added tokens change what is read, whatever file they stand in."""
    (own.encoder / "tokenizer.json").unlink()
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Ab", "ab"]
    (own.encoder / "vocab.txt").write_text("\n".join(letters))
    config = json.loads((own.encoder / "config.json").read_text()) | {"model_type": "bert"}
    (own.encoder / "config.json").write_text(json.dumps(config))
    ids, fingerprints = [], []
    for lower in (True, False):
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower}
        (own.encoder / "tokenizer_config.json").write_text(json.dumps(settings))
        encoder = resolve_encoder(str(own.encoder))
        ids.append(load_tokenizer(encoder)("Ab")["input_ids"])
        fingerprints.append((encoder.fingerprint(), encoder.tokenizer_fingerprint()))
    assert ids == [[2, 6, 3], [2, 5, 3]]
    for name in ("special_tokens_map.json", "added_tokens.json"):
        (own.encoder / name).write_text('{"[NEW]": 5}')
        fingerprints.append((encoder.fingerprint(), encoder.tokenizer_fingerprint()))
    assert all(len(set(found)) == 4 for found in zip(*fingerprints, strict=True))


def test_versions_of_code_features_and_readers_are_in_every_id(own):
    made = own.open()
    stage = list(made.plan.stages.values())[-1]
    [evaluation] = made.plan.evaluations[stage.id].values()
    for spec in (stage, evaluation):
        ids = {spec.id, *(replace(spec, **{name: 99}).id for name in ("code", "features", "readers"))}
        assert len(ids) == 4


def test_a_run_of_another_version_is_refused_by_what_differs(own):
    made = own.open()
    made.run.inputs.write_text(json.dumps({"simxfer's features": "version 0"}))
    with pytest.raises(InputError, match=r"simxfer's features \(version 0 then, version \d+ now\)"):
        own.open()


def test_stages_and_scores_say_what_computed_them(own):
    made = own.open()
    work(made)
    [cell] = made.plan.cells
    folder = made.run.stage(cell.stage)
    done = json.loads(folder.done.read_text())["environment"]
    assert done["versions"]["torch"] == torch.__version__ and done["device"].startswith("cpu ")
    assert done["threads"] == torch.get_num_threads() and done["commit"]
    assert pd.read_parquet(folder.scores(cell.evaluation)).attrs["environment"] == done
    assert "environment" not in pd.read_parquet(made.run.results).attrs


def test_scores_of_another_environment_are_flagged(own):
    """The last stage of a run is trained, or only scored, after torch was updated."""
    made = own.open()
    assert not work(made)["flags"].str.contains("other-environment").any()
    [cell] = made.plan.cells
    folder = made.run.stage(cell.stage)
    versions = made.runner.environment["versions"]
    made.runner.environment = {**made.runner.environment, "versions": {**versions, "torch": "9.9"}}
    folder.scores(cell.evaluation).unlink()
    flag = f"other-environment=torch {torch.__version__} -> 9.9"
    assert work(made)["flags"].str.endswith(flag).all()
    folder.done.unlink()
    folder.scores(cell.evaluation).unlink()
    assert work(made)["flags"].str.count("other-environment").eq(1).all()


def test_a_run_that_goes_on_elsewhere_says_so(own, capsys):
    made = own.open()
    first = environment("cpu AVX2", 1)
    train._note(made.run, first)
    train._note(made.run, {**first, "commit": "another"})
    assert capsys.readouterr().err == "" and json.loads(made.run.environment.read_text()) == first
    train._note(made.run, {**first, "device": "cuda NVIDIA H100"})
    assert "another environment (device cpu AVX2 -> cuda NVIDIA H100)" in capsys.readouterr().err
    written = json.loads(made.run.environment.read_text())
    assert written["device"] == "cpu AVX2" and written["resumed"][0]["device"] == "cuda NVIDIA H100"


def test_what_makes_environments_differ():
    one = environment("cpu AVX2", 1)
    assert differences(one, one) == [] == differences(one, {**one, "commit": None, "cores": 99})
    assert differences(one, {**one, "threads": 2}) == ["threads 1 -> 2"]


def test_study_and_margin_are_declared_before_any_data(own):
    own.file.write_text(own.file.read_text() + "study: task-order\nmargin: 2\n")
    own.open()
    own.open()  # as it was
    before = own.file.read_text()
    for change, words in (
        ("margin: 3", "margin is 3.0 in the grid file, and was 2.0"),
        ("", "margin is 1.0"),
    ):
        own.file.write_text(before.replace("margin: 2", change))
        with pytest.raises(InputError, match=rf"{words}.*nothing was changed"):
            own.open()
    own.file.write_text(before.replace("study: task-order\n", ""))
    with pytest.raises(InputError, match="study is None in the grid file, and was task-order"):
        own.open()
