"""What the command line prints while a grid is trained."""

import sys

import pytest

from simxfer.cli import show
from simxfer.run.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set, in seconds since the report began."""
    now = {"seconds": 0.0}
    monkeypatch.setattr(show.time, "monotonic", lambda: 1000.0 + now["seconds"])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    return now


def test_lines_say_how_far_how_long_how_fast_and_what(clock, capsys):
    with show.progress_bar() as report:
        for seconds, found in (
            (0, Progress(0.0, None)),
            (20, Progress(0.2, 180.0, ("stage 1", "stage 2"), 1234.5)),
            (21, Progress(0.21, 179.0)),
            (240, Progress(1.0, 0.0)),
            (300, Progress(1.0, 0.0)),
        ):
            clock["seconds"] = float(seconds)
            report(found)
    assert capsys.readouterr().err.splitlines() == [
        " 20 % after 0.3 minutes, about 3.0 minutes left, 1,234 subwords/s, stage 1",
        "100 % after 4.0 minutes",
    ]


def test_nothing_is_said_of_the_time_left_before_anything_is_measured(clock, capsys):
    with show.progress_bar() as report:
        report(Progress(0.0, None))
        clock["seconds"] = 120.0
        report(Progress(0.0, None))
    assert capsys.readouterr().err.splitlines() == ["  0 % after 2.0 minutes, measuring how long it takes"]
