"""States below the layers that a stage trains: computed once for all stages of a run that share them, then read.

Where every stage from the pretrained encoder on leaves its embeddings and lowest layers as they are (`full(freeze=K)`),
what these give for an example is the same in all of them: in training, where they run without dropout, and in every
evaluation. It is kept in files by what decides it and mapped into memory: (tokens, hidden), float32.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from simxfer.common.atomic import write_file
from simxfer.common.identity import CODE_VERSION, content_id, hash_of_bytes
from simxfer.encoder.batching import token_places
from simxfer.encoder.dataset import Dataset
from simxfer.encoder.lower import ending_below
from simxfer.encoder.network import TransferModel
from simxfer.encoder.ragged import Features, with_lower
from simxfer.grid.plan import PRETRAINED, Plan, Stage
from simxfer.schema.directory import RunDirectory
from simxfer.scoring.predict import batches, encoder_numerics
from simxfer.training.methods import load_method

BYTES = 16 * 2**30
"""Of all files of a run together: what does not fit is computed where it is needed."""


class FrozenStates:
    """The files of a run, and the data that are read with them."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        self.folder, self.plan = run.frozen_states, plan
        self._suited: dict[tuple[str, int], bool] = {}

    def layers(self, stage: Stage) -> int:
        """Return how many of the lowest layers are the pretrained encoder's in a stage and all on its path."""
        trained = [one for one in self.plan.path(stage.id) if one.phase != PRETRAINED]
        return min((load_method(one.method).untouched for one in trained), default=0)

    def below(self, model: TransferModel, stage: Stage, features: Features, pad: int) -> Features:
        """Return data with the states that the layers below those that are trained give; as they are if none do.

        Args:
            model: of the stage, or of one on its path.
            stage: what is trained or scored.
            features: what is read, not masked.
            pad: id of the padding subword.
        """
        layers, root = self.layers(stage), self.plan.path(stage.id)[0]
        if not layers:
            return features
        key = {
            "encoder": [root.fingerprint, root.seed],
            "layers": layers,
            "numerics": stage.numerics,
            "features": hash_of_bytes(
                *(a.tobytes() for a in (features.ids, features.starts, features.segments))
            ),
            "version": CODE_VERSION,
        }
        path = self.folder / f"{content_id(key)}.npy"
        with torch.inference_mode(), encoder_numerics(model, stage.numerics):
            if not self._suits(model, root.fingerprint, layers, features, pad):
                return features
            if not path.exists():
                size = 4 * len(features.ids) * model.config.hidden_size
                if size + sum(file.stat().st_size for file in self.folder.glob("*.npy")) > BYTES:
                    return features
                write_file(path, lambda temporary: _write(temporary, model, features, layers, pad))
        return with_lower(features, np.load(path, mmap_mode="r"), layers)

    def dataset(self, model: TransferModel, stage: Stage, dataset: Dataset, pad: int) -> Dataset:
        """Return a data set with its features as `below` gives them."""
        return replace(dataset, features=self.below(model, stage, dataset.features, pad))

    def _suits(
        self, model: TransferModel, fingerprint: str, layers: int, features: Features, pad: int
    ) -> bool:
        """Tell whether the encoder goes on from such states, tried once."""
        if (fingerprint, layers) not in self._suited:
            _, batch = next(batches(model, features, pad))
            self._suited[fingerprint, layers] = model.starts_above(layers, batch)
        return self._suited[fingerprint, layers]


def _write(path: Path, model: TransferModel, features: Features, layers: int, pad: int) -> None:
    shape = len(features.ids), model.config.hidden_size
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    with ending_below(model.encoder, layers):
        for units, batch in batches(model, features, pad):
            states = model.states(batch, layers)
            index, inside = token_places(features, units)
            out[index[inside]] = states.float().cpu().numpy()[inside]
    out.flush()
