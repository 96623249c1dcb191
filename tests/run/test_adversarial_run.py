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
from simxfer.run.stages import is_complete
from simxfer.sources import read_examples, revision

HEARD, SILENT = "adversarial(mean,strength=1)", "adversarial(mean,strength=0)"
TABLE = "Proxy A-distance by stage and pair of languages"
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
        path = run.run.stage(stage.id).languages(run.plan.compared_as)
        states = load_file(path)
        assert set(states) == {f"{code}/{what}" for code in asked for what in ("mean", "first", "seen")}
        assert states["x-agg/mean"].shape == (48, 32) and states["x-agg/seen"].sum() == 0
        assert run.done(stage.id)["files"][path.name] == sha256(path)


def test_the_report_compares_languages_before_and_after_every_stage(run):
    told = load_run(run.run.root)
    rows = answer(told).tables[TABLE]
    assert set(rows["method"]) == set(run.results["method"]) and set(rows["pooling"]) == {"mean", "first"}
    assert set(rows["languages"]) == {"x-pivot - x-agg"}
    for method in ("full", f"{HEARD}>full"):
        root, middle, end = run.plan.path(run.cell(method=method, intermediate="w-nli").stage)
        for before, after, path in ((root, middle, "w-nli"), (middle, end, "w-nli>w-xnli")):
            of_stage = rows.query(f"method == {method!r} and path == {path!r} and pooling == 'first'")
            [row] = of_stage.to_dict("records")
            assert row["stage"] == after.phase
            unseen = told.language_states(after.id)
            # The target's training data are some of the texts, with labels; the intermediate's are others.
            assert unseen["x-pivot/seen"].any() == (after == end)
            for when, stage in (("before", before), ("after", after)):
                states = told.language_states(stage.id)
                by_hand = proxy_a_distance(
                    *(states[f"{code}/first"][~unseen[f"{code}/seen"]] for code in ("x-pivot", "x-agg"))
                )
                said = [row[f"{when}{what}"] for what in ("", "_raw", "_low", "_high")]
                assert said == [by_hand.clipped, by_hand.raw, *by_hand.interval]
                assert row["texts"] == by_hand.n


def test_a_grid_that_comes_to_adversaries_later_looks_at_what_it_has_kept(tmp_path, checkpoint):
    """The checkpoint of the target is gone by then; that of the encoder and of the intermediate stage is not."""
    grid = GRID | {"encoders": [str(checkpoint)], "methods": ["full"], "keep_checkpoints": "intermediates"}
    before = train(tmp_path, {key: value for key, value in grid.items() if key != "unlabelled"})
    trained = {stage: before.done(stage) for stage in before.plan.stages}
    run = train(tmp_path, grid | {"methods": ["full", f"{HEARD}>full"]})
    for stage, done in trained.items():
        now = run.done(stage)
        added = now.pop("files").keys() - done.pop("files").keys()
        assert now == done and len(added) == (run.plan.stages[stage].phase != "target")
    found = answer(load_run(run.run.root))
    assert set(found.tables[TABLE]["path"]) == {"w-nli", "w-nli>w-xnli"}
    assert found.tables[TABLE].query("method == 'full'")["path"].unique().tolist() == ["w-nli"]
    assert any("2 of 5 stages" in text for text in found.not_shown)
    assert all(is_complete(run.run, run.plan, stage) for stage in run.plan.stages.values())


def test_without_enough_text_beside_what_is_read_it_says_so_and_gives_no_distance(tmp_path, checkpoint):
    grid = GRID | {"encoders": [str(checkpoint)], "methods": [f"{HEARD}>full"]}
    run = train(tmp_path, grid | {"unlabelled": GRID["unlabelled"] | {"examples": 19}})
    found = answer(load_run(run.run.root))
    assert not found.answered and not found.tables
    assert "x-agg in 3 of 3 stages: fewer than 20 texts (19 at least)" in found.sentence


def test_how_well_languages_are_told_apart_is_flagged(run):
    flagged = run.results[run.results["flags"].str.contains("discriminator-accuracy=intermediate-1:0")]
    assert set(zip(flagged["method"], flagged["intermediate"], strict=True)) == {(f"{HEARD}>full", "w-nli")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unlabelled": None}, "reads unlabelled text; say which"),
        ({"methods": ["full"]}, "read by adversarial methods and language adapters alone"),
        ({"unlabelled": {"task": "w-xnli", "split": "test"}}, "is what target 'w-xnli' is scored on"),
        (
            {"unlabelled": {"task": "w-xnli", "split": "trian"}},
            "split of w-xnli 'trian'. Did you mean 'train'",
        ),
        ({"unlabelled": {"task": "w-xnli", "split": "*.txt"}}, "unknown split of w-xnli"),
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
