"""What the similarity measures look at, on disk: sample texts, their subwords, their embeddings; labelled features.

After this the analyses need neither the world nor the hub nor torch.
"""

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from simxfer.common.atomic import write_file, write_table
from simxfer.common.streams import stream
from simxfer.encoder.batching import collate
from simxfer.encoder.features import text_features
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import Batch, TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED
from simxfer.grid.file import Grid
from simxfer.grid.plan import TARGET, Plan, Stage
from simxfer.run.checkpoints import Checkpoints, is_trained
from simxfer.run.stage_data import StageData
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import SAMPLES, SUBWORDS, validate
from simxfer.scoring.predict import embed
from simxfer.scoring.protocol import Evaluation
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.intermediate import NONE
from simxfer.training.settings import TrainingTask

SAMPLE_SIZE = 200
"""Texts a task, split and language."""
MAX_LENGTH = 128
"""Longest sample text in subwords, for an encoder that can read so many."""
LABELLED_ROWS = 2000
"""Rows of labelled features (examples, choices, words or subwords) at most, a target."""
_UNITS_AT_ONCE = 16


@dataclass(frozen=True)
class _Sampled:
    """Data that are sampled: what they count as in the table, and the request for them."""

    task: str
    role: str
    request: DataRequest


def write_samples(run: RunDirectory, grid: Grid, plan: Plan, device: str = "cpu") -> None:
    """Write samples, subword counts and embeddings of every pretrained encoder of the run, where missing.

    A run that has grown is sampled anew: the texts of what it had are the same ones.
    """
    roots = {s.encoder: s for s in plan.stages.values() if s.parent is None and s.seed is None}
    worlds = sorted({s.world for s in roots.values()})
    sampled = {world: _sampled(grid, plan, world) for world in worlds}
    wanted = {(part.task, part.request.language, part.role) for parts in sampled.values() for part in parts}
    if wanted <= _present(run) and all(run.representations(name).exists() for name in roots):
        return
    texts = {world: _sample(parts, world) for world, parts in sampled.items()}
    n = sum(len(texts[stage.world]) for stage in roots.values())
    print(
        f"simxfer: all scores are there; {n:,} sample texts are read for the similarity measures",
        file=sys.stderr,
    )
    counts = [_represent(run, name, texts[stage.world], device) for name, stage in roots.items()]
    write_table(run.subwords, validate(pd.concat(counts, ignore_index=True), SUBWORDS))
    write_table(run.samples, validate(pd.concat(texts.values(), ignore_index=True), SAMPLES))


def write_labelled_features(run: RunDirectory, plan: Plan, data: StageData, checkpoints: Checkpoints) -> None:
    """Write the labelled features of every target's training data after every intermediate, where missing.

    One file a pretrained encoder, intermediate and target, through the checkpoint that the target starts from,
    with the first method and seed that the grid names for it; left out until that checkpoint is trained.
    """
    missing = [
        (target.parent or "", target, path)
        for path, target in _labelled_stages(run, plan).items()
        if not path.exists() and is_trained(run, plan.stages[target.parent or ""])
    ]
    missing.sort(key=itemgetter(0))
    for parent, group in groupby(missing, key=itemgetter(0)):
        model = checkpoints.load(plan.stages[parent])
        for _, target, path in group:
            features, labels = _labelled(model, target, data)
            write_file(path, partial(_save, features=features, labels=labels))


def _labelled(model: TransferModel, target: Stage, data: StageData) -> tuple[np.ndarray, np.ndarray]:
    """Return the labelled features of a target; the units are the same ones whatever came before."""
    [training] = data.training_tasks(target)
    rng = stream(target.seed or 0, training.task.name, target.phase, "labelled")
    units = rng.permutation(training.features.n_units)
    return labelled_features(model, training, units, data.tokenizer(target.encoder).pad_token_id)


def _labelled_stages(run: RunDirectory, plan: Plan) -> dict[Path, Stage]:
    """Return the file of every (pretrained encoder, intermediate, target) and the target's stage."""
    out: dict[Path, Stage] = {}
    for cell in plan.cells:
        root, end = plan.path(cell.stage)[0], plan.stages[cell.stage]
        read = get_task(cell.target).kind in _READ
        if read and cell.intermediate != NONE and end.phase == TARGET and root.seed is None:
            out.setdefault(run.labelled(cell.checkpoint, cell.intermediate, cell.target), end)
    return out


def labelled_features(
    model: TransferModel, training: TrainingTask, units: np.ndarray, pad: int, most: int = LABELLED_ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """Return last hidden states where the head of the task's kind reads them, and what stands there.

    Classification: the first token and the class. Multiple choice: the first token of every choice, 1 if it is
    the right one. Tagging: the first subword of every word and its tag. Span QA: every subword, 1 inside the
    answer.

    Args:
        model: the encoder; it needs no head.
        training: a target and its training data.
        units: which units of them, read in this order until there are enough rows.
        pad: id of the padding subword.
        most: rows at most.

    Returns:
        features (rows, hidden) float32 and labels (rows,) int64.
    """
    device = next(model.parameters()).device
    model.eval()
    features: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with torch.inference_mode():
        for first in range(0, len(units), _UNITS_AT_ONCE):
            batch = collate(training.features, units[first : first + _UNITS_AT_ONCE], pad, device)
            read, found = _READ[training.task.kind](model.states(batch).float(), batch)
            features.append(read.cpu().numpy())
            labels.append(found.cpu().numpy())
            if sum(map(len, labels)) >= most:
                break
    return np.concatenate(features)[:most], np.concatenate(labels)[:most]


def _classes(states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    return states[:, 0], batch["labels"]


def _choices(states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    right = torch.zeros(len(states), dtype=torch.int64, device=states.device)
    right[batch["rows"].gather(1, batch["labels"][:, None])] = 1
    return states[:, 0], right


def _words(states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    labelled = batch["labels"] != IGNORED
    return states[labelled], batch["labels"][labelled]


def _answers(states: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    places = torch.arange(states.shape[1], device=states.device)
    first, last = batch["labels"][:, :1], batch["labels"][:, 1:]
    # (0, 0) stands for no answer in this window.
    inside = (places >= first) & (places <= last) & (last > 0)
    read = batch["mask"] == 1
    return states[read], inside[read].long()


_READ: dict[str, Callable[[Tensor, Batch], tuple[Tensor, Tensor]]] = {
    "classification": _classes,
    "multiple_choice": _choices,
    "tagging": _words,
    "span": _answers,
}


def _sampled(grid: Grid, plan: Plan, world: int) -> list[_Sampled]:
    """Return what is sampled: training data of every task, test data of every target in every language."""
    seed, folder = grid.seeds[0], grid.data.folder or ""
    targets: dict[str, dict[str, None]] = {}  # a stage that learns SQuAD trains XQuAD and MLQA
    for cell in plan.cells:
        if plan.stages[cell.stage].phase == TARGET:
            targets.setdefault(cell.stage, {})[cell.target] = None
    found = [
        _Sampled(task, "train", DataRequest(name, split, code, world, seed, SAMPLE_SIZE, folder))
        for stage in plan.stages.values()
        for data, parts in zip(stage.data, stage.parts, strict=True)
        for task in targets.get(stage.id, (data.task,))
        for name, split in parts
        for code in data.read_in
    ]
    tested: dict[str, Evaluation] = {}
    for evaluation in (e for by_id in plan.evaluations.values() for e in by_id.values()):
        tested.setdefault(evaluation.target, evaluation)
    # The draw is the evaluation's: what is sampled is what is scored.
    found += [
        _Sampled(
            target, "test", DataRequest(target, e.split, code, world, e.draw, SAMPLE_SIZE, folder, e.fields)
        )
        for target, e in tested.items()
        for code in e.languages
    ]
    return list(dict.fromkeys(found))


def _present(run: RunDirectory) -> set[tuple[str, str, str]]:
    """Return task, language and split of the samples that are there."""
    if not run.samples.exists():
        return set()
    columns = ["task", "language", "split"]
    return set(
        pd.read_parquet(run.samples, columns=columns).drop_duplicates().itertuples(index=False, name=None)
    )


def _sample(parts: list[_Sampled], world: int) -> pd.DataFrame:
    rows: dict[tuple[str, ...], dict] = {}
    for part in parts:
        examples = read_examples(part.request)
        # Candidates and sentences to mine come whole: here evenly spaced ones do.
        for example in examples[:: -(-len(examples) // SAMPLE_SIZE)]:
            # Two worlds number their examples alike, and so do two data sets of one task.
            owner = f"w{world}" if get_task(part.task).world else part.request.task
            row = {
                "task": part.task,
                "language": part.request.language,
                "split": part.role,
                "example_id": f"{owner}:{example.id}",
                "text": " ".join(example.texts),
            }
            rows.setdefault(tuple(row.values())[:4], row)
    return pd.DataFrame(rows.values())


def _represent(run: RunDirectory, name: str, samples: pd.DataFrame, device: str) -> pd.DataFrame:
    """Write the embeddings of one encoder; return its subword counts."""
    encoder = resolve_encoder(name)
    tokenizer = load_tokenizer(encoder)
    longest = min(MAX_LENGTH, encoder.positions or MAX_LENGTH)
    features = text_features(list(samples["text"]), tokenizer, longest)
    model = TransferModel(load_encoder(encoder)).to(device)
    vectors = embed(model, features, tokenizer.pad_token_id, -1, "mean")
    path = run.representations(name)
    keys = ["task", "language", "split", "example_id"]
    write_table(path.with_suffix(".parquet"), samples[keys])
    write_file(path, lambda temporary: _save(temporary, embeddings=vectors))
    rows = []
    for group, part in samples.groupby(keys[:3], sort=False):
        counts = _count(features.ids, features.starts, part.index.to_numpy(), tokenizer)
        words = sum(len(text.split()) for text in part["text"])
        values = dict(zip(keys[:3], group, strict=True)) | {"checkpoint": name, "words": words}
        rows += [{**values, "piece": piece, "count": n} for piece, n in sorted(counts.items())]
    return pd.DataFrame(rows)


def _save(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _count(ids: np.ndarray, starts: np.ndarray, rows: np.ndarray, tokenizer) -> Counter[str]:
    """Count the subwords of some rows; special tokens, the unknown one excepted, are left out."""
    flat = np.concatenate([ids[starts[r] : starts[r + 1]] for r in rows])
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    values, counts = np.unique(flat, return_counts=True)
    pieces = tokenizer.convert_ids_to_tokens(values.tolist())
    return Counter(
        {p: int(n) for v, p, n in zip(values, pieces, counts, strict=True) if int(v) not in special}
    )
