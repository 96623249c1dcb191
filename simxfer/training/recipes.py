"""Named recipes: the hyperparameters of every task, in one place.

A grid names a recipe and may override single values by task. Learning rates are peaks; the schedule is linear
warm-up, then linear decay to zero.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

from simxfer.common.errors import InputError, unknown

Selection = Literal["last", "best-en-dev"]


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """How one task is trained; the bounds are those of a grid file's overrides."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Peak of the schedule."""
    batch_size: Annotated[int, Field(ge=1)]
    """Examples a step (the effective batch)."""
    batch_tokens: Annotated[int, Field(ge=0)] = 0
    """Padded subwords a step, in batches of like length (pretraining); 0 means `batch_size` counts."""
    steps: Annotated[int, Field(ge=0)]
    """Optimizer steps; 0 when `epochs` counts instead."""
    epochs: Annotated[float, Field(ge=0)] = 0.0
    """Passes over the training data; 0 when `steps` counts instead."""
    train_examples: Annotated[int, Field(ge=1)] | None = None
    """Number of training examples to use, shared evenly by its languages; None means all that the task has."""
    warmup_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the steps over which the learning rate rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """AdamW's decay of matrices; biases, norms and heads are not decayed."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Global norm to which gradients are clipped."""
    max_length: Annotated[int, Field(ge=8)] = 64
    """Longest input in subwords, special tokens included; longer ones are cut into windows or truncated."""
    stride: Annotated[int, Field(ge=0)] = 16
    """Overlap of windows of long span-QA contexts, in subwords."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises, in place of `warmup_share`; 0 means that the share counts."""
    adam_beta2: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """AdamW's second moment decay."""
    adam_epsilon: Annotated[float, Field(gt=0)] = 1e-6
    """AdamW's epsilon."""
    selection: Selection = "last"
    """Which checkpoint is used: the last one, or the best on English dev data (at most `train_examples`) of those
    after each epoch, of ten evenly spaced ones where steps are counted."""
    micro_batch_size: Annotated[int, Field(ge=0)] = 0
    """Examples in memory at once; 0 means the whole batch. It never changes the effective batch; ranking, whose
    negatives come from the batch, is refused with it."""

    def override(self, values: dict) -> "Hyperparameters":
        """Return a copy with some values changed; `epochs` takes the place of `steps` and the other way round."""
        length: dict = {"steps": 0, "epochs": 0.0} if {"steps", "epochs"} & set(values) else {}
        return replace(self, **length | values)

    def as_dict(self) -> dict:
        """Return the values as a dict, for hashing and receipts."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A default and the rows that differ from it, by task."""

    name: str
    source: str
    default: Hyperparameters
    tasks: dict[str, dict] = field(default_factory=dict)

    def hyperparameters(self, task: str) -> Hyperparameters:
        """Return the hyperparameters of a task."""
        return self.default.override(self.tasks.get(task, {}))


_SPAN = ("squad_v1", "squad_v2", "xquad", "mlqa", "mlqa_cross", "tydiqa")

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="world",
            source="tuned on the pivot of the embedded world; see docs/world.md",
            default=Hyperparameters(learning_rate=1e-3, batch_size=16, steps=400),
            tasks={
                "w-nli": {"steps": 800},
                "w-qa": {"steps": 1000},
                "w-roles": {"steps": 300},
                "w-cloze": {"steps": 600},
                "w-xnli": {"steps": 200},
                "w-xnli-cue": {"steps": 200},
                "w-xqa": {"steps": 300},
                "w-pos": {"steps": 80},
                "w-ner": {"steps": 80},
                "w-xcloze": {"steps": 200},
                "w-is-a": {"steps": 100},
                "w-is-b": {"steps": 100},
                "w-share-a": {"steps": 300, "learning_rate": 5e-4},
                "w-share-b": {"steps": 300, "learning_rate": 5e-4},
            },
        ),
        Recipe(
            name="xtreme",
            source="scripts of google-research/xtreme for XLM-R Large, effective batch 32; intermediates, which it "
            "does not train, with jiant's learning rate and epochs; XTREME-R's tasks unverified",
            default=Hyperparameters(
                learning_rate=1e-5,
                batch_size=32,
                steps=0,
                epochs=3,
                warmup_share=0.0,
                weight_decay=0.0,
                max_length=128,
                stride=64,
                adam_beta2=0.999,
                adam_epsilon=1e-8,
            ),
            tasks={
                "xnli": {"learning_rate": 3e-5, "epochs": 5, "selection": "best-en-dev"},
                "americasnli": {"learning_rate": 3e-5, "epochs": 5, "selection": "best-en-dev"},
                "pawsx": {"learning_rate": 2e-5, "epochs": 5, "selection": "best-en-dev"},
                "panx": {"learning_rate": 2e-5, "epochs": 10},
                "masakhaner2": {"learning_rate": 2e-5, "epochs": 10},
                "udpos": {"learning_rate": 2e-5, "epochs": 10, "selection": "best-en-dev"},
                "ud": {"learning_rate": 2e-5, "epochs": 10, "selection": "best-en-dev"},
                **{
                    task: {
                        "learning_rate": 3e-5,
                        "epochs": 3,
                        "max_length": 384,
                        "stride": 128,
                        "warmup_steps": 500,
                        "weight_decay": 1e-4,
                    }
                    for task in _SPAN
                },
                "xcopa": {"epochs": 5},
                "mlm": {"train_examples": 200_000, "epochs": 1},
                "cosmosqa": {"max_length": 256},
                "lareqa": {"learning_rate": 2e-5, "epochs": 3, "max_length": 384, "warmup_share": 0.1},
                "mewslix": {"learning_rate": 2e-5, "epochs": 2, "warmup_share": 0.1},
                "bucc2018": {"max_length": 512},
                "tatoeba": {"max_length": 512},
            },
        ),
        Recipe(
            name="xstilts",
            source="jiant's defaults (batch 4, 3 epochs, 10 % warm-up), as Phang et al. 2020 name none; unverified",
            default=Hyperparameters(
                learning_rate=1e-5,
                batch_size=4,
                steps=0,
                epochs=3,
                warmup_share=0.1,
                weight_decay=0.01,
                max_length=256,
                stride=128,
                adam_beta2=0.999,
                adam_epsilon=1e-8,
            ),
            tasks={
                **{task: {"max_length": 384} for task in (*_SPAN, "lareqa")},
                "mlm": {"train_examples": 200_000, "epochs": 1},
            },
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe, or raise an InputError that suggests the nearest name."""
    if name not in RECIPES:
        raise InputError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
