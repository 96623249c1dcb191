"""How files of predictions are laid out, and what the benchmarks average.

The layouts, languages, groups and averages are those of google-research/xtreme's evaluate.py (Hu et al. 2020,
Ruder et al. 2021), which reads `TASK/test-LANGUAGE.SUFFIX` below a folder of predictions and one of labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import LANGUAGE_GROUPS

Form = Literal["labels", "indices", "tags", "answers", "pairs", "rankings"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the predictions of a task are laid out, and how they are scored."""

    form: Form
    """labels, indices: one a line; tags: one a line, a blank line between sentences; answers: {id: text} against
    SQuAD's JSON; pairs: two ids a line; rankings: {id: [ids]}."""
    metrics: tuple[str, ...]
    """Names in `simxfer.metrics.METRICS`; XTREME averages those of the first group."""
    averaged: int = 1
    """How many of the metrics make the task's score in a benchmark, as their mean."""
    languages: tuple[str, ...]
    """Languages of the test sets, as in the task's record."""
    more_languages: bool = False
    """Whether the data set exists in more languages than the record has."""
    labels: tuple[str, ...] = ()
    """The label space, as in the task's record."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of labels in files -> labels."""
    suffix: str = "tsv"
    """Ending of the files in a benchmark's folder."""
    quoted: bool = False
    """Whether tab-separated fields are quoted as in CSV."""
    unanswerable: bool = False
    """Whether a question may have no answer."""


def _layout(task: str, form: Form, **how: Any) -> Layout:
    """Return the layout of a task; what is scored, in which languages and labels, is the record's to say."""
    record = TASKS[task]
    said = {"metrics": record.metrics, "labels": record.labels, "spellings": record.spellings}
    return Layout(form=form, languages=record.languages, **said | how)


_ANSWERS: dict[str, Any] = {"form": "answers", "suffix": "json", "averaged": 2}
_CHOICES = {"labels": ("0", "1"), "suffix": "jsonl"}

LAYOUTS: dict[str, Layout] = {
    "xnli": _layout("xnli", "labels"),
    "americasnli": _layout("americasnli", "labels"),
    "pawsx": _layout("pawsx", "labels", quoted=True),
    "xcopa": _layout("xcopa", "labels", **_CHOICES),
    "udpos": _layout("udpos", "tags", more_languages=True),
    "panx": _layout("panx", "tags", more_languages=True),
    "ud": _layout("ud", "tags"),
    "masakhaner2": _layout("masakhaner2", "tags"),
    "xquad": _layout("xquad", **_ANSWERS),
    "mlqa": _layout("mlqa", **_ANSWERS),
    "tydiqa": _layout("tydiqa", **_ANSWERS),
    "squad_v1": _layout("squad_v1", **_ANSWERS),
    "squad_v2": _layout("squad_v2", **_ANSWERS, unanswerable=True),
    "bucc2018": _layout("bucc2018", "pairs"),
    "tatoeba": _layout("tatoeba", "indices"),
    "lareqa": _layout("lareqa", "rankings", suffix="json"),
    "mewslix": _layout("mewslix", "rankings", suffix="json"),
}


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
