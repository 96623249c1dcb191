"""Model + features -> predictions, one an example."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad as padded

from simxfer.encoder.batching import by_length, collate
from simxfer.encoder.dataset import Dataset, read_gold
from simxfer.encoder.network import Batch, TransferModel
from simxfer.encoder.ragged import Features, select_rows
from simxfer.scoring.attack import Attacked
from simxfer.scoring.search import mine, nearest
from simxfer.tasks.record import Task

MAX_TOKENS = 2048
"""Padded subwords at once on a CPU, where larger batches leave the caches (measured); 16 times that on a GPU, where
no gradients are kept."""
MAX_ANSWER_TOKENS = 30
"""Longest answer of span QA, in subwords (XTREME's and SQuAD's usual setting)."""
RANKED = 20
"""Candidates that are kept of a ranking (mAP@20 and MRR@20 look no further)."""


class Pool(NamedTuple):
    """The candidates of a ranking task: their ids, keys and vectors, (candidates, hidden) float32."""

    ids: np.ndarray
    keys: list[list[str]]
    vectors: np.ndarray


def predict(
    model: TransferModel, task: Task, dataset: Dataset, pad: int, protocol: dict | None = None
) -> list:
    """Return the prediction of every example, in their order.

    Classification and multiple choice: a label (index of the choice). Tagging: a list of tags. Span QA: the
    text of the answer, "" where the task has unanswerable questions and none is the better answer. Retrieval: the id
    of the nearest candidate under `protocol` (layer, pooling, special_tokens, centre, direction, scoring,
    neighbours). Ranking: of each query the ids of the best candidates of the same data, as `rank` does.

    Mining: not one an example but the candidate pairs (source id, target id, score) under `protocol`, the best first.
    """
    return _PREDICT[task.kind](model, task, dataset, pad, protocol or {})


def encoder_numerics(model: TransferModel, numerics: str) -> AbstractContextManager:
    """Let a model's encoder compute in `fp32` or `bf16` for a while, as it was trained.

    What is compared stays in single precision: heads, which cost nothing and whose rounded logits would often tie, and
    similarities.
    """
    # Weights are cast anew for every batch: copies made without gradients could not stand in an attack's graph.
    enabled = numerics == "bf16"
    return torch.autocast(_device(model).type, torch.bfloat16, enabled=enabled, cache_enabled=False)


def embed(
    model: TransferModel,
    features: Features,
    pad: int,
    layer: int,
    pooling: str,
    *,
    special_tokens: bool = False,
) -> np.ndarray:
    """Return one vector a row, (rows, hidden) float32: a hidden layer, pooled over the row.

    Mean pooling leaves out padding and, without `special_tokens`, the first and last token (XLM-R's <s> and </s>); an
    inner </s></s> of a pair stays, as it is one for every pair.
    """
    out = np.zeros((features.n_rows, model.config.hidden_size), dtype=np.float32)
    for units, batch in batches(model, features, pad):
        pooled = _pool(model.states(batch, layer).float(), batch["mask"], pooling, special_tokens)
        out[_rows_of(features, units)] = pooled.cpu().numpy()
    return out


def candidate_pool(model: TransferModel, datasets: Iterable[Dataset], pad: int) -> Pool:
    """Return the candidates of several ranking data sets as one pool; one that stands in several counts once."""
    ids: dict[str, list[str]] = {}
    vectors = []
    for dataset in datasets:
        names, gold = dataset.gold["id"].tolist(), read_gold(dataset)
        rows = [i for i, g in enumerate(gold) if g["side"] == "candidate" and names[i] not in ids]
        ids |= {names[i]: gold[i]["keys"] for i in rows}
        vectors.append(_first_vectors(model, dataset, rows, pad))
    return Pool(np.array(list(ids), dtype=object), list(ids.values()), np.concatenate(vectors))


def rank(model: TransferModel, dataset: Dataset, pool: Pool, pad: int) -> list[list[str]]:
    """Return the ids of the `RANKED` best candidates of the pool for every query of a data set, the best first.

    A bi-encoder is read as it is trained: first token, last layer, cosine.
    """
    rows = [i for i, gold in enumerate(read_gold(dataset)) if gold["side"] == "query"]
    queries = _first_vectors(model, dataset, rows, pad)
    return pool.ids[nearest(queries, pool.vectors, RANKED, device=_device(model)).ids].tolist()


def _first_vectors(model: TransferModel, dataset: Dataset, rows: list[int], pad: int) -> np.ndarray:
    return embed(model, select_rows(dataset.features, np.array(rows, dtype=np.int64)), pad, -1, "first")


def _pool(states: Tensor, mask: Tensor, pooling: str, special_tokens: bool = False) -> Tensor:
    if pooling == "first":
        return states[:, 0]
    inner = mask.clone()
    if not special_tokens:
        inner[:, 0] = 0
        inner.scatter_(1, mask.sum(dim=1, keepdim=True) - 1, 0)
    inner = inner[..., None].to(states.dtype)
    return (states * inner).sum(dim=1) / inner.sum(dim=1).clamp(min=1)


def batches(model: TransferModel, features: Features, pad: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """Yield all units in batches of like length, without gradients or dropout: which units, and their batch."""
    device = _device(model)
    roomy = device.type == "cuda" and not isinstance(model, Attacked)
    model.eval()
    with torch.inference_mode():
        for units in by_length(features, MAX_TOKENS * (16 if roomy else 1)):
            yield units, collate(features, units, pad, device)


def _device(model: TransferModel) -> torch.device:
    return next(model.parameters()).device


def _logits(model: TransferModel, task: Task, states: Tensor) -> Tensor:
    """Return the logits of a task in single precision, whatever the encoder computes in."""
    with torch.autocast(states.device.type, enabled=False):
        return model.logits(task.name, states.float())


def _rows_of(features: Features, units: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(features.unit_starts[u], features.unit_starts[u + 1]) for u in units])


def _classification(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    found = np.zeros(dataset.features.n_units, dtype=np.int64)
    for units, batch in batches(model, dataset.features, pad):
        found[units] = _logits(model, task, model.states(batch)).argmax(dim=1).cpu().numpy()
    return [task.labels[k] for k in found]


def _choice(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    features = dataset.features
    scores = np.zeros(features.n_rows, dtype=np.float32)
    for units, batch in batches(model, features, pad):
        scores[_rows_of(features, units)] = _logits(model, task, model.states(batch))[:, 0].cpu().numpy()
    bounds = zip(features.unit_starts[:-1], features.unit_starts[1:], strict=True)
    return [int(scores[a:b].argmax()) for a, b in bounds]


def _tagging(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    """Return the tag of every word by its first subword; the head looks at these alone."""
    features = dataset.features
    best = np.zeros(len(features.ids), dtype=np.int64)
    for units, batch in batches(model, features, pad):
        at, places = _places(features, _rows_of(features, units), batch["ids"].shape[1])
        first = features.spans[at, 0] >= 0
        states = model.states(batch).flatten(0, 1)[torch.from_numpy(places[first]).to(batch["ids"].device)]
        best[at[first]] = _logits(model, task, states).argmax(dim=1).cpu().numpy()
    predictions = [["?"] * len(json.loads(gold)) for gold in dataset.gold["gold"]]
    example = np.repeat(features.example, features.lengths)
    for position in np.flatnonzero(features.spans[:, 0] >= 0):
        predictions[example[position]][features.spans[position, 0]] = task.labels[best[position]]
    return predictions


def _places(features: Features, rows: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return of every subword of some rows its index in the features, and in their batch padded to `length`, laid flat.

    Both are (subwords,) int64.
    """
    lengths = features.lengths[rows]
    row = np.repeat(np.arange(len(rows)), lengths)
    column = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return features.starts[rows][row] + column, row * length + column


def _span(model: TransferModel, task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    """Return the best span of all windows, "" if that of no answer, the first token, is at least as good.

    In every window the score of no answer competes, so that the lowest of them counts (Devlin et al. 2019, section
    4.3, with threshold 0, and their run_squad.py).
    """
    features = dataset.features
    best: list[tuple[float, int, int]] = [(-np.inf, 0, 0)] * len(dataset.gold)
    # -inf where every question has an answer: the best span is then better than none, whatever its score.
    nothing = np.full(len(dataset.gold), np.inf if task.unanswerable else -np.inf)
    for units, batch in batches(model, features, pad):
        rows = _rows_of(features, units)
        at, places = _places(features, rows, batch["ids"].shape[1])
        context = torch.zeros(batch["ids"].shape, dtype=torch.bool)
        context.view(-1)[torch.from_numpy(places[features.spans[at, 0] >= 0])] = True
        logits = _logits(model, task, model.states(batch))
        found = _best_spans(logits, context.to(logits.device))
        none = logits[:, 0].sum(dim=1)
        for row, score, first, last, empty in zip(rows, *(x.tolist() for x in (*found, none)), strict=True):
            example, start = features.example[row], features.starts[row]
            span = score, features.spans[start + first, 0], features.spans[start + last, 1]
            best[example] = max(best[example], span, key=lambda span: span[0])
            nothing[example] = min(nothing[example], empty)
    spans = zip(dataset.gold["context"], best, nothing, strict=True)
    return [context[a:b] if score > none else "" for context, (score, a, b), none in spans]


def _best_spans(logits: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the score, the first and the last token of the best span of every window; of equal ones the earliest.

    Args:
        logits: (windows, length, 2), of the first and of the last token.
        context: (windows, length) bool, true at the tokens of the context, which stand together; of a window without
            any the score is -inf.
    """
    firsts, lasts = logits.masked_fill(~context[..., None], -torch.inf).unbind(dim=2)
    within = padded(lasts, (0, MAX_ANSWER_TOKENS - 1), value=-torch.inf).unfold(1, MAX_ANSWER_TOKENS, 1)
    scores, at = (firsts[..., None] + within).flatten(1).max(dim=1)
    first = at // MAX_ANSWER_TOKENS
    return scores, first, first + at % MAX_ANSWER_TOKENS


def _retrieval(model: TransferModel, _task: Task, dataset: Dataset, pad: int, protocol: dict) -> list:
    vectors = _sentences(model, dataset.features, pad, protocol)
    queries, candidates = (_centred(side, protocol) for side in (vectors[0::2], vectors[1::2]))
    if protocol.get("direction") == "from-pivot":
        queries, candidates = candidates, queries
    ids = dataset.gold["id"].to_numpy()
    found = nearest(queries, candidates, 1, **_scoring(protocol), device=_device(model))
    return list(ids[found.ids[:, 0]])


def _mining(model: TransferModel, _task: Task, dataset: Dataset, pad: int, protocol: dict) -> list:
    """Mine distinct sentences; those that occur again have no id of their own and are left out, as in XTREME."""
    sides = np.array([gold["side"] for gold in read_gold(dataset)])
    ids, once, vectors = [], [], []
    for side in ("source", "target"):
        rows, repeated = _distinct(dataset.features, np.flatnonzero(sides == side))
        found = _sentences(model, select_rows(dataset.features, rows), pad, protocol)
        ids.append(dataset.gold["id"].to_numpy()[rows])
        once.append(~repeated)
        vectors.append(_centred(found, protocol))
    pairs = mine(vectors[0], vectors[1], **_scoring(protocol), device=_device(model))
    return [
        (str(ids[0][s]), str(ids[1][t]), float(score))
        for s, t, score in zip(*pairs, strict=True)
        if once[0][s] and once[1][t]
    ]


def _distinct(features: Features, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows without those that repeat an earlier one, and whether each of them is repeated."""
    texts = [features.ids[features.starts[r] : features.starts[r + 1]].tobytes() for r in rows]
    counts = Counter(texts)
    first = dict(zip(reversed(texts), reversed(rows.tolist()), strict=True))
    kept = [
        (row, counts[text] > 1) for text, row in zip(texts, rows.tolist(), strict=True) if first[text] == row
    ]
    return np.array([row for row, _ in kept]), np.array([repeated for _, repeated in kept])


def _sentences(model: TransferModel, features: Features, pad: int, protocol: dict) -> np.ndarray:
    special_tokens = protocol.get("special_tokens", False)
    return embed(model, features, pad, protocol["layer"], protocol["pooling"], special_tokens=special_tokens)


def _centred(vectors: np.ndarray, protocol: dict) -> np.ndarray:
    return vectors - vectors.mean(axis=0) if protocol["centre"] else vectors


def _scoring(protocol: dict) -> dict:
    return {name: protocol[name] for name in ("scoring", "neighbours") if name in protocol}


def _ranking(model: TransferModel, _task: Task, dataset: Dataset, pad: int, _: dict) -> list:
    return rank(model, dataset, candidate_pool(model, [dataset], pad), pad)


_PREDICT: dict[str, Callable[[TransferModel, Task, Dataset, int, dict], list[Any]]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "tagging": _tagging,
    "span": _span,
    "retrieval": _retrieval,
    "mining": _mining,
    "ranking": _ranking,
}
