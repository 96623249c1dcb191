"""A small grid from its file to its results table, in this process: stages, results, samples."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from simxfer.cli.show import flags_text
from simxfer.common.errors import InputError, StageFailed
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.run import representations as represent
from simxfer.run.checkpoints import DamagedCheckpoint
from simxfer.run.opening import open_run
from simxfer.run.progress import Watch, status
from simxfer.run.representations import write_samples
from simxfer.run.results import export_results, gather, import_results, read_results
from simxfer.run.stages import StageRunner, _training_flags, is_complete, pending_evaluations
from simxfer.schema.directory import RunDirectory
from simxfer.schema.tables import EXAMPLES, RESULTS, SAMPLES, SUBWORDS, validate
from simxfer.scoring.evaluate import evaluate
from simxfer.scoring.predict import embed
from simxfer.sources import revision

GRID = """\
name: small
encoders: [{checkpoint}]
blocks:
  - {{intermediates: [none, 'w-which-a>w-roles'], targets: [{targets}]}}
seeds: [0]
languages: [x-pivot, x-agg]
overrides: {{'*': {{steps: 2, batch_size: 4, train_examples: 12}}}}
test_examples: 8
"""


def opened(
    folder: Path,
    checkpoint: Path,
    targets: str = "w-which-a, w-tatoeba",
    extra: str = "",
    changes: Sequence[tuple[str, str]] = (),
):
    """Return a run directory with nothing trained yet, or as it was left, and what works on it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "grid.yaml"
    text = GRID.format(checkpoint=checkpoint, targets=targets) + extra
    for old, new in changes:
        text = text.replace(old, new)
    file.write_text(text)
    grid = load_grid(file)
    plan = expand(grid, revision)
    run = open_run(file, grid, plan, folder / "runs")
    runner = StageRunner(run, plan, torch.device("cpu"), grid.keep_checkpoints)
    return SimpleNamespace(run=run, grid=grid, plan=plan, runner=runner)


def work(made) -> None:
    for stage in made.plan.stages.values():
        made.runner.work(stage)


def weights_of(made, stage_id: str) -> dict:
    folder = made.run.stage(stage_id)
    return {f"{name}": load_file(getattr(folder, name)) for name in ("encoder", "heads")}


def same(a: dict, b: dict) -> bool:
    return all(
        a[part].keys() == b[part].keys() and all(torch.equal(a[part][n], b[part][n]) for n in a[part])
        for part in a
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory, checkpoint):
    made = opened(tmp_path_factory.mktemp("done"), checkpoint)
    work(made)
    made.results = gather(made.run, made.plan)
    write_samples(made.run, made.grid, made.plan)
    return made


def test_everything_is_done_and_counted(made):
    assert all(is_complete(made.run, made.plan, stage) for stage in made.plan.stages.values())
    found = status(made.run, made.plan)
    assert found.complete and found.failed == ()
    found = Watch(made.run, made.plan, 1).look()
    assert (found.share, found.left) == (1.0, 0.0)


def test_results_and_examples_are_what_the_stages_scored(made):
    results, examples = made.results, pd.read_parquet(made.run.examples)
    assert results.equals(validate(results, RESULTS)) and len(validate(examples, EXAMPLES)) == len(examples)
    # 2 intermediates x (which-a in 2 languages + tatoeba in x-agg)
    assert len(results) == 2 * 3
    assert set(results["run"]) == {"small"} and set(results["intermediate"]) == {"none", "w-which-a>w-roles"}
    for row in results.to_dict("records"):
        keep = (examples["stage"] == row["stage"]) & (examples["target"] == row["target"])
        part = examples[keep & (examples["language"] == row["language"])]
        assert len(part) == row["n_examples"] == 8
        assert 100 * part["score"].mean() == pytest.approx(row["value"])
    pd.testing.assert_frame_equal(read_results(made.run.root), results)


def test_an_untrained_checkpoint_is_one_measurement_and_the_results_say_so(tmp_path, checkpoint):
    two = opened(tmp_path, checkpoint, "w-tatoeba, w-which-a")
    file = tmp_path / "two.yaml"
    file.write_text(
        two.run.grid_file.read_text().replace("seeds: [0]", "seeds: [0, 1]").replace("small", "two")
    )
    grid = load_grid(file)
    plan = expand(grid, revision)
    run = open_run(file, grid, plan, tmp_path)
    runner = StageRunner(run, plan, torch.device("cpu"), "all")
    for cell in plan.cells:
        if cell.intermediate == "none":
            for stage in plan.path(cell.stage):
                runner.work(stage)
    results = gather(run, plan)
    shared = results[results["flags"].str.contains("same-checkpoint")]
    assert len(shared) == 2 and set(shared["target"]) == {"w-tatoeba"}
    assert shared["stage"].nunique() == shared["value"].nunique() == 1


def test_gathering_again_gives_equal_bytes_and_leaves_out_what_is_missing(made, tmp_path, checkpoint):
    before = made.run.results.read_bytes()
    gather(made.run, made.plan)
    assert made.run.results.read_bytes() == before
    empty = opened(tmp_path, checkpoint)
    with pytest.raises(InputError, match="holds no score yet; run `simxfer train` first"):
        gather(empty.run, empty.plan)
    root = next(iter(empty.plan.stages.values()))
    empty.runner.work(root)
    assert set(gather(empty.run, empty.plan)["intermediate"]) == {"none"}
    assert not status(empty.run, empty.plan).complete


def test_a_loaded_checkpoint_scores_as_the_trained_model_did(made):
    for cell in made.plan.cells:
        stage = made.plan.stages[cell.stage]
        evaluation = made.plan.evaluations[cell.stage][cell.evaluation]
        values = json.loads(made.run.stage(cell.stage).spec.read_text())["hyperparameters"]
        assert len(values) == len(stage.data)

        def dataset_of(code, stage=stage, evaluation=evaluation):
            from simxfer.sources.request import DataRequest

            target = evaluation.target
            request = DataRequest(target, "test", code, 0, evaluation.draw, evaluation.limit)
            return made.runner.data.dataset(
                request, target, stage.encoder, evaluation.max_length, evaluation.stride
            )

        again = evaluate(made.runner.checkpoints.load(stage), evaluation, dataset_of, 1)
        stored = pd.read_parquet(made.run.stage(cell.stage).scores(cell.evaluation))
        assert list(again["scores"]["value"]) == list(stored["value"])


def test_scores_that_are_missing_are_made_from_the_checkpoint(made):
    cell = made.plan.cells[-1]
    folder, stage = made.run.stage(cell.stage), made.plan.stages[cell.stage]
    before, trained = folder.scores(cell.evaluation).read_bytes(), folder.encoder.stat().st_mtime_ns
    folder.scores(cell.evaluation).unlink()
    assert [e.id for e in pending_evaluations(made.run, made.plan, stage)] == [cell.evaluation]
    made.runner.work(stage)
    assert folder.scores(cell.evaluation).read_bytes() == before
    assert folder.encoder.stat().st_mtime_ns == trained


def test_another_run_ends_bitwise_alike(made, tmp_path, checkpoint):
    again = opened(tmp_path, checkpoint)
    torch.manual_seed(77)
    work(again)
    for stage_id, stage in made.plan.stages.items():
        if stage.parent:
            assert same(weights_of(made, stage_id), weights_of(again, stage_id))
    assert gather(again.run, again.plan).equals(made.results)


def test_a_damaged_checkpoint_is_noticed_and_trained_anew(made, tmp_path, checkpoint):
    hurt = opened(tmp_path, checkpoint)
    _root, first, second, *_ = path = hurt.plan.path(hurt.plan.cells[-1].stage)
    for stage in path[:2]:
        hurt.runner.work(stage)
    folder = hurt.run.stage(first.id)
    good = weights_of(hurt, first.id)
    tensors = load_file(folder.encoder)
    save_file({name: value + 1 for name, value in tensors.items()}, folder.encoder)
    with pytest.raises(DamagedCheckpoint, match="is missing or damaged"):
        hurt.runner.work(second)
    assert not is_complete(hurt.run, hurt.plan, first) and not folder.done.exists()
    for stage in (first, second):
        hurt.runner.work(stage)
    assert same(weights_of(hurt, first.id), good)
    assert same(weights_of(hurt, second.id), weights_of(made, second.id))


def test_a_diverged_stage_says_why(tmp_path, checkpoint, monkeypatch):
    hurt = opened(tmp_path, checkpoint)
    root, first, *_ = hurt.plan.path(hurt.plan.cells[-1].stage)
    hurt.runner.work(root)
    monkeypatch.setattr("simxfer.training.loop._step", lambda *_: float("inf"))
    with pytest.raises(StageFailed, match="the loss is inf at step 1 of 2"):
        hurt.runner.work(first)
    assert "lower the learning rate" in json.loads(hurt.run.stage(first.id).failed.read_text())["reason"]
    assert not hurt.run.stage(first.id).done.exists()
    [failure] = status(hurt.run, hurt.plan).failed
    assert failure.startswith(first.title)


def test_a_head_is_new_or_that_of_its_parent_for_the_same_task(tmp_path, checkpoint, monkeypatch):
    """The target's task stands in front, another one between: its head comes anew, and every stage loads."""
    monkeypatch.setattr("simxfer.run.stages.fit", lambda *_: 0)  # heads stay as each stage found them
    for intermediate, alike in (("w-which-a>w-roles", False), ("w-which-a", True)):
        text = GRID.replace("w-which-a>w-roles", intermediate)
        folder = tmp_path / intermediate.replace(">", "-")
        folder.mkdir()
        file = folder / "grid.yaml"
        file.write_text(text.format(checkpoint=checkpoint, targets="w-which-a") + "head: reuse\n")
        grid = load_grid(file)
        plan = expand(grid, revision)
        run = open_run(file, grid, plan, folder)
        runner = StageRunner(run, plan, torch.device("cpu"), "all")
        for stage in plan.stages.values():
            runner.work(stage)
        _, first, *_, target = plan.path(plan.cells[-1].stage)
        heads = [load_file(run.stage(stage.id).heads) for stage in (first, target)]
        assert set(heads[0]) == set(heads[1])
        assert all(torch.equal(heads[0][n], heads[1][n]) for n in heads[0] if "weight" in n) == alike
        assert runner.checkpoints.load(target).heads.keys() == {"w-which-a"}


def test_checkpoints_of_targets_can_be_dropped_after_scoring(tmp_path, checkpoint, capsys):
    lean = opened(tmp_path, checkpoint, "w-which-a", "keep_checkpoints: intermediates\n")
    work(lean)
    kept = {
        stage.phase: lean.run.stage(stage.id).encoder.exists()
        for stage in lean.plan.stages.values()
        if stage.parent
    }
    assert kept == {"target": False, "intermediate-1": True, "intermediate-2": True}
    assert status(lean.run, lean.plan).complete
    work(lean)  # nothing is left to do, and nothing is done
    before, wider = gather(lean.run, lean.plan), [("x-pivot, x-agg", "x-pivot, x-agg, x-sov")]
    again = opened(tmp_path, checkpoint, "w-which-a", "keep_checkpoints: intermediates\n", wider)
    assert (
        "2 of these stages are trained again, as their checkpoints were not kept" in capsys.readouterr().out
    )
    for stage in again.plan.stages.values():
        with suppress(DamagedCheckpoint):
            again.runner.work(stage)
    work(again)
    found = gather(again.run, again.plan)
    assert found[found["language"] != "x-sov"].reset_index(drop=True).equals(before)


def test_a_run_that_grew_ends_as_if_it_had_been_whole(tmp_path, checkpoint, capsys):
    """A target, a seed and a language are added; a target is taken out again: the table is the grid's."""
    first = opened(tmp_path / "grown", checkpoint, "w-which-a")
    work(first)
    weights = {s.id: weights_of(first, s.id) for s in first.plan.stages.values() if s.parent}
    write_samples(first.run, first.grid, first.plan)
    changes = [("seeds: [0]", "seeds: [1, 0]"), ("x-pivot, x-agg", "x-pivot, x-agg, x-sov")]
    whole = opened(tmp_path / "grown", checkpoint, "w-which-a, w-pos", changes=changes)
    said = capsys.readouterr().out
    assert "new: 8 stages" in said and "scored for the first time or in other languages: 2 (" in said
    assert not is_complete(whole.run, whole.plan, whole.plan.stages[whole.plan.cells[0].stage])
    work(whole)
    assert all(same(weights[i], weights_of(whole, i)) for i in weights), "what was trained stays"
    write_samples(whole.run, whole.grid, whole.plan)
    assert {"w-which-a", "w-pos"} <= set(pd.read_parquet(whole.run.samples)["task"])
    fresh = opened(tmp_path / "fresh", checkpoint, "w-which-a, w-pos", changes=changes)
    work(fresh)
    pd.testing.assert_frame_equal(gather(whole.run, whole.plan), gather(fresh.run, fresh.plan))
    capsys.readouterr()
    less = opened(tmp_path / "grown", checkpoint, "w-pos", changes=changes)
    assert "not in the grid any more: 4 cells (none > w-which-a seed 1" in capsys.readouterr().out
    assert status(less.run, less.plan).complete
    assert set(gather(less.run, less.plan)["target"]) == {"w-pos"}
    assert all(less.run.stage(stage_id).done.exists() for stage_id in weights)


def test_a_renamed_encoder_is_the_same_one(made, checkpoint, tmp_path, capsys):
    shutil.copytree(made.run.root, tmp_path / "runs" / "small")
    moved = Path(shutil.copytree(checkpoint, tmp_path / "elsewhere"))
    again = opened(tmp_path, moved)
    assert status(again.run, again.plan).complete and "new" not in capsys.readouterr().out
    results = gather(again.run, again.plan)
    assert set(results["checkpoint"]) == {str(moved)}
    assert results["value"].tolist() == made.results["value"].tolist()


def test_a_run_that_was_killed_while_it_was_made_goes_on(checkpoint, tmp_path):
    run = opened(tmp_path, checkpoint).run
    for path in (run.grid_json, run.grid_file, run.receipts):
        path.unlink()
    (run.root / ".grid.json.1.tmp").write_text("{")
    assert opened(tmp_path, checkpoint).run.grid_json.exists()


def test_the_directory_of_another_grid_is_refused(made, checkpoint, tmp_path):
    before = {path: path.read_bytes() for path in made.run.root.iterdir() if path.is_file()}

    def refused(text: str, words: str) -> None:
        file = tmp_path / "grid.yaml"
        file.write_text(text)
        grid = load_grid(file)
        with pytest.raises(InputError, match=rf"holds another grid \({words}.*nothing was changed"):
            open_run(file, grid, expand(grid, revision), made.run.root.parent)

    text = GRID.format(checkpoint=checkpoint, targets="w-which-a, w-tatoeba")
    refused(text.replace("steps: 2", "steps: 3"), "steps of w-which-a: 2 there, 3 here")
    refused(text + "head: reuse\n", "head: new there, reuse here")
    refused(text.replace("examples: 8", "examples: 9"), "w-which-a: test_examples: 8 there, 9 here")
    refused(text.replace("seeds: [0]", "seeds: [5]"), "none of its stages is in this one")
    assert {path: path.read_bytes() for path in made.run.root.iterdir() if path.is_file()} == before
    file = tmp_path / "grid.yaml"
    grid = load_grid(file)
    foreign = tmp_path / "small"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="exists and is no run directory"):
        open_run(file, grid, expand(grid, revision), tmp_path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_results_survive_export_and_import(ending, made, tmp_path):
    out = tmp_path / f"table.{ending}"
    export_results(made.run.root, out)
    pd.testing.assert_frame_equal(read_results(out), made.results)
    import_results(out, tmp_path / "theirs")
    pd.testing.assert_frame_equal(read_results(tmp_path / "theirs"), made.results)
    with pytest.raises(InputError, match="exists; nothing was changed"):
        import_results(out, tmp_path / "theirs")


def test_tables_that_are_cut_off_or_missing_are_refused(made, tmp_path):
    cut = tmp_path / "results.parquet"
    cut.write_bytes(made.run.results.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read, it is cut off or damaged"):
        read_results(tmp_path)
    export_results(made.run.root, tmp_path / "whole.csv")
    lines = (tmp_path / "whole.csv").read_text().splitlines(keepends=True)
    (tmp_path / "cut.csv").write_text("".join(lines[:-1]) + lines[-1][:60])
    with pytest.raises(InputError, match="row 6"):
        read_results(tmp_path / "cut.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="cut off or damaged"):
        read_results(tmp_path / "empty.csv")
    for path, words in (
        (tmp_path / "no.csv", "no results table"),
        (made.run.root / "stages", "holds no results.parquet"),
        (made.run.grid_file, "expected a .parquet or .csv file"),
    ):
        with pytest.raises(InputError, match=words):
            read_results(path)
    with pytest.raises(InputError, match=r"ends in \.csv or \.parquet"):
        export_results(made.run.root, tmp_path / "table.xlsx")


def test_subwords_are_counted_as_by_hand(made, checkpoint):
    tokenizer = load_tokenizer(resolve_encoder(str(checkpoint)))
    samples, subwords = pd.read_parquet(made.run.samples), pd.read_parquet(made.run.subwords)
    assert len(validate(samples, SAMPLES)) and len(validate(subwords, SUBWORDS))
    keys = ["task", "language", "split"]
    assert set(map(tuple, samples[keys].to_numpy())) == {
        ("w-which-a", "x-pivot", "train"),
        ("w-roles", "x-pivot", "train"),
        ("w-which-a", "x-pivot", "test"),
        ("w-which-a", "x-agg", "test"),
        ("w-tatoeba", "x-agg", "test"),
    }
    for group, part in samples.groupby(keys):
        pieces = Counter(piece for text in part["text"] for piece in tokenizer.tokenize(text))
        found = subwords[(subwords[keys] == list(group)).all(axis=1)]
        assert dict(zip(found["piece"], found["count"], strict=True)) == pieces
        assert set(found["words"]) == {sum(len(text.split()) for text in part["text"])}


def test_embeddings_stand_in_the_order_of_the_samples(made, checkpoint):
    samples = pd.read_parquet(made.run.samples)
    path = made.run.representations(str(checkpoint))
    with np.load(path) as stored:
        vectors = stored["embeddings"]
    rows = pd.read_parquet(path.with_suffix(".parquet"))
    keys = ["task", "language", "split", "example_id"]
    aligned = rows.merge(samples, on=keys, how="left", validate="one_to_one")
    assert len(aligned) == len(vectors) == len(samples)
    encoder = resolve_encoder(str(checkpoint))
    tokenizer, model = load_tokenizer(encoder), TransferModel(load_encoder(encoder))
    from simxfer.encoder.features import text_features

    chosen = [0, 3, len(aligned) // 2, len(aligned) - 1]
    features = text_features([aligned["text"][i] for i in chosen], tokenizer, 128)
    expected = embed(model, features, tokenizer.pad_token_id, -1, "mean")
    np.testing.assert_allclose(vectors[chosen], expected, atol=1e-5)


def test_samples_that_are_there_are_not_made_again(made, monkeypatch):
    monkeypatch.setattr("simxfer.run.representations.read_examples", None)
    before = made.run.samples.stat().st_mtime_ns
    write_samples(made.run, made.grid, made.plan)
    assert made.run.samples.stat().st_mtime_ns == before


def test_layout_keeps_scores_examples_and_predictions_apart():
    stage = RunDirectory(Path("r")).stage("s")
    assert len({stage.scores("e"), stage.examples("e"), stage.predictions("e")}) == 3


def test_long_samples_are_cut_to_what_the_encoder_reads(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("simxfer.run.representations.MAX_LENGTH", 500)
    samples = pd.DataFrame(
        {"task": "t", "language": "x-agg", "split": "test", "example_id": ["1"], "text": ["be " * 300]}
    )
    run = RunDirectory(tmp_path)
    counts = represent._represent(run, str(checkpoint), samples, "cpu")
    assert counts["count"].sum() == 128 - 2  # the encoder's 128 positions, without <s> and </s>
    assert run.representations(str(checkpoint)).exists()


def test_what_is_noted_of_training_data_is_a_flag_with_its_task():
    row = {"task": "cosmosqa", "truncated": 3, "noted": {"placeholder-texts": 1}}
    other = {"task": "pawsx", "truncated": 0, "noted": {"without-text": 2}}
    assert _training_flags([row, row, other]) == [
        "truncated-in-training=cosmosqa:6",
        "placeholder-texts-in-training=cosmosqa:2",
        "without-text-in-training=pawsx:2",
    ]


def test_warnings_are_counted_by_flag():
    rows = [
        ("xnli", "chance-level;seen-in-training=3"),
        ("xnli", ""),
        ("panx", "seen-in-training=1"),
        ("panx", ""),
    ]
    text = flags_text(pd.DataFrame(rows, columns=["target", "flags"]))
    assert text.splitlines()[1:] == [
        "  chance-level: 1 of 4 scores (xnli)",
        "  seen-in-training: 2 of 4 scores (panx, xnli)",
    ]
    assert flags_text(pd.DataFrame(rows[1:2], columns=["target", "flags"])) == ""


def test_a_run_killed_while_it_scores_goes_on_from_weights_that_will_be_dropped(
    tmp_path, checkpoint, monkeypatch
):
    lean = opened(tmp_path, checkpoint, "w-which-a", "keep_checkpoints: intermediates\n")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr("simxfer.run.evaluations.evaluate", killed)
        work(lean)
    [target] = [
        s for s in lean.plan.stages.values() if s.phase == "target" and lean.run.stage(s.id).done.exists()
    ]
    assert lean.run.stage(target.id).encoder.exists()
    monkeypatch.setattr("simxfer.run.stages.fit", killed)  # training again would end the test
    lean.runner.work(target)
    assert is_complete(lean.run, lean.plan, target) and not lean.run.stage(target.id).encoder.exists()


def test_a_checkpoint_is_loaded_into_memory_of_its_own_and_the_pretrained_weights_stay(made, monkeypatch):
    """Nothing is copied that the checkpoint overwrites: what was not read is noise, and none of that is left."""
    root, stage = made.plan.path(made.plan.cells[0].stage)
    checkpoints = made.runner.checkpoints
    before = {n: v.clone() for n, v in checkpoints.fresh(root).encoder.state_dict().items()}
    monkeypatch.setattr("torch.empty_like", lambda tensor: torch.full_like(tensor, torch.nan))
    one, two = checkpoints.load(stage), checkpoints.load(stage)
    monkeypatch.undo()
    stored = load_file(made.run.stage(stage.id).encoder)
    assert all(torch.equal(v, stored[n]) for n, v in one.encoder.state_dict().items())
    assert (
        dict(one.encoder.named_buffers()).keys()
        == dict(checkpoints.fresh(root).encoder.named_buffers()).keys()
    )
    assert all(p.requires_grad for p in one.parameters())
    with torch.no_grad():
        for weight in one.parameters():
            weight.zero_()
    assert all(torch.equal(v, stored[n]) for n, v in two.encoder.state_dict().items())
    assert all(torch.equal(v, before[n]) for n, v in checkpoints.fresh(root).encoder.state_dict().items())
