"""A stage's model and a target -> scores, scores of examples, predictions: three frames."""

import json
from collections import Counter
from collections.abc import Callable, Sequence, Set

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


FEWEST_FOR_CHANCE = 30
"""Test examples below which nothing is said about chance level and missing labels."""


def dev_score(model: TransferModel, task: Task, dataset: Dataset, pad: int) -> float:
    """Return the score of a task on dev data by its first metric, in points."""
    gold = [json.loads(text) for text in dataset.gold["gold"]]
    return METRICS[task.metric](gold, predict(model, task, dataset, pad)).value


def evaluate(
    model: TransferModel,
    evaluation: Evaluation,
    dataset_of: Callable[[str], Dataset],
    pad: int,
    seen: Set[str] = frozenset(),
    flags: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Score one target in all languages of an evaluation.

    Args:
        model: encoder and the target's head.
        evaluation: target, languages, protocol.
        dataset_of: the test data of a language.
        pad: id of the padding subword.
        seen: digests of everything that the model was trained on; test examples among them are flagged.
        flags: what all scores of the checkpoint are flagged with.

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
        known = int(dataset.gold["digest"].isin(seen).sum())
        warnings = [*flags, *_data_flags(dataset), *([f"seen-in-training={known}"] if known else [])]
        rows["scores"] += _scores(task, dataset, gold, predictions, language, evaluation.split, warnings)
        rows["examples"] += _examples(task, ids, gold, predictions, language)
        rows["predictions"] += [
            {"language": language, "example_id": i, "prediction": json.dumps(p, ensure_ascii=False)}
            for i, p in zip(ids, predictions, strict=True)
        ]
    frames = {name: pd.DataFrame(found) for name, found in rows.items()}
    counts = dict.fromkeys(("tp", "fp", "fn"), "Int64")
    return {**frames, "examples": frames["examples"].astype(counts)}


def _scores(
    task: Task,
    dataset: Dataset,
    gold: list,
    predictions: list,
    language: str,
    split: str,
    flags: Sequence[str],
) -> list[dict]:
    """Score the whole test set and each of its declared subsets, under every metric of the task."""
    rows = []
    truncated, unknown, subwords = (int(n) for n in dataset.features.counts)
    unknown_share = unknown / max(1, subwords)
    subsets = [text.split() for text in dataset.gold["subsets"]]
    for subset in ("", *task.subsets):
        chosen = [i for i, names in enumerate(subsets) if not subset or subset in names]
        for name in task.metrics if chosen else ():
            some_gold = [gold[i] for i in chosen]
            scored = METRICS[name](some_gold, [predictions[i] for i in chosen], language)
            rows.append(
                {
                    "language": language,
                    "split": f"{split}/{subset}" if subset else split,
                    "metric": name,
                    "value": scored.value,
                    "n_examples": len(chosen),
                    "flags": ";".join([*flags, *_score_flags(task, scored, some_gold)]),
                    "truncated": truncated,
                    "unknown_share": unknown_share,
                }
            )
    return rows


def _data_flags(dataset: Dataset) -> list[str]:
    _, unknown, subwords = dataset.features.counts
    return ["unknown-subwords"] * bool(unknown > UNKNOWN_LIMIT * max(1, subwords))


def _score_flags(task: Task, scored: Scored, gold: list) -> list[str]:
    """Return the warnings that a score deserves by itself."""
    if scored.value == 0.0:
        return ["all-zero"]
    if task.kind not in ("classification", "multiple_choice") or len(gold) < FEWEST_FOR_CHANCE:
        return []
    counts = Counter(gold)
    best_constant = max(counts.values()) / len(gold)
    error = (best_constant * (1 - best_constant) / len(gold)) ** 0.5
    flags = ["chance-level"] * (scored.value / 100 <= best_constant + 2 * error)
    missing = [label for label in task.labels if label not in counts]
    return flags + [f"labels-without-gold={','.join(missing)}"] * bool(missing)


def _examples(task: Task, ids: list[str], gold: list, predictions: list, language: str) -> list[dict]:
    scored = METRICS[task.metric](gold, predictions)
    counts = [(None, None, None)] * len(ids) if scored.counts is None else scored.counts.tolist()
    return [
        {"language": language, "example_id": i, "score": score, "tp": tp, "fp": fp, "fn": fn}
        for i, score, (tp, fp, fn) in zip(ids, scored.examples.tolist(), counts, strict=True)
    ]
