"""Named recipes: the hyperparameters of every task, in one place.

A grid names a recipe and may override single values by task. Learning rates are peaks; the schedule is linear
warm-up, then linear decay to zero.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field

from simxfer.common.errors import InputError, unknown

Selection = Literal["last", "best-en-dev"]
"""Rules by which a stage ends with one checkpoint, that others can start from."""
TargetSelection = Literal["last", "best-en-dev", "averaged", "best-target-dev"]
"""Rules by which a target can be scored."""
LAST: Final = "last"
BEST: Final = "best-en-dev"
AVERAGED: Final = "averaged"


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
    """AdamW's decay of the encoder's matrices; biases and norms are not decayed."""
    head_decay: bool = False
    """Whether the matrices of heads are decayed as well."""
    head_input_dropout: bool = True
    """Whether the hidden states that a head reads go through dropout; what its dense layer gives does always."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Global norm to which gradients are clipped."""
    max_length: Annotated[int, Field(ge=8)] = 64
    """Longest input in subwords, special tokens included; longer ones are cut into windows or truncated."""
    stride: int = 16
    """Overlap of windows of long span-QA contexts, in subwords; a negative one is what they advance by, `doc_stride` of
    BERT's run_squad.py."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps over which the learning rate rises, in place of `warmup_share`; 0 means that the share counts."""
    adam_beta2: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """AdamW's second moment decay."""
    adam_epsilon: Annotated[float, Field(gt=0)] = 1e-6
    """AdamW's epsilon."""
    selection: Selection = LAST
    """Which checkpoint is used: the last one, or the best on English dev data (at most `train_examples`) of those
    that are looked at."""
    look_every: Annotated[int, Field(ge=0)] = 0
    """Steps from one look at dev data to the next; 0 means after each epoch, or ten times where steps are counted."""
    in_turn: bool = False
    """Whether a target that is trained on several tasks takes one after the other, each with a schedule of its own
    and the head going on; otherwise their examples are one pool."""
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


class MethodRow(NamedTuple):
    """How a method is trained where full fine-tuning's values would not do."""

    learning_rate: float
    """Peak, for every task."""
    longer: float
    """Epochs or steps over those of full fine-tuning."""


_PUBLISHED_METHODS = {"adapter": MethodRow(1e-4, 3.0), "lora": MethodRow(3e-4, 3.0)}
"""Adapters: AdapterHub's docs/training.md and efficient-task-transfer (1e-4, 10 to 15 epochs for 3). LoRA: between the
2e-4 and 4e-4 of microsoft/LoRA's RoBERTa-large scripts (10 to 20 epochs). Not tuned here."""
_WORLD_METHODS = {"adapter": MethodRow(1e-2, 1.0), "lora": MethodRow(1e-2, 1.0)}
"""The best of three rates on the pivot at the updates of full fine-tuning (docs/method-recipes.csv); three times the
updates help span QA further, and full fine-tuning's own length was not chosen so."""

_PACKAGED_METHODS = {"adapter": MethodRow(3e-3, 3.0), "lora": MethodRow(3e-3, 3.0)}
"""The best of four rates on English dev data at three times the updates of full fine-tuning (docs/method-recipes.csv);
at equal updates the same rate is best, and its scores are lower on tagging."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A default and the rows that differ from it, by task."""

    name: str
    source: str
    default: Hyperparameters
    tasks: dict[str, dict] = field(default_factory=dict)
    retrieval: dict = field(default_factory=dict)
    """How sentences are read and compared without training, where it differs from a grid's defaults."""
    methods: dict[str, MethodRow] = field(default_factory=dict)
    """What methods beside full fine-tuning need, by name."""
    differs: dict[str, str] = field(default_factory=dict)
    """Where the project does not do what the source does, on purpose: by kind of task, what and with which effect."""

    def hyperparameters(self, task: str, method: str = "full") -> Hyperparameters:
        """Return the hyperparameters of a task under a method."""
        values = self.default.override(self.tasks.get(task, {}))
        row = self.methods.get(method)
        if row is None:
            return values
        length = (
            {"epochs": values.epochs * row.longer}
            if values.epochs
            else {"steps": round(values.steps * row.longer)}
        )
        return values.override({"learning_rate": row.learning_rate, **length})


_XTREME_RETRIEVAL = {"layer": None, "special_tokens": True, "centre": False, "direction": "from-pivot"}
"""XTREME's evaluate_retrieval.py and jiant: the mean of all tokens, English sentences ask."""

_XTREME_DIFFERS = {
    "tagging": "the loss is the mean over all words of 32 sentences, XTREME's the mean over 16 micro-batches of 2 of "
    "their means (within .04 points, SD .1, in 5 seeds of the world's tagging); <s> x </s>, XTREME's has a second </s> "
    "(not measured)",
    "span": "all spans up to 30 subwords compete, XTREME's 20 x 20 "
    "best (0 of 24 answers differ), without its rule of the most context; padding is not in the softmax (the loss "
    "starts at 4.82 for 5.10, alike once learnt); a question is cut only where it crowds out the context, XTREME's "
    "at 64 subwords (rare)",
    "multiple_choice": "heads of intermediates drop out their input as jiant's do, XTREME-R's and transformers' not "
    "(none measurable in 5 seeds of the world's choice task); that of xcopa is XTREME-R's",
    "ranking": "negatives come from the whole batch, XTREME-R's from the 4 (LAReQA) or 8 (Mewsli-X) pairs that fit a "
    "GPU; the first state itself is compared, XTREME-R's after a dense layer with tanh; queries and candidates have "
    "one length, LAReQA's in XTREME-R 96 and 256 (none of it measured)",
    "mining": "BUCC is read as Tatoeba is, mean of the middle layer (Phang et al. 2020), XTREME's script reads the "
    "first token (not measured)",
}


def _best(learning_rate: float, epochs: int, look_every: int) -> dict:
    """Return the row of a task whose checkpoint is the best of those that its script saves."""
    return {
        "learning_rate": learning_rate,
        "epochs": epochs,
        "selection": "best-en-dev",
        "look_every": look_every,
    }


_XTREME = Hyperparameters(
    learning_rate=1e-5,
    batch_size=32,
    steps=0,
    epochs=3,
    warmup_share=0.0,
    weight_decay=0.0,
    head_decay=True,
    max_length=128,
    adam_beta2=0.999,
    adam_epsilon=1e-8,
)
_SPAN = ("squad_v1", "squad_v2", "xquad", "mlqa", "mlqa_cross", "tydiqa")
_LONG_SPANS = {"max_length": 384, "stride": -128, "head_input_dropout": False}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="world",
            source="tuned on the pivot of the embedded world; see docs/world.md",
            methods=_WORLD_METHODS,
            default=Hyperparameters(learning_rate=1e-3, batch_size=16, steps=400),
            tasks={
                "w-nli": {"steps": 800},
                "w-qa": {"steps": 1000},
                "w-roles": {"steps": 300},
                "w-cloze": {"steps": 600},
                "w-xnli": {"steps": 200},
                "w-xnli-cue": {"steps": 200},
                "w-xnli-particle": {"steps": 200},
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
            methods=_PUBLISHED_METHODS,
            source="scripts of google-research/xtreme (838c13b) for XLM-R Large, effective batch 32 (LAReQA 16); "
            "intermediates, which they do not train, with jiant's learning rate and epochs",
            default=_XTREME,
            tasks={
                **dict.fromkeys(("xnli", "americasnli"), _best(3e-5, epochs=5, look_every=100)),
                "pawsx": _best(2e-5, epochs=5, look_every=200),
                **dict.fromkeys(("panx", "masakhaner2"), _best(2e-5, epochs=10, look_every=1000)),
                **dict.fromkeys(("udpos", "ud"), _best(2e-5, epochs=10, look_every=500)),
                **{
                    task: {
                        "learning_rate": 3e-5,
                        "epochs": 3,
                        "warmup_steps": 500,
                        "weight_decay": 1e-4,
                        **_LONG_SPANS,
                    }
                    for task in _SPAN
                },
                "xcopa": {"learning_rate": 3e-5, "epochs": 5, "in_turn": True, "head_input_dropout": False},
                "mlm": {"train_examples": 200_000, "epochs": 1},
                "cosmosqa": {"max_length": 256},
                "lareqa": {"learning_rate": 2e-5, "batch_size": 16, "max_length": 256},
                "mewslix": {"epochs": 2, "max_length": 64},
                "bucc2018": {"max_length": 512},
                "tatoeba": {"max_length": 512},
            },
            retrieval=_XTREME_RETRIEVAL,
            differs=_XTREME_DIFFERS,
        ),
        Recipe(
            name="packaged",
            source="a laptop's budget for the encoder that a package carries (multilingual-e5-small): 800 examples "
            "and 100 updates of 16 a stage; the learning rate of full fine-tuning was not tuned",
            methods=_PACKAGED_METHODS,
            default=_XTREME.override(
                {
                    "learning_rate": 1e-4,
                    "batch_size": 16,
                    "steps": 100,
                    "train_examples": 800,
                    "warmup_share": 0.1,
                }
            ),
            tasks={
                **dict.fromkeys(_SPAN, _LONG_SPANS),
                "xcopa": {"in_turn": True, "head_input_dropout": False},
                "cosmosqa": {"max_length": 256},
                "lareqa": {"max_length": 256},
                "mewslix": {"max_length": 64},
                "bucc2018": {"max_length": 512},
                "tatoeba": {"max_length": 512},
            },
            retrieval=_XTREME_RETRIEVAL,
            differs=_XTREME_DIFFERS,
        ),
        Recipe(
            name="xstilts",
            methods=_PUBLISHED_METHODS,
            source="jiant's defaults (batch 4, 3 epochs, 10 % warm-up), as Phang et al. 2020 name none; unverified",
            default=Hyperparameters(
                learning_rate=1e-5,
                batch_size=4,
                steps=0,
                epochs=3,
                warmup_share=0.1,
                weight_decay=0.01,
                head_decay=True,
                max_length=256,
                stride=-128,
                adam_beta2=0.999,
                adam_epsilon=1e-8,
            ),
            tasks={
                **{task: {"max_length": 384, "head_input_dropout": False} for task in _SPAN},
                "lareqa": {"max_length": 384},
                "mlm": {"train_examples": 200_000, "epochs": 1},
            },
            retrieval=_XTREME_RETRIEVAL,
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """Return a recipe, or raise an InputError that suggests the nearest name."""
    if name not in RECIPES:
        raise InputError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
