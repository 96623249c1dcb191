"""The bench runs from the command line, its table has its form, its arithmetic is right; no time is asserted."""

import json
import subprocess
import sys
from importlib import import_module
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from .__main__ import BENCHES
from .measure import Row, Seconds, Timer, absent, alone, compared
from .similarity import CLASSES, _h_score, _leep, _log_me, _transrate
from .table import cells

ROOT = Path(__file__).parents[2]


def _command(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tests.bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_smallest_bench_from_the_command_line(tmp_path):
    out = tmp_path / "bench.json"
    done = _command("typology", "--rounds", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "typology" in done.stdout and "50 languages" in done.stdout
    written = json.loads(out.read_text())
    assert written["environment"]["clock"] == "cpu" and written["environment"]["rounds"] == 1
    assert [set(row) for row in written["rows"]] == [set(Row.__dataclass_fields__)] * 3
    for row in written["rows"]:
        assert row["bench"] == "typology" and row["ours"] > 0 and row["rounds"] == 1
    assert written["rows"][1]["ratio"] == pytest.approx(
        written["rows"][1]["theirs"] / written["rows"][1]["ours"]
    )
    assert written["rows"][0]["target"] == "at most 1" and written["rows"][0]["theirs"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["mantle"], "Did you mean 'mantel'?"), (["qap", "--out", "x.txt"], "ends with .json or .csv")],
)
def test_bad_arguments_are_explained(arguments, said):
    done = _command(*arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_every_bench_is_a_module_with_run():
    for name in BENCHES:
        assert callable(import_module(f".{name.replace('-', '_')}", __package__).run)


def test_rounds_are_interleaved_after_one_warm_up():
    calls: list[str] = []
    clock = count(1)

    def timed() -> Seconds:
        calls.append("b")
        return Seconds(next(clock))

    seconds = Timer(rounds=5).interleave({"a": lambda: calls.append("a"), "b": timed}, most=2)
    assert calls == ["a", "b"] * 3
    assert seconds["b"].tolist() == [2.0, 3.0]
    assert len(seconds["a"]) == 2


def test_the_ratio_is_the_median_of_the_rounds():
    row = compared(
        "x", "y", np.array([1.0, 2.0, 4.0]), "z", np.array([3.0, 2.0, 20.0]), work=100, unit="n/s", times=4
    )
    assert (row.ratio, row.ratio_low, row.ratio_high) == (3.0, 1.0, 5.0)
    assert (row.ours, row.theirs, row.met) == (50.0, 100 / 3, False)
    assert cells(row)[6] == r"3x \[1, 5]"


def test_targets_of_a_value_and_a_missing_comparison():
    minutes = alone("x", "y", np.array([2.0]), work=100, unit="n/min", at_least=3000)
    assert (minutes.ours, minutes.met) == (3000.0, True)
    assert alone("x", "y", np.array([2.0]), at_most=1).met is False
    missing = absent("x", "y", "z", "pip install z")
    assert "pip install z" in cells(missing)[-1] and missing.met is None


def test_textbook_versions_agree_with_the_measures():
    from analyses.similarity import leep, log_me, regularized_h_score, transrate

    rng = np.random.default_rng(0)
    labels = np.arange(300) % CLASSES
    features = rng.normal(size=(CLASSES, 20))[labels] + rng.normal(size=(300, 20))
    probabilities = rng.dirichlet(np.ones(5), 300)
    # LogME's fixed point stops at a relative change of 1e-5; the others are the same algebra.
    assert _log_me(features, labels) == pytest.approx(log_me(features, labels), rel=1e-6)
    assert _h_score(features, labels) == pytest.approx(regularized_h_score(features, labels), rel=1e-9)
    assert _transrate(features, labels) == pytest.approx(transrate(features, labels), rel=1e-9)
    assert _leep(probabilities, labels) == pytest.approx(leep(probabilities, labels), rel=1e-12)
