"""The recipe of the shipped encoders is what their cards record; made anew they are in test_encoders_anew.py."""

import json
from dataclasses import asdict

import pytest

from simxfer.common.shipped import data_path
from simxfer.encoder.pretrained import shipped_encoders
from simxfer.training.pretrain import ENCODERS, PretrainingRecipe


def test_the_encoders_of_the_list_are_those_that_ship():
    assert sorted(f"world/w{world}-s{seed}" for world, seed in ENCODERS) == shipped_encoders()


@pytest.mark.parametrize("name", shipped_encoders())
def test_every_card_records_the_recipe(name):
    card = json.loads((data_path("encoders", name.removeprefix("world/")) / "card.json").read_text())
    assert card["recipe"] == asdict(PretrainingRecipe())
