"""`simxfer train` as users run it: workers, interruption, several processes, foreign checkpoints."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from support import write_xlmr_checkpoint
from tiny import GRID, Cli, command

from simxfer.schema.tables import EXAMPLES, RESULTS, validate


def table(run: Path) -> bytes:
    return (run / "results.parquet").read_bytes()


def test_the_table_holds_every_cell_in_every_language(undisturbed: Path) -> None:
    results = validate(pd.read_parquet(undisturbed / "results.parquet"), RESULTS)
    pretrained = results[~results["checkpoint"].str.startswith("random(")]
    cells = pretrained.groupby(["intermediate", "target"])["language"].nunique().unstack()
    assert list(cells.index) == ["none", "w-nli", "w-nli+w-roles", "w-qa", "w-qa>w-nli"]
    assert (cells[["w-xnli", "w-xqa", "w-pos", "w-xcloze"]] == 3).all(axis=None)
    assert (cells["w-tatoeba"] == 2).all()  # the pivot is not searched in itself
    control = results[results["checkpoint"].str.startswith("random(")]
    assert set(control["intermediate"]) == {"none"}
    assert set(control["target"]) == {"w-xnli", "w-xqa", "w-pos", "w-xcloze", "w-tatoeba"}


def test_example_scores_average_to_the_score(undisturbed: Path) -> None:
    examples = validate(pd.read_parquet(undisturbed / "examples.parquet"), EXAMPLES)
    results = pd.read_parquet(undisturbed / "results.parquet")
    keys = ["stage", "target", "language"]
    means = 100 * examples.groupby(keys)["score"].mean()
    scores = results[results["metric"].isin(["accuracy", "squad_f1", "retrieval_accuracy"])]
    scores = scores.drop_duplicates(keys).set_index(keys)["value"]
    pd.testing.assert_series_equal(means.loc[scores.index], scores, check_names=False, check_dtype=False)


def test_analyses_need_neither_world_nor_hub(undisturbed: Path) -> None:
    for name in ("grid.yaml", "plan.json", "environment.json", "receipts.json", "languages.parquet"):
        assert (undisturbed / name).stat().st_size > 0
    samples = pd.read_parquet(undisturbed / "samples" / "samples.parquet")
    rows = pd.read_parquet(next((undisturbed / "representations").glob("*.parquet")))
    assert set(rows["example_id"]) == set(samples["example_id"])
    receipts = json.loads((undisturbed / "receipts.json").read_text())
    protocol = {
        "layer": -1,
        "pooling": "mean",
        "special_tokens": False,
        "centre": True,
        "direction": "to-pivot",
        "scoring": "cosine",
        "neighbours": 4,
    }
    assert receipts["targets"]["w-tatoeba"]["retrieval"] == protocol


def test_two_workers_make_the_table_of_one(
    grid: Path, tmp_path: Path, simxfer: Cli, undisturbed: Path
) -> None:
    done = simxfer("train", grid, "--out", tmp_path / "runs", "--workers", 2)
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "runs" / "tiny") == table(undisturbed)


def test_two_processes_share_a_run(grid: Path, tmp_path: Path, undisturbed: Path) -> None:
    arguments = command("train", grid, "--out", tmp_path / "runs", "--workers", 1)
    both = [
        subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in "12"
    ]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert table(tmp_path / "runs" / "tiny") == table(undisturbed)


@pytest.mark.parametrize(
    "sent, code",
    [
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGTERM, 75),
        pytest.param(signal.SIGINT, 75, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_goes_on(
    sent: signal.Signals, code: int, grid: Path, tmp_path: Path, simxfer: Cli, undisturbed: Path
) -> None:
    run = tmp_path / "runs" / "tiny"
    arguments = command("train", grid, "--out", tmp_path / "runs", "--workers", 2)
    with (tmp_path / "stderr").open("w") as stderr:
        first = subprocess.Popen(arguments, stderr=stderr, start_new_session=True)
    wait_for(lambda: len(list(run.glob("stages/*/encoder.safetensors"))) >= 4)
    if sent == signal.SIGINT:
        os.killpg(first.pid, sent)  # a terminal's Ctrl-C goes to the workers as well
    else:
        first.send_signal(sent)
    assert first.wait(timeout=60) == code
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    trained = {path: path.stat().st_mtime_ns for path in run.glob("stages/*/done.json")}
    assert trained and not (run / "results.parquet").exists()
    again = simxfer("train", grid, "--out", tmp_path / "runs", "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert table(run) == table(undisturbed)


def test_a_damaged_checkpoint_is_trained_anew(
    grid: Path, tmp_path: Path, simxfer: Cli, undisturbed: Path
) -> None:
    run = tmp_path / "runs" / "tiny"
    assert simxfer("train", grid, "--out", tmp_path / "runs").returncode == 0
    plan = json.loads((run / "plan.json").read_text())
    parent = next(s["id"] for s in plan["stages"] if s["phase"] == "intermediate-1")
    child = next(s["id"] for s in plan["stages"] if s["parent"] == parent and s["phase"] == "target")
    (run / "stages" / parent / "encoder.safetensors").write_bytes(b"damaged")
    (run / "stages" / child / "done.json").unlink()
    assert simxfer("train", grid, "--out", tmp_path / "runs").returncode == 0
    assert table(run) == table(undisturbed)


def test_an_xlmr_checkpoint_with_a_sentencepiece_tokenizer_trains(tmp_path: Path, simxfer: Cli) -> None:
    folder = write_xlmr_checkpoint(tmp_path / "xlmr", tokenizer="unigram")
    (folder / "tokenizer.json").unlink()  # XLM-R's first release had sentencepiece.bpe.model alone
    path = tmp_path / "tiny.yaml"
    text = GRID.format(encoder=folder).replace("[none, w-nli, w-qa, w-qa>w-nli, w-nli+w-roles]", "[none]")
    path.write_text(text)
    done = simxfer("train", path, "--out", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    results = pd.read_parquet(tmp_path / "runs" / "tiny" / "results.parquet")
    assert set(results["checkpoint"]) == {str(folder), f"random({folder})"}
    assert results["target"].nunique() == 5


def test_a_diverged_stage_stops_alone(tmp_path: Path, encoder: Path, simxfer: Cli) -> None:
    path = tmp_path / "tiny.yaml"
    text = GRID.format(encoder=encoder) + "  w-nli: {learning_rate: 1.0e+30, steps: 6}\n"
    text = text.replace(", w-qa>w-nli, w-nli+w-roles]", "]").replace("w-xqa, w-pos, w-xcloze, ", "")
    path.write_text(text)
    done = simxfer("train", path, "--out", tmp_path / "runs")
    assert done.returncode == 1
    assert "w-nli" in done.stderr and "lower the learning rate" in done.stderr
    assert "Traceback" not in done.stderr
    results = pd.read_parquet(tmp_path / "runs" / "tiny" / "results.parquet")
    assert "w-qa" in set(results["intermediate"]) and "w-nli" not in set(results["intermediate"])
    status = simxfer("status", tmp_path / "runs" / "tiny")
    assert "failed" in status.stdout and status.returncode == 0


def wait_for(condition, seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)
