import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from simxfer.common.errors import InputError
from simxfer.encoder.loading import load_encoder, load_weights, save_weights
from simxfer.encoder.network import Head, TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.tasks import get_task

BATCH = {"ids": torch.tensor([[0, 9, 8, 7, 2]]), "mask": torch.ones(1, 5, dtype=torch.int64)}


@pytest.fixture
def damaged(checkpoint, tmp_path):
    """Return a function that copies the checkpoint and changes its weights."""

    def make(change):
        shutil.copytree(checkpoint, tmp_path / "copy")
        path = tmp_path / "copy" / "model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})
        return resolve_encoder(str(tmp_path / "copy"))

    return make


def test_the_encoder_is_the_checkpoints(checkpoints):
    for folder in checkpoints.values():
        encoder = load_encoder(resolve_encoder(str(folder)))
        expected = {
            name.removeprefix("roberta."): value
            for name, value in load_file(folder / "model.safetensors").items()
            if name.startswith("roberta.")
        }
        found = dict(encoder.named_parameters())
        assert found.keys() == expected.keys()
        for name, value in found.items():
            assert value.dtype == torch.float32
            assert torch.equal(value, expected[name])


KEY = "roberta.encoder.layer.1.output.dense.weight"


def test_missing_weights_are_named(damaged):
    with pytest.raises(InputError, match=r"does not fit its config.json; missing: .*layer\.1\.output\.dense"):
        load_encoder(damaged(lambda tensors: tensors.pop(KEY)))


def test_unexpected_weights_are_named(damaged):
    extra = KEY.replace("layer.1", "layer.5")
    with pytest.raises(InputError, match=r"unexpected: .*layer\.5\.output\.dense"):
        load_encoder(damaged(lambda tensors: tensors.update({extra: tensors[KEY].clone()})))


def test_misshapen_weights_are_named(damaged):
    with pytest.raises(InputError, match=r"mismatched: .*layer\.1\.output\.dense"):
        load_encoder(damaged(lambda tensors: tensors.update({KEY: tensors[KEY][:, 1:].contiguous()})))


def test_a_file_that_is_cut_off_is_refused(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "copy")
    path = tmp_path / "copy" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="cannot load encoder"):
        load_encoder(resolve_encoder(str(tmp_path / "copy")))


def test_the_control_has_other_weights_which_its_seed_decides(checkpoint):
    control = resolve_encoder(f"random({checkpoint})")
    assert (control.name, control.random, control.layers) == (f"random({checkpoint})", True, 2)
    torch.manual_seed(5)
    a, again, other = (load_encoder(control, seed).state_dict() for seed in (0, 0, 1))
    pretrained = load_encoder(resolve_encoder(str(checkpoint))).state_dict()
    assert a.keys() == pretrained.keys()
    assert all(torch.equal(a[name], again[name]) for name in a)
    for found in (other, pretrained):
        matrices = [name for name in a if a[name].ndim == 2]
        assert not any(torch.equal(a[name], found[name]) for name in matrices)


def test_the_control_of_a_half_precision_checkpoint_is_fp32(checkpoint, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "copy")
    config = json.loads((tmp_path / "copy" / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    for name in (str(tmp_path / "copy"), f"random({tmp_path / 'copy'})"):
        encoder = load_encoder(resolve_encoder(name), seed=0)
        assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_fingerprints_follow_the_files(checkpoint, tmp_path):
    found = resolve_encoder(str(checkpoint))
    shutil.copytree(checkpoint, tmp_path / "copy")
    copy = resolve_encoder(str(tmp_path / "copy"))
    assert copy.fingerprint() == found.fingerprint()
    assert replace(copy, random=True).fingerprint() != copy.fingerprint()
    tensors = load_file(tmp_path / "copy" / "model.safetensors")
    tensors[KEY] += 1
    save_file(tensors, tmp_path / "copy" / "model.safetensors", metadata={"format": "pt"})
    assert copy.fingerprint() != found.fingerprint()
    assert copy.tokenizer_fingerprint() == found.tokenizer_fingerprint()


def test_equal_seeds_give_equal_heads_whatever_was_drawn_before(checkpoint):
    heads = []
    for draws in (0, 7):
        model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
        torch.manual_seed(draws)
        torch.rand(draws)
        state = torch.get_rng_state()
        if draws:
            model.add_head(get_task("w-pos"), seed=3)
        model.add_head(get_task("w-xnli"), seed=11)
        assert torch.equal(torch.get_rng_state(), state), "a head must not use up anybody else's numbers"
        heads.append(model.heads["w-xnli"].state_dict())
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])


@pytest.mark.parametrize(
    ("name", "shape"),
    [("w-xnli", (1, 3)), ("w-xcloze", (1, 1)), ("w-pos", (1, 5, 10)), ("w-xqa", (1, 5, 2))],
)
def test_shapes_of_logits(checkpoint, name, shape):
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint)))).eval()
    model.add_head(get_task(name), seed=0)
    assert model(name, BATCH).shape == shape


def test_a_head_by_hand():
    head = Head(get_task("w-xnli"), 4, std=0.5, dropout=0.0)
    states = torch.randn(2, 3, 4)
    assert head.dense is not None
    first = torch.tanh(states[:, 0] @ head.dense.weight.T + head.dense.bias)
    torch.testing.assert_close(head(states), first @ head.out.weight.T + head.out.bias)
    assert head.out.bias.abs().sum() == 0
    tokens = Head(get_task("w-pos"), 4, std=0.5, dropout=0.0)
    torch.testing.assert_close(tokens(states), states @ tokens.out.weight.T + tokens.out.bias)


def test_padding_changes_nothing(checkpoint):
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint)))).eval()
    padded = {
        "ids": torch.tensor([[0, 9, 8, 7, 2, 1, 1]]),
        "mask": torch.tensor([[1, 1, 1, 1, 1, 0, 0]]),
    }
    # fp32: attention sums in another order over a longer row.
    torch.testing.assert_close(model.states(padded)[:, :5], model.states(BATCH), atol=1e-5, rtol=0)


def test_states_are_transformers_own(checkpoint):
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint)))).eval()
    theirs = AutoModel.from_pretrained(checkpoint).eval()
    expected = theirs(input_ids=BATCH["ids"], attention_mask=BATCH["mask"]).last_hidden_state
    torch.testing.assert_close(model.states(BATCH), expected, atol=1e-6, rtol=0)


def test_weights_survive_the_disk_and_must_fit(checkpoint, tmp_path):
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
    model.add_head(get_task("w-xnli"), seed=1)
    save_weights(tmp_path / "heads.safetensors", model.heads)
    expected = model.heads["w-xnli"].state_dict()
    model.add_head(get_task("w-xnli"), seed=2)
    assert not torch.equal(model.heads["w-xnli"].state_dict()["out.weight"], expected["out.weight"])
    load_weights(tmp_path / "heads.safetensors", model.heads)
    found = model.heads["w-xnli"].state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    model.add_head(get_task("w-pos"), seed=1)
    with pytest.raises(RuntimeError, match="w-pos"):
        load_weights(tmp_path / "heads.safetensors", model.heads)
