"""A method that finds no place in an encoder is refused before anything is trained, as its stage would refuse it."""

import pytest
import transformers
import yaml
from transformers import AutoModel

from simxfer import world
from simxfer.common.errors import InputError
from simxfer.encoder.loading import load_encoder, shape_of
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.run.train import train_grid
from simxfer.training.methods import load_method

SIZES = {"vocab_size": 1600, "pad_token_id": 1, "max_position_embeddings": 128}
CONFIGURATIONS = {
    "bert": transformers.BertConfig(
        **SIZES, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    ),
    "distilbert": transformers.DistilBertConfig(**SIZES, dim=32, hidden_dim=64, n_layers=2, n_heads=4),
    "modernbert": transformers.ModernBertConfig(
        **SIZES, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    ),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory, world_tokenizer):
    root = tmp_path_factory.mktemp("encoders")
    for name, config in CONFIGURATIONS.items():
        AutoModel.from_config(config).save_pretrained(root / name)
        world.save_tokenizer(world.train_tokenizer(0), root / name)
    return root


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("method", ["adapter(houlsby,r=16,invertible=true)", "lora(r=8,alpha=16)"])
def test_the_shape_of_an_encoder_tells_what_the_encoder_does(name, method, folders):
    said = []
    for load in (load_encoder, shape_of):
        model = TransferModel(load(resolve_encoder(str(folders / name))))
        try:
            load_method(method).prepare(model, 0)
            said.append(
                sorted((n, tuple(p.shape)) for n, p in load_method(method).trained(model).named_parameters())
            )
        except InputError as error:
            said.append(str(error))
    assert said[0] == said[1]


def test_adapters_without_a_place_are_refused_before_anything_is_trained(folders, tmp_path):
    grid = {
        "name": "places",
        "encoders": [str(folders / "distilbert")],
        "methods": ["full>adapter"],
        "seeds": [0],
        "overrides": {"*": {"max_length": 64}},
        "blocks": [{"intermediates": ["w-nli"], "targets": ["w-xnli"]}],
    }
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    with pytest.raises(
        InputError, match=r"nothing was trained:\n  adapter.*distilbert has no places for adapters"
    ):
        train_grid(tmp_path / "grid.yaml", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
