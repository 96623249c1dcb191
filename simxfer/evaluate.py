"""A stage's model and a target -> scores, scores of examples, predictions: three frames."""

import json
from collections.abc import Callable

import numpy as np
import pandas as pd

from simxfer.features import Dataset
from simxfer.metrics import METRICS, Scored
from simxfer.model import TransferModel
from simxfer.plan import Evaluation
from simxfer.predict import predict
from simxfer.tasks import get_task
from simxfer.tasks.record import Task

UNKNOWN_LIMIT = 0.05
"""Share of unknown subwords in a language's test data above which its scores are flagged."""


def evaluate(
    model: TransferModel, evaluation: Evaluation, dataset_of: Callable[[str], Dataset], pad: int
) -> dict[str, pd.DataFrame]:
    """Score one target in all languages of an evaluation.

    Args:
        model: encoder and the target's head.
        evaluation: target, languages, protocol.
        dataset_of: the test data of a language.
        pad: id of the padding subword.

    Returns:
        `scores` (language, split, metric, value, n_examples, flags, truncated, unknown_share), `examples`
        (language, example_id, score, tp, fp, fn, by the target's first metric), `predictions` (language,
        example_id, prediction as JSON).
    """
    task = get_task(evaluation.target)
    frames: dict[str, list[pd.DataFrame]] = {"scores": [], "examples": [], "predictions": []}
    for language in evaluation.languages:
        dataset = dataset_of(language)
        predictions = predict(model, task, dataset, pad, evaluation.protocol)
        gold = [json.loads(text) for text in dataset.gold["gold"]]
        frames["scores"].append(_scores(task, dataset, gold, predictions, language))
        frames["examples"].append(_examples(task, dataset, gold, predictions, language))
        frames["predictions"].append(
            pd.DataFrame(
                {
                    "language": language,
                    "example_id": dataset.gold["id"],
                    "prediction": [json.dumps(p, ensure_ascii=False) for p in predictions],
                }
            )
        )
    return {name: pd.concat(parts, ignore_index=True) for name, parts in frames.items()}


def _scores(task: Task, dataset: Dataset, gold: list, predictions: list, language: str) -> pd.DataFrame:
    """Score the whole test set and each of its declared subsets, under every metric of the task."""
    rows = []
    truncated, unknown, subwords = (int(n) for n in dataset.features.counts)
    unknown_share = unknown / max(1, subwords)
    subsets = dataset.gold["subsets"].str.split()
    for subset in ("", *task.subsets):
        keep = np.array([not subset or subset in names for names in subsets])
        if not keep.any():
            continue
        chosen = np.flatnonzero(keep)
        for name in task.metrics:
            scored = METRICS[name]([gold[i] for i in chosen], [predictions[i] for i in chosen])
            rows.append(
                {
                    "language": language,
                    "split": f"test/{subset}" if subset else "test",
                    "metric": name,
                    "value": scored.value,
                    "n_examples": len(chosen),
                    "flags": _flags(scored, unknown_share),
                    "truncated": truncated,
                    "unknown_share": unknown_share,
                }
            )
    return pd.DataFrame(rows)


def _flags(scored: Scored, unknown_share: float) -> str:
    """Return the warnings that a score deserves by itself, separated by ';'."""
    flags = ["all-zero"] * (scored.value == 0.0) + ["unknown-subwords"] * (unknown_share > UNKNOWN_LIMIT)
    return ";".join(flags)


def _examples(task: Task, dataset: Dataset, gold: list, predictions: list, language: str) -> pd.DataFrame:
    scored = METRICS[task.metric](gold, predictions)
    frame = pd.DataFrame({"language": language, "example_id": dataset.gold["id"], "score": scored.examples})
    counts = scored.counts if scored.counts is not None else np.full((len(frame), 3), -1)
    for k, name in enumerate(("tp", "fp", "fn")):
        values = pd.Series(counts[:, k], dtype="Int64")
        frame[name] = values.where(values >= 0)
    return frame
