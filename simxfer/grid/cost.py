"""What a grid would cost, from its records alone: subwords, floating-point operations, GPU hours, disk.

Projections, not measurements: lengths are mean characters of the records over `CHARACTERS_PER_SUBWORD`, and a GPU is
assumed to do `FLOPS_PER_SECOND`. Padding is not counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.plan import PRETRAINED, TARGET, Plan, Stage
from simxfer.scoring.protocol import Evaluation
from simxfer.tasks import get_task
from simxfer.tasks.record import Task
from simxfer.training.methods import load_method

CHARACTERS_PER_SUBWORD = 4.0
"""English text under XLM-R's tokenizer, roughly; other scripts differ."""
PEAK_FLOPS = 989e12
"""bf16 without sparsity of one NVIDIA H100 or H200 (SXM), by its data sheet."""
UTILISATION = 0.35
"""Share of the peak that training of short sequences is assumed to reach."""
UNKNOWN_CHARACTERS = 200.0
"""Mean length of an input where the record does not say it."""
_BYTES = 4


@dataclass(frozen=True)
class Work:
    """Subwords to read in rows of some mean length; training reads them once an epoch."""

    subwords: float
    length: float


@dataclass(frozen=True)
class Cost:
    """The projected cost of a plan."""

    training_subwords: float
    """Subwords of all training, each as often as it is read."""
    scored_subwords: float
    """Subwords of all test data, each as often as it is read."""
    flops: float
    """Floating-point operations; 0 if an encoder's size is not known."""
    checkpoint_bytes: float
    """Checkpoints that stay on disk; 0 if an encoder's size is not known."""
    guessed: tuple[str, ...]
    """Tasks whose size or length is not in their record."""

    @property
    def gpu_hours(self) -> float:
        """Hours of one GPU under the assumptions of this module."""
        return self.flops / (PEAK_FLOPS * UTILISATION) / 3600


def project(plan: Plan, keep_checkpoints: str) -> Cost:
    """Return the projected cost of a plan; nothing is read but records and configurations."""
    encoders = {name: resolve_encoder(name) for name in plan.encoders}
    sized = all(encoder.sized for encoder in encoders.values())
    trained = {stage.id: _training(stage) for stage in plan.stages.values() if stage.phase != PRETRAINED}
    scored = {stage: [_scoring(e) for e in found.values()] for stage, found in plan.evaluations.items()}
    flops = bytes_kept = 0.0
    if sized:
        for stage in plan.stages.values():
            encoder = encoders[stage.encoder]
            flops += sum(3 * _flops(encoder, work) for work in trained.get(stage.id, ()))
            flops += sum(_flops(encoder, work) for work in scored.get(stage.id, ()))
            kept = stage.checkpoints * (keep_checkpoints == "all" or stage.phase != TARGET)
            bytes_kept += _BYTES * _stored(encoder, stage.method) * kept
    return Cost(
        training_subwords=_total(trained.values()),
        scored_subwords=_total(scored.values()),
        flops=flops,
        checkpoint_bytes=bytes_kept,
        guessed=_guessed(plan),
    )


def parameters(encoder: Encoder) -> int:
    """Return the number of weights of a BERT or (XLM-)RoBERTa encoder, without pooler and heads."""
    c = encoder.config
    hidden, inner = c["hidden_size"], c["intermediate_size"]
    embeddings = (c["vocab_size"] + c["max_position_embeddings"] + c["type_vocab_size"] + 2) * hidden
    attention = 4 * (hidden * hidden + hidden) + 2 * hidden
    feed_forward = 2 * hidden * inner + inner + hidden + 2 * hidden
    return int(embeddings + c["num_hidden_layers"] * (attention + feed_forward))


def _stored(encoder: Encoder, method: str) -> int:
    """Return the number of weights in a checkpoint of a method."""
    own = load_method(method).stored(encoder.config["hidden_size"], encoder.config["num_hidden_layers"])
    return parameters(encoder) if own is None else int(own)


def _training(stage: Stage) -> list[Work]:
    works = []
    for n, parts, values in zip(stage.sequences, stage.parts, stage.hyperparameters, strict=True):
        lengths = [_length(get_task(task), values["max_length"]) for task, _ in parts]
        works.append(_work(n, sum(lengths) / len(lengths), values["max_length"]))
    return works


def _scoring(evaluation: Evaluation) -> Work:
    task = get_task(evaluation.target)
    n = task.size(evaluation.split)
    n = min(n, evaluation.limit or n) * len(evaluation.languages) * evaluation.passes
    return _work(n, _length(task, evaluation.max_length), evaluation.max_length)


def _work(examples: float, subwords: float, max_length: int) -> Work:
    return Work(examples * subwords, min(subwords, max_length))


def _length(task: Task, max_length: int) -> float:
    """Return the mean subwords of an example; longer ones are cut, those of span QA and tagging into windows."""
    subwords = (task.mean_characters or UNKNOWN_CHARACTERS) / CHARACTERS_PER_SUBWORD + 3
    return subwords if task.kind in ("span", "tagging", "multiple_choice") else min(subwords, max_length)


def _flops(encoder: Encoder, work: Work) -> float:
    """Return the operations of a forward pass: two a weight and subword, and attention (Kaplan et al. 2020)."""
    c = encoder.config
    body = c["num_hidden_layers"] * (
        4 * c["hidden_size"] ** 2 + 2 * c["hidden_size"] * c["intermediate_size"]
    )
    attention = 4 * c["num_hidden_layers"] * c["hidden_size"] * work.length
    return work.subwords * (2 * body + attention)


def _guessed(plan: Plan) -> tuple[str, ...]:
    trained = {part for stage in plan.stages.values() for parts in stage.parts for part in parts}
    scored = {(e.target, e.split) for found in plan.evaluations.values() for e in found.values()}
    return tuple(
        sorted(
            {
                name
                for name, split in trained | scored
                if split.partition("#")[0] not in dict(get_task(name).sizes)
                or not get_task(name).mean_characters
            }
        )
    )


def _total(works: Iterable[Iterable[Work]]) -> float:
    return sum(work.subwords for found in works for work in found)
