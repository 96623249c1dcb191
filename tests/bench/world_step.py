"""Training steps of the world's encoder against Hugging Face Trainer."""

from simxfer.training.recipes import get_recipe

from .encoder_data import world_data
from .measure import Row, Timer
from .step import Steps, measure

STEPS = 110


def run(timer: Timer) -> list[Row]:
    """Measure an epoch on w-nli."""
    data = world_data(STEPS * get_recipe("world").hyperparameters("w-nli").batch_size)
    times = {"maximum": 3.0, "dynamic": 1.5, "grouped": 1.0}
    return measure(timer, Steps(bench="world-step", data=data, steps=STEPS, warm=10, times=times))
