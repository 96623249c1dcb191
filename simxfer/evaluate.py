"""A stage's model and a target -> scores, scores of examples, predictions: three frames."""

import json
from collections.abc import Callable

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
    rows: dict[str, list[dict]] = {"scores": [], "examples": [], "predictions": []}
    for language in evaluation.languages:
        dataset = dataset_of(language)
        predictions = predict(model, task, dataset, pad, evaluation.protocol)
        gold = [json.loads(text) for text in dataset.gold["gold"]]
        ids = dataset.gold["id"].tolist()
        rows["scores"] += _scores(task, dataset, gold, predictions, language)
        rows["examples"] += _examples(task, ids, gold, predictions, language)
        rows["predictions"] += [
            {"language": language, "example_id": i, "prediction": json.dumps(p, ensure_ascii=False)}
            for i, p in zip(ids, predictions, strict=True)
        ]
    frames = {name: pd.DataFrame(found) for name, found in rows.items()}
    counts = dict.fromkeys(("tp", "fp", "fn"), "Int64")
    return {**frames, "examples": frames["examples"].astype(counts)}


def _scores(task: Task, dataset: Dataset, gold: list, predictions: list, language: str) -> list[dict]:
    """Score the whole test set and each of its declared subsets, under every metric of the task."""
    rows = []
    truncated, unknown, subwords = (int(n) for n in dataset.features.counts)
    unknown_share = unknown / max(1, subwords)
    subsets = [text.split() for text in dataset.gold["subsets"]]
    for subset in ("", *task.subsets):
        chosen = [i for i, names in enumerate(subsets) if not subset or subset in names]
        for name in task.metrics if chosen else ():
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
    return rows


def _flags(scored: Scored, unknown_share: float) -> str:
    """Return the warnings that a score deserves by itself, separated by ';'."""
    flags = ["all-zero"] * (scored.value == 0.0) + ["unknown-subwords"] * (unknown_share > UNKNOWN_LIMIT)
    return ";".join(flags)


def _examples(task: Task, ids: list[str], gold: list, predictions: list, language: str) -> list[dict]:
    scored = METRICS[task.metric](gold, predictions)
    counts = [(None, None, None)] * len(ids) if scored.counts is None else scored.counts.tolist()
    return [
        {"language": language, "example_id": i, "score": score, "tp": tp, "fp": fp, "fn": fn}
        for i, score, (tp, fp, fn) in zip(ids, scored.examples.tolist(), counts, strict=True)
    ]
