"""A shipped encoder made anew at reduced length: the same files, and the beginning of the same learning curve."""

import json
from dataclasses import asdict

import pytest

from simxfer.common.identity import sha256
from simxfer.common.shipped import data_path

pytestmark = pytest.mark.slow

WORLD, SEED, STEPS = 0, 0, 500


@pytest.fixture(scope="module")
def recorded() -> dict:
    return json.loads((data_path("encoders") / f"w{WORLD}-s{SEED}" / "card.json").read_text())


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    from simxfer.training.pretrain import PretrainingRecipe, make_encoder

    return make_encoder(
        WORLD, SEED, tmp_path_factory.mktemp("encoders"), PretrainingRecipe(), stop_after=STEPS
    )


def test_the_recipe_is_the_recorded_one(recorded):
    from simxfer.training.pretrain import PretrainingRecipe

    assert asdict(PretrainingRecipe()) == recorded["recipe"]


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json"])
def test_tokenizer_and_config_are_the_recorded_files(remade, recorded, name):
    assert sha256(remade / name) == recorded["sha256"][name]


def test_the_learning_curve_begins_as_recorded(remade, recorded):
    """Stopped under the full schedule, so the curve's first point is comparable.

    Measured on the machine type that made the encoder: the loss and the mean of retrieval equal the recorded ones in
    every printed digit, single languages differ by up to .04 (8 of 200 sentences). Another instruction set rounds
    otherwise; the tolerances stay below the spread between pretraining seeds at this step (.07 and .06).
    """
    card = json.loads((remade / "card.json").read_text())
    (point,), expected = card["curve"], recorded["curve"][0]
    assert point["step"] == expected["step"] == STEPS
    assert card["training_subwords"] == recorded["training_subwords"]
    assert card["parameters"] == recorded["parameters"]
    assert point["mlm_loss"] == pytest.approx(expected["mlm_loss"], abs=0.02)
    assert point["retrieval"] == pytest.approx(expected["retrieval"], abs=0.03)
    assert point["retrieval_by_language"] == pytest.approx(expected["retrieval_by_language"], abs=0.1)
