"""A pretrained encoder and one head a task."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import gelu, linear
from transformers import AutoConfig, AutoModel, AutoTokenizer

from simxfer.common.atomic import write_file
from simxfer.common.errors import InputError
from simxfer.common.streams import stream_seed
from simxfer.encoders import Encoder
from simxfer.tasks.record import Task

transformers.logging.set_verbosity_error()  # load_encoder names every weight that does not fit
transformers.logging.disable_progress_bar()

Batch = Mapping[str, Tensor]

_NOT_THE_ENCODER = ("lm_head", "cls.", "pooler", "classifier", "position_ids")


class Head(nn.Module):
    """Turns hidden states into logits: (rows, outputs) for whole sequences, (rows, length, outputs) for tokens.

    Whole sequences (classification, multiple choice) are read at the first token through a dense layer with
    tanh, as in BERT; tokens (tagging, span QA) through one linear layer.
    """

    def __init__(self, task: Task, hidden: int, std: float, dropout: float) -> None:
        super().__init__()
        self.whole = task.kind in ("classification", "multiple_choice")
        outputs = {"multiple_choice": 1, "span": 2}.get(task.kind, len(task.labels))
        self.dropout = nn.Dropout(dropout)
        self.dense = nn.Linear(hidden, hidden) if self.whole else None
        self.out = nn.Linear(hidden, outputs)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map hidden states (rows, length, hidden) to logits."""
        states = self.dropout(states[:, 0] if self.whole else states)
        if self.dense is not None:
            states = self.dropout(torch.tanh(self.dense(states)))
        return self.out(states)


class MaskedHead(nn.Module):
    """Turns hidden states into logits over the vocabulary, through the encoder's own word embeddings.

    As XLM-R's: dense, GELU, layer norm, the embedding matrix, a bias. The matrix belongs to the encoder and is not
    saved twice.
    """

    def __init__(self, embeddings: nn.Embedding, std: float, epsilon: float) -> None:
        super().__init__()
        vocabulary, hidden = embeddings.weight.shape
        self.dense = nn.Linear(hidden, hidden)
        self.layer_norm = nn.LayerNorm(hidden, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self._embeddings = [embeddings]  # in a list, so that it is no module of this one
        nn.init.normal_(self.dense.weight, std=std)
        nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map hidden states (..., hidden) to logits (..., vocabulary)."""
        states = self.layer_norm(gelu(self.dense(states)))
        return linear(states, self._embeddings[0].weight, self.bias)


class TransferModel(nn.Module):
    """An encoder and the heads of the tasks it is trained on."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict()

    @property
    def config(self) -> Any:
        """The encoder's configuration."""
        return self.encoder.config

    def add_head(self, task: Task, seed: int) -> None:
        """Give the model a new head for a task; equal seeds give equal weights whatever was drawn before.

        A bi-encoder (ranking) compares hidden states: it has no head. A head for masked language modelling looks
        through the encoder's embeddings.
        """
        if task.kind == "ranking":
            return
        std = getattr(self.config, "initializer_range", 0.02)
        if task.kind == "mlm":
            network: Any = self.encoder
            epsilon = getattr(self.config, "layer_norm_eps", 1e-5)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                self.heads[task.name] = MaskedHead(network.get_input_embeddings(), std, epsilon)
            return
        dropout = getattr(self.config, "hidden_dropout_prob", 0.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads[task.name] = Head(task, self.config.hidden_size, std, dropout)

    def states(self, batch: Batch) -> Tensor:
        """Return the last hidden states, (rows, length, hidden)."""
        return self.encoder(input_ids=batch["ids"], attention_mask=batch["mask"]).last_hidden_state

    def forward(self, task: str, batch: Batch) -> Tensor:
        """Return the logits of a task."""
        return self.heads[task](self.states(batch))


def load_tokenizer(encoder: Encoder) -> Any:
    """Return the encoder's fast tokenizer."""
    return _load(AutoTokenizer, encoder)


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
            return AutoModel.from_config(config, dtype=torch.float32, **_without_pooler(config))
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
    return model


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
