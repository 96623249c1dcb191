"""Real files of every kind of task, from the grid file to the report, on a random XLM-R; the real encoder when slow."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from support import write_xlmr_checkpoint
from tiny import Cli

from simxfer.run.results import read_results
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task

GRID = Path(__file__).parents[2] / "data" / "grids" / "smoke-real.yaml"
KINDS = {
    "classification": "xnli",
    "tagging": "udpos",
    "span": "xquad",
    "multiple_choice": "xcopa",
    "retrieval": "tatoeba",
    "mining": "bucc2018",
    "ranking": "lareqa",
}
LIMITS = """\
overrides:
  "*": {epochs: 1, batch_size: 8, learning_rate: 1.0e-3, max_length: 96, stride: 24, train_examples: 24}
  panx: {selection: best-en-dev, train_examples: 24}
  xquad: {warmup_steps: 500}
"""


@pytest.fixture(scope="session")
def xlmr(tmp_path_factory, shared) -> Path:
    """A random XLM-R whose tokenizer knows the scripts of the test: all four files as FacebookAI/xlm-roberta-large."""
    requests = [
        DataRequest("xnli", "dev", code, limit=300, folder=str(shared / "pack"))
        for code in ("en", "ar", "zh")
    ]
    texts = [text for request in requests for example in read_examples(request) for text in example.texts]
    folder = tmp_path_factory.mktemp("xlmr") / "small"
    write_xlmr_checkpoint(folder, tokenizer="unigram", texts=texts, positions=258)
    assert {"config.json", "model.safetensors", "tokenizer.json", "sentencepiece.bpe.model"} <= {
        path.name for path in folder.iterdir()
    }
    return folder


def grid_on(encoder: Path | str, shared: Path, folder: Path, limits: str = "") -> Path:
    """Return the shipped grid on an encoder, reading the files beside the project; with limits, much less of it."""
    text = GRID.read_text().replace("packaged/multilingual-e5-small", str(encoder))
    text = text.replace("../shared/pack", str(shared / "pack"))
    if limits:
        text = re.sub(r"^overrides:.*", limits, text, flags=re.S | re.M)
        text = text.replace("test_examples: 40", "test_examples: 12").replace("[en, hi, sw, zh]", "[en, zh]")
    path = folder / "grid.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory, xlmr, shared, simxfer: Cli) -> Path:
    folder = tmp_path_factory.mktemp("real")
    done = simxfer("train", grid_on(xlmr, shared, folder, LIMITS), "--out", folder / "runs")
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "smoke-real"


def test_every_kind_of_task_is_trained_and_scored(run):
    results = read_results(run)
    assert {get_task(name).kind: name for name in KINDS.values()} == KINDS
    assert set(results["target"]) == {*KINDS.values(), "panx"}
    for name in set(results["target"]):
        rows = results[results["target"] == name]
        assert set(rows["metric"]) == set(get_task(name).metrics)
        assert set(rows["language"]) == {"en", "zh"} & set(get_task(name).languages)
        assert (rows["n_examples"].isin([12]) | (name in ("lareqa", "bucc2018"))).all()
        assert rows["value"].between(0, 100).all()
    assert set(results["intermediate"]) == {"none", "mnli"}


def test_splits_and_selection_are_reported(run):
    results = read_results(run).set_index("target")
    assert {name: set(rows) for name, rows in results["split"].groupby(level=0)} == {
        "xnli": {"dev"},
        "udpos": {"test"},
        "panx": {"dev"},
        "xquad": {"test"},
        "xcopa": {"dev"},
        "lareqa": {"test"},
        "tatoeba": {"test"},
        "bucc2018": {"dev"},
    }
    assert set(results.loc["panx", "selection"]) == {"best-en-dev"}
    assert set(results.loc["lareqa", "selection"]) == {"last"}


def test_guards_speak_in_the_flags(run):
    results = read_results(run)
    flags = results.groupby("target")["flags"].agg(";".join)
    assert "learning-rate-never-peaks" in flags["xquad"] and "never-peaks" not in flags["xnli"]
    assert "threshold-tuned-on-reported-data" in flags["bucc2018"]
    assert "pool-of-2-of-11-languages" in flags["lareqa"]
    tatoeba = results[results["target"] == "tatoeba"]
    chance = 100 * (1 / 12 + 1.645 * (11 / 12**3) ** 0.5)  # a random encoder may be on either side
    expected = (tatoeba["value"] > 0) & (tatoeba["value"] <= chance)
    assert list(tatoeba["flags"].fillna("").str.contains("chance-level")) == list(expected)


def test_receipts_say_where_scores_come_from(run):
    receipts = json.loads((run / "receipts.json").read_text())["targets"]
    assert receipts["xnli"]["split"] == "dev" and receipts["xnli"]["source"] == "files"
    scoring = {name: receipts[name]["retrieval"]["scoring"] for name in ("tatoeba", "bucc2018", "lareqa")}
    assert scoring == {"tatoeba": "cosine", "bucc2018": "margin", "lareqa": "cosine"}
    stages = [json.loads(path.read_text()) for path in run.glob("stages/*/done.json")]
    [panx] = [s for s in stages if s.get("data") and s["data"][0]["task"] == "panx"]
    assert panx["selected"]["score"] >= 0 and panx["data"][0]["examples"] == 24
    assert {"truncated", "unknown_share", "subwords"} <= set(panx["data"][0])


def test_the_report_opens_on_real_tasks(run, simxfer: Cli):
    done = simxfer("report", run)
    assert done.returncode == 0, done.stderr
    html = (run / "report" / "report.html").read_text()
    assert "tatoeba" in html and "are on dev data" in html


def test_a_file_that_changed_is_another_grid(run, xlmr, shared, tmp_path, simxfer: Cli):
    """The revision of data is their content: a run directory refuses to go on with other data."""
    pack = tmp_path / "pack"
    pack.mkdir()
    for folder in (shared / "pack").iterdir():
        if folder.is_dir() and folder.name != "xcopa":
            (pack / folder.name).symlink_to(folder)
    (pack / "xcopa").mkdir()
    for path in (shared / "pack" / "xcopa").rglob("*"):
        if path.is_file():
            there = pack / "xcopa" / path.relative_to(shared / "pack" / "xcopa")
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(path.read_bytes() + (b"" if "val.zh" not in path.name else b"\n"))
    text = grid_on(xlmr, shared, tmp_path, LIMITS).read_text().replace(str(shared / "pack"), str(pack))
    (tmp_path / "grid.yaml").write_text(text)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    done = simxfer("train", tmp_path / "grid.yaml", "--out", run.parent)
    assert done.returncode == 2 and "other inputs: xcopa/data/zh/val.zh.jsonl (" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.slow
def test_a_real_encoder_learns_from_real_text(shared, tmp_path, simxfer: Cli):
    """The packaged encoder (BERT's architecture, XLM-R's vocabulary): clearly above what needs no training."""
    path = grid_on("packaged/multilingual-e5-small", shared, tmp_path)
    done = simxfer("train", path, "--out", tmp_path / "runs", timeout=1800)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "runs" / "smoke-real")
    english = results[(results["language"] == "en") & (results["intermediate"] == "none")]
    score = english.set_index(["target", "metric"])["value"]
    assert score["udpos", "token_accuracy"] > 100 * most_frequent_tag(shared, "udpos", "test") + 30
    assert score["panx", "chunk_f1"] > 20  # tagging everything O scores 0
    assert score["xquad", "squad_f1"] > 2 * whole_sentence_f1(shared)


def most_frequent_tag(shared: Path, task: str, split: str) -> float:
    """The share of the most frequent tag: what a constant answer scores."""
    examples = read_examples(DataRequest(task, split, "en", folder=str(shared / "pack")))
    tags = pd.Series([tag for example in examples for tag in example.tags])
    return float(tags.value_counts(normalize=True).iloc[0])


def whole_sentence_f1(shared: Path) -> float:
    """The F1 of answering every question of XQuAD's English with the context's first sentence."""
    from simxfer.metrics import METRICS

    examples = read_examples(DataRequest("xquad", "test", "en", folder=str(shared / "pack")))
    gold = [[text for _, text in example.answers] for example in examples]
    return METRICS["squad_f1"](gold, [example.context.split(". ")[0] for example in examples]).value
