"""Where the encoder of a stage places several languages: states of text that no adversary has read."""

import json
from dataclasses import replace

import numpy as np
from safetensors.numpy import save_file

from simxfer.common.atomic import write_file, write_json
from simxfer.common.identity import sha256
from simxfer.encoder.dataset import as_digests, repeated
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import select_rows
from simxfer.grid.plan import PRETRAINED, Plan, Stage
from simxfer.run.inputs import data_inputs, refuse_changed
from simxfer.run.stage_data import StageData
from simxfer.schema.directory import RunDirectory
from simxfer.scoring.predict import embed
from simxfer.tasks.plain_text import TEXT

TEXTS = 200
"""Of a language, at most; all stages are looked at with the same ones."""
MAX_LENGTH = 128
POOLINGS = ("mean", "first")


def lacks_states(run: RunDirectory, plan: Plan, stage: Stage) -> bool:
    """Tell whether a trained stage has not looked at the plan's compared text yet, and still can.

    A grid may name its text after a stage was trained; of a target whose checkpoint was not kept it is too late.
    """
    if not plan.compared:
        return False
    folder = run.stage(stage.id)
    known = json.loads(folder.done.read_text())["files"]
    return folder.languages(plan.compared_as).name not in known and (
        stage.phase == PRETRAINED or folder.encoder.exists()
    )


def write_states(run: RunDirectory, model: TransferModel, data: StageData, plan: Plan, stage: Stage) -> None:
    """Write where a trained stage places the plan's compared text; its done-marker vouches for the file from then on.

    `LANGUAGE/POOLING` are the states (texts, hidden), `LANGUAGE/seen` (texts,) says which texts the path was trained
    on: with their labels, or by an adapter of a language.
    """
    seen = data.seen(stage.id)
    positions, pad = resolve_encoder(stage.encoder).positions, data.tokenizer(stage.encoder).pad_token_id
    longest = min(MAX_LENGTH, positions or MAX_LENGTH)
    states: dict[str, np.ndarray] = {}
    for request in plan.compared:
        # No stage's id says what it is: text that changed in between would be another one after than before.
        refuse_changed(run, data_inputs(request))
        dataset = data.dataset(replace(request, world=stage.world), TEXT, stage.encoder, longest, 0)
        rows = np.arange(min(TEXTS, dataset.features.n_rows))
        features = select_rows(dataset.features, rows)
        digests = as_digests(dataset.gold["digest"].iloc[rows])
        states[f"{request.language}/seen"] = repeated(digests, seen)
        for pooling in POOLINGS:
            states[f"{request.language}/{pooling}"] = embed(model, features, pad, -1, pooling)
    folder = run.stage(stage.id)
    path = folder.languages(plan.compared_as)
    write_file(path, lambda temporary: save_file(states, temporary))
    done = json.loads(folder.done.read_text())
    write_json(folder.done, done | {"files": done["files"] | {path.name: sha256(path)}})
