"""What both benches of the training core use: a shipped encoder, real examples of the world, their subwords."""

from dataclasses import dataclass
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

TASK = "w-nli"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class WorldData:
    """Training examples of w-nli in the pivot, and how the recipe `world` trains on them."""

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


def world_data(examples: int) -> WorldData:
    """Return so many training examples of w-nli in the pivot, tokenised for encoder world/w0-s0."""
    encoder, task = resolve_encoder("world/w0-s0"), get_task(TASK)
    tokenizer, values = load_tokenizer(encoder), get_recipe("world").hyperparameters(task.name)
    found = read_examples(DataRequest(task.name, "train", task.languages[0], limit=examples))
    dataset = make_dataset(found, task, tokenizer, values.max_length, values.stride)
    return WorldData(encoder, tokenizer, task, values, dataset)
