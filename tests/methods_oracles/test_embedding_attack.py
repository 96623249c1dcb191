"""Adversarial steps on embeddings against closed forms (float64), and FreeLB through the method that trains it."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from oracle_folder import FOLDER

from simxfer.encoder.embedding_attack import ascend, climb, project, random_start
from simxfer.training.methods.robust import RobustTraining

PATH = FOLDER / "numeric" / "adversarial_steps.json"
STORED = json.loads(PATH.read_text()) if PATH.is_file() else {"expected": {}, "inputs": {}}
BALLS = {
    "l2_example": "l2-example",
    "l2_token": "l2-token",
    "linf_sign": "linf-sign",
    "linf_freelb": "linf-scaled",
}
PGD = [name for name in STORED["expected"] if name.startswith("pgd_")]


@pytest.fixture
def net(oracles) -> dict[str, torch.Tensor]:
    names = ("W", "M", "c", "E", "mask", "start")
    given = {name: torch.tensor(STORED["inputs"][name], dtype=torch.float64) for name in names}
    return given | {"y": torch.tensor(STORED["inputs"]["y"])}


def losses(net: dict, delta: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every example of the little network of the oracle."""
    hidden = torch.tanh((net["E"] + delta) @ net["W"].T)
    mask = net["mask"][..., None]
    logits = (hidden * mask).sum(dim=1) / mask.sum(dim=1) @ net["M"] + net["c"]
    return torch.nn.functional.cross_entropy(logits, net["y"], reduction="none")


def gradient(net: dict, delta: torch.Tensor) -> torch.Tensor:
    delta = delta.clone().requires_grad_()
    return torch.autograd.grad(losses(net, delta).sum(), delta)[0] * net["mask"][..., None]


def near(ours: torch.Tensor, theirs) -> None:
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("name", PGD)
def test_steps_inside_a_ball(name, net):
    case = STORED["expected"][name]
    ball = BALLS[name.removeprefix("pgd_").rsplit("_", 1)[0]]
    delta = net["start"].clone() if name.endswith("given") else torch.zeros_like(net["E"])
    for step in case["steps"]:
        near(losses(net, delta), step["loss"])
        climb = gradient(net, delta)
        near(climb, step["grad"])
        delta = project(ascend(delta, climb, STORED["inputs"]["alpha"], ball), STORED["inputs"]["eps"], ball)
        near(delta, step["delta_after"])
    near(losses(net, delta), case["loss_at_end"])


@pytest.mark.parametrize("name", PGD)
def test_all_steps_together(name, net):
    case, inputs = STORED["expected"][name], STORED["inputs"]
    ball = BALLS[name.removeprefix("pgd_").rsplit("_", 1)[0]]
    start = net["start"].clone() if name.endswith("given") else torch.zeros_like(net["E"])
    steps = len(case["steps"])
    moved = climb(
        lambda d: losses(net, d).sum(), start, net["mask"], inputs["eps"], inputs["alpha"], steps, ball
    )
    near(moved, case["steps"][-1]["delta_after"])
    near(losses(net, moved), case["loss_at_end"])


def test_the_fast_gradient_method_is_one_step_of_the_radius(net):
    case = STORED["expected"]["fgm_l2_example"]
    zero = torch.zeros_like(net["E"])
    delta = ascend(zero, gradient(net, zero), STORED["inputs"]["eps"], "l2-example")
    near(delta, case["delta"])
    near(losses(net, delta), case["loss"])


def test_freelb_averages_the_gradients_of_its_passes(net, monkeypatch):
    """The method itself, on the little network: what its loss sees in every pass, and what gradients it leaves."""
    case, seen = STORED["expected"]["freelb_l2_example_K3"], []
    for name in ("M", "c"):
        net[name].requires_grad_()

    class Little(RobustTraining):
        def loss(self, model, task, batch):
            seen.append((batch["delta"].detach().clone(), losses(net, batch["delta"]).mean().detach()))
            return losses(net, batch["delta"]).sum()

    monkeypatch.setattr("simxfer.encoder.embedding_attack.random_start", lambda *_: net["start"])
    inputs, encoder = STORED["inputs"], SimpleNamespace(get_input_embeddings=lambda: torch.nn.Embedding(2, 2))
    method = Little(radius=inputs["eps"], size=inputs["alpha"], passes=len(case["deltas"]))
    batch = {"ids": torch.zeros(net["mask"].shape, dtype=torch.long), "mask": net["mask"].long()}
    total = method.add_gradients(SimpleNamespace(encoder=encoder), None, batch, len(net["y"]), nullcontext)
    for (delta, mean), expected, theirs in zip(seen, case["deltas"], case["mean_losses"], strict=True):
        near(delta, expected)
        near(mean, theirs)
    near(net["M"].grad, case["grad_M"])
    near(net["c"].grad, case["grad_c"])
    assert total == pytest.approx(case["reported_loss"], abs=1e-9)


def test_the_random_start_has_freelbs_scale_and_spares_padding(net):
    mask, width = net["mask"].long(), net["E"].shape[2]
    ids = torch.arange(mask.numel()).reshape(mask.shape)
    drawn = torch.stack([random_start(ids, mask, width, 1.0, "l2-example", seed) for seed in range(400)])
    largest = drawn.abs().amax(dim=(0, 2, 3))
    expected = torch.tensor(STORED["freelb_initial_scale"]["for_magnitude_1"])
    torch.testing.assert_close(largest, expected.to(largest), rtol=0.02, atol=0)
    assert (drawn[:, mask == 0] == 0).all()
    assert torch.equal(random_start(ids[1:, :2], mask[1:, :2], width, 1.0, "l2-example", 7), drawn[7, 1:, :2])


def test_an_example_without_gradient_stays_where_it_is():
    delta, still = torch.full((1, 2, 3), 0.1), torch.zeros(1, 2, 3)
    for ball in BALLS.values():
        assert torch.equal(ascend(delta, still, 1.0, ball), delta)
