"""One stage, from its parent's checkpoint to its own checkpoint and scores. Every step of it can be taken up."""

import copy
import json
import time
from collections.abc import Callable
from functools import cache, lru_cache
from itertools import product
from typing import Any

import torch

from simxfer.common.atomic import sha256, write_json, write_table
from simxfer.common.errors import StageFailed
from simxfer.common.streams import stream_seed
from simxfer.encoder.dataset import Dataset, load_dataset, training_features
from simxfer.encoder.loading import load_encoder, load_masked_head, load_tokenizer, load_weights, save_weights
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import join_features
from simxfer.grid.plan import PRETRAINED, TARGET, Part, Plan, Stage
from simxfer.schema.directory import RunDirectory, StageDirectory
from simxfer.scoring.evaluate import dev_score, evaluate
from simxfer.scoring.protocol import Evaluation
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import TaskData
from simxfer.training.loop import Settings, TrainingTask, fit, leading_values
from simxfer.training.recipes import Hyperparameters


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
                self._add_head(model, stage, name)
        model.to(self.device)
        folder.log.unlink(missing_ok=True)
        tasks, log = self.training_tasks(stage), _logger(folder)
        mark = self._keep_best(model, stage, folder, log) if stage.dev_parts else None
        steps = fit(model, tasks, self._settings(stage), log, folder.state, mark)
        if mark:
            load_weights(folder.encoder, model.encoder)
            load_weights(folder.heads, model.heads)
        else:
            save_weights(folder.encoder, model.encoder)
            save_weights(folder.heads, model.heads)
        folder.state.unlink(missing_ok=True)
        done = {
            "stage": stage.id,
            "steps": steps,
            "seconds": round(time.monotonic() - started, 3),
            "data": self._receipts(stage),
            "flags": ["learning-rate-never-peaks"] * (leading_values(tasks).warmup_steps >= max(1, steps)),
            "selected": json.loads(folder.best.read_text()) if mark else None,
            "files": {path.name: sha256(path) for path in (folder.encoder, folder.heads)},
        }
        write_json(folder.done, done)
        return model

    def _add_head(self, model: TransferModel, stage: Stage, name: str) -> None:
        model.add_head(get_task(name), stream_seed(stage.seed or 0, name, stage.phase, "head"))
        if get_task(name).kind == "mlm":
            load_masked_head(resolve_encoder(stage.encoder), model.heads[name])

    def _keep_best(
        self, model: TransferModel, stage: Stage, folder: StageDirectory, log: Callable[[Any], None]
    ) -> Callable[[int], None]:
        """Return what `fit` calls to keep the checkpoint with the best score on the stage's dev data.

        A mixture's score is the mean over its tasks. The first of equal checkpoints is kept.
        """
        tokenizer = self.tokenizer(stage.encoder)
        dev = [
            (get_task(data.task), self._datasets(stage, data, parts, Hyperparameters(**values)))
            for data, parts, values in zip(stage.data, stage.dev_parts, stage.hyperparameters, strict=True)
        ]

        def mark(step: int) -> None:
            scores = [
                dev_score(model, task, part, tokenizer.pad_token_id) for task, found in dev for part in found
            ]
            score = sum(scores) / len(scores)
            log({"step": step, "dev_score": score})
            best = json.loads(folder.best.read_text()) if folder.best.exists() else {"score": -1.0}
            if score > best["score"]:
                save_weights(folder.encoder, model.encoder)
                save_weights(folder.heads, model.heads)
                write_json(folder.best, {"score": score, "step": step})

        if not folder.state.exists():
            folder.best.unlink(missing_ok=True)
        return mark

    def _spec(self, stage: Stage) -> dict[str, Any]:
        return stage.as_dict()

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
            self._add_head(model, stage, name)
        load_weights(folder.heads, model.heads)
        return model.to(self.device).eval()

    def training_tasks(self, stage: Stage) -> list[TrainingTask]:
        """Return what a stage is trained on, a mixture's tasks one by one."""
        tasks = []
        for data, parts, row in zip(stage.data, stage.parts, stage.hyperparameters, strict=True):
            values = Hyperparameters(**row)
            datasets = self._datasets(stage, data, parts, values)
            features = [training_features(get_task(data.task), dataset) for dataset in datasets]
            tasks.append(
                TrainingTask(task=get_task(data.task), features=join_features(features), values=values)
            )
        return tasks

    def _datasets(
        self, stage: Stage, data: TaskData, parts: tuple[Part, ...], values: Hyperparameters
    ) -> list[Dataset]:
        """Return the data of one task of a stage; `train_examples` is shared evenly by its parts and languages."""
        languages = data.languages or get_task(data.task).train_languages[:1]
        limit = values.train_examples and -(-values.train_examples // max(1, len(parts) * len(languages)))
        return [
            self.dataset(
                DataRequest(name, split, code, stage.world, stage.seed or 0, limit, stage.folder),
                data.task,
                stage.encoder,
                values.max_length,
                values.stride,
            )
            for name, split in parts
            for code in languages
        ]

    def _dataset(
        self, request: DataRequest, task: str, encoder: str, max_length: int, stride: int
    ) -> Dataset:
        return load_dataset(
            request,
            get_task(task),
            self.tokenizer(encoder),
            resolve_encoder(encoder).tokenizer_fingerprint(),
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
            special=tuple(tokenizer.all_special_ids),
        )

    def _evaluate(
        self, model: TransferModel, stage: Stage, evaluation: Evaluation, folder: StageDirectory
    ) -> None:
        def dataset_of(language: str, split: str = evaluation.split) -> Dataset:
            request = DataRequest(
                evaluation.target,
                split,
                language,
                evaluation.world,
                evaluation.draw,
                evaluation.limit,
                evaluation.folder,
            )
            return self.dataset(
                request, evaluation.target, stage.encoder, evaluation.max_length, evaluation.stride
            )

        def dev_of(language: str) -> Dataset | None:
            return dataset_of(language, evaluation.tuned_on) if evaluation.tuned_on else None

        if stage.phase == TARGET:
            model = model.known_as(stage.tasks[0], evaluation.target)
        pad = self.tokenizer(stage.encoder).pad_token_id
        frames = evaluate(model, evaluation, dataset_of, pad, self._seen(stage), self._flags(stage), dev_of)
        write_table(folder.examples(evaluation.id), frames["examples"])
        write_table(folder.predictions(evaluation.id), frames["predictions"])
        write_table(folder.scores(evaluation.id), frames["scores"])

    def _receipts(self, stage: Stage) -> list[dict[str, Any]]:
        """Return what a stage was trained on, a row each data set and language: counts no score goes without."""
        rows = []
        for data, parts, values in zip(stage.data, stage.parts, stage.hyperparameters, strict=True):
            places = product(parts, data.languages or get_task(data.task).train_languages[:1])
            datasets = self._datasets(stage, data, parts, Hyperparameters(**values))
            for ((name, split), language), dataset in zip(places, datasets, strict=True):
                features = training_features(get_task(data.task), dataset)
                truncated, unknown, subwords, without_gold = (int(n) for n in features.counts)
                rows.append(
                    {
                        "task": data.task,
                        "from": name,
                        "split": split,
                        "language": language,
                        "examples": int(features.example.max()) + 1,
                        "rows": features.n_rows,
                        "subwords": subwords,
                        "truncated": truncated,
                        "unknown_share": unknown / max(1, subwords),
                        "without_gold": without_gold,
                    }
                )
        return rows

    def _seen(self, stage: Stage) -> set[str]:
        """Return the digests of everything that the stages on the path were trained on."""
        return {
            digest
            for one in self.plan.path(stage.id)
            for data, parts, row in zip(one.data, one.parts, one.hyperparameters, strict=True)
            for dataset in self._datasets(one, data, parts, Hyperparameters(**row))
            for digest in dataset.gold["digest"]
        }

    def _flags(self, stage: Stage) -> list[str]:
        """Return the flags of the stages on the path; all scores of this stage carry them."""
        folders = [self.run.stage(one.id) for one in self.plan.path(stage.id)]
        return sorted(
            {flag for folder in folders for flag in json.loads(folder.done.read_text()).get("flags", ())}
        )


def _logger(folder: StageDirectory) -> Callable[[Any], None]:
    """Return a function that appends a JSON line to the stage's log; readers skip a torn last line."""

    def log(row: Any) -> None:
        with folder.log.open("a") as stream:
            stream.write(json.dumps({**row, "time": round(time.time(), 3)}) + "\n")

    return log
