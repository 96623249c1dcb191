"""Encoders that are no XLM-R: sizes by other names, segments, and tokenizers that do not fit are refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast, DistilBertConfig, DistilBertModel

from simxfer.common.errors import InputError
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import join_features, select_rows
from simxfer.grid.cost import parameters
from simxfer.scoring.predict import embed
from simxfer.tasks import get_task
from simxfer.tasks.examples import ClassificationExample

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "it", "was", "ran", "he", "not"]
EXAMPLES = [
    ClassificationExample(id="0", text="so it was", text_pair="he ran", label="entailment"),
    ClassificationExample(id="1", text="it was", text_pair="he was not so", label="neutral"),
]


def write(folder: Path, model, vocabulary=WORDS, settings: dict | None = None) -> Path:
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def bert(**sizes) -> BertModel:
    torch.manual_seed(0)
    defaults = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(WORDS), **defaults | sizes, max_position_embeddings=32)
    return BertModel(config, add_pooling_layer=False)


LOWER = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "bert", bert(), settings=LOWER)


def features_of(encoder, examples=EXAMPLES):
    return make_dataset(examples, get_task("xnli"), load_tokenizer(encoder), 16, 4).features


def test_a_pair_is_read_with_its_segments_as_the_models_own_tokenizer_gives_them(folder):
    encoder = resolve_encoder(str(folder))
    model = TransferModel(load_encoder(encoder)).eval()
    features = features_of(encoder)
    batch = collate(features, np.arange(2), 0, torch.device("cpu"))
    own = BertTokenizerFast.from_pretrained(folder)(
        [e.text for e in EXAMPLES], [e.text_pair for e in EXAMPLES], padding=True, return_tensors="pt"
    )
    assert torch.equal(batch["segments"], own["token_type_ids"]) and own["token_type_ids"].any()
    with torch.no_grad():
        expected = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()(**own).last_hidden_state
        here = batch["mask"] > 0
        torch.testing.assert_close(model.states(batch)[here], expected[here])
        without = {name: batch[name] for name in ("ids", "mask")}
        assert not torch.allclose(model.states(without)[here], expected[here], atol=1e-3)
    first = embed(model, features, 0, -1, "first")
    np.testing.assert_allclose(first, expected[:, 0].numpy(), atol=1e-5)


def test_segments_stay_with_their_rows(folder):
    features = features_of(resolve_encoder(str(folder)))
    alone = features_of(resolve_encoder(str(folder)), [
        ClassificationExample(id="2", text="so", label="neutral"),
    ])  # fmt: skip
    assert len(alone.segments) == 0
    joined = join_features([alone, features, alone])
    assert len(joined.segments) == len(joined.ids)
    turned = select_rows(joined, np.array([2, 0]))
    second = features.segments[features.starts[1] : features.starts[2]]
    assert turned.segments.tolist() == [*second, 0, 0, 0]


def test_an_encoder_without_vectors_for_segments_gets_none(tmp_path):
    encoder = resolve_encoder(str(write(tmp_path / "one", bert(type_vocab_size=1), settings=LOWER)))
    batch = collate(features_of(encoder), np.arange(2), 0, torch.device("cpu"))
    assert "token_type_ids" not in TransferModel(load_encoder(encoder)).inputs(batch)


def test_sizes_are_read_under_the_names_that_a_configuration_gives_them(tmp_path):
    found = []
    for layers in (1, 2):
        config = DistilBertConfig(
            vocab_size=len(WORDS),
            dim=16,
            hidden_dim=32,
            n_layers=layers,
            n_heads=2,
            max_position_embeddings=32,
        )
        folder = write(tmp_path / str(layers), DistilBertModel(config), settings=LOWER)
        encoder = resolve_encoder(str(folder))
        weights = sum(weight.numel() for weight in load_encoder(encoder).parameters())
        assert encoder.sized and parameters(encoder) == weights
        assert (encoder.layers, encoder.positions) == (layers, 32)
        found.append(encoder.model)
    assert found == ["distilbert-16x1", "distilbert-16x2"]


def test_more_subwords_than_vectors_are_refused(tmp_path):
    folder = write(tmp_path / "b", bert(), [*WORDS, "more"], LOWER)
    with pytest.raises(InputError, match=r"subwords up to id 11, its model vectors for 11"):
        resolve_encoder(str(folder))


def test_a_tokenizer_that_does_not_say_whether_it_keeps_capitals_is_refused(tmp_path):
    folder = write(tmp_path / "b", bert())
    with pytest.raises(InputError, match=r"has a vocab.txt and nothing that says .* tokenizer_config.json"):
        resolve_encoder(str(folder))


def test_a_tokenizer_without_padding_is_refused(folder, checkpoint, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    for path in checkpoint.iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    settings = json.loads((own / "tokenizer_config.json").read_text())
    del settings["pad_token"]
    (own / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"own: its tokenizer has no padding token"):
        resolve_encoder(str(own))
