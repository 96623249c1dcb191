"""Test sets with real noise, in the native form of XNLI and PAN-X, are scored as further splits."""

import pandas as pd
import pytest
import yaml
from trained import train

from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.sources import revision

LABELS = ("entailment", "neutral", "contradiction")
WORDS = ("be", "ri", "fa", "gekop", "hehu", "rakezi", "ta", "ko", "so", "mi")
NOISY = "typos-5/test-{language}.tsv"


def sentence(number: int, typo: str = "") -> str:
    return " ".join(WORDS[(number // 10**i) % 10] + place for i, place in enumerate("aei")) + typo


@pytest.fixture
def folder(tmp_path):
    """30 rows to train on in English, 12 to score in two languages, and the German ones with a typo in each."""
    data = tmp_path / "data"
    for task in ("xnli", "panx"):
        (data / task / "typos-5").mkdir(parents=True)
    for name, numbers, typo in (
        ("train-en", range(200, 230), ""),
        ("test-en", range(12), ""),
        ("test-de", range(12), ""),
        ("typos-5/test-de", range(12), "x"),
    ):
        code = name[-2:]
        pairs = [f"{sentence(n, typo)}\t{sentence(n + 500)}\t{LABELS[n % 3]}\n" for n in numbers]
        (data / "xnli" / f"{name}.tsv").write_text("".join(pairs))
        tagged = [
            "".join(f"{code}:{w}\t{'B-PER' if w == 'bea' else 'O'}\n" for w in sentence(n, typo).split())
            for n in numbers
        ]
        (data / "panx" / f"{name}.tsv").write_text("\n".join(tagged))
    return data


def grid(folder, checkpoint, test: dict, languages=("de",)) -> dict:
    tasks = {"xnli": {"trains_on": ["xnli"]} | test, "panx": test}
    return {
        "name": "noise",
        "encoders": [str(checkpoint)],
        "seeds": [0],
        "languages": list(languages),
        "data": {"folder": str(folder), "tasks": tasks},
        "blocks": [{"intermediates": ["none"], "targets": ["xnli", "panx"]}],
        "overrides": {"*": {"steps": 3, "batch_size": 4, "max_length": 64, "selection": "last"}},
    }


def test_they_are_scored_by_the_same_stage_and_paired_by_their_ids(folder, tmp_path, checkpoint):
    clean = train(tmp_path / "clean", grid(folder, checkpoint, {}))
    noisy = train(tmp_path / "noisy", grid(folder, checkpoint, {"test": NOISY}))
    assert clean.plan.stages.keys() == noisy.plan.stages.keys()
    assert set(clean.results["split"]) == {"test"} and set(noisy.results["split"]) == {
        "typos-5:test-{language}.tsv"
    }
    assert set(noisy.results["target"]) == {"xnli", "panx"} and (noisy.results["n_examples"] == 12).all()
    ids = [pd.read_parquet(run.run.examples)[["target", "example_id"]] for run in (clean, noisy)]
    assert ids[0].equals(ids[1])


def test_what_is_scored_is_what_stands_in_the_files(folder, tmp_path, checkpoint):
    """Clean files under the pattern have the clean scores."""
    for task in ("xnli", "panx"):
        (folder / task / "typos-5" / "test-de.tsv").write_text((folder / task / "test-de.tsv").read_text())
    clean = train(tmp_path / "clean", grid(folder, checkpoint, {}))
    same = train(tmp_path / "same", grid(folder, checkpoint, {"test": NOISY}))
    assert clean.results["value"].tolist() == same.results["value"].tolist()


def test_a_language_without_such_a_file_is_named_and_no_split_is_guessed(folder, checkpoint):
    with pytest.raises(InputError, match=r"looked for typos-5/test-en\.tsv"):
        expand(parse_grid(yaml.safe_dump(grid(folder, checkpoint, {"test": NOISY}, ("en", "de")))), revision)
    with pytest.raises(InputError, match=r"unknown split 'tst'\. Did you mean 'test'.*path pattern"):
        parse_grid(yaml.safe_dump(grid(folder, checkpoint, {"test": "tst"})))
