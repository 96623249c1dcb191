"""One stage, from its parent's checkpoint to its own checkpoint and scores. Every step of it can be taken up."""

import copy
import json
import time
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch

from simxfer.encoders import Encoder, resolve_encoder
from simxfer.errors import StageFailed
from simxfer.evaluate import evaluate
from simxfer.features import Dataset, load_dataset
from simxfer.model import TransferModel, load_encoder, load_tokenizer, load_weights, save_weights
from simxfer.plan import PRETRAINED, Evaluation, Plan, Stage
from simxfer.ragged import join_features
from simxfer.recipes import Hyperparameters
from simxfer.sources import DataRequest
from simxfer.store.atomic import sha256, write_json, write_table
from simxfer.store.layout import RunDirectory, StageDirectory
from simxfer.streams import stream_seed
from simxfer.tasks import get_task
from simxfer.train import Settings, TrainingTask, fit


class DamagedCheckpoint(RuntimeError):
    """A checkpoint's files are not those that its done-marker vouches for; the marker was taken away."""


def is_trained(run: RunDirectory, stage: Stage) -> bool:
    """Tell whether a stage's checkpoint was made (its done-marker stands)."""
    return run.stage(stage.id).done.exists()


def pending_evaluations(run: RunDirectory, plan: Plan, stage: Stage) -> list[Evaluation]:
    """Return the evaluations of a stage whose scores are not there yet."""
    folder = run.stage(stage.id)
    return [e for e in plan.evaluations.get(stage.id, {}).values() if not folder.scores(e.id).exists()]


def is_complete(run: RunDirectory, plan: Plan, stage: Stage) -> bool:
    """Tell whether nothing is left to do for a stage."""
    return is_trained(run, stage) and not pending_evaluations(run, plan, stage)


class StageRunner:
    """Trains and evaluates stages of one run on one device; keeps tokenizers and encoders between them."""

    def __init__(self, run: RunDirectory, plan: Plan, device: torch.device, keep_checkpoints: str) -> None:
        self.run, self.plan, self.device = run, plan, device
        self.keep_checkpoints = keep_checkpoints
        self.tokenizer = cache(lambda name: load_tokenizer(resolve_encoder(name)))
        self.base = lru_cache(maxsize=4)(lambda name, seed: load_encoder(resolve_encoder(name), seed))
        self.dataset = lru_cache(maxsize=512)(self._dataset)

    def work(self, stage: Stage) -> None:
        """Do what is left to do for a stage whose parent is trained.

        Raises:
            StageFailed: training diverged; the reason stands in the stage's folder.
        """
        folder = self.run.stage(stage.id)
        model = None
        if not is_trained(self.run, stage):
            try:
                model = self._train(stage, folder)
            except StageFailed as error:
                write_json(folder.failed, {"stage": stage.title, "reason": str(error)})
                raise
        pending = pending_evaluations(self.run, self.plan, stage)
        if pending:
            model = model or self.load(stage)
            for evaluation in pending:
                self._evaluate(model, stage, evaluation, folder)
        if stage.phase == "target" and self.keep_checkpoints == "intermediates":
            for path in (folder.encoder, folder.heads):
                path.unlink(missing_ok=True)

    def _train(self, stage: Stage, folder: StageDirectory) -> TransferModel:
        started = time.monotonic()
        write_json(folder.spec, self._spec(stage))
        if stage.phase == PRETRAINED:
            model = self._fresh(stage)
            write_json(folder.done, {"stage": stage.id, "steps": 0, "files": {}})
            return model
        model = self.load(self.plan.stages[stage.parent or ""])
        for name in list(model.heads):
            if stage.head == "new" or name not in stage.tasks:
                del model.heads[name]
        for name in stage.tasks:
            if name not in model.heads:
                model.add_head(get_task(name), stream_seed(stage.seed or 0, name, stage.phase, "head"))
        model.to(self.device)
        folder.log.unlink(missing_ok=True)
        steps = fit(model, self.training_tasks(stage), self._settings(stage), _logger(folder), folder.state)
        save_weights(folder.encoder, model.encoder)
        save_weights(folder.heads, model.heads)
        folder.state.unlink(missing_ok=True)
        files = {path.name: sha256(path) for path in (folder.encoder, folder.heads)}
        seconds = round(time.monotonic() - started, 3)
        write_json(folder.done, {"stage": stage.id, "steps": steps, "seconds": seconds, "files": files})
        return model

    def _spec(self, stage: Stage) -> dict[str, Any]:
        return next(entry for entry in self.plan.as_dict()["stages"] if entry["id"] == stage.id)

    def _fresh(self, stage: Stage) -> TransferModel:
        """Return the pretrained (or random) encoder without heads."""
        encoder = copy.deepcopy(
            self.base(stage.encoder, stage.seed if stage.fingerprint.startswith("random:") else None)
        )
        return TransferModel(encoder).to(self.device).eval()

    def load(self, stage: Stage) -> TransferModel:
        """Return the model of a trained stage, on the device, after checking its files against the done-marker."""
        model = self._fresh(self.plan.path(stage.id)[0])
        if stage.phase == PRETRAINED:
            return model
        folder = self.run.stage(stage.id)
        for name, expected in json.loads(folder.done.read_text())["files"].items():
            path = folder.root / name
            if not path.exists() or sha256(path) != expected:
                folder.done.unlink()
                raise DamagedCheckpoint(f"{path} is missing or damaged; its stage is trained anew")
        load_weights(folder.encoder, model.encoder)
        for name in stage.tasks:
            model.add_head(get_task(name), seed=0)
        load_weights(folder.heads, model.heads)
        return model.to(self.device).eval()

    def training_tasks(self, stage: Stage) -> list[TrainingTask]:
        """Return what a stage is trained on, a mixture's tasks one by one."""
        tasks = []
        for data, values in zip(stage.data, stage.hyperparameters, strict=True):
            parts = [
                self._training_data(stage, data.task, code, Hyperparameters(**values))
                for code in data.languages or get_task(data.task).train_languages[:1]
            ]
            tasks.append(
                TrainingTask(
                    task=get_task(data.task),
                    features=join_features([part.features for part in parts]),
                    values=Hyperparameters(**values),
                )
            )
        return tasks

    def _training_data(self, stage: Stage, task: str, language: str, values: Hyperparameters) -> Dataset:
        request = DataRequest(task, "train", language, stage.world, stage.seed or 0, values.train_examples)
        return self.dataset(request, stage.encoder, values.max_length, values.stride)

    def _dataset(self, request: DataRequest, encoder: str, max_length: int, stride: int) -> Dataset:
        found: Encoder = resolve_encoder(encoder)
        return load_dataset(
            request,
            self.tokenizer(encoder),
            found.tokenizer_fingerprint(),
            max_length,
            stride,
            self.run.features,
        )

    def _settings(self, stage: Stage) -> Settings:
        tokenizer = self.tokenizer(stage.encoder)
        return Settings(
            seed=stage.seed or 0,
            phase=stage.phase,
            method=stage.method,
            numerics=stage.numerics,
            mixture_temperature=stage.mixture_temperature,
            pad=tokenizer.pad_token_id,
            mask=tokenizer.mask_token_id,
        )

    def _evaluate(
        self, model: TransferModel, stage: Stage, evaluation: Evaluation, folder: StageDirectory
    ) -> None:
        def dataset_of(language: str) -> Dataset:
            request = DataRequest(
                evaluation.target, "test", language, evaluation.world, evaluation.draw, evaluation.limit
            )
            return self.dataset(request, stage.encoder, evaluation.max_length, evaluation.stride)

        frames = evaluate(model, evaluation, dataset_of, self.tokenizer(stage.encoder).pad_token_id)
        write_table(folder.examples(evaluation.id), frames["examples"])
        write_table(folder.predictions(evaluation.id), frames["predictions"])
        write_table(folder.scores(evaluation.id), frames["scores"])


def _logger(folder: StageDirectory) -> Callable[[Any], None]:
    """Return a function that appends a JSON line to the stage's log; readers skip a torn last line."""

    def log(row: Any) -> None:
        with folder.log.open("a") as stream:
            stream.write(json.dumps({**row, "time": round(time.time(), 3)}) + "\n")

    return log
