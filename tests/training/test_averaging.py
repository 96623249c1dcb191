"""The running mean of checkpoints: what it is the mean of, and that none counts twice."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from simxfer.training.averaging import average_into


def modules(n: int) -> list[nn.Module]:
    torch.manual_seed(3)
    return [nn.Linear(5, 7) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_it_is_the_mean_of_all_checkpoints(tmp_path, n):
    path, found = tmp_path / "a" / "mean.safetensors", modules(n)
    for number, module in enumerate(found, start=1):
        average_into(path, module, number)
    mean = load_file(path)
    for name in ("weight", "bias"):
        values = [module.state_dict()[name].double().numpy() for module in found]
        assert mean[name].dtype == torch.float32
        np.testing.assert_allclose(mean[name].numpy(), np.mean(values, axis=0), rtol=0, atol=1e-7)


def test_equal_checkpoints_have_themselves_as_mean(tmp_path):
    [module] = modules(1)
    for number in range(1, 8):
        average_into(tmp_path / "mean", module, number)
    assert torch.equal(load_file(tmp_path / "mean")["weight"], module.weight)


def test_one_that_is_come_by_again_counts_once_and_the_first_begins_anew(tmp_path):
    path, found = tmp_path / "mean", modules(3)

    def average(*numbers: int) -> bytes:
        for number in numbers:
            average_into(path, found[number - 1], number)
        return path.read_bytes()

    straight = average(1, 2, 3)
    assert average(2, 3) == straight and average(3) == straight
    assert average(1) != straight and average(1, 2, 2, 3) == straight
