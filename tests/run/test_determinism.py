"""`deterministic: true`: torch is held to it while stages are trained and scored, and nowhere and no longer."""

import json
import os
import sys

import pytest
import torch
import yaml
from trained import train

from simxfer.common.errors import InputError, StageFailed
from simxfer.common.identity import content_id
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import LATER, PLACES
from simxfer.run import evaluations, local
from simxfer.run.determinism import deterministic
from simxfer.run.train import train_grid
from simxfer.sources import revision
from simxfer.training import loop

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
UNHELD = (False, None)
NOT_DETERMINISTIC = (
    "cumsum_cuda_kernel does not have a deterministic implementation, but you set "
    "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation"
)


def held() -> tuple[bool, str | None]:
    asked = torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory is not asked
    return asked, os.environ.get(CUBLAS)


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    monkeypatch.delenv(CUBLAS, raising=False)


@pytest.fixture
def grid(checkpoint):
    return {
        "name": "one",
        "encoders": [str(checkpoint)],
        "blocks": [{"intermediates": ["none"], "targets": ["w-xnli"]}],
        "languages": ["x-agg"],
        "seeds": [0],
        "test_examples": 8,
        "overrides": {"*": {"steps": 2, "batch_size": 4, "train_examples": 12}},
    }


@pytest.mark.parametrize(("asked", "expected"), [(True, (True, ":4096:8")), (False, UNHELD)])
def test_stages_are_trained_and_scored_as_asked(asked, expected, grid, tmp_path, monkeypatch):
    seen = {"train": set(), "score": set()}

    def watched(name, function):
        return lambda *arguments: (seen[name].add(held()), function(*arguments))[1]

    monkeypatch.setattr(loop, "_step", watched("train", loop._step))
    monkeypatch.setattr(evaluations, "evaluate", watched("score", evaluations.evaluate))
    train(tmp_path, grid | {"deterministic": asked})
    assert seen == {"train": {expected}, "score": {expected}}
    assert held() == UNHELD


def test_only_what_is_asked_is_in_the_ids_and_all_of_it_in_the_receipts(grid, tmp_path):
    one, two = (train(tmp_path / str(asked), grid | {"deterministic": asked}) for asked in (False, True))
    assert not one.plan.stages.keys() & two.plan.stages.keys()
    for made, asked in ((one, False), (two, True)):
        assert json.loads(made.run.receipts.read_text())["deterministic"] is asked
        for stage in made.plan.stages.values():
            assert json.loads(made.run.stage(stage.id).spec.read_text())["deterministic"] is asked


def test_ids_of_before_the_key_stand():
    """A stage that is not held to it has the id of what it was made of before there was such a key."""
    text = (
        "name: g\nencoders: [world/w0-s0]\nseeds: [0]\nblocks: [{intermediates: [none], targets: [w-xnli]}]"
    )
    for stage in expand(parse_grid(text), revision).stages.values():
        values = {k: v for k, v in stage.as_dict().items() if k not in ("id", "title", *PLACES)}
        assert not any(values.pop(name) for name in LATER)
        assert stage.id == content_id(values)


def test_an_operation_that_is_not_deterministic_fails_the_stage_with_the_remedy(grid, tmp_path, monkeypatch):
    def step(*_):
        raise RuntimeError(NOT_DETERMINISTIC)

    monkeypatch.setattr(loop, "_step", step)
    with pytest.raises(StageFailed) as raised:
        train(tmp_path, grid | {"deterministic": True})
    said = (
        "not deterministic: cumsum_cuda_kernel does not have a deterministic implementation; take `determin"
    )
    assert str(raised.value).startswith(said)
    [failed] = (tmp_path / "runs").rglob("failed.json")
    assert json.loads(failed.read_text())["reason"] == str(raised.value)
    assert held() == UNHELD


def test_torch_says_what_is_looked_for():
    """A real operation without a deterministic form, of those that this torch has on a CPU."""
    index = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(StageFailed, match="not deterministic: "), deterministic(True):
        torch.empty(2).put_(index, torch.ones(2))


def test_other_errors_are_left_alone_and_what_was_set_comes_back(monkeypatch):
    monkeypatch.setenv(CUBLAS, ":16:8")
    with pytest.raises(RuntimeError, match=r"^shapes$"), deterministic(True):
        assert held() == (True, ":4096:8")
        raise RuntimeError("shapes")
    assert held() == (False, ":16:8")
    with deterministic(True):
        with deterministic(True), deterministic(False):
            assert held() == (True, ":4096:8")
        assert held() == (True, ":4096:8")


def told(root, device, threads, parent, tell) -> None:
    """Stand in for a worker: end by what cuBLAS would read."""
    tell.send(("by", str(os.environ.get(CUBLAS))))
    sys.exit(2)


@pytest.mark.parametrize(("asked", "expected"), [(True, ":4096:8"), (False, "None")])
def test_a_worker_has_the_setting_before_it_does_anything(asked, expected, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "work", told)
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(grid | {"deterministic": asked}))
    with pytest.raises(InputError, match=f"^the run: {expected}. What was finished is kept"):
        train_grid(file, tmp_path / "runs", workers=1)
    assert held() == UNHELD
