"""`simxfer score`, and what it prints."""

import json
import subprocess
import sys
from pathlib import Path

from official_files import write

from simxfer.cli.scores import scores_json, scores_text
from simxfer.scoring.official import score

ROOT = Path(__file__).parents[2]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simxfer", "score", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def test_the_command_prints_json_and_warnings_apart(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral\nentailment")
    out = write(tmp_path / "out.tsv", "neutral\nneutral")
    done = command("xnli", "--predictions", out, "--gold", gold, "--json")
    assert done.returncode == 0, done.stderr
    [row] = json.loads(done.stdout)["scores"]
    assert row == {
        "task": "xnli",
        "language": "sw",
        "metric": "accuracy",
        "value": 50.0,
        "n_examples": 2,
        "flags": "chance-level",
    }
    assert done.stderr.strip() == "simxfer: warning: xnli accuracy 50.00 in sw: chance-level"


def test_the_command_refuses_with_code_2_and_no_traceback(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral")
    done = command("xnly", "--predictions", gold, "--gold", gold)
    assert done.returncode == 2 and "Did you mean 'xnli'" in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_the_texts_hold_every_average(mock):
    tables = score("xtreme-r", mock / "predictions", mock / "labels")
    text = scores_text(*tables)
    assert "lt,pl,ro,uk,wo" in text and "70.2175" in text
    rows = json.loads(scores_json(*tables))
    assert rows["averages"][-1] == {
        "task": "all",
        "metric": "score",
        "value": None,
        "n": 4,
        "expected": 10,
        "missing": "xcopa,udpos,panx,xquad,tatoeba,lareqa",
    }


def test_scoring_files_loads_no_torch():
    code = "import sys, simxfer.scoring.official, simxfer.cli.scores; print({'torch', 'transformers'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
