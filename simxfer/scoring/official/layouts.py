"""How files of predictions are laid out, and what the benchmarks average.

The layouts, languages, groups and averages are those of google-research/xtreme's evaluate.py (Hu et al. 2020,
Ruder et al. 2021), which reads `TASK/test-LANGUAGE.SUFFIX` below a folder of predictions and one of labels.
"""

from dataclasses import dataclass

from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import LANGUAGE_GROUPS
from simxfer.tasks.record import Files, Task


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the files of a task have that its record does not say; its kind decides their form."""

    suffix: str = "tsv"
    """Ending of the files in a benchmark's folder."""
    averaged: int = 1
    """How many of the metrics make the task's score in a benchmark, as their mean."""
    more_languages: bool = False
    """Whether the data set exists in more languages than the record has."""
    dates: bool = False
    """Whether published scores count dates, which the record reads as no entity; both are then given."""


_QUESTIONS = Layout(suffix="json", averaged=2)

LAYOUTS: dict[str, Layout] = {
    "xnli": Layout(),
    "americasnli": Layout(),
    "pawsx": Layout(),
    "xcopa": Layout(suffix="jsonl"),
    "udpos": Layout(more_languages=True),
    "panx": Layout(more_languages=True),
    "ud": Layout(),
    "masakhaner2": Layout(dates=True),
    "xquad": _QUESTIONS,
    "mlqa": _QUESTIONS,
    "tydiqa": _QUESTIONS,
    "squad_v1": _QUESTIONS,
    "squad_v2": _QUESTIONS,
    "bucc2018": Layout(),
    "tatoeba": Layout(),
    "lareqa": Layout(suffix="json"),
    "mewslix": Layout(suffix="json"),
}
"""The tasks that files can be scored for."""


def native(task: Task) -> Files:
    """Return how the own files of a task that can be scored are read."""
    assert task.files is not None, f"{task.name} has no native files"
    return task.files


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark: the languages of each task, and its groups of tasks."""

    tasks: dict[str, tuple[str, ...]]
    groups: dict[str, tuple[str, ...]]


def _benchmark(name: str, **groups: tuple[str, ...]) -> Benchmark:
    """Return a benchmark: the languages of each task that are among its own; XCOPA's English is COPA's."""
    tasks = {
        task: tuple(
            code
            for code in TASKS[task].languages
            if code in LANGUAGE_GROUPS[name] and (task, code) != ("xcopa", "en")
        )
        for group in groups.values()
        for task in group
    }
    return Benchmark(tasks=tasks, groups=groups)


BENCHMARKS: dict[str, Benchmark] = {
    "xtreme": _benchmark(
        "xtreme",
        classification=("pawsx", "xnli"),
        tagging=("udpos", "panx"),
        qa=("xquad", "mlqa", "tydiqa"),
        retrieval=("bucc2018", "tatoeba"),
    ),
    # evaluate.py has neither languages nor a score for LAReQA; it stands here as in the paper's tables.
    "xtreme-r": _benchmark(
        "xtreme-r",
        classification=("xnli", "xcopa"),
        tagging=("udpos", "panx"),
        qa=("xquad", "mlqa", "tydiqa"),
        retrieval=("tatoeba", "mewslix", "lareqa"),
    ),
}
