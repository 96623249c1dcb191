"""One stage, from its parent's checkpoint to its own checkpoint and scores. Every step of it can be taken up."""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from simxfer.common.atomic import write_json
from simxfer.common.errors import StageFailed
from simxfer.common.identity import sha256
from simxfer.encoder.batching import collate
from simxfer.encoder.network import Batch, TransferModel
from simxfer.encoder.ragged import KnownFeatures
from simxfer.grid.plan import PRETRAINED, TARGET, Plan, Stage
from simxfer.run.checkpoints import Checkpoints, is_trained, load_checkpoint, save_checkpoint
from simxfer.run.determinism import deterministic
from simxfer.run.domains import lacks_states, write_states
from simxfer.run.environment import environment
from simxfer.run.evaluations import Evaluations, kept_ends
from simxfer.run.frozen_states import FrozenStates
from simxfer.run.log import open_log, read_log
from simxfer.run.stage_data import StageData
from simxfer.schema.directory import RunDirectory, StageDirectory
from simxfer.schema.tables import TARGET_DEV
from simxfer.scoring.evaluate import dev_score
from simxfer.scoring.protocol import Evaluation
from simxfer.tasks import get_task
from simxfer.training.averaging import average_into
from simxfer.training.loop import epoch_ends, fit, leading_values, looks, saved_step, updates
from simxfer.training.methods import load_method
from simxfer.training.recipes import AVERAGED, BEST, Hyperparameters
from simxfer.training.settings import Mark, Settings, TrainingTask

_LOOKED_AT = 8
"""Examples of each task on which it is seen whether a method changed anything."""


def pending_evaluations(run: RunDirectory, plan: Plan, stage: Stage) -> list[Evaluation]:
    """Return the evaluations of a stage whose scores are not there yet."""
    folder = run.stage(stage.id)
    return [e for e in plan.evaluations.get(stage.id, {}).values() if not folder.scores(e.id).exists()]


def is_complete(run: RunDirectory, plan: Plan, stage: Stage) -> bool:
    """Tell whether nothing is left to do for a stage."""
    return (
        is_trained(run, stage)
        and not pending_evaluations(run, plan, stage)
        and not lacks_states(run, plan, stage)
    )


class StageRunner:
    """Trains and evaluates stages of one run on one device."""

    def __init__(self, run: RunDirectory, plan: Plan, device: torch.device, keep_checkpoints: str) -> None:
        self.run, self.plan, self.device = run, plan, device
        self.keep_checkpoints = keep_checkpoints
        self.environment = environment(device_name(device), torch.get_num_threads())
        self.data, self.checkpoints = StageData(run, plan), Checkpoints(run, plan, device)
        self.frozen = FrozenStates(run, plan)
        self.evaluations = Evaluations(run, plan, self.data, self.checkpoints, self.frozen)

    def work(self, stage: Stage) -> None:
        """Do what is left to do for a stage whose parent is trained.

        Raises:
            StageFailed: training diverged, or an operation is not deterministic where that is asked; the reason
                stands in the stage's folder.
        """
        folder = self.run.stage(stage.id)
        try:
            with deterministic(stage.deterministic):
                self._work(stage, folder)
        except StageFailed as error:
            write_json(folder.failed, {"stage": stage.title, "reason": str(error)})
            raise

    def _work(self, stage: Stage, folder: StageDirectory) -> None:
        model = None if is_trained(self.run, stage) else self._train(stage, folder)
        if lacks_states(self.run, self.plan, stage):
            # Before anything is scored: scores of several checkpoints leave another one in the model.
            model = model or self.checkpoints.load(stage)
            write_states(self.run, model, self.data, self.plan, stage)
        pending = pending_evaluations(self.run, self.plan, stage)
        if pending:
            model = model or self.checkpoints.load(stage)
            self.evaluations.score(model, stage, pending, self.environment)
        needed = self.plan.children[stage.id]
        if stage.phase == TARGET and self.keep_checkpoints == "intermediates" and not needed:
            # They were written all the same: a run that is killed while it scores dozens of languages goes on from
            # them, at the price of seconds; without them it would train the stage again.
            for path in _files(folder, stage):
                path.unlink(missing_ok=True)

    def _train(self, stage: Stage, folder: StageDirectory) -> TransferModel:
        started = time.monotonic()
        write_json(folder.spec, stage.as_dict())
        if stage.phase == PRETRAINED:
            model = self.checkpoints.fresh(stage)
            write_json(folder.done, {"stage": stage.id, "steps": 0, "files": {}, **self._computed_by([])})
            return model
        model = self.checkpoints.load(self.plan.stages[stage.parent or ""])
        for name in list(model.heads):
            if stage.head == "new" or name not in stage.tasks:
                del model.heads[name]
        for name in stage.tasks:
            if name not in model.heads:
                self.checkpoints.add_head(model, stage, name)
        self.checkpoints.prepare(model, stage)
        model.to(self.device)
        method = load_method(stage.method)
        tasks, step = self._training_tasks(model, stage), saved_step(folder.state)
        looked_at = self._looked_at(stage, tasks)
        before = self._states(model, looked_at)
        log = open_log(folder.log, step)
        begun = [*(json.loads(folder.begun.read_text()) if step else []), self.environment]
        write_json(
            folder.begun, begun
        )  # before the first step: of a killed process it is known what it computed with
        given = updates(tasks, self._settings(stage))
        marks = self._marks(model, stage, folder, log, tasks, sum(row["updates"] for row in given))
        texts = [dataset.features for dataset in self.data.texts(stage)]
        steps = fit(model, tasks, self._settings(stage), log, folder.state, marks, texts)
        if stage.dev_parts and not stage.kept:
            load_checkpoint(folder, stage, model)
        else:
            save_checkpoint(folder, stage, model)
        folder.state.unlink(missing_ok=True)
        receipts = self.data.receipts(stage, {row["task"]: row["updates"] for row in given})
        after = self._states(model, looked_at)
        unchanged = all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        unchanged |= all(method.changes_nothing(model, batch) for batch in looked_at)
        never_peaks = leading_values(tasks).warmup_steps >= max(1, steps)
        done = {
            "stage": stage.id,
            "steps": steps,
            "seconds": round(time.monotonic() - started, 3),
            "data": receipts,
            "updates": given,
            "frozen_states": [isinstance(each.features, KnownFeatures) for each in tasks],
            "flags": [
                *["learning-rate-never-peaks"] * never_peaks,
                *["method-changes-nothing"] * unchanged,
                *_training_flags(receipts),
                *_discriminator_flags(read_log(folder.log), stage),
            ],
            "selected": json.loads(folder.best.read_text()) if stage.dev_parts else None,
            "files": {str(path.relative_to(folder.root)): sha256(path) for path in _files(folder, stage)},
            **self._computed_by(begun),
        }
        write_json(folder.done, done)
        return model

    def _training_tasks(self, model: TransferModel, stage: Stage) -> list[TrainingTask]:
        """Return what a stage is trained on; text is masked anew every time, so that no state of it is known before."""
        pad = self.data.tokenizer(stage.encoder).pad_token_id
        return [
            each
            if each.task.kind == "mlm"
            else replace(each, features=self.frozen.below(model, stage, each.features, pad))
            for each in self.data.training_tasks(stage)
        ]

    def _states(self, model: TransferModel, batches: list[Batch]) -> list[torch.Tensor]:
        model.eval()
        with torch.no_grad():
            return [model.states(batch) for batch in batches]

    def _looked_at(self, stage: Stage, tasks: list[TrainingTask]) -> list[Batch]:
        """Return the first examples of every task, on which it is seen whether a method changed anything."""
        pad = self.data.tokenizer(stage.encoder).pad_token_id
        first = [np.arange(min(_LOOKED_AT, task.features.n_units)) for task in tasks]
        return [collate(t.features, units, pad, self.device) for t, units in zip(tasks, first, strict=True)]

    def _marks(
        self,
        model: TransferModel,
        stage: Stage,
        folder: StageDirectory,
        log: Callable[[Any], None],
        tasks: list[TrainingTask],
        steps: int,
    ) -> list[Mark]:
        """Return what `fit` does for the checkpoints that a stage ends with beside, or in place of, the last one."""
        marks, ends, mean = [], epoch_ends(tasks, steps), folder.kept(AVERAGED)

        def average(step: int) -> None:
            number = sorted(ends).index(step) + 1
            average_into(mean.encoder, load_method(stage.method).trained(model), number)
            average_into(mean.heads, model.heads, number)

        def keep(step: int) -> None:
            save_checkpoint(folder.kept(f"{TARGET_DEV}/{step}"), stage, model)

        if stage.dev_parts:
            marks.append(Mark(looks(tasks, steps), self._keep_best(model, stage, folder, log)))
        if AVERAGED in stage.kept:
            marks.append(Mark(ends, average))
        if TARGET_DEV in stage.kept:
            marks.append(Mark(ends, keep))
        return marks

    def _keep_best(
        self, model: TransferModel, stage: Stage, folder: StageDirectory, log: Callable[[Any], None]
    ) -> Callable[[int], None]:
        """Return what `fit` calls to keep the checkpoint with the best score on the stage's dev data.

        A mixture's score is the mean over its tasks. The first of equal checkpoints is kept.
        """
        pad = self.data.tokenizer(stage.encoder).pad_token_id
        files = folder.kept(BEST) if stage.kept else folder
        dev = [
            (get_task(data.task), self.data.datasets(stage, data, parts, Hyperparameters(**values)))
            for data, parts, values in zip(stage.data, stage.dev_parts, stage.hyperparameters, strict=True)
        ]

        def mark(step: int) -> None:
            scores = [
                dev_score(
                    model,
                    task,
                    self.frozen.dataset(model, stage, part, pad),
                    pad,
                    task.train_languages[0],
                    stage.numerics,
                )
                for task, found in dev
                for part in found
            ]
            score = sum(scores) / len(scores)
            log({"step": step, "dev_score": score})
            # Below every score, 0 included: the first look is always kept.
            best = json.loads(folder.best.read_text()) if folder.best.exists() else {"score": -1.0}
            if score > best["score"]:
                save_checkpoint(files, stage, model)
                write_json(folder.best, {"score": score, "step": step})

        if not folder.state.exists():
            folder.best.unlink(missing_ok=True)
        return mark

    def _computed_by(self, begun: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what computes here, and what else computed steps of a stage before it was interrupted."""
        others = [found for found in begun if found != self.environment]
        return {"environment": self.environment, "begun_under": others}

    def _settings(self, stage: Stage) -> Settings:
        tokenizer = self.data.tokenizer(stage.encoder)
        return Settings(
            seed=stage.seed or 0,
            phase=stage.phase,
            method=stage.method,
            numerics=stage.numerics,
            mixture_temperature=stage.mixture_temperature,
            mixture_cap=stage.mixture_cap,
            pad=tokenizer.pad_token_id,
            mask=tokenizer.mask_token_id,
            special=tuple(tokenizer.all_special_ids),
        )


def _files(folder: StageDirectory, stage: Stage) -> list[Path]:
    """Return the files of all checkpoints of a trained stage."""
    names = [rule for rule in stage.kept if rule != TARGET_DEV]
    names += [f"{TARGET_DEV}/{step}" for step in kept_ends(folder)] if TARGET_DEV in stage.kept else []
    checkpoints = [folder, *map(folder.kept, names)]
    return [path for files in checkpoints for path in (files.encoder, files.heads)]


def _training_flags(receipts: list[dict[str, Any]]) -> list[str]:
    """Return what all scores after a stage are flagged with for its data: `truncated-in-training=TASK:ROWS`."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in receipts:
        counts["truncated", row["task"]] += row["truncated"]
        counts.update({(name, row["task"]): count for name, count in row["noted"].items()})
    return [f"{name}-in-training={task}:{count}" for (name, task), count in counts.items() if count]


def _discriminator_flags(log: list[dict[str, Any]], stage: Stage) -> list[str]:
    """Return how well languages were told apart at the end: `discriminator-accuracy=PHASE:SHARE`."""
    told = [row["discriminator_accuracy"] for row in log if "discriminator_accuracy" in row][-1:]
    return [f"discriminator-accuracy={stage.phase}:{share:.3f}" for share in told]


def device_name(device: torch.device) -> str:
    """Return type and model of a device; of the CPU the instructions that torch uses."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
