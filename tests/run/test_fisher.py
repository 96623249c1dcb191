"""Task embeddings and labelled features: against Jacobians and loops by hand, and the files of a run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from simxfer.common.errors import InputError
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_encoder
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.run import fisher
from simxfer.run.fisher import embedded_stages, empirical_fisher, write_task_embeddings
from simxfer.run.opening import open_run
from simxfer.run.representations import labelled_features, write_labelled_features
from simxfer.run.stages import StageRunner
from simxfer.sources import read_examples, revision
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import TrainingTask

CPU = torch.device("cpu")
PAD = 1
KINDS = ["w-xnli", "w-xcloze", "w-pos", "w-xqa"]
GRID = """\
name: small
encoders: [{checkpoint}]
blocks:
  - {{intermediates: [none, w-roles, 'w-roles>w-which-a', w-which-a+w-roles], targets: [w-which-a, w-tatoeba]}}
  - {{intermediates: [none], targets: [w-which-a], seeds: [7, 0], no_pretraining_control: true}}
seeds: [0, 1]
languages: [x-agg]
overrides: {{'*': {{steps: 2, batch_size: 4, train_examples: 12}}}}
test_examples: 4
"""
ASKED = "task_embeddings: true\n"


@pytest.fixture
def tiny(checkpoint, world_tokenizer):
    def make(name: str, n: int = 4):
        task = get_task(name)
        model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
        model.add_head(task, seed=0)
        examples = read_examples(DataRequest(name, "train", "x-pivot", limit=n))
        features = make_dataset(examples, task, world_tokenizer, 64, 16).features
        values = Hyperparameters(learning_rate=1e-3, batch_size=4, steps=1)
        return model, TrainingTask(task=task, features=features, values=values)

    return make


def losses(logits: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor, kind: str) -> torch.Tensor:
    """The training loss of every unit of one padded batch, written out once more: (units,)."""
    if kind == "classification":
        return cross_entropy(logits, labels, reduction="none")
    if kind == "multiple_choice":
        return cross_entropy(logits.view(len(labels), -1), labels, reduction="none")
    if kind == "tagging":
        words = (labels != IGNORED).sum(dim=1)
        each = cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
        return each.sum(dim=1) / words
    logits = logits.masked_fill(mask[..., None] == 0, -1e4)
    first, last = (cross_entropy(logits[..., k], labels[:, k], reduction="none") for k in (0, 1))
    return (first + last) / 2


def jacobian_fisher(model: TransferModel, training: TrainingTask, units: np.ndarray) -> list[torch.Tensor]:
    """Mean squares of the Jacobian of the units' losses, one tensor a weight of the encoder."""
    batch = collate(training.features, units, PAD, CPU)
    names = [f"encoder.{name}" for name, _ in model.encoder.named_parameters()]

    def of(*weights: torch.Tensor) -> torch.Tensor:
        named = dict(zip(names, weights, strict=True))
        logits = functional_call(model, named, (training.task.name, batch))
        return losses(logits, batch["labels"], batch["mask"], training.task.kind)

    found = jacobian(of, tuple(p.detach() for p in model.encoder.parameters()))
    return [gradients.square().mean(dim=0) for gradients in found]


@pytest.mark.parametrize("name", KINDS)
def test_fisher_is_the_mean_square_of_the_jacobian(name, tiny):
    model, training = tiny(name)
    units = np.array([2, 0, 3])
    expected = jacobian_fisher(model.eval(), training, units)
    whole = empirical_fisher(model.train(), training, units, PAD)  # dropout is switched off inside
    assert whole.dtype == np.float32 and whole.max() > 0 and whole.min() >= 0
    flat = torch.cat([x.flatten() for x in expected]).numpy()
    np.testing.assert_allclose(whole, flat, rtol=1e-3, atol=1e-6 * flat.max())  # padded or not: fp32 rounding
    reduced = empirical_fisher(model, training, units, PAD, most_weights=10)
    np.testing.assert_allclose(reduced, [float(x.mean()) for x in expected], rtol=1e-3, atol=1e-9)


def test_squares_are_averaged_and_not_the_average_squared(tiny):
    model, training = tiny("w-xnli")
    single = [empirical_fisher(model, training, np.array([i]), PAD) for i in range(4)]
    together = empirical_fisher(model, training, np.arange(4), PAD)
    np.testing.assert_allclose(together, np.mean(single, axis=0), rtol=1e-4, atol=1e-9)


def test_rows_of_absent_subwords_are_zero(tiny):
    model, training = tiny("w-pos")
    size = model.encoder.embeddings.word_embeddings.weight.shape
    found = empirical_fisher(model, training, np.arange(4), PAD)[: size.numel()].reshape(size)
    assert set(np.flatnonzero(found.any(axis=1))) == set(training.features.ids.tolist())


def opened(folder, checkpoint, extra: str = ASKED):
    folder.mkdir(exist_ok=True)
    file = folder / "grid.yaml"
    file.write_text(GRID.format(checkpoint=checkpoint) + extra)
    grid = parse_grid(file.read_text())
    plan = expand(grid, revision)
    return SimpleNamespace(grid=grid, plan=plan, run=open_run(file, grid, plan, folder / "runs"))


def runner_of(made) -> StageRunner:
    return StageRunner(made.run, made.plan, CPU, "all")


def embed_tasks(made) -> None:
    runner = runner_of(made)
    write_task_embeddings(made.run, made.plan, runner.data, runner.checkpoints)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, checkpoint):
    """A run whose embedded stages are trained, with its task embeddings."""
    made = opened(tmp_path_factory.mktemp("fisher"), checkpoint)
    made.stages = embedded_stages(made.plan)[str(checkpoint)]
    runner = runner_of(made)
    for stage in {s.id: s for end in made.stages.values() for s in made.plan.path(end.id)}.values():
        runner._train(stage, made.run.stage(stage.id))
    embed_tasks(made)
    made.path = made.run.task_embeddings(str(checkpoint))
    return made


def test_what_is_embedded(trained):
    """Single intermediates and trained targets after none, first seed; no sequence, mixture, control."""
    assert list(embedded_stages(trained.plan)) == [trained.grid.encoders[0]]
    described = {name: (s.tasks, s.phase, s.seed) for name, s in trained.stages.items()}
    assert described == {
        "target/w-which-a": (("w-which-a",), "target", 0),
        "intermediate/w-roles": (("w-roles",), "intermediate-1", 0),
    }


def test_the_files_hold_the_fisher_information_of_the_trained_stages(trained):
    found = fisher._read(trained.path)
    assert found.keys() == trained.stages.keys()
    runner, stage = runner_of(trained), trained.stages["intermediate/w-roles"]
    model, [training] = runner.checkpoints.load(stage), runner.data.training_tasks(stage)
    assert training.features.n_units == 12  # fewer than FISHER_UNITS: all of them, in whatever order
    expected = empirical_fisher(model, training, np.arange(12), PAD)
    np.testing.assert_allclose(found["intermediate/w-roles"], expected, rtol=1e-3, atol=1e-8)
    assert len(expected) == sum(p.numel() for p in model.encoder.parameters())


def test_only_what_is_missing_is_made_and_it_is_the_same(trained, monkeypatch):
    before = fisher._read(trained.path)
    stamp = trained.path.stat().st_mtime_ns
    embed_tasks(trained)
    assert trained.path.stat().st_mtime_ns == stamp
    fisher._write(trained.path, {"target/w-which-a": before["target/w-which-a"]})
    made, embedding = [], fisher._embedding

    def noted(data, checkpoints, stage):
        made.append(stage)
        return embedding(data, checkpoints, stage)

    monkeypatch.setattr(fisher, "_embedding", noted)
    embed_tasks(trained)
    assert made == [trained.stages["intermediate/w-roles"]]
    after = fisher._read(trained.path)
    assert all(np.array_equal(before[name], after[name]) for name in trained.stages)


def test_what_is_not_trained_is_left_out(tmp_path, checkpoint):
    made = opened(tmp_path, checkpoint)
    embed_tasks(made)
    assert not made.run.task_embeddings(str(checkpoint)).exists()


def test_asking_for_task_embeddings_changes_no_id_and_a_run_may_ask_later(tmp_path, checkpoint):
    without, asked = opened(tmp_path, checkpoint, ""), opened(tmp_path, checkpoint)
    assert not without.grid.task_embeddings and asked.grid.task_embeddings
    assert without.plan.as_dict() == asked.plan.as_dict()
    assert without.run == asked.run


def test_task_embeddings_need_the_checkpoints_of_targets(checkpoint):
    with pytest.raises(InputError, match="task_embeddings reads the checkpoints of target stages; set keep"):
        parse_grid(GRID.format(checkpoint=checkpoint) + ASKED + "keep_checkpoints: intermediates\n")


def by_hand(kind: str, states: torch.Tensor, row: int, features) -> list[tuple[torch.Tensor, int]]:
    """What the labelled features of one row are: (state, label) at each place that is read."""
    start, stop = features.starts[row], features.starts[row + 1]
    if kind == "classification":
        return [(states[0], features.labels[row])]
    if kind == "multiple_choice":
        unit = int(np.searchsorted(features.unit_starts, row, side="right")) - 1
        return [(states[0], int(row - features.unit_starts[unit] == features.labels[unit]))]
    if kind == "tagging":
        tags = features.labels[start:stop]
        return [(states[i], tag) for i, tag in enumerate(tags) if tag != IGNORED]
    first, last = features.labels[row]
    return [(states[i], int(last > 0 and first <= i <= last)) for i in range(stop - start)]


@pytest.mark.parametrize("name", KINDS)
def test_labelled_features_are_the_states_that_heads_read(name, tiny):
    model, training = tiny(name, 6)
    features = training.features
    expected = []
    for unit in (4, 1, 5):
        for row in range(features.unit_starts[unit], features.unit_starts[unit + 1]):
            ids = torch.from_numpy(
                features.ids[features.starts[row] : features.starts[row + 1]][None].astype(int)
            )
            with torch.no_grad():
                states = model.eval().encoder(input_ids=ids).last_hidden_state[0]
            expected += by_hand(training.task.kind, states, row, features)
    found, labels = labelled_features(model.train(), training, np.array([4, 1, 5]), PAD)
    assert found.dtype == np.float32
    assert labels.tolist() == [label for _, label in expected] and len(set(labels.tolist())) > 1
    np.testing.assert_allclose(found, torch.stack([state for state, _ in expected]).numpy(), atol=1e-5)
    few, _ = labelled_features(model, training, np.array([4, 1, 5]), PAD, most=2)
    np.testing.assert_array_equal(few, found[:2])


def test_a_window_without_the_answer_has_no_answer(tiny):
    model, training = tiny("w-xqa")
    training.features.labels[:] = 0
    assert labelled_features(model, training, np.arange(4), PAD)[1].max() == 0


def test_labelled_features_of_a_run_are_those_after_the_intermediate_and_only_missing_ones_are_made(trained):
    runner, name = runner_of(trained), trained.grid.encoders[0]
    write_labelled_features(trained.run, trained.plan, runner.data, runner.checkpoints)
    path = trained.run.labelled(name, "w-roles", "w-which-a")
    # The mixture and the sequence's second stage are not trained here; none and the control are no intermediates.
    assert list(path.parents[1].glob("*/*")) == [path]
    stored = {key: value.copy() for key, value in np.load(path).items()}
    training = runner.data.training_tasks(trained.stages["target/w-which-a"])[0]
    model = runner.checkpoints.load(trained.stages["intermediate/w-roles"])
    features, labels = labelled_features(model, training, np.arange(training.features.n_units), PAD)
    order = [
        np.lexsort(x.T.round(4)) for x in (features, stored["features"])
    ]  # the same units in another order
    np.testing.assert_allclose(stored["features"][order[1]], features[order[0]], atol=1e-4)
    assert sorted(stored["labels"]) == sorted(labels) and len(labels) == training.features.n_units == 12
    stamp = path.stat().st_mtime_ns
    write_labelled_features(trained.run, trained.plan, runner.data, runner.checkpoints)
    assert path.stat().st_mtime_ns == stamp
    path.unlink()
    write_labelled_features(trained.run, trained.plan, runner.data, runner.checkpoints)
    assert all(np.array_equal(value, stored[key]) for key, value in np.load(path).items())
