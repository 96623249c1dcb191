"""LAReQA and BUCC through the stages of a run, on real files with a tiny random encoder."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from simxfer.encoder.loading import load_weights
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.run.fisher import embedded_stages
from simxfer.run.opening import open_run
from simxfer.run.representations import _labelled_stages
from simxfer.run.stages import StageRunner
from simxfer.sources import revision

GRID = """\
name: small
encoders: [{checkpoint}]
data:
  folder: {folder}
  tasks:
    lareqa: {{train: dev}}
    bucc2018: {{test: dev}}
blocks:
  - {{intermediates: [none, w-roles], targets: [lareqa]}}
  - {{intermediates: [none], targets: [bucc2018]}}
seeds: [0]
languages: [en, zh]
retrieval: {{layer: 1, scoring: margin}}
overrides:
  '*': {{steps: 3, batch_size: 4, train_examples: 40, max_length: 48}}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, checkpoint, shared):
    folder = tmp_path_factory.mktemp("retrieval")
    file = folder / "grid.yaml"
    file.write_text(GRID.format(checkpoint=checkpoint, folder=shared / "pack"))
    grid = parse_grid(file.read_text())
    plan = expand(grid, revision)
    run = open_run(file, grid, plan, folder / "runs")
    made = SimpleNamespace(grid=grid, plan=plan, run=run)
    made.runner = StageRunner(run, plan, torch.device("cpu"), "all")
    for stage in plan.stages.values():
        made.runner.work(stage)
    return made


def scores(made, target: str) -> pd.DataFrame:
    cells = {(cell.stage, cell.evaluation) for cell in made.plan.cells if cell.target == target}
    return pd.concat([pd.read_parquet(made.run.stage(s).scores(e)) for s, e in sorted(cells)])


def test_a_bi_encoder_is_trained_on_squad_and_ranks_all_languages(finished):
    found = scores(finished, "lareqa")
    assert sorted(found["language"]) == ["en", "en", "zh", "zh"]
    assert set(found["metric"]) == {"map_at_20"} and found["value"].between(0, 100).all()
    assert set(found["n_examples"]) == {322}
    assert found["flags"].str.contains("pool-of-2-of-11-languages").all()
    stage = next(s for s in finished.plan.stages.values() if s.tasks == ("lareqa",))
    receipt = json.loads(finished.run.stage(stage.id).done.read_text())["data"]
    assert [(row["task"], row["rows"]) for row in receipt] == [("lareqa", 80)]  # 40 questions, 40 sentences
    model = finished.runner.checkpoints.load(stage)
    assert list(model.heads) == []
    load_weights(finished.run.stage(stage.id).heads, model.heads)


def test_mining_without_other_data_says_so(finished):
    [row] = scores(finished, "bucc2018").to_dict("records")
    assert (row["language"], row["metric"], row["n_examples"]) == ("zh", "mining_f1", 8624)
    assert "threshold-tuned-on-reported-data" in row["flags"]


def test_what_a_pair_alone_cannot_tell_is_not_asked_for(finished):
    assert embedded_stages(finished.plan)[str(finished.grid.encoders[0])].keys() == {"intermediate/w-roles"}
    assert _labelled_stages(finished.run, finished.plan) == {}
