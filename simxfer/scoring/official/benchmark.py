"""The whole of XTREME or XTREME-R: two folders -> scores, and the averages that are published."""

from pathlib import Path

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError, unknown
from simxfer.scoring.official.layouts import BENCHMARKS, LAYOUTS
from simxfer.scoring.official.task import score_file
from simxfer.tasks import TASKS

SUFFIXES = ("tsv", "json", "jsonl", "txt")


def score(
    name: str,
    predictions: Path | str,
    gold: Path | str,
    language: str = "",
    no_answer: Path | str | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a task's two files, or a benchmark's two folders.

    Returns:
        The table of `score_file` or `score_benchmark`, and the one of `averages`, empty for a task.
    """
    if name not in BENCHMARKS:
        return score_file(name, predictions, gold, language, no_answer), pd.DataFrame()
    if language or no_answer:
        raise InputError(f"{name} takes no language and no probabilities; score the one task with them")
    scores = score_benchmark(name, predictions, gold)
    return scores, averages(name, scores)


def score_benchmark(name: str, predictions: Path | str, gold: Path | str) -> pd.DataFrame:
    """Score every task and language of a benchmark that both folders hold as `TASK/test-LANGUAGE.SUFFIX`.

    Tasks and languages that the benchmark does not have are left alone, those that are missing stand in the
    table of `averages`.

    Args:
        name: xtreme or xtreme-r.
        predictions: folder of the predictions.
        gold: folder of the labels.

    Returns:
        One row a task, language and metric, with the columns of `score_file`.

    Raises:
        InputError: nothing can be scored, or any file is faulty (all are named).
    """
    if name not in BENCHMARKS:
        raise InputError(unknown("benchmark", name, BENCHMARKS))
    predictions, gold = Path(predictions), Path(gold)
    frames, faults = [], []
    for task, languages in BENCHMARKS[name].tasks.items():
        for language in languages:
            files = [_file(folder / task, language, task) for folder in (predictions, gold)]
            if files[0] is None or files[1] is None:
                continue
            try:
                frames.append(score_file(task, files[0], files[1], language))
            except InputError as error:
                faults.append(str(error))
    if faults:
        raise InputError("\n  - ".join([f"{len(faults)} files cannot be scored:", *faults]))
    if not frames:
        raise InputError(
            f"nothing to score: no file of a task of {name} is in both {predictions} and {gold}; expected files "
            f"such as {predictions / 'xnli' / 'test-sw.tsv'}"
        )
    return pd.concat(frames, ignore_index=True)


def _file(folder: Path, language: str, task: str) -> Path | None:
    """Return a task's file of a language, or None; the suffix is XTREME's or another usual one."""
    for suffix in dict.fromkeys((LAYOUTS[task].suffix, *SUFFIXES)):
        path = folder / f"test-{language}.{suffix}"
        if path.is_file():
            return path
    return None


def averages(name: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Average scores over languages, tasks over groups, and all tasks, as evaluate.py does.

    Args:
        name: xtreme or xtreme-r.
        scores: the table of `score_benchmark`.

    Returns:
        One row a task and metric, one a task with metric `score` (what the benchmark averages: the mean of F1
        and exact match for questions), one a group and one for `all`, with the columns task, metric, value,
        n (languages or tasks averaged), expected (of how many), missing (which are not there, by comma). An
        average over some of the languages is one of those languages only; groups and `all` are empty (NaN)
        where a task or language of theirs is missing.
    """
    benchmark = BENCHMARKS[name]
    rows: list[dict] = []
    complete: dict[str, float] = {}
    for task, languages in benchmark.tasks.items():
        found = scores[scores["task"] == task]
        if found.empty:
            continue
        table = found.pivot(index="language", columns="metric", values="value")
        missing = [language for language in languages if language not in table.index]
        means = table[list(TASKS[task].metrics)].mean()
        score = float(means.iloc[: LAYOUTS[task].averaged].mean())
        for metric, value in (*means.items(), ("score", score)):
            rows.append(_average(task, str(metric), float(value), len(table), missing))
        if not missing:
            complete[task] = score
    for group, tasks in {**benchmark.groups, "all": tuple(benchmark.tasks)}.items():
        missing = [task for task in tasks if task not in complete]
        value = float("nan") if missing else float(np.mean([complete[task] for task in tasks]))
        rows.append(_average(group, "score", value, len(tasks) - len(missing), missing))
    return pd.DataFrame(rows)


def _average(task: str, metric: str, value: float, n: int, missing: list[str]) -> dict:
    return {
        "task": task,
        "metric": metric,
        "value": value,
        "n": n,
        "expected": n + len(missing),
        "missing": ",".join(missing),
    }
