"""What the command line prints while a grid is trained."""

import sys

import pytest

from simxfer.cli import show


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set, in seconds since the report began."""
    now = {"seconds": 0.0}
    monkeypatch.setattr(show.time, "monotonic", lambda: 1000.0 + now["seconds"])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    return now


def test_lines_say_how_far_and_how_long_by_what_was_done_since_the_start(clock, capsys):
    """A run taken up at 20 of 100 that gains 20 a minute has 3 minutes left at 40; what stood before is no speed."""
    with show.progress_bar() as report:
        for seconds, done in ((0, 20.0), (1, 21.0), (60, 40.0), (61, 41.0), (240, 100.0), (300, 100.0)):
            clock["seconds"] = float(seconds)
            report(done, 100.0)
    assert capsys.readouterr().err.splitlines() == [
        " 40 % after 1.0 minutes, about 3.0 minutes left",
        "100 % after 4.0 minutes",
    ]


def test_nothing_is_said_of_the_time_left_before_anything_is_done(clock, capsys):
    with show.progress_bar() as report:
        report(0.0, 100.0)
        clock["seconds"] = 120.0
        report(0.0, 100.0)
    assert capsys.readouterr().err.splitlines() == ["  0 % after 2.0 minutes"]
