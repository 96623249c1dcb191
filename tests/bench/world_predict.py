"""Prediction against plain loops over the examples as they come, with the very same model."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from simxfer.encoder.batching import collate
from simxfer.encoder.network import TransferModel
from simxfer.scoring.predict import predict

from .measure import Row, Timer, compared
from .world_data import CPU, WorldData, world_data

EXAMPLES = 2000
LOOPS = {
    "a loop, batches of 8, padding to maximum length": (8, True),
    "a loop, batches of 32, dynamic padding": (32, False),
}
"""Batch size and whether rows are padded to the maximum length; 8 is what XTREME's scripts and Trainer do."""


def run(timer: Timer) -> list[Row]:
    """Measure useful tokens per second; all must predict the same labels."""
    data = world_data(EXAMPLES)
    model, pad = data.model().eval(), data.tokenizer.pad_token_id
    loops = {
        name: partial(_loop, model, data, size, data.values.max_length if padded else 0)
        for name, (size, padded) in LOOPS.items()
    }
    ours = partial(predict, model, data.task, data.dataset, pad)
    expected = ours()
    seconds = timer.interleave({"ours": ours, **loops})
    return [
        compared(
            "world-predict",
            f"{EXAMPLES:,} examples of {data.task.name}",
            seconds["ours"],
            name,
            seconds[name],
            work=data.tokens,
            unit="tokens/s",
            note=f"{np.mean(np.array(loop()) == expected):.2%} of the labels are equal",
        )
        for name, loop in loops.items()
    ]


def _loop(model: TransferModel, data: WorldData, size: int, length: int) -> Sequence[str]:
    """Predict in the order of the examples, padding to `length` or else to the longest of the batch."""
    pad, found = data.tokenizer.pad_token_id, []
    with torch.inference_mode():
        for start in range(0, EXAMPLES, size):
            units = np.arange(start, min(start + size, EXAMPLES))
            batch = collate(data.dataset.features, units, pad, CPU)
            more = max(0, length - batch["ids"].shape[1])
            batch["ids"] = torch.nn.functional.pad(batch["ids"], (0, more), value=pad)
            batch["mask"] = torch.nn.functional.pad(batch["mask"], (0, more))
            found += model(data.task.name, batch).argmax(dim=1).tolist()
    return [data.task.labels[k] for k in found]
