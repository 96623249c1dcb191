"""A stage -> the data it reads: training tasks, the data sets of a part, their receipts, what it has seen."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, lru_cache
from itertools import product
from typing import Any

import numpy as np

from simxfer.common.errors import InputError
from simxfer.encoder.dataset import Dataset, load_dataset, training_features
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import Features, join_features
from simxfer.grid.plan import Part, Plan, Stage, draws
from simxfer.grid.reads import joint_revision
from simxfer.run.inputs import data_inputs, encoder_inputs, refuse_changed
from simxfer.schema.directory import RunDirectory
from simxfer.scoring.protocol import Evaluation
from simxfer.sources import revision
from simxfer.sources.leaks import Leaks
from simxfer.sources.perturb import CLEAN
from simxfer.sources.perturb.examples import NOT_AVAILABLE
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import TaskData
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import TrainingTask


class StageData:
    """Tokenised data of the stages of one run; keeps tokenizers and data sets between them."""

    def __init__(self, run: RunDirectory, plan: Plan) -> None:
        self.run, self.plan = run, plan
        self.tokenizer = cache(self._tokenizer)
        self.dataset = lru_cache(maxsize=512)(self._dataset)
        self.seen = lru_cache(maxsize=64)(self._seen)

    def training_tasks(self, stage: Stage) -> list[TrainingTask]:
        """Return what a stage is trained on, a mixture's tasks one by one."""
        tasks = []
        for data, parts, row in zip(stage.data, stage.parts, stage.hyperparameters, strict=True):
            values = Hyperparameters(**row)
            datasets = self.datasets(stage, data, parts, values, stage.inputs)
            features = [training_features(get_task(data.task), dataset) for dataset in datasets]
            tasks.append(
                TrainingTask(task=get_task(data.task), features=join_features(features), values=values)
            )
        return tasks

    def datasets(
        self,
        stage: Stage,
        data: TaskData,
        parts: tuple[Part, ...],
        values: Hyperparameters,
        inputs: tuple[str, ...] = (CLEAN,),
    ) -> list[Dataset]:
        """Return the data of one task of a stage, by copy, part and language; these share `train_examples` (`draws`).

        Raises:
            InputError: they changed after they were planned, or a perturbation has nothing in their language.
        """
        self.refuse_other_data(stage)
        found = []
        for how, part in product(inputs, parts):
            for request in self._requests(stage, data, part, len(parts), values.train_examples):
                read = stage.as_read(request, how)
                dataset = self.dataset(read, data.task, stage.encoder, values.max_length, values.stride)
                if NOT_AVAILABLE in dataset.noted:
                    raise InputError(
                        f"method {stage.method!r}: {how} has nothing to change in the {read.split} data of {read.task} "
                        f"in {read.language}; smooth by another perturbation"
                    )
                found.append(dataset)
        return found

    def _requests(
        self, stage: Stage, data: TaskData, part: Part, parts: int, train_examples: int | None
    ) -> list[DataRequest]:
        """Return what is read of one part of a task's data, a request each language."""
        name, split = part
        drawn = draws(name, len(data.read_in), parts, train_examples)
        requests = [
            DataRequest(
                name,
                split,
                code,
                stage.world,
                stage.draw_of(name),
                draw.limit,
                stage.folder,
                share=draw.share,
                labelled=get_task(data.task).kind != "mlm",
            )
            for code, draw in zip(data.read_in, drawn, strict=True)
        ]
        return [replace(r, without=self.plan.left_out(r, data.read_in)) for r in requests]

    def texts(self, stage: Stage) -> list[Dataset]:
        """Return the unlabelled texts that stand beside a stage's data, a data set each language; [] for most."""
        if not stage.texts:
            return []
        self.refuse_other_data(stage)
        values = Hyperparameters(**stage.hyperparameters[0])
        texts = [replace(r, without=self.plan.left_out(r, (r.language,))) for r in stage.texts]
        return [
            self.dataset(request, request.task, stage.encoder, values.max_length, values.stride)
            for request in texts
        ]

    def refuse_other_data(self, planned: Stage | Evaluation) -> None:
        """Refuse to read data that are not those that an id stands for.

        Raises:
            InputError: they changed after they were planned; the files are named.
        """
        if isinstance(planned, Stage):
            same = tuple(map(revision, planned.requests)) == planned.revisions
        else:
            same = joint_revision(planned.requests, revision) == planned.revision
        if not same:
            for request in planned.requests:
                refuse_changed(self.run, data_inputs(request))
            raise InputError(f"data changed after {planned.id} was planned; run the same command again")

    def _tokenizer(self, name: str) -> Any:
        encoder = resolve_encoder(name)
        refuse_changed(self.run, encoder_inputs(encoder))
        return load_tokenizer(encoder)

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

    def receipts(self, stage: Stage, updates: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return what a stage was trained on, a row each data set and language: counts no score goes without.

        Args:
            stage: the stage.
            updates: what each of its tasks got; the data sets of a task share them by their units.
        """
        rows = []
        for data, parts, values in zip(stage.data, stage.parts, stage.hyperparameters, strict=True):
            places = product(stage.inputs, parts, data.read_in)
            datasets = self.datasets(stage, data, parts, Hyperparameters(**values), stage.inputs)
            features = [training_features(get_task(data.task), dataset) for dataset in datasets]
            units = sum(one.n_units for one in features)
            for (how, (name, split), language), dataset, one in zip(places, datasets, features, strict=True):
                leaks = self.plan.leaks.get(DataRequest(name, split, language).place, Leaks())
                rows.append(
                    _receipt(data.task, (name, split), language, one, dataset)
                    | {
                        "perturbation": how,
                        "updates": updates[data.task] * one.n_units / units,
                        "leaks": dict(leaks.shared),
                    }
                )
        for request, dataset in zip(stage.texts, self.texts(stage), strict=True):
            part = (request.task, request.split)
            rows.append(_receipt("unlabelled", part, request.language, dataset.features, dataset))
        return rows

    def _seen(self, stage_id: str) -> tuple[np.ndarray, ...]:
        """Return the `digests` of each data set that the stages on the path to this one were trained on."""
        found = [
            dataset.digests
            for one in self.plan.path(stage_id)
            for data, parts, row in zip(one.data, one.parts, one.hyperparameters, strict=True)
            for dataset in (*self.datasets(one, data, parts, Hyperparameters(**row)), *self.texts(one))
        ]
        return tuple({id(digests): digests for digests in found}.values())


def _receipt(task: str, part: Part, language: str, features: Features, dataset: Dataset) -> dict[str, Any]:
    truncated, unknown, subwords, without_gold = (int(n) for n in features.counts)
    return {
        "task": task,
        "from": part[0],
        "split": part[1],
        "language": language,
        "examples": int(features.example.max()) + 1,
        "rows": features.n_rows,
        "subwords": subwords,
        "truncated": truncated,
        "unknown_share": unknown / max(1, subwords),
        "without_gold": without_gold,
        "noted": dict(dataset.noted),
    }
