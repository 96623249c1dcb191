"""The record of a task: everything the toolkit knows about it, in one place."""

from dataclasses import dataclass
from typing import Literal, get_args

from simxfer.errors import InputError
from simxfer.metrics import METRICS

Kind = Literal["classification", "multiple_choice", "span", "tagging", "retrieval", "mlm"]
SourceName = Literal["world", "files", "hub"]


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
    source: SourceName = "files"
    """Where its examples come from."""
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
        if faults:
            raise InputError(f"task record {self.name!r}: " + "; ".join(faults))

    @property
    def metric(self) -> str:
        """The metric that is the task's score."""
        return self.metrics[0]

    def size(self, split: str) -> int:
        """Return the number of examples of a split whose size is fixed."""
        return dict(self.sizes)[split]
