"""What a grid file may say. All faults of a file are reported together, each with its line and the remedy."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from simxfer.common.errors import InputError, nearest, unknown
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.faults import Location, causes, fault, positions
from simxfer.grid.names import (
    ALL,
    EncoderName,
    Languages,
    Method,
    MethodName,
    MixtureTemperature,
    Overridden,
    PerturbationName,
    Seed,
    Study,
)
from simxfer.grid.parts import (
    Block,
    Data,
    DataChoice,
    Override,
    Retrieval,
    Strict,
    UnlabelledText,
    without_twins,
)
from simxfer.grid.selections import refuse_rules
from simxfer.sources.files import is_pattern
from simxfer.sources.perturb import parse
from simxfer.sources.perturb.examples import can_change
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.intermediate import LANGUAGE_GROUPS, parse_intermediate, tasks_of
from simxfer.training.methods import load_method, name_of, phases_of
from simxfer.training.recipes import RECIPES, Hyperparameters, TargetSelection, get_recipe


class Grid(Strict):
    """A grid of transfer experiments: encoders and methods, crossed with the cells of its blocks."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run directory."""
    description: str = ""
    """What the grid is for, in a sentence."""
    study: Study | None = None
    """The study that it is made for: its answer stands first in the report, its primary test is the only one."""
    margin: Annotated[float, Field(gt=0)] = 1.0
    """Differences of so many points count as none (slopes, of so many points per interquartile range of similarity),
    declared before any data; a run keeps it."""
    encoders: Annotated[tuple[EncoderName, ...], Field(min_length=1)]
    """Pretrained encoders: `world/w0-s0` (shipped), a local folder, or a hub id `org/name@revision`."""
    blocks: Annotated[tuple[Block, ...], Field(min_length=1)]
    """What is crossed with what: intermediates and targets."""
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    """Fine-tuning seeds."""
    languages: Languages = ALL
    """Test languages: a list, `xtreme`, `xtreme-r`, or `all` for every language of each target."""
    methods: tuple[Method, ...] = ("full",)
    """Training methods with their parameters."""
    recipe: str = "world"
    """Named hyperparameters."""
    overrides: dict[Overridden, Override] = Field(default_factory=dict)
    """Hyperparameters by task that differ from the recipe; `*` stands for every task."""
    method_overrides: dict[MethodName, dict[Overridden, Override]] = Field(default_factory=dict)
    """The same by method (`adapter`, without its parameters), then by task; they come after `overrides`."""
    data: Data = Data()
    """Where the data of real tasks come from, and which of them are read for what."""
    selections: tuple[TargetSelection, ...] = ()
    """Which checkpoints of its one training run a target is scored with, each in rows of its own: `last`,
    `best-en-dev`; `averaged`, the mean of those at the ends of epochs; `best-target-dev`, an oracle: of those the best
    on each language's own dev data. By default the one that its hyperparameter `selection` names, which also says what
    stages start from."""
    head: Literal["new", "reuse"] = "new"
    """Whether a phase starts with a new head or with the one its parent has for the same task."""
    numerics: Literal["fp32", "bf16", "auto"] = "fp32"
    """bf16 means autocast with fp32 master weights in training, and encoders that are scored as they were trained;
    auto takes it where the machine that begins the run is faster in it."""
    deterministic: bool = False
    """Whether torch is held to operations that give equal bits every time, which matters on a GPU."""
    mixture_temperature: MixtureTemperature = 1.0
    """Examples of a mixture are in proportion to (size x epochs)^(1/T); with 1 every task gets the epochs that it asks
    for, whatever its batch size; uniform gives all tasks as many examples."""
    mixture_cap: Annotated[int, Field(ge=1)] | None = None
    """No task of a mixture counts for more examples (windows, where there are several an example) than that."""
    test_examples: Annotated[int, Field(ge=1)] | None = None
    """At most so many test examples a language, drawn by their ids; None means all. Mining data stay whole."""
    perturbations: tuple[PerturbationName, ...] = ()
    """Perturbations of test inputs, `swap(0.2)`, under which every finished cell is scored as well, without training
    anew; what is searched (mining, ranking) is scored clean only."""
    unlabelled: UnlabelledText | None = None
    """Text in other languages for methods with an adversary, or with adapters of languages."""
    retrieval: Retrieval = Retrieval()
    """Protocol of retrieval without training; what is left out is the recipe's."""
    world: Annotated[int, Field(ge=0)] = 0
    """The world that a foreign encoder is trained on; shipped encoders know their own."""
    keep_checkpoints: Literal["all", "intermediates"] = "all"
    """Whether checkpoints of target stages stay on disk after they were evaluated."""
    task_embeddings: bool = False
    """Whether what the model-based similarity measures look at is written: the Fisher information of every task,
    and labelled features of every target after every intermediate."""

    @field_validator("encoders", "seeds", "languages", "methods", "perturbations", "selections")
    @classmethod
    def _no_twins(cls, values: Any) -> Any:
        return values if isinstance(values, str) else without_twins(values)

    @model_validator(mode="before")
    @classmethod
    def _recipe_reads(cls, value: Any) -> Any:
        recipe = RECIPES.get(str(value.get("recipe"))) if isinstance(value, dict) else None
        given = value.get("retrieval", {}) if recipe else None
        if recipe and isinstance(given, dict):
            return value | {"retrieval": recipe.retrieval | given}
        return value

    @field_validator("recipe")
    @classmethod
    def _known_recipe(cls, value: str) -> str:
        return get_recipe(value).name

    @model_validator(mode="after")
    def _fits_together(self) -> "Grid":
        for target in self.targets:
            if not self.test_languages(target):
                without = self.task_data(target).untested
                raise ValueError(
                    f"target {target!r} has no test data in any of the languages {self.languages}"
                    + f" but {list(without)}, which are left untested" * bool(without)
                    + f"; it has {list(TASKS[target].languages)}"
                )
        return self

    @model_validator(mode="after")
    def _lexicons_are_given(self) -> "Grid":
        real = all(not TASKS[target].world for target in self.targets)
        for how in map(parse, self.perturbations):
            if how.lexical and real and not self.data.lexicons:
                raise ValueError(
                    f"perturbation '{how}' reads lexicons, and none are given; set data: {{lexicons: FOLDER}} to a "
                    f"folder of files in MUSE's format such as sw-{how.mixed_in or 'sw'}.txt"
                )
        return self

    @model_validator(mode="after")
    def _perturbations_change_a_target(self) -> "Grid":
        for how in map(parse, self.perturbations):
            if not any(can_change(TASKS[target].kind, how) for target in self.targets):
                why = (
                    "follows the loss of a trained target" if how.follows_loss else "changes no searched text"
                )
                raise ValueError(
                    f"perturbation '{how}' {why}, and no target of the grid is of such a kind "
                    f"({', '.join(self.targets)}); leave it out, or add a target such as a classification task"
                )
        return self

    @model_validator(mode="after")
    def _overridden_methods_are_there(self) -> "Grid":
        used = {name_of(phase) for method in self.methods for phase in phases_of(method)}
        for name in self.method_overrides:
            if name not in used:
                raise ValueError(
                    f"method_overrides: no method of the grid is {name!r}; it has {', '.join(sorted(used))}"
                )
        return self

    @model_validator(mode="after")
    def _adversaries_have_text(self) -> "Grid":
        readers = [m for m in self.methods if any(map(_reads_text, phases_of(m)))]
        if readers and self.unlabelled is None:
            raise ValueError(
                f"method {readers[0]!r} reads unlabelled text; say which, such as unlabelled: {{task: mlm}}"
            )
        if self.unlabelled is None:
            return self
        if not readers:
            raise ValueError(
                "unlabelled text is read by adversarial methods and language adapters alone; name one, or leave it out"
            )
        task, split = self.unlabelled.task, self.unlabelled.split
        if not self.unlabelled_languages:
            raise ValueError(
                f"unlabelled: task {task!r} has no text in any of the languages {self.unlabelled.languages} that the "
                "targets are tested in"
            )
        known = TASKS[task].splits
        if split not in known and not (TASKS[task].files and is_pattern(split)):
            raise ValueError(f"unlabelled: {unknown(f'split of {task}', split, known)}")
        scored = [t for t in self.targets if t == task and self.task_data(t).test == split]
        if scored:
            raise ValueError(
                f"unlabelled: {split} of {task} is what target {scored[0]!r} is scored on; name another split or task"
            )
        return self

    @model_validator(mode="after")
    def _ranking_is_trained_in_whole_batches(self) -> "Grid":
        for target in self.targets:
            if TASKS[target].kind == "ranking" and self.hyperparameters(target).micro_batch_size:
                raise ValueError(
                    f"target {target!r} takes its negatives from the batch: micro_batch_size would change what it "
                    "learns; set it to 0 under overrides, and batch_size to what fits"
                )
        return self

    @model_validator(mode="after")
    def _checkpoints_are_chosen_by_a_score(self) -> "Grid":
        for name in self.intermediates:
            for phase in parse_intermediate(name):
                text = [data.task for data in phase if TASKS[data.task].kind == "mlm"]
                chosen = any(self.hyperparameters(data.task).selection != "last" for data in phase)
                if chosen and len(text) == len(phase):
                    raise ValueError(
                        f"intermediate {name!r}: {text[0]} alone has no score to choose a checkpoint by; set "
                        f"overrides: {{{text[0]}: {{selection: last}}}}"
                    )
        return self

    @model_validator(mode="after")
    def _targets_have_checkpoints_to_select(self) -> "Grid":
        for target in filter(lambda name: TASKS[name].training_data, self.targets):
            rules, values = self.target_selections(target), self.hyperparameters(target)
            refuse_rules(TASKS[target], rules, values, self.task_data(target), self.test_languages(target))
        return self

    @model_validator(mode="after")
    def _fits_the_encoders(self) -> "Grid":
        tasks = {*self.targets, *(task for name in self.intermediates for task in tasks_of(name))}
        longest = max(self.hyperparameters(task).max_length for task in tasks)
        for encoder in map(resolve_encoder, self.encoders):
            if encoder.positions and longest > encoder.positions:
                raise ValueError(
                    f"max_length {longest} is more than the {encoder.positions} subwords that encoder "
                    f"{encoder.name!r} can read; lower it under overrides"
                )
            layer = self.retrieval.layer or 0
            for method in self.methods:
                resting = max(getattr(load_method(phase), "freeze", 0) for phase in phases_of(method))
                if encoder.layers and resting >= encoder.layers:
                    raise ValueError(
                        f"method {method!r} leaves nothing to train in encoder {encoder.name!r} of {encoder.layers} "
                        f"layers; freeze at most {encoder.layers - 1}"
                    )
            if encoder.layers and not -encoder.layers - 1 <= layer <= encoder.layers:
                raise ValueError(
                    f"retrieval.layer is {layer}, but encoder {encoder.name!r} has layers 0 "
                    f"(embeddings) to {encoder.layers}"
                )
        return self

    @model_validator(mode="after")
    def _task_embeddings_have_their_checkpoints(self) -> "Grid":
        if self.task_embeddings and self.keep_checkpoints != "all":
            raise ValueError(
                "task_embeddings reads the checkpoints of target stages; set keep_checkpoints: all, or leave "
                "task_embeddings out"
            )
        return self

    @property
    def intermediates(self) -> tuple[str, ...]:
        """The intermediates of all blocks, each once."""
        return tuple(dict.fromkeys(name for block in self.blocks for name in block.intermediates))

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of all blocks, each once."""
        return tuple(dict.fromkeys(name for block in self.blocks for name in block.targets))

    @property
    def unlabelled_languages(self) -> tuple[str, ...]:
        """The languages of unlabelled text, in the order of its task's record."""
        asked = self.unlabelled
        if asked is None:
            return ()
        tested = {code for target in self.targets for code in self.test_languages(target)}
        wanted = (
            tested if asked.languages == ALL else LANGUAGE_GROUPS.get(str(asked.languages), asked.languages)
        )
        return tuple(code for code in TASKS[asked.task].languages if code in wanted)

    def hyperparameters(self, task: str, method: str = "full") -> Hyperparameters:
        """Return the hyperparameters of a task: the recipe's for a method, changed by `*`, by the task's row."""
        values = get_recipe(self.recipe).hyperparameters(task, method)
        for changed in (self.overrides, self.method_overrides.get(method, {})):
            for key in ("*", task):
                if key in changed:
                    values = values.override(changed[key].model_dump(exclude_none=True))
        return values

    def target_selections(self, target: str) -> tuple[TargetSelection, ...]:
        """Return the rules by which a target is scored, in the order of `TargetSelection`."""
        asked = self.selections or (self.hyperparameters(target).selection,)
        return tuple(rule for rule in get_args(TargetSelection) if rule in asked)

    def task_data(self, task: str) -> DataChoice:
        """Return what is read for what: the record's defaults, changed by `*`, changed by the task's own row."""
        record = get_task(task)
        values: dict[str, Any] = {
            "train": "train",
            "dev": record.selects_on,
            "test": record.test_split,
            "trains_on": record.data_tasks,
        }
        for key in ("*", task):
            if key in self.data.tasks:
                values |= self.data.tasks[key].model_dump(exclude_unset=True, exclude_none=True)
        return DataChoice(**values)

    def test_languages(self, target: str) -> tuple[str, ...]:
        """Return the languages a target is tested in, in the order of its record."""
        known = tuple(c for c in TASKS[target].languages if c not in self.task_data(target).untested)
        if self.languages == ALL:
            return known
        wanted = LANGUAGE_GROUPS.get(str(self.languages), self.languages)
        return tuple(code for code in known if code in wanted)


def _reads_text(method: str) -> bool:
    found = load_method(method)
    return bool(found.reads_text or found.beneath)


def _keys_at(place: Location) -> Iterable[str]:
    """Return the keys that may stand at a place of a grid file."""
    if place[:2] == ("data", "tasks") and len(place) == 3:
        return DataChoice.model_fields
    if place[:1] == ("method_overrides",):
        return Override.model_fields
    return _OWNERS.get(place[0] if place else "", Grid).model_fields


_OWNERS: dict[str | int, type[Strict]] = {
    "blocks": Block,
    "overrides": Override,
    "retrieval": Retrieval,
    "data": Data,
    "unlabelled": UnlabelledText,
}
"""Which part of a grid file a key that holds other keys is made of."""


def load_grid(path: Path) -> Grid:
    """Read and check a grid file.

    Raises:
        InputError: the file is missing, is no YAML, or says something that a grid cannot say; the message
            lists every fault with its line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise InputError(f"no grid file {path}.{nearest(path.stem, known)}") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path} is not a text file in UTF-8: {error}") from None
    return parse_grid(text, str(path))


def parse_grid(text: str, where: str = "grid") -> Grid:
    """Check the text of a grid file; see `load_grid`."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: what looks like a date and is none
        raise InputError(f"{where} is not valid YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{where}: expected keys and values such as 'name: my-grid', got something else")
    lines: dict[Location, int] = {}
    faults = positions(root, (), lines)
    try:
        grid = Grid.model_validate(value)
    except ValidationError as error:
        faults += [fault(dict(item), lines, _keys_at) for item in causes(error)]
    if faults:
        listed = "\n".join(f"  line {line}: {what}" for line, what in sorted(faults))
        raise InputError(f"{where} has {len(faults)} fault{'s' * (len(faults) > 1)}:\n{listed}")
    return grid
