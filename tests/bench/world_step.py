"""The training core's loop against Hugging Face Trainer: same encoder, examples, batch size, optimizer, fp32.

One epoch each; the first steps and all set-up are left out on both sides. Useful tokens are the subwords of the
examples without padding: every order of the examples has the same number of them in expectation.
"""

import tempfile
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
import transformers
from transformers import DataCollatorWithPadding, TrainerCallback, XLMRobertaForSequenceClassification

from simxfer.encoder.batching import BatchOrder, collate
from simxfer.training.loop import fit, load_method
from simxfer.training.recipes import get_recipe
from simxfer.training.settings import Settings, TrainingTask

from .measure import Row, Seconds, Subject, Timer, absent, alone, compared, has
from .world_data import CPU, TASK, WorldData, world_data

STEPS, WARM = 110, 10
"""Steps of a run, and how many of them come before the clock starts."""

Mode = Literal["maximum", "dynamic", "grouped"]
TARGETS: dict[Mode, float] = {"maximum": 3.0, "dynamic": 1.5, "grouped": 1.0}
_NAMES: dict[Mode, str] = {
    "maximum": "Trainer, padding to maximum length",
    "dynamic": "Trainer, dynamic padding, random batches",
    "grouped": "Trainer, group_by_length",
}


def run(timer: Timer) -> list[Row]:
    """Measure whole steps against the three ways of Trainer, and forward and backward apart."""
    data = world_data(STEPS * get_recipe("world").hyperparameters(TASK).batch_size)
    work = data.tokens * (STEPS - WARM) / STEPS
    what = f"whole step, {data.task.name}, batch {data.values.batch_size}"
    whole = _against if has("accelerate") else _without
    return [*whole(timer, data, what, work), *_forward_backward(timer, data)]


def _without(timer: Timer, data: WorldData, what: str, work: float) -> list[Row]:
    seconds = timer.interleave({"ours": partial(_fit, timer, data)})["ours"]
    ours = alone("world-step", what, seconds, work=work, unit="tokens/s")
    return [ours, absent("world-step", what, "Trainer", "pip install accelerate (extra: bench)")]


def _against(timer: Timer, data: WorldData, what: str, work: float) -> list[Row]:
    modes: dict[str, Subject] = {mode: partial(_trainer, timer, data, mode) for mode in TARGETS}
    seconds = timer.interleave({"ours": partial(_fit, timer, data), **modes})
    return [
        compared(
            "world-step",
            what,
            seconds["ours"],
            _NAMES[mode],
            seconds[mode],
            work=work,
            unit="tokens/s",
            times=times,
        )
        for mode, times in TARGETS.items()
    ]


def _fit(timer: Timer, data: WorldData) -> Seconds:
    """Train with the core's loop; return the seconds after the warm-up."""
    marks: list[float] = []
    training = TrainingTask(
        task=data.task, features=data.dataset.features, values=data.values.override({"steps": STEPS})
    )
    fit(
        data.model(),
        [training],
        Settings(seed=0, phase="target", log_every=WARM),
        log=lambda row: marks.append(timer.now()),
    )
    return Seconds(marks[-1] - marks[0])


@dataclass
class _Marks(TrainerCallback):
    """Notes the time after the warm-up and after the last step."""

    timer: Timer
    marks: list[float] = field(default_factory=list)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in (WARM, STEPS):
            self.marks.append(self.timer.now())


def _trainer(timer: Timer, data: WorldData, mode: Mode) -> Seconds:
    """Train with Trainer; return the seconds after the warm-up."""
    marks = _Marks(timer)
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=_classifier(data),
            args=transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=data.values.batch_size,
                max_steps=STEPS,
                learning_rate=data.values.learning_rate,
                warmup_steps=WARM,
                weight_decay=data.values.weight_decay,
                train_sampling_strategy="group_by_length" if mode == "grouped" else "random",
                logging_strategy="no",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=data.rows(),
            data_collator=_collator(data, mode),
            callbacks=[marks],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return Seconds(marks.marks[1] - marks.marks[0])


def _classifier(data: WorldData) -> XLMRobertaForSequenceClassification:
    return XLMRobertaForSequenceClassification.from_pretrained(
        data.encoder.location, num_labels=len(data.task.labels)
    )


def _collator(data: WorldData, mode: Mode) -> DataCollatorWithPadding:
    if mode == "maximum":
        return DataCollatorWithPadding(
            data.tokenizer, padding="max_length", max_length=data.values.max_length
        )
    return DataCollatorWithPadding(data.tokenizer)


def _forward_backward(timer: Timer, data: WorldData) -> list[Row]:
    """Collate, forward and backward of the same random batches, without the optimizer."""
    order = BatchOrder(data.dataset.features.n_units, data.values.batch_size, (0, data.task.name, "bench"))
    batches = [order.units(step) for step in range(STEPS)]
    subjects = {"ours": partial(_our_backward, data, data.model(), batches)}
    stock, rows = _classifier(data).train(), data.rows()
    for mode in ("maximum", "dynamic"):
        subjects[mode] = partial(_stock_backward, stock, rows, _collator(data, mode), batches)
    seconds = timer.interleave(subjects)
    what = "collate, forward, backward on the same random batches"
    return [
        compared(
            "world-step",
            what,
            seconds["ours"],
            f"transformers, {padding}",
            seconds[mode],
            work=data.tokens,
            unit="tokens/s",
        )
        for mode, padding in (("maximum", "padding to maximum length"), ("dynamic", "dynamic padding"))
    ]


def _our_backward(data: WorldData, model: Any, batches: list[np.ndarray]) -> None:
    method = load_method("full")
    for units in batches:
        batch = collate(data.dataset.features, units, data.tokenizer.pad_token_id, CPU)
        (method.loss(model.train(), data.task, batch) / len(units)).backward()
        model.zero_grad(set_to_none=True)


def _stock_backward(model: Any, rows: list[dict], collator: Any, batches: list[np.ndarray]) -> None:
    for units in batches:
        model(**collator([rows[i] for i in units])).loss.backward()
        model.zero_grad(set_to_none=True)
