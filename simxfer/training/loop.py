"""The one training loop.

Everything random is named by (seed, task, phase, purpose, step): the task of a step, its units, dropout and
masking. So a stage that is taken up again at step k does what it would have done.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from simxfer.common.atomic import write_file
from simxfer.common.errors import StageFailed
from simxfer.common.streams import stream, stream_seed
from simxfer.encoder.batching import BatchOrder, LengthOrder, collate
from simxfer.encoder.losses import loss_count
from simxfer.encoder.network import TransferModel, dropout_generator
from simxfer.encoder.ragged import Features
from simxfer.encoder.used_rows import IDLE, UsedRows
from simxfer.training.masking import mask_tokens
from simxfer.training.methods import load_method
from simxfer.training.methods.method import Course, Step
from simxfer.training.mixture import epochs_of, epochs_to_keep, step_counts
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Mark, Settings, Training, TrainingTask
from simxfer.training.state import take_up, tensors_of, under


def fit(
    model: TransferModel,
    tasks: list[TrainingTask],
    settings: Settings,
    log: Callable[[Mapping[str, Any]], None] = lambda row: None,
    state: Path | None = None,
    marks: Sequence[Mark] = (),
    texts: Sequence[Features] = (),
) -> int:
    """Train the model in place; a mixture takes as many steps as its tasks together.

    Args:
        model: encoder with a head for every task, prepared by the method.
        tasks: one task, or several for a mixture; the lowest peak learning rate of them is used.
        settings: seed, phase, method, numerics.
        log: called with step, steps, task, loss (mean since the last call), learning_rate, gradient_norm, subwords
            (read since the last call, padding not counted).
        marks: what is done with the model after some of the steps, such as those of `looks` or `epoch_ends`.
        state: where weights and optimizer of a long stage are saved every `save_every_seconds`, and taken up.
        texts: unlabelled text, by language, where the method reads any.

    Returns:
        The number of steps.

    Raises:
        StageFailed: the loss or the norm of the gradient is no finite number.
    """
    device = next(model.parameters()).device
    dropout = dropout_generator(device)
    method = load_method(settings.method)
    values = leading_values(tasks)
    used = _used_rows(model, tasks, texts, settings.pad)
    optimizer = _optimizer(method.parameter_groups(model, values), values)
    order = {t.task.name: _order(t, settings) for t in tasks}
    by_name = {t.task.name: t for t in tasks}
    turns = _turns(tasks, settings)
    begun = Training(tasks=tasks, texts=texts, settings=settings, steps=len(turns))
    course = method.begin(model, begun)
    moving = nn.ModuleDict({"trained": method.trained(model), "heads": model.heads})
    first = _resume(state, moving, optimizer, course)
    saved, loss_total, loss_steps, subwords = time.monotonic(), 0.0, 0, 0
    rates = _rates(values, len(turns))
    used.decay(*(1 - rate * values.weight_decay for rate in rates[:first]))
    method.train(model)
    for step in range(first, len(turns)):
        (name, number), rate = turns[step], rates[step]
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Torch seeds CPU generators by 32 bits: counted up from the stream, no two steps share them. And
        # torch.manual_seed visits every backend, which costs a millisecond a step.
        dropout.manual_seed(stream_seed(settings.seed, name, settings.phase, "dropout") + step)
        where = f"at step {step + 1} of {len(turns)} ({name})"
        units = order[name].units(number)
        loss = _finite("loss", _step(model, course, by_name[name], units, settings, device, step), where)
        norm = _update(optimizer, values.max_grad_norm, where)
        course.update()
        used.decay(1 - rate * values.weight_decay)
        loss_total, loss_steps = loss_total + loss, loss_steps + 1
        subwords += by_name[name].features.subwords(units)
        if (step + 1) % settings.log_every == 0 or step + 1 == len(turns):
            log(
                {
                    "step": step + 1,
                    "steps": len(turns),
                    "task": name,
                    "loss": loss_total / loss_steps,
                    "learning_rate": rate,
                    "gradient_norm": norm,
                    "subwords": subwords,
                    **course.noted(),
                }
            )
            loss_total, loss_steps, subwords = 0.0, 0, 0
        if due := [mark for mark in marks if step + 1 in mark.steps]:
            with used.widened():
                for mark in due:
                    mark.act(step + 1)
            method.train(model)
        if state is not None and time.monotonic() - saved > settings.save_every_seconds:
            _save(state, moving, optimizer, course, step + 1)
            saved = time.monotonic()
    used.close()
    model.eval()
    return len(turns)


def _update(optimizer: torch.optim.Optimizer, max_norm: float, where: str) -> float:
    """Take the optimizer's step with clipped gradients, which are gone afterwards; return the norm that they had."""
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    # Before the step: weights that are no numbers after the last one would end as a finished stage.
    norm = _finite("gradient norm", float(nn.utils.clip_grad_norm_(weights, max_norm)), where)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


def _finite(what: str, value: float, where: str) -> float:
    if not math.isfinite(value):
        raise StageFailed(f"the {what} is {value} {where}; lower the learning rate")
    return value


def _rates(values: Hyperparameters, steps: int) -> list[float]:
    """Return the learning rate of every step."""
    # One more than there are, as in `schedule`: the last step still has a rate above zero.
    warmup = values.warmup_steps or values.warmup_share * (steps + 1)
    return [values.learning_rate * schedule(step, steps, warmup) for step in range(steps)]


def _used_rows(
    model: TransferModel, tasks: list[TrainingTask], texts: Sequence[Features], pad: int
) -> UsedRows:
    """Return the word embeddings, narrowed to what occurs where a task does not read all of them (MLM's head does)."""
    network: Any = model.encoder
    embeddings = network.get_input_embeddings()
    if any(t.task.kind == "mlm" for t in tasks):
        return UsedRows(embeddings, np.arange(len(embeddings.weight)), IDLE)
    read = [features.ids for features in (*(t.features for t in tasks), *texts)]
    return UsedRows(embeddings, np.concatenate([np.array([pad]), *read]), IDLE)


def leading_values(tasks: Sequence[TrainingTask]) -> Hyperparameters:
    """Return the hyperparameters whose schedule and optimizer a stage takes: those with the lowest peak rate."""
    return min((t.values for t in tasks), key=lambda v: v.learning_rate)


def _optimizer(groups: list[dict], values: Hyperparameters) -> torch.optim.AdamW:
    betas = (0.9, values.adam_beta2)
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=values.adam_epsilon, fused=True)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Return the share of the peak learning rate at a step: linear up, then linear down, never zero inside.

    Where `warmup` is more than the steps there are, the peak is never reached.
    """
    at = step + 1
    return at / warmup if at < warmup else (steps + 1 - at) / max(steps + 1 - warmup, 1e-9)


def looks(tasks: Sequence[TrainingTask], steps: int) -> frozenset[int]:
    """Return the steps after which dev data are looked at: every `look_every` and the last, or `epoch_ends`."""
    if every := leading_values(tasks).look_every:
        return frozenset([*range(every, steps, every), steps])
    return epoch_ends(tasks, steps)


def epoch_ends(tasks: Sequence[TrainingTask], steps: int) -> frozenset[int]:
    """Return the last steps of all epochs, of a mixture's mean ones; of tenths of the training where steps count."""
    n = epochs_to_keep([t.values for t in tasks])
    return frozenset(max(1, round(steps * k / n)) for k in range(1, n + 1))


def _step(
    model: TransferModel,
    course: Course,
    training: TrainingTask,
    units: np.ndarray,
    settings: Settings,
    device: torch.device,
    step: int,
) -> float:
    """Add the gradients of one batch, in micro-batches that sum to it; return its mean loss."""
    size = training.values.micro_batch_size or len(units)
    parts = [
        collate(training.features, units[i : i + size], settings.pad, device)
        for i in range(0, len(units), size)
    ]
    if training.task.kind == "mlm":
        # The whole batch is masked, not its parts: how it is cut decides their padding, and that the draws.
        whole = _masked(model, training, units, settings, device, step)
        for start, part in zip(range(0, len(units), size), parts, strict=True):
            longest = part["ids"].shape[1]
            part |= {name: whole[name][start : start + size, :longest] for name in ("ids", "labels")}
    autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=settings.numerics == "bf16")
    count = sum(loss_count(training.task, part) for part in parts)
    return course.add_gradients(Step(step, training.task, units, parts, count, autocast))


def _masked(
    model: TransferModel,
    training: TrainingTask,
    units: np.ndarray,
    settings: Settings,
    device: torch.device,
    step: int,
) -> dict[str, torch.Tensor]:
    """Return a batch of text with some of its subwords masked; a text is one row."""
    names = (settings.seed, training.task.name, settings.phase, "masking", step)
    generator = torch.Generator().manual_seed(stream_seed(*names))
    batch = collate(training.features, units, settings.pad, device)
    vocabulary = model.config.vocab_size
    return mask_tokens(batch, settings.masked_share, settings.mask, vocabulary, generator, settings.special)


def _order(training: TrainingTask, settings: Settings) -> BatchOrder | LengthOrder:
    names = (settings.seed, training.task.name, settings.phase)
    if training.values.batch_tokens:
        return LengthOrder(training.features.lengths, training.values.batch_tokens, names)
    return BatchOrder(training.features.n_units, training.values.batch_size, names)


def _turns(tasks: list[TrainingTask], settings: Settings) -> list[tuple[str, int]]:
    """Return (task, number of the task's batch) of every step: as many of each as `step_counts` says, in any order."""
    names = [t.task.name for t in tasks]
    sizes, values = [t.features.n_units for t in tasks], [t.values for t in tasks]
    given = step_counts(sizes, values, settings.mixture_temperature, settings.mixture_cap)
    drawn = np.repeat(np.arange(len(tasks)), given)
    stream(settings.seed, "+".join(names), settings.phase, "mixture").shuffle(drawn)
    counts = dict.fromkeys(names, 0)
    turns = []
    for k in drawn:
        turns.append((names[k], counts[names[k]]))
        counts[names[k]] += 1
    return turns


def updates(tasks: list[TrainingTask], settings: Settings) -> list[dict[str, Any]]:
    """Return what `fit` gives each task, for receipts: units, updates, epochs."""
    counts = Counter(name for name, _ in _turns(tasks, settings))
    rows = []
    for t in tasks:
        units, n = t.features.n_units, counts[t.task.name]
        rows.append(
            {"task": t.task.name, "units": units, "updates": n, "epochs": epochs_of(n, units, t.values)}
        )
    return rows


def _save(path: Path, moving: nn.Module, optimizer: torch.optim.Optimizer, course: Course, step: int) -> None:
    tensors = tensors_of(moving, optimizer)
    tensors |= {f"course.{name}": value for name, value in course.tensors().items()}
    tensors["step"] = torch.tensor(step)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_file(path, lambda temporary: save_file(tensors, temporary))


def saved_step(path: Path) -> int:
    """Return how many steps of an interrupted stage were saved, 0 where none were."""
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as stored:
        return int(stored.get_tensor("step"))


def _resume(path: Path | None, moving: nn.Module, optimizer: torch.optim.Optimizer, course: Course) -> int:
    """Take up weights, optimizer and course of an interrupted stage; return the step to go on with."""
    if path is None or not path.exists():
        return 0
    tensors = load_file(path)
    take_up(moving, optimizer, tensors)
    course.load(under("course.", tensors))
    return int(tensors["step"])
