"""Gradient reversal and its schedule against closed forms (float64), through the course that trains with them."""

import json
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from oracle_folder import FOLDER
from torch.nn.functional import binary_cross_entropy_with_logits

from simxfer.encoder.network import TransferModel
from simxfer.training.adversary import Adversary, strength_at
from simxfer.training.methods.method import Step

PATH = FOLDER / "numeric" / "gradient_reversal.json"
STORED = json.loads(PATH.read_text()) if PATH.is_file() else {"expected": {}, "inputs": {}}
SCHEDULE = STORED.get("schedule_2_over_1_plus_exp_minus_gamma_p_minus_1", {})


class Net(torch.nn.Module):
    """h = tanh(W x + b), one token a row; `ids` are looked up in the oracle's rows."""

    config = SimpleNamespace(_attn_implementation="eager")

    def __init__(self, rows: torch.Tensor) -> None:
        super().__init__()
        self.rows = rows
        self.W, self.b = (torch.nn.Parameter(given(name)) for name in ("W", "b"))

    def forward(self, input_ids: torch.Tensor, **others):
        return SimpleNamespace(last_hidden_state=torch.tanh(self.rows[input_ids] @ self.W.T + self.b))


def given(name: str) -> torch.Tensor:
    return torch.tensor(STORED["inputs"][name], dtype=torch.float64)


def near(ours: torch.Tensor, theirs) -> None:
    torch.testing.assert_close(ours, torch.tensor(theirs, dtype=torch.float64), atol=1e-9, rtol=1e-8)


def batch(places: list[int]) -> dict[str, torch.Tensor]:
    ids = torch.tensor(places)[:, None]
    return {"ids": ids, "mask": torch.ones_like(ids), "rows": torch.arange(len(places))[:, None]}


def adversary(net: Net) -> Adversary:
    """Return a course without what draws: one logit v h + e against 0 is the oracle's discriminator."""
    course = object.__new__(Adversary)
    v, e = given("v"), given("e")
    network = torch.nn.Linear(len(v), 2, dtype=torch.float64)
    network.load_state_dict(
        {"weight": torch.stack([torch.zeros_like(v), v]), "bias": torch.stack([e * 0, e])}
    )
    u, c = (torch.nn.Parameter(given(name)) for name in ("u", "c"))

    def loss(model, task, part):
        logits = model.states(part)[:, 0] @ u + c
        return binary_cross_entropy_with_logits(logits, given("y_source"), reduction="sum")

    course.__dict__ |= {
        "model": TransferModel(net), "method": SimpleNamespace(loss=loss, reads="first"), "network": network,
        "device": torch.device("cpu"), "right": torch.zeros(2), "told": torch.zeros(2), "u": u, "c": c,
    }  # fmt: skip
    return course


@pytest.mark.parametrize("strength", STORED["expected"])
def test_gradients_of_task_and_domain(strength, oracles):
    expected = STORED["expected"][strength]
    n, m = (len(STORED["inputs"][name]) for name in ("x_source", "x_target"))
    net = Net(torch.cat([given("x_source"), given("x_target")]))
    course = adversary(net)
    part, texts = batch([*range(n)]), batch([*range(n, n + m)])
    step = Step(0, SimpleNamespace(name="t"), np.arange(n), [part], n, nullcontext)
    loss, domain = course.add_task(step, np.zeros(n, int), float(strength))
    domain += course.add_texts([texts], np.ones(m, int), nullcontext, float(strength))
    assert loss == pytest.approx(expected["task_loss"], abs=1e-9)
    assert domain == pytest.approx(expected["domain_loss"], abs=1e-9)
    near(net.W.grad, expected["grad_W"])
    near(net.b.grad, expected["grad_b"])
    near(course.u.grad, expected["grad_u"])
    near(course.c.grad, expected["grad_c"])
    near(course.network.weight.grad[1].double(), expected["grad_v"])
    near(course.network.bias.grad[1].double(), expected["grad_e"])
    assert course.noted() == {"discriminator_accuracy": expected["discriminator_accuracy"]}


@pytest.mark.parametrize(("gamma", "share"), [(g, p) for g, found in SCHEDULE.items() for p in found])
def test_the_schedule(gamma, share, oracles):
    assert strength_at(float(share), float(gamma)) == pytest.approx(SCHEDULE[gamma][share], abs=1e-12)
