"""Faulty native files through `simxfer train`: exit code 2, the file and line, no traceback, what was finished kept."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny import Cli

GRID = """\
name: own
encoders: [{encoder}]
data: {{folder: {folder}}}
blocks: [{{intermediates: [none], targets: [{target}]}}]
languages: [en, sw]
seeds: [0]
recipe: xtreme
overrides: {{"*": {{epochs: 1, max_length: 64, stride: 16, selection: last}}}}
"""
NLI = "".join(
    f"a b {i}\tc {i}\t{label}\n" for i in range(4) for label in ("entailment", "neutral", "contradiction")
)
TAGS = "".join(f"word\tB-PER\n,\tO\n{i}\tI-PER\n\n" for i in range(6))


def squad(*answers: tuple[str, int], ids: tuple[str, ...] = ("1", "2")) -> str:
    questions = [
        {"id": name, "question": "who?", "answers": [{"text": text, "answer_start": at}]}
        for name, (text, at) in zip(ids, answers, strict=True)
    ]
    return json.dumps(
        {"data": [{"title": "t", "paragraphs": [{"context": "Ana sees Ben.", "qas": questions}]}]}
    )


GOOD = squad(("Ana", 0), ("Ben", 9))


def tree(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


LEARNT = TAGS.replace("word", "wort")  # sentences that are scored are left out of training
PANX = {"panx/train-en.tsv": LEARNT, "panx/test-en.tsv": TAGS, "panx/test-sw.tsv": TAGS}
XQUAD = {"squad_v1/train-v1.1.json": GOOD, "xquad/xquad.en.json": GOOD}


@pytest.mark.parametrize(
    ("target", "files", "words"),
    [
        ("panx", {"panx/test-sw.tsv": ""}, "test-sw.tsv"),
        ("panx", {"panx/test-sw.tsv": TAGS + "word B-PER extra\n"}, "line 25"),
        ("panx", {"panx/train-en.tsv": LEARNT.replace("I-PER", "I-PRE")}, "I-PRE"),
        ("panx", {"panx/train-en.tsv": "café\tO\n".encode("latin-1") * 9}, "UTF-8"),
        ("panx", {"panx/test-sw.tsv": "Ana\nBen\n\n"}, "gold"),
        ("xquad", {"squad_v1/train-v1.1.json": squad(("Ana", 3), ("Ben", 9))}, "offset"),
        ("xquad", {"squad_v1/train-v1.1.json": GOOD[:90]}, "train-v1.1.json"),
        ("xquad", {"xquad/xquad.en.json": squad(("Ana", 0), ("Ben", 9), ids=("1", "1"))}, "'1'"),
    ],
)
def test_a_faulty_file_is_named_with_what_to_do(target, files, words, encoder, tmp_path, simxfer: Cli):
    folder = tree(tmp_path / "data", PANX | XQUAD | files)
    path = tmp_path / "own.yaml"
    text = GRID.format(encoder=encoder, folder=folder, target=target)
    path.write_text(text.replace("[en, sw]", "[en]") if target == "xquad" else text)
    done = simxfer("train", path, "--out", tmp_path / "runs", "--workers", 1)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr


def test_a_missing_file_is_refused_before_anything_is_written(encoder, tmp_path, simxfer: Cli):
    folder = tree(tmp_path / "data", {name: text for name, text in PANX.items() if "-sw" not in name})
    path = tmp_path / "own.yaml"
    path.write_text(GRID.format(encoder=encoder, folder=folder, target="panx"))
    done = simxfer("train", path, "--out", tmp_path / "runs")
    assert done.returncode == 2 and "no test files of panx in sw" in done.stderr
    assert "it has train: en; test: en" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_language_without_gold_is_refused_before_training_and_can_be_left_out(
    encoder, tmp_path, simxfer: Cli
):
    gone = {"panx/test-sw.tsv": "Ana\nBen\n\n", "panx/test-en.tsv": "_\tO\n_\tO\n\n" + TAGS}
    folder = tree(tmp_path / "data", PANX | gone)
    path = tmp_path / "own.yaml"
    path.write_text(GRID.format(encoder=encoder, folder=folder, target="panx"))
    done = simxfer("train", path, "--out", tmp_path / "runs", "--workers", 1)
    assert done.returncode == 2 and "panx, sw: " in done.stderr and not (tmp_path / "runs").exists()
    [remedy] = re.findall(r"`(data: .*untested: \[sw\].*)`", done.stderr)
    assert yaml.safe_load(remedy) == {"data": {"tasks": {"panx": {"untested": ["sw"]}}}}
    leave_out = f"data: {{folder: {folder}, tasks: {{panx: {{untested: [sw]}}}}}}\n"
    path.write_text(re.sub(r"data: .*\n", leave_out, path.read_text()))
    assert simxfer("train", path, "--out", tmp_path / "runs", "--workers", 1).returncode == 0
    results = pd.read_parquet(tmp_path / "runs/own/results.parquet")
    assert set(results["language"]) == {"en"} and results["flags"].str.contains("without-text=1").all()
    receipts = json.loads((tmp_path / "runs/own/receipts.json").read_text())
    assert receipts["targets"]["panx"]["test_data"] == {"en": {"examples": 6, "flags": ["without-text=1"]}}


def test_after_a_file_is_mended_the_run_goes_on(encoder, tmp_path, simxfer: Cli):
    """A fault in test data does not lose what was trained; mended data are other data, so they need a new run."""
    folder = tree(tmp_path / "data", PANX)
    path = tmp_path / "own.yaml"
    path.write_text(GRID.format(encoder=encoder, folder=folder, target="panx"))
    assert simxfer("train", path, "--out", tmp_path / "runs", "--workers", 1).returncode == 0
    stages = sorted(p.parent.name for p in (tmp_path / "runs").glob("own/stages/*/done.json"))
    tree(folder, {"panx/train-en.tsv": LEARNT + "new\tO\n\n"})
    again = simxfer("train", path, "--out", tmp_path / "runs", "--workers", 1)
    assert again.returncode == 2 and "other inputs: panx/train-en.tsv (" in again.stderr
    assert sorted(p.parent.name for p in (tmp_path / "runs").glob("own/stages/*/done.json")) == stages
