"""Targets that are trained on several tasks one after the other, and what the receipts of stages say of updates."""

import pytest
import torch
import yaml
from safetensors.torch import load_file
from trained import train

from simxfer.run.log import read_log

GRID = """\
name: turns
encoders: [{checkpoint}]
blocks: [{{intermediates: [none, w-nli+w-roles], targets: [w-xnli]}}]
seeds: [0]
languages: [x-pivot, x-sov]
test_examples: 20
data: {{tasks: {{w-xnli: {{trains_on: [w-nli, w-xnli]}}}}}}
overrides:
  '*': {{epochs: 2, batch_size: 4, train_examples: 40, learning_rate: 0.001}}
  w-xnli: {{in_turn: true, head_input_dropout: false}}
  w-roles: {{epochs: 1, batch_size: 8}}
"""


@pytest.fixture(scope="module")
def turns(tmp_path_factory, checkpoint):
    return train(tmp_path_factory.mktemp("turns"), yaml.safe_load(GRID.format(checkpoint=checkpoint)))


def test_each_turn_has_its_data_and_its_own_schedule(turns):
    for cell in turns.plan.cells:
        *_, first, last = turns.plan.path(cell.stage)
        receipts = [turns.done(stage.id) for stage in (first, last)]
        assert [[row["from"] for row in r["data"]] for r in receipts] == [["w-nli"], ["w-xnli"]]
        assert [r["steps"] for r in receipts] == [20, 20]
        log = [row for row in read_log(turns.run.stage(last.id).log) if "steps" in row]
        assert log[-1]["learning_rate"] == pytest.approx(
            0.001 / (21 - 2.1)
        )  # 10 % warm-up of 20 steps, the last one
    assert len(turns.results) == 2 * 2


def test_the_head_goes_on_and_drops_out_no_input(turns, monkeypatch):
    """Untrained, the second turn's head is the first one's, to the bit."""
    *_, first, last = turns.plan.path(turns.plan.cells[0].stage)
    before = load_file(turns.run.stage(first.id).heads)
    found: dict = {}
    monkeypatch.setattr("simxfer.run.stages.fit", lambda model, *_: found.update(model=model) or 0)
    turns.runner._train(last, turns.run.stage(last.id))
    head = found["model"].heads["w-xnli"]
    assert all(torch.equal(before[f"w-xnli.{name}"], value) for name, value in head.state_dict().items())
    assert (head.input_dropout.p, head.dropout.p) == (0.0, found["model"].config.hidden_dropout_prob)
    assert head.dropout.p > 0


def test_receipts_say_the_updates_and_epochs_of_every_task(turns):
    [mixed] = [stage for stage in turns.plan.stages.values() if len(stage.data) == 2]
    rows = {row["task"]: row for row in turns.done(mixed.id)["updates"]}
    assert sum(row["updates"] for row in rows.values()) == turns.done(mixed.id)["steps"] == 25
    for name, batch in (("w-nli", 4), ("w-roles", 8)):
        assert rows[name]["units"] == 40
        assert rows[name]["epochs"] == pytest.approx(rows[name]["updates"] * batch / 40)
    assert [(each.task, each.updates) for each in mixed.expected] == [("w-nli", 20), ("w-roles", 5)]
    last = turns.plan.cells[0].stage
    assert turns.done(last)["updates"] == [{"task": "w-xnli", "units": 40, "updates": 20, "epochs": 2.0}]
