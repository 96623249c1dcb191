"""Training on perturbed copies, from the grid file to receipts: equal updates, its control, lexicons as data."""

import pandas as pd
import pytest
import yaml
from trained import Trained, same, train

from simxfer.common.errors import InputError
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.sources import revision

ONE, CONTROL = "smoothing(swap,strength=0,copies=1)", "smoothing(swap,strength=0,copies=2)"
SMOOTHED = "smoothing(swap,strength=0.5,copies=2)"
GRID = {
    "name": "smoothing",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "methods": ["full", ONE, CONTROL, SMOOTHED],
    "overrides": {"*": {"epochs": 2, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-2}},
    "blocks": [{"intermediates": ["none"], "targets": ["w-xnli", "w-pos"]}],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("smoothing"), GRID | {"encoders": [str(checkpoint)]})


def done(run: Trained, method: str, target: str) -> dict:
    return run.done(run.cell(method=method, target=target).stage)


@pytest.mark.parametrize("target", ["w-xnli", "w-pos"])
def test_one_copy_that_is_not_perturbed_is_full_bit_for_bit(run, target):
    assert same(*(run.weights(method=method, target=target) for method in ("full", ONE)))
    assert not same(*(run.weights(method=method, target=target) for method in (CONTROL, SMOOTHED)))


@pytest.mark.parametrize("target", ["w-xnli", "w-pos"])
def test_copies_and_their_control_have_equal_updates(run, target):
    steps = {method: done(run, method, target)["steps"] for method in GRID["methods"]}
    assert steps == {"full": 6, ONE: 6, CONTROL: 12, SMOOTHED: 12}
    for method in GRID["methods"]:
        stage = run.plan.stages[run.cell(method=method, target=target).stage]
        assert [each.updates for each in stage.expected] == [steps[method]]


def test_every_copy_is_a_draw_of_its_own_and_stands_in_the_receipts(run):
    rows = done(run, SMOOTHED, "w-xnli")["data"]
    assert [row["perturbation"] for row in rows] == ["swap(0.5)", "swap(0.5)#1"]
    assert all(row["examples"] == 12 and row["noted"]["perturbed-words"] > 0 for row in rows)
    stage = run.plan.stages[run.cell(method=SMOOTHED, target="w-xnli").stage]
    [task] = run.runner.data.training_tasks(stage)
    ids = task.features.ids
    assert len(ids) and task.features.n_units == 24
    first, second = (ids[part] for part in _halves(task.features))
    assert len(first) != len(second) or (first != second).any()
    assert [row["perturbation"] for row in done(run, CONTROL, "w-xnli")["data"]] == ["clean", "clean"]


def _halves(features) -> tuple[slice, slice]:
    middle = int(features.starts[features.n_rows // 2])
    return slice(0, middle), slice(middle, None)


def test_test_data_stay_clean(run):
    assert set(run.results["perturbation"]) == {"clean"}
    predictions = run.predictions(method=SMOOTHED, target="w-xnli")
    assert isinstance(predictions, pd.DataFrame) and len(predictions) == 16


def paraphrases(folder, checkpoint, **data) -> dict:
    (folder / "pawsx").mkdir(parents=True, exist_ok=True)
    for split, start in (("train", 0), ("test", 50)):
        rows = [f"he saw bird{i}\tbird{i} was seen\t{i % 2}\n" for i in range(start, start + 24)]
        (folder / "pawsx" / f"{split}-en.tsv").write_text("".join(rows))
    return {
        "name": "lexical",
        "encoders": [str(checkpoint)],
        "seeds": [0],
        "languages": ["en"],
        "methods": ["smoothing(copies=2)"],
        "data": {"folder": str(folder), **data},
        "blocks": [{"intermediates": ["none"], "targets": ["pawsx"]}],
        "overrides": {"*": {"epochs": 1, "batch_size": 4, "selection": "last", "max_length": 32}},
    }


def test_a_lexicon_is_data_that_decides_and_that_must_be_there(tmp_path, checkpoint):
    asked = paraphrases(tmp_path / "data", checkpoint)
    with pytest.raises(InputError, match="reads lexicons, and none are given"):
        expand(parse_grid(yaml.safe_dump(asked)), revision)
    folder = tmp_path / "lexicons"
    folder.mkdir()
    asked = paraphrases(tmp_path / "data", checkpoint, lexicons=str(folder))
    with pytest.raises(InputError, match=r"no lexicon for pawsx in en; bring en-en\.txt"):
        expand(parse_grid(yaml.safe_dump(asked)), revision)
    (folder / "en-en.txt").write_text("saw watched\nsaw viewed\nseen watched\n")
    run = train(tmp_path / "run", asked)
    rows = run.done(run.cell().stage)["data"]
    assert all(0 < row["noted"]["perturbed-words"] < row["noted"]["perturbed-words-of"] for row in rows)
    (folder / "en-en.txt").write_text("saw watched\n")
    assert run.cell().stage not in expand(parse_grid(yaml.safe_dump(asked)), revision).stages
    world = asked | {"blocks": [{"intermediates": ["w-nli"], "targets": ["pawsx"]}]}
    with pytest.raises(InputError, match="no lexicon for w-nli in x-pivot"):
        expand(parse_grid(yaml.safe_dump(world)), revision)
