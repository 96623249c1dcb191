"""Prediction against plain loops over the examples as they come, with the very same model."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from simxfer.encoder.batching import collate
from simxfer.encoder.network import TransferModel
from simxfer.scoring.predict import predict

from .encoder_data import CPU, EncoderData
from .measure import Row, Timer, compared

LOOPS = {
    "a loop, batches of 8, padding to maximum length": (8, True),
    "a loop, batches of 32, dynamic padding": (32, False),
}
"""Batch size and whether rows are padded to the maximum length; 8 is what XTREME's scripts and Trainer do."""
TIMES = 5.0
"""How many times faster than the first of them prediction shall be."""


def measure(timer: Timer, bench: str, data: EncoderData) -> list[Row]:
    """Measure useful tokens per second; all must predict the same labels."""
    model, pad = data.model().eval(), data.tokenizer.pad_token_id
    stock = data.model().eval()
    stock.encoder.set_attn_implementation("sdpa")
    loops = {
        name: partial(_loop, stock, data, size, data.values.max_length if padded else 0)
        for name, (size, padded) in LOOPS.items()
    }
    ours = partial(predict, model, data.task, data.dataset, pad)
    expected = ours()
    seconds = timer.interleave({"ours": ours, **loops})
    return [
        compared(
            bench,
            f"{data.dataset.features.n_units:,} examples of {data.task.name}",
            seconds["ours"],
            name,
            seconds[name],
            work=data.tokens,
            unit="tokens/s",
            times=TIMES if LOOPS[name][1] else None,
            note=f"{np.mean(np.array(loop()) == expected):.2%} of the labels are equal",
        )
        for name, loop in loops.items()
    ]


def _loop(model: TransferModel, data: EncoderData, size: int, length: int) -> Sequence[str]:
    """Predict in the order of the examples, padding to `length` or else to the longest of the batch."""
    pad, found = data.tokenizer.pad_token_id, []
    with torch.inference_mode():
        for start in range(0, data.dataset.features.n_units, size):
            units = np.arange(start, min(start + size, data.dataset.features.n_units))
            batch = collate(data.dataset.features, units, pad, CPU)
            more = max(0, length - batch["ids"].shape[1])
            batch["ids"] = torch.nn.functional.pad(batch["ids"], (0, more), value=pad)
            batch["mask"] = torch.nn.functional.pad(batch["mask"], (0, more))
            found += model(data.task.name, batch).argmax(dim=1).tolist()
    return [data.task.labels[k] for k in found]
