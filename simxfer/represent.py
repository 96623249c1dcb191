"""What the similarity measures look at, on disk: sample texts, their subwords, their embeddings.

After this the analyses need neither the world nor the hub nor torch.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from simxfer.config import Grid
from simxfer.encoders import resolve_encoder
from simxfer.features import text_features
from simxfer.model import TransferModel, load_encoder, load_tokenizer
from simxfer.plan import Plan
from simxfer.predict import embed
from simxfer.schema import SAMPLES, SUBWORDS, validate
from simxfer.sources import DataRequest, Split, read_examples
from simxfer.store.atomic import write_file, write_table
from simxfer.store.layout import RunDirectory
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import parse_intermediate

SAMPLE_SIZE = 200
"""Texts a task, split and language."""
MAX_LENGTH = 128
"""Longest sample text in subwords, for an encoder that can read so many."""


@dataclass(frozen=True)
class _Part:
    task: str
    split: Split
    language: str


def write_samples(run: RunDirectory, grid: Grid, plan: Plan) -> None:
    """Write samples, subword counts and embeddings of every pretrained encoder of the run, where missing."""
    roots = {s.encoder: s for s in plan.stages.values() if s.parent is None and s.seed is None}
    if run.samples.exists() and all(run.representations(name).exists() for name in roots):
        return
    texts = {world: _sample(grid, world) for world in sorted({s.world for s in roots.values()})}
    counts = [_represent(run, name, texts[stage.world]) for name, stage in roots.items()]
    write_table(run.subwords, validate(pd.concat(counts, ignore_index=True), SUBWORDS))
    write_table(run.samples, validate(pd.concat(texts.values(), ignore_index=True), SAMPLES))


def _parts(grid: Grid) -> list[_Part]:
    """Return what is sampled: training data of every task, test data of every target in every language."""
    data = [item for name in grid.intermediates for phase in parse_intermediate(name) for item in phase]
    parts = [_Part(d.task, "train", code) for d in data for code in d.languages or _pivot(d.task)]
    for target in grid.targets:
        parts += [_Part(target, "train", code) for code in _pivot(target)]
        parts += [_Part(target, "test", code) for code in grid.test_languages(target)]
    return list(dict.fromkeys(parts))


def _pivot(task: str) -> tuple[str, ...]:
    return get_task(task).train_languages[:1]


def _sample(grid: Grid, world: int) -> pd.DataFrame:
    rows = []
    for part in _parts(grid):
        request = DataRequest(part.task, part.split, part.language, world, grid.seeds[0], SAMPLE_SIZE)
        for example in read_examples(request):
            rows.append(
                {
                    "task": part.task,
                    "language": part.language,
                    "split": part.split,
                    # Two worlds number their examples alike.
                    "example_id": f"w{world}:{example.id}",
                    "text": " ".join(example.texts),
                }
            )
    return pd.DataFrame(rows)


def _represent(run: RunDirectory, name: str, samples: pd.DataFrame) -> pd.DataFrame:
    """Write the embeddings of one encoder; return its subword counts."""
    encoder = resolve_encoder(name)
    tokenizer = load_tokenizer(encoder)
    longest = min(MAX_LENGTH, encoder.positions or MAX_LENGTH)
    features = text_features(list(samples["text"]), tokenizer, longest)
    vectors = embed(TransferModel(load_encoder(encoder)), features, tokenizer.pad_token_id, -1, "mean")
    path = run.representations(name)
    keys = ["task", "language", "split", "example_id"]
    write_table(path.with_suffix(".parquet"), samples[keys])
    write_file(path, lambda temporary: _save(temporary, vectors))
    rows = []
    for group, part in samples.groupby(keys[:3], sort=False):
        counts = _count(features.ids, features.starts, part.index.to_numpy(), tokenizer)
        words = sum(len(text.split()) for text in part["text"])
        values = dict(zip(keys[:3], group, strict=True)) | {"checkpoint": name, "words": words}
        rows += [{**values, "piece": piece, "count": n} for piece, n in sorted(counts.items())]
    return pd.DataFrame(rows)


def _save(path, vectors: np.ndarray) -> None:
    with path.open("wb") as stream:
        np.savez(stream, embeddings=vectors)


def _count(ids: np.ndarray, starts: np.ndarray, rows: np.ndarray, tokenizer) -> Counter[str]:
    """Count the subwords of some rows; special tokens, the unknown one excepted, are left out."""
    flat = np.concatenate([ids[starts[r] : starts[r + 1]] for r in rows])
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    values, counts = np.unique(flat, return_counts=True)
    pieces = tokenizer.convert_ids_to_tokens(values.tolist())
    return Counter(
        {p: int(n) for v, p, n in zip(values, pieces, counts, strict=True) if int(v) not in special}
    )
