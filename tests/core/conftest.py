"""Checkpoints and tokenizers that the tests of the training core share."""

from pathlib import Path

import pytest
import torch
from hypothesis import settings
from support import write_xlmr_checkpoint

from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder

torch.set_num_threads(1)

# How long an example takes depends on who else uses the machine.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """Folders of two checkpoints with random weights, by their tokenizer: world and unigram."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: write_xlmr_checkpoint(root / kind, tokenizer=kind) for kind in ("world", "unigram")}


@pytest.fixture(scope="session")
def checkpoint(checkpoints) -> Path:
    """The folder of the checkpoint with the world's tokenizer."""
    return checkpoints["world"]


@pytest.fixture(scope="session", params=["world", "unigram"])
def tokenizer(request, checkpoints):
    """Each of the two tokenizers in turn."""
    return load_tokenizer(resolve_encoder(str(checkpoints[request.param])))


@pytest.fixture(scope="session")
def world_tokenizer(checkpoint):
    """The world's tokenizer."""
    return load_tokenizer(resolve_encoder(str(checkpoint)))
