"""Simulated runs, made once."""

import pytest
from simulated import Truth, simulated_results, write_run, write_samples

from analyses.questions import similarity_gain
from analyses.run import load_run


@pytest.fixture(scope="session", autouse=True)
def quick_power():
    """The power of a grid takes seconds and is tested with the inference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity_gain, "POWER_SIMULATIONS", 12)
        yield


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Six encoders, all effects as planted."""
    folder = write_run(tmp_path_factory.mktemp("run"), simulated_results())
    write_samples(folder)
    return load_run(folder)


@pytest.fixture(scope="session")
def null_run(tmp_path_factory):
    """Six encoders, no effect anywhere."""
    return load_run(write_run(tmp_path_factory.mktemp("null"), simulated_results(truth=Truth(0, 0, 0))))


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Two encoders, two seeds: too few for any interval."""
    return load_run(write_run(tmp_path_factory.mktemp("small"), simulated_results(2, 2)))
