"""Encoders of many architectures, as tiny random checkpoints: the same path from the files to trained heads.

What a model needs comes from its configuration; what cannot work is refused with the reason.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModel, PreTrainedConfig

from simxfer import world
from simxfer.common.errors import InputError
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.scoring.predict import embed
from simxfer.tasks import get_task
from simxfer.tasks.examples import ClassificationExample, SpanExample, TaggingExample, TextExample
from simxfer.training.loop import fit
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask

SIZES = {
    "vocab_size": 1600, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
}  # fmt: skip
LENGTH = 128
WIDE, OFFSET = {"max_position_embeddings": LENGTH}, {"max_position_embeddings": LENGTH + 2}
CONFIGURATIONS: dict[str, PreTrainedConfig] = {
    "BERT": transformers.BertConfig(**SIZES, **WIDE),
    "XLM-R": transformers.XLMRobertaConfig(**SIZES, **OFFSET, type_vocab_size=1),
    "XLM-R XL": transformers.XLMRobertaXLConfig(**SIZES, **OFFSET, type_vocab_size=1),
    "ModernBERT (mmBERT)": transformers.ModernBertConfig(
        **SIZES, **WIDE, cls_token_id=0, sep_token_id=2, global_attn_every_n_layers=2, local_attention=16
    ),
    "EuroBERT": transformers.EuroBertConfig(**SIZES, **WIDE),
    "mDeBERTa": transformers.DebertaV2Config(
        **SIZES, **WIDE, relative_attention=True, position_buckets=32, norm_rel_ebd="layer_norm", share_att_key=True,
        pos_att_type=["p2c", "c2p"], position_biased_input=False, type_vocab_size=0, max_relative_positions=-1,
    ),
    "RemBERT": transformers.RemBertConfig(**SIZES, **WIDE, input_embedding_size=16, output_embedding_size=48),
    "DistilBERT": transformers.DistilBertConfig(
        vocab_size=1600, dim=32, hidden_dim=64, n_layers=2, n_heads=4, pad_token_id=1, **WIDE
    ),
    "ELECTRA": transformers.ElectraConfig(**SIZES, **WIDE, embedding_size=16),
    "MPNet": transformers.MPNetConfig(**SIZES, **OFFSET),
    "Gemma 3, bidirectional": transformers.Gemma3TextConfig(
        **SIZES, **WIDE, head_dim=8, num_key_value_heads=2, use_bidirectional_attention=True, sliding_window=16
    ),
}  # fmt: skip
WORDS = ("be", "so", "ta", "ko")
TASKS = {
    "xnli": [
        ClassificationExample(id=str(i), text="be so", text_pair="ta " * (i + 1), label="neutral") for i in range(4)
    ],
    "udpos": [TaggingExample(id=str(i), words=WORDS[: i + 1], tags=("NOUN",) * (i + 1)) for i in range(4)],
    "squad_v1": [
        SpanExample(id=str(i), question="be so", context="ta ko be " * (i + 1), answers=((3, "ko"),)) for i in range(4)
    ],
    "mlm": [TextExample(id=str(i), text="be so ta ko " * (i + 2)) for i in range(4)],
}  # fmt: skip


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def encoder(request, tmp_path_factory) -> Encoder:
    folder = tmp_path_factory.mktemp("architecture")
    return resolve_encoder(str(write(folder, CONFIGURATIONS[request.param])))


def write(folder: Path, config: PreTrainedConfig) -> Path:
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    world.save_tokenizer(_tokenizer(), folder)
    return folder


@cache
def _tokenizer():
    return world.train_tokenizer(0)


def features_of(encoder: Encoder, name: str, examples=None):
    return make_dataset(examples or TASKS[name], get_task(name), load_tokenizer(encoder), 48, 8).features


def test_sizes_are_those_of_the_configuration(encoder):
    assert (encoder.layers, encoder.positions, encoder.config["hidden_size"]) == (2, LENGTH, 32)
    ids = torch.full((1, LENGTH), 50)
    states = TransferModel(load_encoder(encoder)).eval().states({"ids": ids, "mask": torch.ones_like(ids)})
    assert states.shape == (1, LENGTH, 32)


def test_padding_changes_no_state_and_every_state_sees_both_sides(encoder):
    features = features_of(encoder, "mlm")
    vectors = embed(TransferModel(load_encoder(encoder)), features, 1, -1, "mean")
    for i, example in enumerate(TASKS["mlm"]):
        alone = embed(
            TransferModel(load_encoder(encoder)), features_of(encoder, "mlm", [example]), 1, -1, "mean"
        )
        np.testing.assert_allclose(alone[0], vectors[i], atol=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_every_kind_of_head_is_trained_through_it(encoder, name):
    model = TransferModel(load_encoder(encoder))
    model.add_head(get_task(name), 0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    values = Hyperparameters(learning_rate=1e-2, batch_size=4, steps=3)
    training = TrainingTask(task=get_task(name), features=features_of(encoder, name), values=values)
    losses: list[float] = []
    settings = Settings(seed=0, phase="target", log_every=1)
    assert fit(model, [training], settings, lambda row: losses.append(row["loss"])) == 3
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
    assert any(key.startswith("heads") for key in moved) and any(key.startswith("encoder") for key in moved)


def test_states_of_lower_layers_are_gone_on_from_or_left_alone(encoder):
    """Both ways give the states of the whole model; which architecture takes which is tried."""
    model = TransferModel(load_encoder(encoder)).eval()
    batch = collate(features_of(encoder, "mlm"), np.arange(len(TASKS["mlm"])), 1, torch.device("cpu"))
    with torch.inference_mode():
        before = model.states(batch)
        found = model.starts_above(1, batch)
        assert torch.equal(model.states(batch), before)
    apart = {"deberta-v2", "rembert", "electra", "mpnet"}
    assert found == (model.config.model_type not in apart)


def test_heads_take_their_dropout_from_the_configuration_by_its_own_name(encoder):
    model = TransferModel(load_encoder(encoder))
    model.add_head(get_task("xnli"), 0)
    names = ("hidden_dropout_prob", "dropout", "mlp_dropout")
    stored = json.loads((Path(encoder.location) / "config.json").read_text())
    expected = next((stored[name] for name in names if name in stored), 0.0)
    assert model.heads["xnli"].dropout.p == expected


def test_segments_are_read_where_the_model_has_vectors_for_them(encoder):
    batch = collate(features_of(encoder, "xnli"), np.arange(2), 1, torch.device("cpu"))
    batch["segments"] = torch.ones_like(batch["ids"])
    model = TransferModel(load_encoder(encoder)).eval()
    has = encoder.config["type_vocab_size"] > 1
    assert ("token_type_ids" in model.inputs(batch)) == has
    model.states(batch)


@pytest.mark.parametrize(
    ("config", "architectures", "message"),
    [
        (
            transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=1600),
            ["GPT2LMHeadModel"],
            "looks both ways",
        ),
        (CONFIGURATIONS["BERT"].__class__(**SIZES, **WIDE, is_decoder=True), None, "looks both ways"),
        (
            transformers.T5Config(vocab_size=1600, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4),
            None,
            "an encoder and a decoder",
        ),
        (
            transformers.Gemma3TextConfig(**SIZES, **WIDE, head_dim=8, num_key_value_heads=2),
            ["Gemma3ForCausalLM"],
            "looks both ways, such as BERT, ModernBERT, or Gemma 3 with use_bidirectional_attention",
        ),
    ],
)  # fmt: skip
def test_what_is_no_encoder_is_refused_before_it_is_loaded(config, architectures, message, tmp_path):
    folder = write(tmp_path / "model", config)
    stored = json.loads((folder / "config.json").read_text())
    stored |= {"architectures": architectures} if architectures else {}
    (folder / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=message):
        resolve_encoder(str(folder))


def test_a_decoder_whose_configuration_does_not_tell_is_refused_when_it_is_loaded(tmp_path):
    config = transformers.LlamaConfig(**SIZES, **WIDE)
    encoder = resolve_encoder(str(write(tmp_path / "model", config)))
    with pytest.raises(
        InputError, match=r"\(llama\) cannot be used: each of its states sees only what stands before"
    ):
        load_encoder(encoder)


def test_a_model_type_that_nobody_knows_is_refused_by_name(tmp_path):
    folder = write(tmp_path / "model", CONFIGURATIONS["BERT"])
    stored = json.loads((folder / "config.json").read_text()) | {"model_type": "bertt"}
    (folder / "config.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="bertt"):
        load_encoder(resolve_encoder(str(folder)))
