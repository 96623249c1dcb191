"""The road from the command to a forward pass, as the package tells it, leads through names that are there."""

import pkgutil
import re

import pytest

import simxfer

NAMES = list(dict.fromkeys(re.findall(r"`(simxfer(?:\.\w+)+)`", simxfer.__doc__ or "")))


def test_both_roads_are_told_from_end_to_end():
    ends = {"cli.main.train", "encoder.network.TransferModel.forward", "scoring.evaluate.evaluate"}
    assert {f"simxfer.{name}" for name in (*ends, "run.results.gather")} <= set(NAMES) and len(NAMES) > 15


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_road_is_there(name):
    pkgutil.resolve_name(name)
