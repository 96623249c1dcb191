"""A stage of a run <-> its model, once its files are those that the done-marker vouches for."""

import copy
import json
from functools import lru_cache

import torch
from torch import nn

from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.common.streams import stream_seed
from simxfer.encoder.loading import load_encoder, load_masked_head, load_weights
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.plan import PRETRAINED, Plan, Stage
from simxfer.run.inputs import encoder_inputs, refuse_changed
from simxfer.schema.directory import RunDirectory
from simxfer.tasks import get_task
from simxfer.training.recipes import Hyperparameters


class DamagedCheckpoint(RuntimeError):
    """A checkpoint's files are not those that its done-marker vouches for; the marker was taken away."""


def is_trained(run: RunDirectory, stage: Stage) -> bool:
    """Tell whether a stage's checkpoint was made (its done-marker stands)."""
    return run.stage(stage.id).done.exists()


class Checkpoints:
    """Models of the stages of one run on one device; keeps the shapes of pretrained encoders between them."""

    def __init__(self, run: RunDirectory, plan: Plan, device: torch.device) -> None:
        self.run, self.plan, self.device = run, plan, device
        # Weights are mapped from their file and read when they are looked at: of these they never are.
        self.shaped = lru_cache(maxsize=4)(self._pretrained)

    def _pretrained(self, name: str, seed: int | None, fingerprint: str) -> nn.Module:
        encoder = resolve_encoder(name)
        if encoder.fingerprint() != fingerprint:
            refuse_changed(self.run, encoder_inputs(encoder))
            raise InputError(f"encoder {name} changed after it was planned; run the same command again")
        return load_encoder(encoder, seed)

    def fresh(self, stage: Stage) -> TransferModel:
        """Return the pretrained (or random) encoder without heads, loaded anew: faster than a copy, and half of it."""
        return TransferModel(self._pretrained(*_origin(stage))).to(self.device).eval()

    def load(self, stage: Stage) -> TransferModel:
        """Return the model of a trained stage, on the device, after checking its files against the done-marker."""
        root = self.plan.path(stage.id)[0]
        if stage.phase == PRETRAINED:
            return self.fresh(root)
        folder = self.run.stage(stage.id)
        for name, expected in json.loads(folder.done.read_text())["files"].items():
            path = folder.root / name
            if not path.exists() or sha256(path) != expected:
                folder.done.unlink()
                raise DamagedCheckpoint(f"{path} is missing or damaged; its stage is trained anew")
        model = TransferModel(_unfilled(self.shaped(*_origin(root))))
        load_weights(folder.encoder, model.encoder)
        for name in stage.tasks:
            self.add_head(model, stage, name)
        load_weights(folder.heads, model.heads)
        return model.to(self.device).eval()

    def add_head(self, model: TransferModel, stage: Stage, name: str) -> None:
        """Give a model the new head of one of a stage's tasks; text gets the checkpoint's own, if it has one."""
        seed = stream_seed(stage.seed or 0, name, stage.phase, "head")
        values = Hyperparameters(**stage.hyperparameters[stage.tasks.index(name)])
        model.add_head(get_task(name), seed, input_dropout=values.head_input_dropout)
        if get_task(name).kind == "mlm":
            load_masked_head(resolve_encoder(stage.encoder), model.heads[name])


def _origin(stage: Stage) -> tuple[str, int | None, str]:
    """Return name, seed (of a random one) and fingerprint of a stage's pretrained encoder."""
    seed = stage.seed if stage.fingerprint.startswith("random:") else None
    return stage.encoder, seed, stage.fingerprint.removeprefix("random:")


def _unfilled(module: nn.Module) -> nn.Module:
    """Return a copy of a module with memory for its weights and without their values: a checkpoint has them all.

    What no checkpoint holds (buffers that are not saved) is copied.
    """
    # A deep copy takes what its memo names as copied already.
    memo: dict[int, torch.Tensor] = {}
    for weight in module.state_dict(keep_vars=True).values():
        empty = torch.empty_like(weight)
        memo[id(weight)] = nn.Parameter(empty) if isinstance(weight, nn.Parameter) else empty
    return copy.deepcopy(module, memo)
