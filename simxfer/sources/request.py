"""Which examples are asked for: task, split, language, where they stand, and how many."""

from dataclasses import dataclass, replace
from typing import Literal

UNRESOLVED = "unresolved"
"""Stands in the revision of data that are not at hand: such a plan can be printed, not trained."""

KEPT, HELD_OUT = "#kept", "#held-out"
"""Behind a split: all but a twentieth of its examples, and that twentieth, the same in every run."""


@dataclass(frozen=True)
class DataRequest:
    """What decides the examples of a task: split, language, where they stand, for artificial data world and draw."""

    task: str
    """The task whose data are asked for: for the training data of XNLI this is MNLI."""
    split: str
    """train, dev or test; for training data also a path pattern under `folder`; `KEPT` or `HELD_OUT` behind it."""
    language: str
    world: int = 0
    draw: int = 0
    """The seed that draws the planted attributes and the training sample; parallel test sets ignore it."""
    limit: int | None = None
    """At most so many examples (queries); None means all."""
    folder: str = ""
    """Folder of native files, one subfolder a task; empty: all from the hub."""
    fields: Literal["english", "as-is"] = "english"
    """Whether what parallel test sets share (XCOPA's question) is taken from the English item, or as it is."""

    perturbation: str = "clean"
    """How the examples are perturbed: `clean`, or as `simxfer.sources.perturb` spells it."""
    lexicons: str = ""
    """Folder of the lexicons that a perturbation reads; empty: none."""
    share: tuple[int, int] = (0, 1)
    """Which hand, and of how many, where what the limit draws is dealt out."""
    labelled: bool = True
    """Whether gold is needed; without it, data that have none are read as well."""
    without: tuple[str, ...] = ()
    """Ids of rows that are left out before the limit draws."""

    @property
    def whole(self) -> "DataRequest":
        """The request for all of its split, unperturbed: what stands in the same files."""
        split = self.split.removesuffix(KEPT).removesuffix(HELD_OUT)
        return replace(self, split=split, share=(0, 1), without=(), perturbation="clean", lexicons="")

    @property
    def place(self) -> str:
        """A name for all of its split: task, split, language."""
        return f"{self.task}:{self.whole.split}:{self.language}"
