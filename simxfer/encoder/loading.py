"""Files of a checkpoint <-> tokenizer, encoder and heads."""

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from simxfer.common.atomic import write_file
from simxfer.common.errors import InputError
from simxfer.common.streams import stream_seed
from simxfer.encoder.pretrained import Encoder
from simxfer.encoder.unpadded import spare_padding

transformers.logging.set_verbosity_error()  # load_encoder names every weight that does not fit
transformers.logging.disable_progress_bar()

_NOT_THE_ENCODER = ("lm_head", "cls.", "pooler", "classifier", "position_ids")


def load_tokenizer(encoder: Encoder) -> Any:
    """Return the encoder's fast tokenizer.

    Raises:
        InputError: it cannot be had here, or has no padding token.
    """
    tokenizer = _load(AutoTokenizer, encoder)
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"the tokenizer of encoder {encoder.name} has no padding token; name one that its model knows as "
            "pad_token in tokenizer_config.json"
        )
    return tokenizer


def load_masked_head(encoder: Encoder, head: nn.Module) -> bool:
    """Give a head for masked language modelling the checkpoint's own weights; tell whether it has them."""
    path = Path(encoder.location) / "model.safetensors"
    if encoder.random or not path.is_file():
        return False
    with safe_open(path, framework="pt") as stored:
        names = {name: f"lm_head.{name}" for name, _ in head.named_parameters()}
        if not set(names.values()) <= set(stored.keys()):
            return False
        head.load_state_dict({name: stored.get_tensor(there) for name, there in names.items()})
    return True


def load_encoder(encoder: Encoder, seed: int | None = None) -> nn.Module:
    """Load a pretrained encoder in fp32, or make a random one of its architecture.

    Raises:
        InputError: the checkpoint lacks weights of the encoder, has weights that it does not know, or weights
            of another shape (they are named); or it cannot be had here.
    """
    if encoder.random:
        config = _load(AutoConfig, encoder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed or 0, encoder.model, "pretrained", "init"))
            model = AutoModel.from_config(config, dtype=torch.float32, **_without_pooler(config))
        spare_padding(model)
        return model
    config = _load(AutoConfig, encoder)
    model, info = _load(
        AutoModel,
        encoder,
        dtype=torch.float32,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **_without_pooler(config),
    )
    faults = []
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = [str(k[0] if isinstance(k, tuple) else k) for k in info.get(what, ())]
        names = [name for name in names if not any(part in name for part in _NOT_THE_ENCODER)]
        if names:
            faults.append(f"{what.replace('_keys', '')}: {', '.join(sorted(names)[:8])}")
    if faults:
        raise InputError(f"checkpoint {encoder.name} does not fit its config.json; " + "; ".join(faults))
    _refuse_one_sided(model, encoder)
    spare_padding(model)
    return model


def shape_of(encoder: Encoder) -> nn.Module:
    """Return an encoder's architecture without any values (torch's meta device): nothing but its config is read."""
    config = _load(AutoConfig, encoder)
    with torch.device("meta"):
        return AutoModel.from_config(config, dtype=torch.float32, **_without_pooler(config))


def _refuse_one_sided(model: Any, encoder: Encoder) -> None:
    """Refuse a decoder: its first state does not know what stands behind it."""
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 7, 9]]) % model.config.vocab_size
    with torch.no_grad():
        states = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    if torch.equal(states[0, 0], states[1, 0]):
        raise InputError(
            f"encoder {encoder.name} ({model.config.model_type}) cannot be used: each of its states sees only what "
            "stands before it; expected an encoder that looks both ways"
        )


def _without_pooler(config: Any) -> dict:
    return {"add_pooling_layer": False} if config.model_type in ("xlm-roberta", "roberta", "bert") else {}


def _load(kind: Any, encoder: Encoder, **options: Any) -> Any:
    if not encoder.is_local:
        raise InputError(
            f"encoder {encoder.name!r} is not in the local Hugging Face cache (HF_HOME). Run `simxfer fetch GRID` "
            "on a connected machine and bring the cache here, or name a folder with its files in the grid"
        )
    try:
        return kind.from_pretrained(encoder.location, local_files_only=True, **options)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"cannot load encoder {encoder.name}: {error}") from error


def save_weights(path: Path, module: nn.Module) -> None:
    """Write a module's weights as safetensors."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    write_file(path, lambda temporary: save_file(tensors, temporary))


def load_weights(path: Path, module: nn.Module) -> None:
    """Read a module's weights; every name and shape must fit."""
    module.load_state_dict(load_file(path))
