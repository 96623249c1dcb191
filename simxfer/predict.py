"""Model + features -> predictions, one an example."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from simxfer.batching import by_length, collate
from simxfer.features import Dataset
from simxfer.model import Batch, TransferModel
from simxfer.ragged import Features
from simxfer.tasks.record import Task

MAX_TOKENS = 2048
"""Padded subwords at once on a CPU, where larger batches leave the caches (measured); 16 times that on a GPU."""
MAX_ANSWER_TOKENS = 30
"""Longest answer of span QA, in subwords (XTREME's and SQuAD's usual setting)."""
SEARCH_BLOCK = 1024
"""Sentences compared with all candidates at once in retrieval."""


def predict(
    model: TransferModel, task: Task, dataset: Dataset, pad: int, protocol: dict | None = None
) -> list:
    """Return the prediction of every example, in their order.

    Classification and multiple choice: a label (index of the choice). Tagging: a list of tags. Span QA: the
    text of the answer. Retrieval: the id of the nearest candidate under `protocol` (layer, pooling, centre).
    """
    return _PREDICT[task.kind](model, task, dataset, pad, protocol or {})


def embed(model: TransferModel, features: Features, pad: int, layer: int, pooling: str) -> np.ndarray:
    """Return one vector a row, (rows, hidden) float32: a hidden layer, pooled over the row.

    Mean pooling leaves out the first and last token and padding (XLM-R's <s> and </s>); an inner </s></s> of a
    pair stays, as it is one for every pair.
    """
    out = np.zeros((features.n_rows, model.config.hidden_size), dtype=np.float32)
    for units, batch in _batches(model, features, pad):
        states = model.encoder(
            input_ids=batch["ids"], attention_mask=batch["mask"], output_hidden_states=True
        ).hidden_states[layer]
        out[_rows_of(features, units)] = _pool(states.float(), batch["mask"], pooling).cpu().numpy()
    return out


def nearest(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the index of the candidate with the highest cosine for every query, (queries,) int64.

    Exact, in blocks of queries; never a queries x candidates matrix.
    """
    unit = [x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (queries, candidates)]
    blocks = range(0, len(queries), SEARCH_BLOCK)
    return np.concatenate([(unit[0][i : i + SEARCH_BLOCK] @ unit[1].T).argmax(axis=1) for i in blocks])


def _pool(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    if pooling == "first":
        return states[:, 0]
    inner = mask.clone()
    inner[:, 0] = 0
    inner.scatter_(1, mask.sum(dim=1, keepdim=True) - 1, 0)
    inner = inner[..., None].to(states.dtype)
    return (states * inner).sum(dim=1) / inner.sum(dim=1).clamp(min=1)


def _batches(model: TransferModel, features: Features, pad: int) -> Iterator[tuple[np.ndarray, Batch]]:
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        for units in by_length(features, MAX_TOKENS * (16 if device.type == "cuda" else 1)):
            yield units, collate(features, units, pad, device)


def _rows_of(features: Features, units: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(features.unit_starts[u], features.unit_starts[u + 1]) for u in units])


def _classification(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    found = np.zeros(dataset.features.n_units, dtype=np.int64)
    for units, batch in _batches(model, dataset.features, pad):
        found[units] = model(task.name, batch).argmax(dim=1).cpu().numpy()
    return [task.labels[k] for k in found]


def _choice(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    features = dataset.features
    scores = np.zeros(features.n_rows, dtype=np.float32)
    for units, batch in _batches(model, features, pad):
        scores[_rows_of(features, units)] = model(task.name, batch)[:, 0].float().cpu().numpy()
    bounds = zip(features.unit_starts[:-1], features.unit_starts[1:], strict=True)
    return [int(scores[a:b].argmax()) for a, b in bounds]


def _tagging(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    features = dataset.features
    best = np.zeros(len(features.ids), dtype=np.int64)
    for units, batch in _batches(model, features, pad):
        tags = model(task.name, batch).argmax(dim=2).cpu().numpy()
        for row, values in zip(_rows_of(features, units), tags, strict=True):
            start, stop = features.starts[row], features.starts[row + 1]
            best[start:stop] = values[: stop - start]
    predictions = [["?"] * len(json.loads(gold)) for gold in dataset.gold["gold"]]
    example = np.repeat(features.example, features.lengths)
    for position in np.flatnonzero(features.spans[:, 0] >= 0):
        predictions[example[position]][features.spans[position, 0]] = task.labels[best[position]]
    return predictions


def _span(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    features = dataset.features
    best: list[tuple[float, int, int]] = [(-np.inf, 0, 0)] * len(dataset.gold)
    for units, batch in _batches(model, features, pad):
        logits = model(task.name, batch).float().cpu().numpy()
        for row, values in zip(_rows_of(features, units), logits, strict=True):
            start, stop = features.starts[row], features.starts[row + 1]
            score, first, last = _best_span(values[: stop - start], features.spans[start:stop])
            if score > best[features.example[row]][0]:
                best[features.example[row]] = (score, first, last)
    return [context[a:b] for context, (_, a, b) in zip(dataset.gold["context"], best, strict=True)]


def _best_span(logits: np.ndarray, places: np.ndarray) -> tuple[float, int, int]:
    """Return (score, first character, last + 1) of the best span inside the context of one window."""
    inside = np.flatnonzero(places[:, 0] >= 0)
    if not len(inside):
        return -np.inf, 0, 0
    scores = logits[inside, 0][:, None] + logits[inside, 1][None, :]
    allowed = np.triu(np.ones(scores.shape, dtype=bool)) & ~np.triu(
        np.ones(scores.shape, bool), MAX_ANSWER_TOKENS
    )
    scores = np.where(allowed, scores, -np.inf)
    first, last = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[first, last]), int(places[inside[first], 0]), int(places[inside[last], 1])


def _retrieval(model: TransferModel, _task: Task, dataset: Dataset, pad: int, protocol: dict) -> list:
    vectors = embed(model, dataset.features, pad, protocol["layer"], protocol["pooling"])
    queries, candidates = vectors[0::2], vectors[1::2]
    if protocol["centre"]:
        queries, candidates = queries - queries.mean(axis=0), candidates - candidates.mean(axis=0)
    ids = dataset.gold["id"].to_numpy()
    return list(ids[nearest(queries, candidates)])


_PREDICT: dict[str, Callable[[TransferModel, Task, Dataset, int, dict], list[Any]]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "tagging": _tagging,
    "span": _span,
    "retrieval": _retrieval,
}
