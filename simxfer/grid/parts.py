"""The parts of a grid file that hold other keys, each checked by itself; `simxfer.grid.file` has the whole."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from simxfer.common.errors import unknown
from simxfer.grid.names import ALL, Intermediate, Language, Languages, Overridden, Seed, Target, TaskName
from simxfer.scoring.protocol import Direction
from simxfer.sources.files import is_pattern
from simxfer.tasks.intermediate import NONE
from simxfer.tasks.record import SPLITS
from simxfer.training.recipes import Hyperparameters, Selection, TargetSelection


def without_twins(values: tuple) -> tuple:
    """Return the values, or refuse those that are given twice."""
    twins = sorted({str(v) for v in values if list(values).count(v) > 1})
    if twins:
        raise ValueError(f"{', '.join(twins)} given twice; name each once")
    return values


class Strict(BaseModel):
    """A part of a grid file: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Retrieval(Strict):
    """How sentences are embedded and compared in retrieval without training; logged with every score."""

    layer: int | None = -1
    """Hidden state to read: 0 is the embedding layer, -1 the last one; null is `middle_layer`: 14 of 24, 8 of 12."""
    pooling: Literal["mean", "first"] = "mean"
    """Mean over the tokens, or the first token."""
    special_tokens: bool = False
    """Whether the mean counts the first and the last token, <s> and </s>."""
    centre: bool = True
    """Whether the mean of each language is subtracted."""
    direction: Direction = "to-pivot"
    """Which side asks: every sentence for its nearest one in the pivot, or every sentence of the pivot for its
    nearest translation. Mining looks both ways."""
    scoring: Literal["cosine", "margin"] | None = None
    """Cosine, or its ratio to the mean cosine of the nearest neighbours (Artetxe and Schwenk 2019); by default margin
    for mining and cosine for retrieval, as XTREME has it."""
    neighbours: Annotated[int, Field(ge=1)] = 4
    """Nearest neighbours that margin scoring looks at, in both directions."""


class DataChoice(Strict):
    """Which data of a task are read for what, where that differs from the task's record."""

    train: str | None = None
    """Split, or path pattern under the task's folder, with `{language}` for the code: `16-*/train.tsv`."""
    dev: Literal["dev", "held-out", "test"] | None = None
    """English data that `selection: best-en-dev` looks at; held-out is a twentieth of the training data."""
    test: str | None = None
    """Split that is scored, one with gold; or as for `train` a path pattern, of a further test set in the same form:
    `typos-5/test-{language}.tsv`."""
    trains_on: tuple[Overridden, ...] | None = None
    """Tasks whose training data the target is trained on."""
    fields: Literal["english", "as-is"] = "english"
    """Whether what parallel test sets share (XCOPA's question) is taken from the English item where the two disagree,
    or as the language's own files have it."""
    untested: tuple[Language, ...] = ()
    """Languages that the target is not tested in, such as those whose test files have no gold."""

    @field_validator("test")
    @classmethod
    def _is_a_split_or_a_pattern(cls, value: str | None) -> str | None:
        if value is not None and value not in SPLITS and not is_pattern(value):
            raise ValueError(
                f"{unknown('split', value, SPLITS)} Or a path pattern such as typos/test-{{language}}.tsv"
            )
        return value


class UnlabelledText(Strict):
    """Text without labels: an adversary reads it beside a task, adapters of languages are trained on it."""

    task: TaskName
    """Task whose inputs are read; `mlm` for any text files."""
    split: str = "train"
    """Split of them; one that no target of the grid is scored on."""
    languages: Languages = ALL
    """A list, `xtreme`, `xtreme-r`, or `all` of the task's that a target of the grid is tested in."""
    examples: Annotated[int, Field(ge=1)] = 1000
    """At most so many of each language."""


class Data(Strict):
    """Where the data of real tasks come from; the embedded world needs none."""

    folder: str | None = None
    """Folder of native files, one subfolder a task, seen from where the command runs; the hub for tasks without."""
    lexicons: str | None = None
    """Folder of lexicons in MUSE's format: `sw-en.txt` for Swahili texts with English words in them (`code-mix`; the
    embedded world brings its own), `sw-sw.txt` for neighbours of Swahili words (`substitute`)."""
    tasks: dict[Overridden, DataChoice] = {}
    """What is read for what, by task; `*` stands for every task."""

    @field_validator("folder", "lexicons")
    @classmethod
    def _is_there(cls, value: str | None) -> str | None:
        folder = value and str(Path(value).expanduser())
        if folder is not None and not Path(folder).is_dir():
            raise ValueError(
                f"{value!r} is no folder (seen from {Path.cwd()}); give the folder of the native files or lexicons, "
                "or leave it out: data are taken from the hub then"
            )
        return folder


class _OneLength(Strict):
    @model_validator(mode="after")
    def _one_length(self) -> "_OneLength":
        given = self.model_dump(include={"steps", "epochs"}, exclude_none=True)
        if len(given) > 1:
            raise ValueError("steps and epochs both say how long to train; give one of them")
        return self


# Every hyperparameter with its bounds, none of them needed; only pretraining counts subwords.
_CHANGEABLE: dict[str, Any] = {
    name: (kind | None, None)
    for name, kind in get_type_hints(Hyperparameters, include_extras=True).items()
    if name != "batch_tokens"
}


class Override(create_model("Override", __base__=_OneLength, **_CHANGEABLE)):  # type: ignore[misc]
    """Hyperparameters of one task that differ from the recipe: any of `simxfer.training.recipes.Hyperparameters`."""

    @field_validator("selection", mode="before", check_fields=False)
    @classmethod
    def _ends_with_one_checkpoint(cls, value: Any) -> Any:
        if value in get_args(TargetSelection) and value not in get_args(Selection):
            raise ValueError(
                f"{value} is a rule that targets are scored by: name it under selections. What stages end with and "
                f"start from is one of {', '.join(get_args(Selection))}"
            )
        return value


class Block(Strict):
    """A part of a grid: every combination of what its lists name is a cell."""

    intermediates: Annotated[tuple[Intermediate, ...], Field(min_length=1)]
    """`none`, a task, a sequence `a>b`, a mixture `a+b`, with languages `a@sw,ur` if not the pivot."""
    targets: Annotated[tuple[Target, ...], Field(min_length=1)]
    """Target tasks; each is trained in the pivot and tested in every language."""
    seeds: tuple[Seed, ...] = ()
    """Fine-tuning seeds of this block; the grid's if empty. The baseline `none`, which every gain shares, may
    have more."""
    no_pretraining_control: bool = False
    """Whether every target of the block is also trained from random weights, with intermediate `none`."""

    @model_validator(mode="after")
    def _control_has_its_baseline(self) -> "Block":
        if self.no_pretraining_control and NONE not in self.intermediates:
            raise ValueError(
                "no_pretraining_control is compared with intermediate 'none'; add it to the block"
            )
        return self

    @field_validator("intermediates", "targets", "seeds")
    @classmethod
    def _no_twins(cls, values: tuple) -> tuple:
        return without_twins(values)
