"""Text in several languages beside a task, through a run: Phang et al. 2020, section 3."""

import json

import torch
import yaml
from safetensors.torch import load_file
from trained import train

from simxfer.encoder.loading import load_encoder, load_masked_head
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.tasks import get_task

GRID = """\
name: text
encoders: [world/w0-s0]
data: {{folder: {folder}}}
blocks: [{{intermediates: ["w-nli+mlm@en,sw"], targets: [w-xnli]}}]
seeds: [0]
languages: [x-pivot]
test_examples: 8
overrides: {{"*": {{steps: 4, batch_size: 4, train_examples: 20, max_length: 32, stride: 8}}}}
"""


def test_text_in_several_languages_is_trained_beside_a_task(tmp_path):
    """Phang et al. 2020, section 3, through a run: native text files, a mixture, checkpoints that load again."""
    (tmp_path / "mlm").mkdir()
    for code in ("en", "sw"):
        (tmp_path / "mlm" / f"{code}.txt").write_text(
            "".join(f"{code} word {i} and more\n" for i in range(30))
        )
    trained = train(tmp_path, yaml.safe_load(GRID.format(folder=tmp_path)))
    [mixed] = [stage for stage in trained.plan.stages.values() if len(stage.data) == 2]
    folder = trained.run.stage(mixed.id)
    rows = [json.loads(line) for line in folder.log.read_text().splitlines()]
    assert rows[-1]["steps"] == 8 and all(0 < row["loss"] < 20 for row in rows)
    done = trained.done(mixed.id)["data"]
    assert [(row["task"], row["language"], row["examples"]) for row in done] == [
        ("mlm", "en", 10),
        ("mlm", "sw", 10),
        ("w-nli", "x-pivot", 20),
    ]
    again = trained.runner.checkpoints.load(mixed)
    kept = load_file(folder.heads)
    assert torch.equal(again.heads["mlm"].dense.weight, kept["mlm.dense.weight"])
    pretrained = TransferModel(load_encoder(resolve_encoder("world/w0-s0")))
    pretrained.add_head(get_task("mlm"), seed=0)
    load_masked_head(resolve_encoder("world/w0-s0"), pretrained.heads["mlm"])
    assert not torch.equal(kept["mlm.dense.weight"], pretrained.heads["mlm"].dense.weight)
