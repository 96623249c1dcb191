"""A stage of a run <-> its model, once its files are those that the done-marker vouches for."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import nn

from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.common.streams import stream_seed
from simxfer.encoder.loading import load_encoder, load_masked_head, load_weights, save_weights
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.plan import Plan, Stage
from simxfer.run.inputs import encoder_inputs, refuse_changed
from simxfer.schema.directory import CheckpointFiles, RunDirectory
from simxfer.tasks import get_task
from simxfer.training.methods import load_method
from simxfer.training.recipes import LAST, Hyperparameters


class DamagedCheckpoint(RuntimeError):
    """A checkpoint's files are not those that its done-marker vouches for; the marker was taken away."""


def is_trained(run: RunDirectory, stage: Stage) -> bool:
    """Tell whether a stage's checkpoint was made (its done-marker stands)."""
    return run.stage(stage.id).done.exists()


class Checkpoints:
    """Models of the stages of one run on one device; keeps the shapes of pretrained encoders between them."""

    def __init__(self, run: RunDirectory, plan: Plan, device: torch.device) -> None:
        self.run, self.plan, self.device = run, plan, device
        # Weights are mapped from their file and read when they are looked at: of these the embeddings never are.
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
        root, *trained = self.plan.path(stage.id)
        if not trained:
            return self.fresh(root)
        # What stands beside the encoder goes on top of the last stage that trained the encoder itself.
        whole = [one for one in trained if not load_method(one.method).beside][-1:]
        above = trained[trained.index(whole[0]) + 1 :] if whole else trained
        if whole:
            self._refuse_damaged(whole[0], self.run.stage(whole[0].id))
            model = TransferModel(_unfilled(self.shaped(*_origin(root))))
            load_weights(self.run.stage(whole[0].id).encoder, model.encoder)
        else:
            model = self.fresh(root)
        for one in above:
            self._refuse_damaged(one, self.run.stage(one.id))
            self.prepare(model, one)
            load_weights(self.run.stage(one.id).encoder, load_method(one.method).trained(model))
        for name in stage.tasks:
            self.add_head(model, stage, name)
        load_weights(self.run.stage(stage.id).heads, model.heads)
        return model.to(self.device).eval()

    def switch(self, model: TransferModel, stage: Stage, rule: str) -> None:
        """Give the model of a trained stage the weights of its last checkpoint, or of one kept under a name."""
        folder = self.run.stage(stage.id)
        files = folder if rule == LAST else folder.kept(rule)
        self._refuse_damaged(stage, files)
        load_checkpoint(files, stage, model)

    def prepare(self, model: TransferModel, stage: Stage) -> None:
        """Let a stage's method make a model ready; what it draws is the seed's, the task's and the phase's."""
        seed = stream_seed(stage.seed or 0, "+".join(stage.tasks), stage.phase, "beside")
        load_method(stage.method).prepare(model, seed)
        if stage.fused_with:
            self._take(self.plan.stages[stage.fused_with], model.beside.adapters[model.beside.top])

    @contextmanager
    def over(self, model: TransferModel, language: str) -> Iterator[None]:
        """Put the adapter of a language, which the stage of this id has trained, beneath a model for a while."""
        lowest = next(iter(model.beside.adapters.values()))
        before = {name: value.clone() for name, value in lowest.state_dict().items()}
        self._take(self.plan.stages[language], lowest)
        try:
            yield
        finally:
            lowest.load_state_dict(before)

    def _take(self, stage: Stage, adapter: nn.Module) -> None:
        """Give an adapter the weights of the one that another stage has trained."""
        self._refuse_damaged(stage, self.run.stage(stage.id))
        load_weights(self.run.stage(stage.id).encoder, adapter)

    def _refuse_damaged(self, stage: Stage, files: CheckpointFiles) -> None:
        folder = self.run.stage(stage.id)
        expected = json.loads(folder.done.read_text())["files"]
        for path in (files.encoder, files.heads):
            if not path.exists() or sha256(path) != expected[str(path.relative_to(folder.root))]:
                folder.done.unlink()
                raise DamagedCheckpoint(f"{path} is missing or damaged; its stage is trained anew")

    def add_head(self, model: TransferModel, stage: Stage, name: str) -> None:
        """Give a model the new head of one of a stage's tasks; text gets the checkpoint's own, if it has one."""
        seed = stream_seed(stage.seed or 0, name, stage.phase, "head")
        values = Hyperparameters(**stage.hyperparameters[stage.tasks.index(name)])
        model.add_head(get_task(name), seed, input_dropout=values.head_input_dropout)
        if get_task(name).kind == "mlm":
            load_masked_head(resolve_encoder(stage.encoder), model.heads[name])


def save_checkpoint(files: CheckpointFiles, stage: Stage, model: TransferModel) -> None:
    """Write what a stage trained: what its method stores, and the heads."""
    save_weights(files.encoder, load_method(stage.method).trained(model))
    save_weights(files.heads, model.heads)


def load_checkpoint(files: CheckpointFiles, stage: Stage, model: TransferModel) -> None:
    """Give a model of a stage the weights that `save_checkpoint` wrote."""
    load_weights(files.encoder, load_method(stage.method).trained(model))
    load_weights(files.heads, model.heads)


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
