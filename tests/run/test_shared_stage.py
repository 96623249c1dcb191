"""XQuAD and MLQA learn SQuAD in one stage; what seeds do not decide is stored once; a target can come later."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from simxfer.encoder.loading import load_weights
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import TARGET
from simxfer.run.inputs import data_inputs
from simxfer.run.opening import open_run
from simxfer.run.progress import status
from simxfer.run.representations import write_samples
from simxfer.run.results import gather
from simxfer.run.stages import StageRunner
from simxfer.sources import revision
from simxfer.sources.request import HELD_OUT, KEPT, DataRequest

GRID = """\
name: small
encoders: [{checkpoint}]
data: {{folder: {folder}}}
blocks:
  - {{intermediates: [none], targets: [{targets}]}}
seeds: [0, 1]
languages: [en, de]
overrides: {{'*': {{steps: 2, batch_size: 4}}}}
"""
FILES = {
    "squad_v1/train-v1.1.json": 12,
    "xquad/xquad.en.json": 4,
    "xquad/xquad.de.json": 4,
    "mlqa/test/test-context-en-question-en.json": 5,
    "mlqa/test/test-context-de-question-de.json": 5,
}


def questions(path: Path, n: int) -> None:
    """Write n questions in SQuAD's format, with ids and contexts of their own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    paragraphs = []
    for i in range(n):
        context = f"In {path.stem} the {i} th river runs past town number {i} ."
        answer = {"text": f"town number {i}", "answer_start": context.index("town")}
        asked = {"id": f"{path.stem}-{i}", "question": f"Where does river {i} run ?", "answers": [answer]}
        paragraphs.append({"context": context, "qas": [asked]})
    data = {"version": "1.1", "data": [{"title": path.stem, "paragraphs": paragraphs}]}
    path.write_text(json.dumps(data))


def work(folder: Path, checkpoint: Path, targets: str, native: str = "native") -> SimpleNamespace:
    file = folder / "grid.yaml"
    file.write_text(GRID.format(checkpoint=checkpoint, folder=folder / native, targets=targets))
    grid = parse_grid(file.read_text())
    plan = expand(grid, revision)
    run = open_run(file, grid, plan, folder / "runs")
    made = SimpleNamespace(grid=grid, plan=plan, run=run, before=status(run, plan))
    made.runner = StageRunner(run, plan, torch.device("cpu"), "all")
    for stage in plan.stages.values():
        made.runner.work(stage)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory, checkpoint):
    folder = tmp_path_factory.mktemp("shared")
    for name, n in FILES.items():
        questions(folder / "native" / name, n)
    alone = work(folder, checkpoint, "xquad")
    alone.results = gather(alone.run, alone.plan)
    both = work(folder, checkpoint, "xquad, mlqa")
    both.folder, both.alone = folder, alone
    return both


def test_a_target_that_comes_later_is_scored_with_the_stage_that_is_there(made):
    assert made.before.trained == made.before.stages == 3, (
        "a root and a stage a seed: nothing is left to train"
    )
    assert made.before.evaluated == 2 and made.before.evaluations == 4
    results = gather(made.run, made.plan)
    assert results.groupby("target").size().to_dict() == {"xquad": 8, "mlqa": 8}
    assert results.groupby("seed")["stage"].nunique().tolist() == [1, 1]
    assert results["stage"].nunique() == 2
    only = results[results["target"] == "xquad"].reset_index(drop=True)
    pd.testing.assert_frame_equal(only, made.alone.results)
    assert set(results[results["target"] == "mlqa"]["metric"]) == {"mlqa_f1", "mlqa_exact_match"}


def test_the_head_is_that_of_the_task_that_is_learned(made):
    for stage in made.plan.stages.values():
        if stage.phase == TARGET:
            model = made.runner.checkpoints.load(stage)
            assert list(model.heads) == ["squad_v1"]
            read = model.known_as("squad_v1", "mlqa")
            assert list(read.heads) == ["mlqa"] and read.heads["mlqa"] is model.heads["squad_v1"]
            assert read.encoder is model.encoder and list(model.heads) == ["squad_v1"]
            load_weights(made.run.stage(stage.id).heads, model.heads)


def test_what_seeds_do_not_decide_is_stored_once(made):
    stored = [path.name.rpartition("-")[0] for path in made.run.features.glob("*.safetensors")]
    assert sorted(stored) == ["mlqa-de", "mlqa-en", "squad_v1-en", "xquad-de", "xquad-en"]


def test_a_part_of_a_split_is_read_from_the_files_of_all_of_it(made):
    asked = DataRequest("squad_v1", "train", "en", folder=str(made.folder / "native"))
    for part in (KEPT, HELD_OUT):
        found = replace(asked, split=f"train{part}")
        assert found.whole == asked and revision(found) == revision(asked)
        assert data_inputs(found) == data_inputs(asked)
        assert data_inputs(found).keys() == {"squad_v1/train-v1.1.json"}


def test_samples_are_named_by_the_targets(made):
    write_samples(made.run, made.grid, made.plan)
    found = pd.read_parquet(made.run.samples)
    parts = found.groupby(["task", "split", "language"]).size().to_dict()
    assert parts[("xquad", "train", "en")] == parts[("mlqa", "train", "en")] == 12
    assert parts[("mlqa", "test", "de")] == 5 and ("squad_v1", "train", "en") not in parts


def test_moved_data_are_the_same_and_changed_data_are_named(made, checkpoint, capsys):
    (made.folder / "native").rename(made.folder / "moved")
    again = work(made.folder, checkpoint, "xquad, mlqa", "moved")
    assert again.before.complete and "new" not in capsys.readouterr().out
    questions(made.folder / "moved" / "xquad" / "xquad.de.json", 3)
    with pytest.raises(ValueError, match=r"begun with other inputs: xquad/xquad.de.json \("):
        work(made.folder, checkpoint, "xquad, mlqa", "moved")
    questions(made.folder / "moved" / "xquad" / "xquad.de.json", 4)
    questions(made.folder / "moved" / "squad_v1" / "train-v1.1.json", 11)
    with pytest.raises(ValueError, match=r"other inputs: squad_v1/train-v1.1.json \("):
        work(made.folder, checkpoint, "xquad, mlqa", "moved")
