"""The one owner of every table: columns, types, keys, ranges.

A table is checked where it is read and where it is written. All faults of a table are reported together, each
with the rows it stands in and the remedy. Unknown columns are kept.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal

import langcodes
import pandas as pd

from simxfer.common.errors import InputError
from simxfer.metrics import METRICS

Dtype = Literal["string", "float", "integer"]

PIVOT = "en"
PSEUDO_LANGUAGES = frozenset({"avg", "average", "mean", "all", "overall", "total", "macro", "micro", "xx"})


@dataclass(frozen=True)
class Column:
    """One column: its name, its type, what it holds, and whether a row may leave it empty."""

    name: str
    dtype: Dtype
    meaning: str
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its columns in order and the columns that identify a row."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


def _columns(*rows: tuple[str, Dtype, str] | tuple[str, Dtype, str, bool]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


SWAPPED = "/swapped"
"""Ends the stage of scores for which the adapters of the tested languages stood beneath the checkpoint."""

_RESULT_COLUMNS = _columns(
    ("run", "string", "name of the run directory, or of the published source"),
    ("model", "string", "architecture and size, such as FacebookAI/xlm-roberta-large"),
    ("checkpoint", "string", "the pretrained encoder (a replicate in the world)"),
    ("method", "string", "training method with its parameters, canonical: full, adapter(pfeiffer,r=16)"),
    ("intermediate", "string", "a task, a sequence a>b, a mixture a+b, or none"),
    ("target", "string", "target task"),
    ("language", "string", "BCP-47 code of the test data; x-... for artificial languages"),
    ("split", "string", "test data and, behind a slash, the subset of it that is scored: test/unseen"),
    ("perturbation", "string", "clean, or the perturbation with its parameters: typos(0.1)"),
    ("selection", "string", "model-selection rule: last, best-en-dev, averaged, best-target-dev"),
    ("seed", "integer", "fine-tuning seed"),
    ("metric", "string", "name in simxfer.metrics.METRICS"),
    ("value", "float", "the score in points"),
    ("n_examples", "integer", "test examples behind the score", True),
    ("flags", "string", "warnings, separated by ';', empty when there is none", True),
    (
        "stage",
        "string",
        f"id of the stage whose checkpoint was scored, and {SWAPPED} over other adapters",
        True,
    ),
)
_RESULT_KEY = tuple(
    column.name for column in _RESULT_COLUMNS if column.name not in ("value", "n_examples", "flags", "stage")
)

RESULTS = Table("results", _RESULT_COLUMNS, _RESULT_KEY)

MEASUREMENT = (*(name for name in _RESULT_KEY if name != "seed"), "stage")
"""Columns by which rows of results are one measurement: an untrained checkpoint is scored once for all seeds."""
SAME_CHECKPOINT = "same-checkpoint"
"""Flag of such rows."""

WORDS_CHANGED, WORDS, ANSWERS_HIT = "perturbed-words", "perturbed-words-of", "answers-hit-stay-clean"
"""Flags of perturbed scores: words that really changed, of so many; questions left as they were because their answer
would have changed."""
TARGET_DEV: Final = "best-target-dev"
"""A selection rule that is an oracle: labelled dev data in each tested language choose its checkpoint."""

EXAMPLES = Table(
    "examples",
    _columns(
        ("stage", "string", "id of the stage whose checkpoint was scored, as in the results"),
        ("target", "string", "target task"),
        ("language", "string", "BCP-47 code of the test data"),
        ("perturbation", "string", "clean, or the perturbation with its parameters"),
        ("selection", "string", "model-selection rule, where it is told", True),
        ("example_id", "string", "id of the example, equal across languages for parallel test sets"),
        ("score", "float", "score of this example, 0-1"),
        ("tp", "integer", "tagging: true positives", True),
        ("fp", "integer", "tagging: false positives", True),
        ("fn", "integer", "tagging: false negatives", True),
    ),
    ("stage", "target", "language", "perturbation", "selection", "example_id"),
)

SIMILARITY = Table(
    "similarity",
    _columns(
        ("a", "string", "first task or language; the source of a directed measure"),
        ("b", "string", "second task or language"),
        ("measure", "string", "name in analyses.similarity.MEASURES"),
        ("language", "string", "language of b's data, where the measure has one", True),
        ("checkpoint", "string", "encoder that the measure looked through, where it did", True),
        ("value", "float", "similarity: higher means more alike"),
        ("observed_share", "float", "share of the measure's input that was observed, 0-1"),
    ),
    ("a", "b", "measure", "language", "checkpoint"),
)

LANGUAGES = Table(
    "languages",
    _columns(
        ("language", "string", "BCP-47 code"),
        (
            "kind",
            "string",
            "syntactic, phonological, inventory, genetic, geographic, script, lexical, distance",
        ),
        ("feature", "string", "URIEL's name of the feature where it has one"),
        ("value", "float", "value of the feature; a missing value is an absent row"),
    ),
    ("language", "kind", "feature"),
)

SAMPLES = Table(
    "samples",
    _columns(
        ("task", "string", "task the text belongs to"),
        ("language", "string", "BCP-47 code"),
        ("split", "string", "train or test"),
        ("example_id", "string", "id of the example"),
        ("text", "string", "the inputs of the example, joined by a blank"),
    ),
    ("task", "language", "split", "example_id"),
)

SUBWORDS = Table(
    "subwords",
    _columns(
        ("checkpoint", "string", "encoder whose tokenizer cut the text"),
        ("task", "string", "task the text belongs to"),
        ("language", "string", "BCP-47 code"),
        ("split", "string", "train or test"),
        ("piece", "string", "subword; <unk> for the unknown one"),
        ("count", "integer", "occurrences in the sample"),
        ("words", "integer", "whitespace-separated words of the whole sample (the same in all its rows)"),
    ),
    ("checkpoint", "task", "language", "split", "piece"),
)

TABLES = {table.name: table for table in (RESULTS, EXAMPLES, SIMILARITY, LANGUAGES, SAMPLES, SUBWORDS)}


def validate(frame: pd.DataFrame, table: Table, where: str = "") -> pd.DataFrame:
    """Return the frame with the table's columns first and its types, or raise with every fault found.

    Args:
        frame: the table as read or made; unknown columns are kept behind the known ones.
        table: one of `TABLES`.
        where: file name for the message.

    Raises:
        InputError: a column is missing, occurs twice or has the wrong type, a value is out of range, a key occurs
            twice, a language is unknown or a pseudo-language. Rows are counted from 1, the header not included.
    """
    missing = [c.name for c in table.columns if c.name not in frame.columns and not c.optional]
    if missing:
        _refuse(table, where, [f"columns {missing} are missing; it has {list(frame.columns)}"])
    twice = list(frame.columns[frame.columns.duplicated()].unique())
    if twice:
        _refuse(
            table, where, [f"columns {twice} occur twice; keep one of each (a merge or a concat makes such)"]
        )
    faults: list[str] = []
    typed = {column.name: _typed(frame, column, faults) for column in table.columns}
    extra = [name for name in frame.columns if name not in typed]
    if faults:
        _refuse(table, where, faults)
    out = pd.DataFrame(typed).join(frame[extra].reset_index(drop=True))
    faults += _key_faults(out, table)
    for check in _CHECKS.get(table.name, ()):
        faults += check(out)
    if faults:
        _refuse(table, where, faults)
    return out


def is_language(code: str) -> bool:
    """Tell whether `code` is a BCP-47 tag whose language subtag exists, or a private-use tag `x-...`."""
    if code.lower() in PSEUDO_LANGUAGES:
        return False
    if code.startswith("x-"):
        return all(part.isalnum() and len(part) <= 8 for part in code.split("-")[1:])
    return langcodes.tag_is_valid(code)


def rows_text(mask: "pd.Series[bool]", most: int = 5) -> str:
    """Return `row 3`, or `rows 3, 7, 9, ... (12 in all)`, for the rows where the mask holds."""
    rows = [i + 1 for i, bad in enumerate(mask) if bad]
    shown = ", ".join(str(row) for row in rows[:most])
    if len(rows) == 1:
        return f"row {shown}"
    return f"rows {shown}" + (f", ... ({len(rows)} in all)" if len(rows) > most else "")


def _typed(frame: pd.DataFrame, column: Column, faults: list[str]) -> pd.Series:
    """Return the column with its type; note what cannot be read as it."""
    if column.name not in frame.columns:
        values = pd.Series([pd.NA] * len(frame), dtype="object")
    else:
        values = frame[column.name].reset_index(drop=True)
    out: pd.Series
    if column.dtype == "string":
        out = values.astype("string")
        # `none` is the name of an intermediate, and an empty optional text is a text.
        out = out.fillna("") if column.optional else out
        empty = out.isna() | ((out == "") & (not column.optional))
    else:
        numbers = pd.to_numeric(values, errors="coerce").astype("float64")
        unreadable = numbers.isna() & values.notna()
        if column.dtype == "integer":
            unreadable |= numbers.notna() & (numbers != numbers.round())
        if unreadable.any():
            got = values[unreadable].tolist()[0]
            faults.append(
                f"column {column.name!r}, {rows_text(unreadable)}: got {got!r}, expected {column.dtype}"
            )
            return numbers
        out = numbers.astype("Int64") if column.dtype == "integer" else numbers
        empty = numbers.isna() & (not column.optional)
    if empty.any():
        faults.append(f"column {column.name!r}, {rows_text(empty)}: empty; drop the row or fill it in")
    return out


def _key_faults(frame: pd.DataFrame, table: Table) -> list[str]:
    twice = frame.duplicated(list(table.key), keep=False)
    if not twice.any():
        return []
    return [f"{rows_text(twice)}: the same key {list(table.key)} occurs twice; keep one of them"]


def _language_faults(frame: pd.DataFrame) -> list[str]:
    faults = []
    for code in frame["language"].unique():
        if is_language(code):
            continue
        rows = rows_text(frame["language"] == code)
        if code.lower() in PSEUDO_LANGUAGES:
            faults.append(
                f"{rows}: {code!r} is an average, not a language; drop it, averages are computed from the rows"
            )
        else:
            faults.append(
                f"{rows}: unknown language {code!r}; expected a BCP-47 code such as 'sw', or 'x-...' for an "
                "artificial language"
            )
    return faults


def _score_faults(frame: pd.DataFrame) -> list[str]:
    faults = []
    for name, rows in frame.groupby("metric", sort=False):
        metric = METRICS.get(str(name))
        if metric is None:
            known = ", ".join(METRICS)
            faults.append(f"{rows_text(frame['metric'] == name)}: unknown metric {name!r}; known: {known}")
            continue
        outside = (frame["metric"] == name) & ~frame["value"].between(metric.low, metric.high)
        if outside.any():
            faults.append(
                f"{rows_text(outside)}: {name} {frame.loc[outside, 'value'].iloc[0]} is outside "
                f"[{metric.low}, {metric.high}]"
            )
        if len(rows) >= 5 and rows["value"].max() <= 1.0 and rows["value"].max() > 0:
            faults.append(
                f"{rows_text(frame['metric'] == name)}: all values of {name} are at most 1; scores are in points, "
                "multiply them by 100"
            )
    return faults


def _examples_faults(frame: pd.DataFrame) -> list[str]:
    outside = ~frame["score"].between(0.0, 1.0)
    return [f"{rows_text(outside)}: score outside [0, 1]"] if outside.any() else []


_CHECKS: dict[str, tuple[Callable[[pd.DataFrame], list[str]], ...]] = {
    "results": (_language_faults, _score_faults),
    "examples": (_language_faults, _examples_faults),
    "languages": (_language_faults,),
    "samples": (_language_faults,),
}


def _refuse(table: Table, where: str, faults: Collection[str]) -> None:
    head = f"{where or 'the ' + table.name + ' table'} is not a valid {table.name} table:"
    raise InputError("\n  - ".join([head, *faults]))
