"""Prediction with the world's encoder against plain loops."""

from .encoder_data import world_data
from .measure import Row, Timer
from .predict import measure


def run(timer: Timer) -> list[Row]:
    """Measure 2,000 examples of w-nli."""
    return measure(timer, "world-predict", world_data(2000))
