"""An encoder with LoRA merged: a plain folder, the same states."""

import json

import pytest
import torch
from trained import Trained, train
from transformers import AutoModel

from simxfer.common.errors import InputError
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.run.checkpoints import Checkpoints
from simxfer.run.merging import write_merged

GRID = {
    "name": "merged",
    "languages": ["x-pivot"],
    "seeds": [0],
    "test_examples": 4,
    "methods": ["lora", "adapter"],
    "overrides": {"*": {"steps": 6, "batch_size": 4, "train_examples": 12, "learning_rate": 0.05}},
    "blocks": [{"intermediates": ["w-nli"], "targets": ["w-xnli"]}],
}
BATCH = {
    "ids": torch.tensor([[0, 7, 8, 9, 2], [0, 30, 2, 1, 1]]),
    "mask": torch.tensor([[1] * 5, [1] * 3 + [0] * 2]),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("merged"), GRID | {"encoders": [str(checkpoint)]})


def states(encoder) -> torch.Tensor:
    with torch.no_grad():
        found = encoder.eval()(input_ids=BATCH["ids"], attention_mask=BATCH["mask"]).last_hidden_state
    return found[BATCH["mask"] == 1]


def test_the_merged_encoder_says_what_the_stage_says_and_can_be_trained_on(run, checkpoint, tmp_path):
    stage = run.plan.stages[run.cell(method="lora(r=8,alpha=16)").stage]
    write_merged(run.run.root, stage.id, tmp_path / "merged")
    plain = AutoModel.from_pretrained(tmp_path / "merged", add_pooling_layer=False)
    assert not [name for name, _ in plain.named_parameters() if "lora" in name]
    trained = states(Checkpoints(run.run, run.plan, torch.device("cpu")).load(stage).encoder)
    assert (states(plain) - trained).abs().max() < 1e-5
    before = states(AutoModel.from_pretrained(checkpoint, add_pooling_layer=False))
    assert (trained - before).abs().max() > 1e-3
    assert resolve_encoder(str(tmp_path / "merged")).tokenizer_fingerprint()
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["model_type"] == "xlm-roberta"


def test_what_cannot_be_merged_is_refused(run, tmp_path):
    adapter = run.cell(method="adapter(pfeiffer,r=16)").stage
    with pytest.raises(InputError, match="cannot be merged"):
        write_merged(run.run.root, adapter, tmp_path / "merged")
    with pytest.raises(InputError, match=f"Did you mean '{adapter}'"):
        write_merged(run.run.root, adapter[:-1], tmp_path / "merged")
    with pytest.raises(InputError, match="is no run directory"):
        write_merged(tmp_path, adapter, tmp_path / "merged")
