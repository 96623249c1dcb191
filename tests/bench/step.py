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
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, TrainerCallback

from simxfer.encoder.batching import BatchOrder, collate
from simxfer.training.loop import fit, load_method
from simxfer.training.settings import Settings, TrainingTask

from .encoder_data import CPU, EncoderData
from .measure import Row, Seconds, Subject, Timer, absent, alone, compared, has

Mode = Literal["maximum", "dynamic", "grouped"]
_NAMES: dict[Mode, str] = {
    "maximum": "Trainer, padding to maximum length",
    "dynamic": "Trainer, dynamic padding, random batches",
    "grouped": "Trainer, group_by_length",
}


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What is measured: on which data, how long, and how many times faster than each way of Trainer ours shall be."""

    bench: str
    data: EncoderData
    steps: int
    """Of a run; the examples of one epoch."""
    warm: int
    """How many of them come before the clock starts."""
    times: dict[Mode, float]

    @property
    def what(self) -> str:
        """Say what a row measures."""
        return f"whole step, {self.data.task.name}, batch {self.data.values.batch_size}"

    @property
    def work(self) -> float:
        """Useful subwords of the steps that are timed."""
        return self.data.tokens * (self.steps - self.warm) / self.steps


def measure(timer: Timer, of: Steps) -> list[Row]:
    """Measure whole steps against the three ways of Trainer, and forward and backward apart."""
    whole = _against if has("accelerate") else _without
    return [*whole(timer, of), *_forward_backward(timer, of)]


def _without(timer: Timer, of: Steps) -> list[Row]:
    seconds = timer.interleave({"ours": partial(_fit, timer, of)})["ours"]
    ours = alone(of.bench, of.what, seconds, work=of.work, unit="tokens/s")
    return [ours, absent(of.bench, of.what, "Trainer", "pip install accelerate (extra: bench)")]


def _against(timer: Timer, of: Steps) -> list[Row]:
    modes: dict[str, Subject] = {mode: partial(_trainer, timer, of, mode) for mode in of.times}
    seconds = timer.interleave({"ours": partial(_fit, timer, of), **modes})
    return [
        compared(
            of.bench,
            of.what,
            seconds["ours"],
            _NAMES[mode],
            seconds[mode],
            work=of.work,
            unit="tokens/s",
            times=times,
        )
        for mode, times in of.times.items()
    ]


def _fit(timer: Timer, of: Steps) -> Seconds:
    """Train with the core's loop; return the seconds after the warm-up."""
    marks: list[float] = []
    values = of.data.values.override({"steps": of.steps})
    training = TrainingTask(task=of.data.task, features=of.data.dataset.features, values=values)
    fit(
        of.data.model(),
        [training],
        Settings(seed=0, phase="target", log_every=1),
        log=lambda row: marks.append(timer.now()),
    )
    return Seconds(marks[-1] - marks[of.warm - 1])


@dataclass
class _Marks(TrainerCallback):
    """Notes the time after the warm-up and after the last step."""

    timer: Timer
    steps: tuple[int, int]
    marks: list[float] = field(default_factory=list)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step in self.steps:
            self.marks.append(self.timer.now())


def _trainer(timer: Timer, of: Steps, mode: Mode) -> Seconds:
    """Train with Trainer; return the seconds after the warm-up."""
    data, marks = of.data, _Marks(timer, (of.warm, of.steps))
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model=_classifier(data),
            args=transformers.TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=data.values.batch_size,
                max_steps=of.steps,
                learning_rate=data.values.learning_rate,
                warmup_steps=of.warm,
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


def _classifier(data: EncoderData) -> AutoModelForSequenceClassification:
    return AutoModelForSequenceClassification.from_pretrained(
        data.encoder.location, num_labels=len(data.task.labels)
    )


def _collator(data: EncoderData, mode: Mode) -> DataCollatorWithPadding:
    if mode == "maximum":
        return DataCollatorWithPadding(
            data.tokenizer, padding="max_length", max_length=data.values.max_length
        )
    return DataCollatorWithPadding(data.tokenizer)


def _forward_backward(timer: Timer, of: Steps) -> list[Row]:
    """Collate, forward and backward of the same random batches, without the optimizer."""
    data = of.data
    order = BatchOrder(data.dataset.features.n_units, data.values.batch_size, (0, data.task.name, "bench"))
    batches = [order.units(step) for step in range(of.steps)]
    subjects = {"ours": partial(_our_backward, data, data.model(), batches)}
    stock, rows = _classifier(data).train(), data.rows()
    for mode in ("maximum", "dynamic"):
        subjects[mode] = partial(_stock_backward, stock, rows, _collator(data, mode), batches)
    seconds = timer.interleave(subjects)
    what = "collate, forward, backward on the same random batches"
    return [
        compared(
            of.bench,
            what,
            seconds["ours"],
            f"transformers, {padding}",
            seconds[mode],
            work=data.tokens,
            unit="tokens/s",
        )
        for mode, padding in (("maximum", "padding to maximum length"), ("dynamic", "dynamic padding"))
    ]


def _our_backward(data: EncoderData, model: Any, batches: list[np.ndarray]) -> None:
    method = load_method("full")
    for units in batches:
        batch = collate(data.dataset.features, units, data.tokenizer.pad_token_id, CPU)
        (method.loss(model.train(), data.task, batch) / len(units)).backward()
        model.zero_grad(set_to_none=True)


def _stock_backward(model: Any, rows: list[dict], collator: Any, batches: list[np.ndarray]) -> None:
    for units in batches:
        model(**collator([rows[i] for i in units])).loss.backward()
        model.zero_grad(set_to_none=True)
