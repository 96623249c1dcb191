"""One task in one language: two files -> scores."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

from simxfer.common.errors import InputError, unknown
from simxfer.metrics import best_thresholds
from simxfer.scoring.official.languages import resolve_language
from simxfer.scoring.official.layouts import BENCHMARKS, LAYOUTS
from simxfer.scoring.official.matching import READERS, refuse_other_ids
from simxfer.scoring.official.reading import present, read_object
from simxfer.scoring.record import Answers
from simxfer.tasks import get_task
from simxfer.tasks.record import Task

COLUMNS = ("task", "language", "metric", "value", "n_examples", "flags")

NO_DATES = "dates-as-no-entity"
"""Flag: the files tag dates, and the score does not count them; a row `..._with_dates` does."""


def score_file(
    task: str,
    predictions: Path | str,
    gold: Path | str,
    language: str = "",
    no_answer: Path | str | None = None,
) -> pd.DataFrame:
    """Score a file of predictions against a gold file.

    Args:
        task: name in `LAYOUTS`.
        predictions: one label or tag a line, two ids a line, or {id: answer} as JSON, as XTREME has them; or what
            run_xnli.py, run_ner.py and run_qa.py write (`index TAB prediction`, a sentence a line, the n best).
        gold: the task's own labelled file (CoNLL-U, SQuAD's JSON, XNLI's table, Mewsli-X's mentions, ...), of which
            other languages are left out, or the labels alone, laid out as the predictions are in XTREME.
        language: code of the language (of the contexts in MLQA); read off the files' names where it is not given.
        no_answer: SQuAD 2.0: {id: probability that there is no answer}, or how much better no answer scores than
            the best one (run_qa.py's null_odds); adds the best thresholds, in the unit of this file.

    Returns:
        A table with the columns task, language, metric, value (points; for ..._thresh the unit of `no_answer`),
        n_examples (mining: gold pairs), flags (all-zero, chance-level, labels-without-gold, placeholder-gold,
        unanswered, unknown-ids, dates-as-no-entity; separated by ';').

    Raises:
        InputError: anything is wrong with the files or they do not belong together.
    """
    if task not in LAYOUTS:
        raise InputError(unknown("task", task, [*LAYOUTS, *BENCHMARKS]))
    record = get_task(task)
    if no_answer and not record.unanswerable:
        raise InputError(f"{task} has no unanswerable questions; probabilities of no answer go with squad_v2")
    predictions, gold = present(Path(predictions)), present(Path(gold))
    language = resolve_language(record, language, predictions, gold)
    answers = READERS[record.kind](record, predictions, gold, language)
    rows = _rows(record, answers, language)
    if LAYOUTS[task].dates:
        with_dates = replace(record, labels=(*record.labels, *record.spellings), spellings={})
        rows = _both_ways(
            record, answers, READERS[record.kind](with_dates, predictions, gold, language), language
        )
    if record.unanswerable:
        rows += _parts(answers, present(Path(no_answer)) if no_answer else None)
    return pd.DataFrame([{"task": task, "language": language, **row} for row in rows], columns=list(COLUMNS))


def _rows(task: Task, answers: Answers, language: str) -> list[dict]:
    scores = {name: answers.score(name, language) for name in task.metrics}
    return [
        {
            "metric": name,
            "value": scored.value,
            "n_examples": len(scored.examples),
            "flags": ";".join([*answers.flags, *answers.score_flags(task, name, scored)]),
        }
        for name, scored in scores.items()
    ]


def _both_ways(task: Task, answers: Answers, with_dates: Answers, language: str) -> list[dict]:
    """Return the scores without dates, flagged, and those with dates; the first alone where no file has any."""
    if (answers.gold, answers.predictions) == (with_dates.gold, with_dates.predictions):
        return _rows(task, answers, language)
    counted = _rows(task, with_dates, language)
    return [
        *_rows(task, replace(answers, flags=(*answers.flags, NO_DATES)), language),
        *({**row, "metric": f"{row['metric']}_with_dates"} for row in counted),
    ]


def _parts(answers: Answers, no_answer: Path | None) -> list[dict]:
    """Return the rest of what evaluate-v2.0.py prints, under its names."""
    order = list(range(len(answers.ids)))
    no_answers = None
    if no_answer:
        found = read_object(no_answer)
        refuse_other_ids(found, answers.ids, no_answer)
        place = {key: i for i, key in enumerate(answers.ids)}
        order = [place[key] for key in found]  # ties are broken by the order of this file, as in the script
        no_answers = [_number(found[key], key, no_answer) for key in found]
    report = best_thresholds(
        [answers.gold[i] for i in order], [answers.predictions[i] for i in order], no_answers
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


def _number(value: object, key: str, path: Path) -> float:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise InputError(
        f"{path}: {key!r} has {value!r}, expected a number that grows as no answer becomes more likely: a "
        "probability, or a difference of scores"
    )
