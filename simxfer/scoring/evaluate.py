"""A stage's model and a target -> scores, scores of examples, predictions: three frames."""

import json
import logging
from collections.abc import Callable, Collection, Sequence
from functools import cache

import numpy as np
import pandas as pd

from simxfer.encoder.dataset import Dataset, repeated
from simxfer.encoder.network import TransferModel
from simxfer.scoring.answers import answers
from simxfer.scoring.attack import Attacked
from simxfer.scoring.predict import encoder_numerics
from simxfer.scoring.protocol import Evaluation
from simxfer.scoring.record import Answers, data_flags, lowest
from simxfer.sources.perturb.examples import NOT_AVAILABLE
from simxfer.tasks import get_task
from simxfer.tasks.record import Task

_log = logging.getLogger(__name__)

_COLUMNS = {
    "scores": ("language", "split", "metric", "value", "n_examples", "flags", "truncated", "unknown_share"),
    "examples": ("language", "example_id", "score", "tp", "fp", "fn"),
    "predictions": ("language", "example_id", "prediction"),
}


def dev_score(
    model: TransferModel, task: Task, dataset: Dataset, pad: int, language: str, numerics: str = "fp32"
) -> float:
    """Return the score of a task on dev data of a language by its first metric, in points.

    `numerics` is what the encoder computes in: `fp32` or `bf16`.
    """
    with encoder_numerics(model, numerics):
        [(_, _, found)] = answers(model, task, [language], lambda _: dataset, lambda _: None, pad, {})
    return found.score(task.metric, language).value


def evaluate(
    model: TransferModel,
    evaluation: Evaluation,
    dataset_of: Callable[[str], Dataset],
    pad: int,
    seen: Sequence[np.ndarray] = (),
    flags: Sequence[str] = (),
    dev_of: Callable[[str], Dataset | None] = lambda language: None,
    more_draws: Sequence[Callable[[str], Dataset]] = (),
    among: Collection[str] = (),
) -> dict[str, pd.DataFrame]:
    """Score one target in all languages of an evaluation.

    A language in which the perturbation is not available has no rows; the flags of the others name it. Of several
    draws of a perturbation each example keeps the one with its lowest score by the target's first metric, the first
    of equal ones; what is said of the data is said of the first draw. An attack on embeddings counts as a second draw
    of the clean data: what is wrong anyway stays as it is.

    Args:
        model: encoder and the target's head.
        evaluation: target, languages, protocol.
        dataset_of: the test data of a language.
        pad: id of the padding subword.
        seen: the `digests` of each data set that the model was trained on; test examples among them are flagged.
        flags: what all scores of the checkpoint are flagged with.
        dev_of: other data of a language, to choose mining's threshold on; None where there are none.
        more_draws: the test data of a language in every draw of the perturbation after the first.
        among: the languages to score now; all if empty.

    Returns:
        `scores` (language, split, metric, value, n_examples, flags, truncated, unknown_share), `examples`
        (language, example_id, score, tp, fp, fn, by the target's first metric; of mining one a source sentence, 1
        if exactly its translations were extracted), `predictions` (language, example_id, prediction as JSON).
    """
    task = get_task(evaluation.target)
    rows: dict[str, list[dict]] = {"scores": [], "examples": [], "predictions": []}
    without = [code for code in evaluation.languages if NOT_AVAILABLE in dataset_of(code).noted]
    if without:
        _say_not_available(evaluation.target, evaluation.perturbation, ", ".join(without))
    languages = [code for code in evaluation.languages if code not in without and code in (among or [code])]
    ways = [(model, draw_of) for draw_of in (dataset_of, *more_draws)]
    if evaluation.radius:
        ways.append((Attacked(model, task, evaluation.radius), dataset_of))
    asked = [answers(by, task, languages, of, dev_of, pad, evaluation.protocol) for by, of in ways]
    with encoder_numerics(model, evaluation.numerics):
        for draws in zip(*asked, strict=True):
            language, dataset, _ = draws[0]
            found = lowest([given for _, _, given in draws], task.metric, language)
            known = int(repeated(dataset.digests, seen).sum())
            _, unknown, subwords, without_gold = map(int, dataset.features.counts)
            warnings = [
                *flags,
                *found.flags,
                *data_flags(without_gold, dataset.noted, unknown, subwords),
                *([f"seen-in-training={known}"] * bool(known)),
                *([f"{NOT_AVAILABLE}-in={','.join(without)}"] * bool(without)),
            ]
            rows["scores"] += _scores(task, dataset, found, language, evaluation.reported_split, warnings)
            rows["examples"] += _examples(task, found, language)
            rows["predictions"] += [
                {"language": language, "example_id": i, "prediction": json.dumps(p, ensure_ascii=False)}
                for i, p in zip(found.ids, found.predictions, strict=True)
            ]
    frames = {name: pd.DataFrame(found, columns=_COLUMNS[name]) for name, found in rows.items()}
    counts = dict.fromkeys(("tp", "fp", "fn"), "Int64")
    return {**frames, "examples": frames["examples"].astype(counts)}


@cache
def _say_not_available(target: str, perturbation: str, languages: str) -> None:
    """Say so once, however many checkpoints are scored."""
    _log.warning("%s: %s is not available in %s; there are no scores", target, perturbation, languages)


def _scores(
    task: Task, dataset: Dataset, found: Answers, language: str, split: str, flags: Sequence[str]
) -> list[dict]:
    """Score the whole test set and each of its declared subsets, under every metric of the task."""
    rows = []
    truncated, unknown, subwords, _ = (int(n) for n in dataset.features.counts)
    unknown_share = unknown / max(1, subwords)
    for subset in ("", *task.subsets):
        part = found.subset(subset)
        for name in task.metrics if part.ids else ():
            scored = part.score(name, language)
            rows.append(
                {
                    "language": language,
                    "split": f"{split}/{subset}" if subset else split,
                    "metric": name,
                    "value": scored.value,
                    "n_examples": len(part.ids),
                    "flags": ";".join([*flags, *part.score_flags(task, name, scored)]),
                    "truncated": truncated,
                    "unknown_share": unknown_share,
                }
            )
    return rows


def _examples(task: Task, found: Answers, language: str) -> list[dict]:
    if task.kind == "mining":
        counts: Sequence[tuple] = found.counts()
        scores = [float(fp == fn == 0) for _, fp, fn in counts]
    else:
        scored = found.score(task.metric, language)
        counts = [(None, None, None)] * len(found.ids) if scored.counts is None else scored.counts.tolist()
        scores = scored.examples.tolist()
    return [
        {"language": language, "example_id": i, "score": score, "tp": tp, "fp": fp, "fn": fn}
        for i, score, (tp, fp, fn) in zip(found.ids, scores, counts, strict=True)
    ]
