"""PGD at test time: inside its ball, up the loss, the same every time; radius 0 changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import Dataset, make_dataset
from simxfer.encoder.losses import loss_sum
from simxfer.scoring.attack import Attacked
from simxfer.scoring.evaluate import evaluate
from simxfer.scoring.predict import predict
from simxfer.scoring.protocol import Evaluation
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task

PAD = 1
KINDS = ("w-xnli", "w-pos", "w-xqa", "w-xcloze")


@pytest.fixture(scope="module")
def dataset_of(world_tokenizer):
    def make(name: str) -> Dataset:
        examples = read_examples(DataRequest(name, "test", "x-agg", limit=12))
        return make_dataset(examples, get_task(name), world_tokenizer, 64, 8)

    return make


def batch_of(dataset: Dataset) -> dict[str, torch.Tensor]:
    return collate(dataset.features, np.arange(dataset.features.n_units), PAD, torch.device("cpu"))


@pytest.mark.parametrize("name", KINDS)
def test_embeddings_climb_inside_the_ball_and_padding_stays(name, model, dataset_of):
    batch, task = batch_of(dataset_of(name)), get_task(name)
    lost = []
    for radius in (0.05, 0.5):
        delta = Attacked(model, task, radius).delta(batch)
        norms = delta.norm(dim=(1, 2))
        assert (norms <= radius * (1 + 1e-5)).all() and norms.max() > 0.9 * radius
        assert (delta[batch["mask"] == 0] == 0).all() and (batch["mask"] == 0).any()
        assert torch.equal(delta, Attacked(model, task, radius).delta(batch))
        with torch.no_grad():
            lost.append(float(loss_sum(model, task, {**batch, "delta": delta})))
    with torch.no_grad():
        assert float(loss_sum(model, task, batch)) < lost[0] < lost[1]
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("name", KINDS)
def test_a_ball_of_radius_0_leaves_every_logit_as_it_is(name, model, dataset_of):
    batch, task = batch_of(dataset_of(name)), get_task(name)
    with torch.inference_mode():
        assert torch.equal(Attacked(model, task, 0.0)(name, batch), model(name, batch))


@pytest.mark.parametrize("name", KINDS)
def test_no_example_scores_more_under_an_attack_than_without(name, model, dataset_of):
    dataset, task = dataset_of(name), get_task(name)
    clean = Evaluation(target=name, split="test", languages=("x-agg",), revision="r", draw=0, world=0)
    attack = replace(clean, perturbation="pgd(1)")
    before, after = (evaluate(model, e, lambda _: dataset, PAD) for e in (clean, attack))
    assert (after["examples"]["score"] <= before["examples"]["score"]).all()
    wrong = before["examples"]["score"] == 0
    assert list(after["predictions"]["prediction"][wrong]) == list(before["predictions"]["prediction"][wrong])
    assert predict(Attacked(model, task, 1.0), task, dataset, PAD) != predict(model, task, dataset, PAD)
    evaluate(
        model, replace(attack, numerics="bf16"), lambda _: dataset, PAD
    )  # gradients through bf16 as well
    assert attack.id != clean.id != replace(clean, perturbation="pgd(0.5)").id != attack.id


def test_it_finds_what_a_grid_of_directions_finds(model, dataset_of):
    """Of 200 perturbations drawn on the ball's border none has a higher loss than the one that PGD ends at."""
    task = get_task("w-xnli")
    batch = {name: values[:1] for name, values in batch_of(dataset_of("w-xnli")).items()}
    delta, generator = Attacked(model, task, 0.3).delta(batch), torch.Generator().manual_seed(1)
    drawn = torch.randn(200, *delta.shape[1:], generator=generator) * batch["mask"][..., None]
    drawn = 0.3 * drawn / drawn.norm(dim=(1, 2), keepdim=True)
    with torch.no_grad():
        reached = float(loss_sum(model, task, {**batch, "delta": delta}))
        others = [float(loss_sum(model, task, {**batch, "delta": one[None]})) for one in drawn]
    assert reached > max(others)
