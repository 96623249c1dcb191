"""XTREME's own predictions and labels, made up for its tests; a model whose answers an attack can change."""

from pathlib import Path

import pytest

from simxfer.encoder.loading import load_encoder
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.tasks import get_task


@pytest.fixture(scope="session")
def mock(shared) -> Path:
    return shared / "pack" / "xtreme_mock_test_data"


@pytest.fixture(scope="session")
def model(checkpoint) -> TransferModel:
    """Return a model whose new heads tell examples apart: as they are made, they say nearly the same of everything."""
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
    for name in ("w-xnli", "w-pos", "w-xqa", "w-xcloze"):
        model.add_head(get_task(name), seed=3)
        for weight in model.heads[name].parameters():
            weight.data *= 20.0
    return model.eval()
