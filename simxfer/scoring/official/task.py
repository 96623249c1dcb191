"""One task in one language: two files -> scores."""

from pathlib import Path

import pandas as pd

from simxfer.common.errors import InputError, unknown
from simxfer.metrics import METRICS, best_thresholds
from simxfer.metrics.guards import warnings
from simxfer.scoring.official.languages import resolve_language
from simxfer.scoring.official.layouts import BENCHMARKS, LAYOUTS
from simxfer.scoring.official.matching import READERS, Answers, refuse_other_ids
from simxfer.scoring.official.reading import read_object

COLUMNS = ("task", "language", "metric", "value", "n_examples", "flags")


def score_file(
    task: str,
    predictions: Path | str,
    gold: Path | str,
    language: str = "",
    no_answer: Path | str | None = None,
) -> pd.DataFrame:
    """Score a file of predictions against a gold file, both in XTREME's layout.

    Args:
        task: name in `LAYOUTS`.
        predictions: one label or tag a line, two ids a line, or {id: answer} as JSON.
        gold: the same, or the task's own labelled file (SQuAD's JSON; tab-separated with the label last).
        language: code of the language (of the contexts in MLQA); read off the files' names where it is not given.
        no_answer: SQuAD 2.0: {id: probability that there is no answer}; adds the best thresholds.

    Returns:
        A table with the columns task, language, metric, value (points; for ..._thresh a probability),
        n_examples, flags (all-zero, chance-level, placeholder-gold, unanswered, unknown-ids; separated by ';').

    Raises:
        InputError: anything is wrong with the files or they do not belong together.
    """
    if task not in LAYOUTS:
        raise InputError(unknown("task", task, [*LAYOUTS, *BENCHMARKS]))
    layout = LAYOUTS[task]
    if no_answer and not layout.unanswerable:
        raise InputError(f"{task} has no unanswerable questions; probabilities of no answer go with squad_v2")
    predictions, gold = Path(predictions), Path(gold)
    language = resolve_language(task, layout, language, predictions, gold)
    answers = READERS[layout.form](layout, predictions, gold, language)
    rows = [_row(name, answers, language) for name in layout.metrics]
    if layout.unanswerable:
        rows += _parts(answers, Path(no_answer) if no_answer else None)
    return pd.DataFrame([{"task": task, "language": language, **row} for row in rows], columns=list(COLUMNS))


def _row(name: str, answers: Answers, language: str) -> dict:
    scored = METRICS[name](answers.gold, answers.predicted, language)
    flags = [*answers.flags, *warnings(name, scored.value, answers.gold)]
    return {"metric": name, "value": scored.value, "n_examples": len(answers.gold), "flags": ";".join(flags)}


def _parts(answers: Answers, no_answer: Path | None) -> list[dict]:
    """Return the rest of what evaluate-v2.0.py prints, under its names."""
    order = list(range(len(answers.ids)))
    probabilities = None
    if no_answer:
        found = read_object(no_answer)
        refuse_other_ids(found, answers.ids, no_answer)
        place = {key: i for i, key in enumerate(answers.ids)}
        order = [place[key] for key in found]  # ties are broken by the order of this file, as in the script
        probabilities = [_probability(found[key], key, no_answer) for key in found]
    report = best_thresholds(
        [answers.gold[i] for i in order], [answers.predicted[i] for i in order], probabilities
    )
    totals = {name.removesuffix("total"): int(n) for name, n in report.items() if name.endswith("total")}
    return [
        {
            "metric": name,
            "value": value,
            "n_examples": totals.get(name.partition("Ans_")[0] + "Ans_", totals[""]),
            "flags": "",
        }
        for name, value in report.items()
        if not name.endswith("total") and name not in ("exact", "f1")
    ]


def _probability(value: object, key: str, path: Path) -> float:
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    raise InputError(
        f"{path}: {key!r} has {value!r}, expected a probability (0-1); a difference x of scores becomes one by "
        "1 / (1 + exp(-x)), which keeps their order"
    )
