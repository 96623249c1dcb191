"""Where the encoder of a stage places several languages: states of text that no adversary has read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from simxfer.common.atomic import write_file
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import select_rows
from simxfer.grid.plan import Plan, Stage
from simxfer.run.stage_data import StageData
from simxfer.scoring.predict import embed
from simxfer.tasks.plain_text import TEXT

TEXTS = 200
"""Of a language, at most; all stages are looked at with the same ones."""
MAX_LENGTH = 128
POOLINGS = ("mean", "first")


def write_states(path: Path, model: TransferModel, data: StageData, plan: Plan, stage: Stage) -> list[Path]:
    """Write where the plan's compared text stands; return what was written: nothing where no languages are compared.

    `LANGUAGE/POOLING` are the states (texts, hidden), `LANGUAGE/seen` (texts,) says which texts the path was trained
    on: with their labels, or by an adapter of a language.
    """
    if not plan.compared:
        return []
    seen = data.seen(stage)
    positions, pad = resolve_encoder(stage.encoder).positions, data.tokenizer(stage.encoder).pad_token_id
    longest = min(MAX_LENGTH, positions or MAX_LENGTH)
    states: dict[str, np.ndarray] = {}
    for request in plan.compared:
        dataset = data.dataset(replace(request, world=stage.world), TEXT, stage.encoder, longest, 0)
        rows = np.arange(min(TEXTS, dataset.features.n_rows))
        features = select_rows(dataset.features, rows)
        states[f"{request.language}/seen"] = dataset.gold["digest"].iloc[rows].isin(seen).to_numpy(bool)
        for pooling in POOLINGS:
            states[f"{request.language}/{pooling}"] = embed(model, features, pad, -1, pooling)
    write_file(path, lambda temporary: save_file(states, temporary))
    return [path]
