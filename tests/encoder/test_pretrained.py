"""What an encoder's config.json says of it, for the families that differ."""

import pytest

from simxfer.encoder.pretrained import Encoder


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "xlm-roberta-xl", "max_position_embeddings": 514, "pad_token_id": 0}, 513),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"max_position_embeddings": 512}, 512),
        ({"model_type": "xlm-roberta"}, 0),
        ({}, 0),
    ],
)
def test_only_roberta_counts_positions_from_behind_the_padding(config, positions):
    assert Encoder("e", "m", "there", config=config).positions == positions
