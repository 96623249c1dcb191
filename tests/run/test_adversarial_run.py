"""Adversarial training from the grid file to the results table: its text, its ids, its receipts, its flags."""

import json

import pytest
import yaml
from safetensors.numpy import load_file
from trained import Trained, same, train

from analyses.outcomes import gains
from analyses.questions.language_separation import answer
from analyses.run import load_run
from analyses.similarity import proxy_a_distance
from simxfer.common.errors import InputError
from simxfer.common.identity import sha256
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import Plan
from simxfer.sources import read_examples, revision

HEARD, SILENT = "adversarial(mean,strength=1)", "adversarial(mean,strength=0)"
GRID = {
    "name": "adversarial",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "methods": ["full", f"{HEARD}>full", SILENT],
    "overrides": {"*": {"steps": 3, "batch_size": 4, "train_examples": 12, "learning_rate": 1e-2}},
    "blocks": [{"intermediates": ["none", "w-nli"], "targets": ["w-xnli"]}],
    "unlabelled": {"task": "w-xnli", "examples": 48},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory, checkpoint) -> Trained:
    return train(tmp_path_factory.mktemp("adversarial"), GRID | {"encoders": [str(checkpoint)]})


def test_the_baseline_is_that_of_full_and_the_intermediate_stage_is_not(run):
    full, heard = (run.cell(method=m, intermediate="none") for m in ("full", f"{HEARD}>full"))
    assert full.stage == heard.stage
    parents = [
        run.plan.stages[run.cell(method=m, intermediate="w-nli").stage].parent
        for m in ("full", f"{HEARD}>full")
    ]
    assert parents[0] != parents[1]
    assert gains(run.results)["gain"].notna().all()


def test_strength_0_is_full_bit_for_bit_and_reads_no_text(run):
    for intermediate in ("none", "w-nli"):
        full, silent = (run.weights(method=m, intermediate=intermediate) for m in ("full", SILENT))
        assert same(full, silent)
    assert all(s.unlabelled is None for s in run.plan.stages.values() if s.method == SILENT)


def test_text_is_in_other_languages_and_in_the_receipts(run):
    stage = run.plan.stages[
        run.plan.stages[run.cell(method=f"{HEARD}>full", intermediate="w-nli").stage].parent
    ]
    assert stage.unlabelled.languages == ("x-agg",)
    rows = [row for row in run.done(stage.id)["data"] if row["task"] == "unlabelled"]
    assert [(row["from"], row["language"], row["examples"]) for row in rows] == [("w-xnli", "x-agg", 48)]


def test_every_stage_says_where_it_places_languages_by_text_that_nothing_reads(run):
    asked = {request.language: request for request in run.plan.compared}
    assert set(asked) == {"x-pivot", "x-agg"}
    read = {e.id for stage in run.plan.stages.values() for r in stage.texts for e in read_examples(r)}
    compared = {e.id for e in read_examples(asked["x-agg"])}
    assert len(read) == len(compared) == 48 and not read & compared
    assert Plan.from_dict(json.loads(run.run.plan.read_text())).compared == run.plan.compared
    for stage in run.plan.stages.values():
        states = load_file(run.run.stage(stage.id).languages)
        assert set(states) == {f"{code}/{what}" for code in asked for what in ("mean", "first", "seen")}
        assert states["x-agg/mean"].shape == (48, 32) and states["x-agg/seen"].sum() == 0
        done = run.done(stage.id)["files"]
        assert done["languages.safetensors"] == sha256(run.run.stage(stage.id).languages)


def test_the_report_says_how_well_languages_are_told_apart(run):
    found = answer(load_run(run.run.root))
    rows = found.tables["Proxy A-distance by cell and language"]
    assert set(rows["method"]) == set(run.results["method"]) and set(rows["pooling"]) == {"mean", "first"}
    assert (
        set(rows["language"]) == {"x-agg"} and (rows["texts"] < 48).all()
    )  # some were trained on, with labels
    root = run.plan.path(run.cell(method="full", intermediate="none").stage)[0]
    states = load_file(run.run.stage(root.id).languages)
    seen = load_file(run.run.stage(run.cell(method="full", intermediate="none").stage).languages)
    by_hand = proxy_a_distance(states["x-pivot/mean"][~seen["x-pivot/seen"]], states["x-agg/mean"])
    row = rows.query("method == 'full' and intermediate == 'none' and pooling == 'mean'").iloc[0]
    assert (row["before_raw"], row["before_low"]) == (by_hand.raw, by_hand.interval[0])
    assert row["texts"] == by_hand.n and seen["x-pivot/seen"].any() and not states["x-pivot/seen"].any()
    assert "full" in found.sentence


def test_how_well_languages_are_told_apart_is_flagged(run):
    flagged = run.results[run.results["flags"].str.contains("discriminator-accuracy=intermediate-1:0")]
    assert set(zip(flagged["method"], flagged["intermediate"], strict=True)) == {(f"{HEARD}>full", "w-nli")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unlabelled": None}, "reads unlabelled text; say which"),
        ({"methods": ["full"]}, "read by adversarial methods and language adapters alone"),
        ({"unlabelled": {"task": "w-xnli", "split": "test"}}, "is what target 'w-xnli' is scored on"),
        ({"unlabelled": {"task": "w-xnli", "languages": ["en"]}}, "has no text in any of the languages"),
        ({"unlabelled": {"task": "w-xnl"}}, "Did you mean 'w-xnli'"),
        ({"unlabelled": {"task": "w-xnli", "example": 3}}, "Did you mean 'examples'"),
    ],
)
def test_text_that_cannot_be_read_is_refused(change, message, checkpoint):
    with pytest.raises(InputError, match=message):
        parse_grid(yaml.safe_dump(GRID | {"encoders": [str(checkpoint)]} | change))


def test_text_in_the_tasks_own_language_alone_is_refused(checkpoint):
    text = {"task": "w-xnli", "languages": ["x-pivot"]}
    grid = parse_grid(yaml.safe_dump(GRID | {"encoders": [str(checkpoint)], "unlabelled": text}))
    with pytest.raises(
        InputError, match="unlabelled text of w-xnli is in x-pivot, the languages of w-nli itself"
    ):
        expand(grid, revision)
