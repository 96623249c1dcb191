"""Task embeddings: Fisher information against Jacobians of the loss by hand, and the files of a run."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.autograd.functional import jacobian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from simxfer import fisher
from simxfer.batching import collate
from simxfer.config import parse_grid
from simxfer.encoders import resolve_encoder
from simxfer.errors import InputError
from simxfer.features import make_dataset
from simxfer.fisher import embedded_stages, empirical_fisher, write_task_embeddings
from simxfer.model import TransferModel, load_encoder
from simxfer.plan import make_plan
from simxfer.ragged import IGNORED
from simxfer.recipes import Hyperparameters
from simxfer.run import open_run
from simxfer.sources import DataRequest, read_examples
from simxfer.stages import StageRunner
from simxfer.tasks import get_task
from simxfer.train import TrainingTask

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
    plan = make_plan(grid)
    return SimpleNamespace(grid=grid, plan=plan, run=open_run(file, grid, plan, folder / "runs"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, checkpoint):
    """A run whose embedded stages are trained, with its task embeddings."""
    made = opened(tmp_path_factory.mktemp("fisher"), checkpoint)
    made.stages = embedded_stages(made.plan)[str(checkpoint)]
    runner = StageRunner(made.run, made.plan, CPU, "all")
    for stage in {s.id: s for end in made.stages.values() for s in made.plan.path(end.id)}.values():
        runner._train(stage, made.run.stage(stage.id))
    write_task_embeddings(made.run, made.plan)
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
    model, [training] = StageRunner(trained.run, trained.plan, CPU, "all").trained(
        trained.stages["intermediate/w-roles"]
    )
    assert training.features.n_units == 12  # fewer than FISHER_UNITS: all of them, in whatever order
    expected = empirical_fisher(model, training, np.arange(12), PAD)
    np.testing.assert_allclose(found["intermediate/w-roles"], expected, rtol=1e-3, atol=1e-8)
    assert len(expected) == sum(p.numel() for p in model.encoder.parameters())


def test_only_what_is_missing_is_made_and_it_is_the_same(trained, monkeypatch):
    before = fisher._read(trained.path)
    stamp = trained.path.stat().st_mtime_ns
    write_task_embeddings(trained.run, trained.plan)
    assert trained.path.stat().st_mtime_ns == stamp
    fisher._write(trained.path, {"target/w-which-a": before["target/w-which-a"]})
    made, embedding = [], fisher._embedding

    def noted(runner, stage):
        made.append(stage)
        return embedding(runner, stage)

    monkeypatch.setattr(fisher, "_embedding", noted)
    write_task_embeddings(trained.run, trained.plan)
    assert made == [trained.stages["intermediate/w-roles"]]
    after = fisher._read(trained.path)
    assert all(np.array_equal(before[name], after[name]) for name in trained.stages)


def test_what_is_not_trained_is_left_out(tmp_path, checkpoint):
    made = opened(tmp_path, checkpoint)
    write_task_embeddings(made.run, made.plan)
    assert not made.run.task_embeddings(str(checkpoint)).exists()


def test_asking_for_task_embeddings_changes_no_id_and_a_run_may_ask_later(tmp_path, checkpoint):
    without, asked = opened(tmp_path, checkpoint, ""), opened(tmp_path, checkpoint)
    assert not without.grid.task_embeddings and asked.grid.task_embeddings
    assert without.plan.as_dict() == asked.plan.as_dict()
    assert without.run == asked.run


def test_task_embeddings_need_the_checkpoints_of_targets(checkpoint):
    with pytest.raises(InputError, match="task_embeddings reads the checkpoints of target stages; set keep"):
        parse_grid(GRID.format(checkpoint=checkpoint) + ASKED + "keep_checkpoints: intermediates\n")
