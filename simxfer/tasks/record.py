"""The record of a task: everything the toolkit knows about it, in one place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from simxfer.common.errors import InputError
from simxfer.metrics import METRICS

Kind = Literal[
    "classification", "multiple_choice", "span", "tagging", "retrieval", "mining", "ranking", "mlm"
]
SPLITS = ("train", "dev", "test")
UNKNOWN_SIZE = 10_000
"""Examples that a split is taken to have where its record does not say, for the projected cost of a grid."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """How rows as they are found (of a file, of a Parquet data set) become examples of the task's kind.

    The standard columns are `text`, `text_pair`, `label` (classification); `context`, `choices`, `label`
    (multiple choice; `question` where all languages ask in the same words: the end of the context); `words`, `tags`
    (tagging); `question`, `context`, `answers` (span QA: a list of {text, answer_start}, or one dict of two lists);
    `text`, `translation` (retrieval); `text` (mlm); each with `id`, where there is one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    """Standard column -> column as found; those that have their standard name need no entry."""
    convert: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None
    """For odd data: a row as found -> a row with standard columns, or None to leave it out."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """Language -> the code that stands for it in names of files and configurations, where they differ."""

    def code(self, language: str) -> str:
        """Return the code of a language in names of files and configurations."""
        return self.codes.get(language, language)


@dataclass(frozen=True, kw_only=True)
class Files(Rows):
    """The native files of a task."""

    format: str
    """Name in `simxfer.sources.formats.FORMATS`."""
    paths: Mapping[str, tuple[str, ...]]
    """Split -> glob patterns under the task's folder, the first that matches counts; `{language}` is the
    code, `{bcp47}` the language as in the tables, `{other}` every other language of the task in turn."""
    folders: tuple[str, ...] = ()
    """Other names that the task's folder may have (XTREME's, the official archive's)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the format's reader."""


@dataclass(frozen=True, kw_only=True)
class Hub(Rows):
    """A Parquet data set on the Hugging Face hub: no loading script, no remote code."""

    id: str
    """`org/name`."""
    splits: Mapping[str, str]
    """Split -> the data set's name for it, several joined by `+`."""
    config: str = "default"
    """Configuration (subset), or a pattern of several; `{language}` is the code."""
    revision: str = "refs/convert/parquet"
    """Branch whose files are `CONFIG/SPLIT/*.parquet`: the hub's own conversion."""
    language_of: Callable[[dict[str, Any]], str] | None = None
    """Code of a row's language, where one configuration holds several."""
    lacks: tuple[str, ...] = ()
    """Languages of the task that the data set does not have."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: what it asks, in which languages, with which labels, scored how, from where.

    `training_data` names the data sets that the training examples are drawn from. Two tasks that share one are
    a `same_data` pair: the gain of such a pair is "more data of the same task".
    """

    name: str
    """The name in grid files and tables."""
    kind: Kind
    """What the model has to produce; it decides the head, the features and the loss."""
    description: str
    """One or two sentences for `simxfer tasks` and for the semantic similarity of descriptions."""
    metrics: tuple[str, ...]
    """Names in `simxfer.metrics.METRICS`; the first one is the task's score."""
    training_data: tuple[str, ...]
    """Data sets of the training examples; empty for retrieval without training."""
    languages: tuple[str, ...]
    """Languages with test data, the pivot first; codes as in the results table."""
    train_languages: tuple[str, ...]
    """Languages with training data."""
    labels: tuple[str, ...] = ()
    """The label space of classification and tagging, in the order of the head's outputs."""
    roles: tuple[Literal["intermediate", "target"], ...] = ("intermediate", "target")
    """Which parts the task may play in a grid."""
    parallel: bool = True
    """Whether the test sets of all languages are translations of each other."""
    pivot_task: str = ""
    """Task that has the pivot's items of parallel test sets where the task's own files lack them (XCOPA: COPA)."""
    world: bool = False
    """Whether the embedded world makes its examples."""
    files: Files | None = None
    """Its native files, if it has any."""
    hub: Hub | None = None
    """Its Parquet data set, if there is one."""
    trains_on: tuple[str, ...] = ()
    """Tasks whose training data a target is trained on; empty if its own."""
    test_split: str = "test"
    """The split that is reported where a grid does not say otherwise: one with public gold."""
    selects_on: Literal["dev", "held-out"] = "dev"
    """English data for model selection; held-out where dev is the reported set or overlaps with it."""
    dev_tasks: tuple[str, ...] = ()
    """Tasks on whose dev data a checkpoint is chosen; empty: on those of the tasks that it is trained on."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Labels as found in the wild -> labels of the label space."""
    unanswerable: bool = False
    """Span QA: whether some questions have no answer in their context."""
    mean_characters: float = 0.0
    """Mean characters that the encoder reads of an example (a context once for each choice), for the projected cost
    of a grid; 0 where it is unknown."""
    drawn_labels: bool = False
    """Whether the labels are drawn anew for every seed (planted attributes), those of the test set included."""
    subsets: tuple[str, ...] = ()
    """Parts of the test set that are scored apart as well."""
    sizes: tuple[tuple[str, int], ...] = ()
    """Number of examples by split, where it is fixed."""
    licence: str = ""
    citation: str = ""

    def __post_init__(self) -> None:
        """Refuse a record that contradicts itself."""
        faults = []
        if self.kind not in get_args(Kind):
            faults.append(f"kind {self.kind!r} is none of {get_args(Kind)}")
        faults += [f"metric {m!r} is not in METRICS" for m in self.metrics if m not in METRICS]
        if self.kind in ("classification", "tagging") and len(self.labels) < 2:
            faults.append("a labelled task needs at least two labels")
        if len(set(self.labels)) != len(self.labels):
            faults.append("a label occurs twice")
        if not self.languages:
            faults.append("no language")
        faults += [
            f"spelling of an unknown label {v!r}" for v in self.spellings.values() if v not in self.labels
        ]
        if self.world == bool(self.files or self.hub):
            faults.append("its examples come from the world, or from files or the hub")
        if faults:
            raise InputError(f"task record {self.name!r}: " + "; ".join(faults))

    @property
    def metric(self) -> str:
        """The metric that is the task's score."""
        return self.metrics[0]

    @property
    def data_tasks(self) -> tuple[str, ...]:
        """The tasks whose training data it is trained on."""
        return self.trains_on or ((self.name,) if self.training_data else ())

    def label(self, text: str) -> str:
        """Return the label that a spelling stands for; one that is unknown stays as it is."""
        return self.spellings.get(text, text)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that its files or its data set have, or the embedded world makes."""
        if self.world:
            return tuple(split for split, _ in self.sizes)
        there = {*(self.files.paths if self.files else ()), *(self.hub.splits if self.hub else ())}
        return tuple(split for split in SPLITS if split in there)

    def size(self, split: str) -> int:
        """Return the number of examples of a split, `UNKNOWN_SIZE` where the record does not know it."""
        return dict(self.sizes).get(split.partition("#")[0], UNKNOWN_SIZE)
