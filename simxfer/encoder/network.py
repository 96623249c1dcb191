"""A pretrained encoder and one head a task."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, linear

from simxfer.encoder.embedding_attack import perturbed
from simxfer.encoder.lower import starting_above
from simxfer.encoder.unpadded import layout, pays, spares_padding
from simxfer.tasks.record import Task

Batch = Mapping[str, Tensor]

_DROPOUT = ("hidden_dropout_prob", "dropout", "mlp_dropout", "hidden_dropout")
_EPSILON = ("layer_norm_eps", "norm_eps", "rms_norm_eps", "layer_norm_epsilon")
"""What configurations call the dropout of their hidden states and the epsilon of their norms."""


def _configured(config: Any, names: tuple[str, ...], otherwise: float) -> float:
    """Return the first of these values that a configuration has, under whatever name."""
    return next((value for name in names if (value := getattr(config, name, None)) is not None), otherwise)


class Head(nn.Module):
    """Turns hidden states into logits: (rows, outputs) for whole sequences, (rows, length, outputs) for tokens.

    Whole sequences (classification, multiple choice) are read at the first token through a dense layer with
    tanh, as in BERT; tokens (tagging, span QA) through one linear layer. In training the states go through dropout,
    unless `input_dropout` is off, and what the dense layer gives goes through dropout in any case.
    """

    def __init__(
        self, task: Task, hidden: int, std: float, dropout: float, *, input_dropout: bool = True
    ) -> None:
        super().__init__()
        self.whole = task.kind in ("classification", "multiple_choice")
        outputs = {"multiple_choice": 1, "span": 2}.get(task.kind, len(task.labels))
        self.dropout = nn.Dropout(dropout)
        self.input_dropout = nn.Dropout(dropout if input_dropout else 0.0)
        self.dense = nn.Linear(hidden, hidden) if self.whole else None
        self.out = nn.Linear(hidden, outputs)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=std)
                nn.init.zeros_(module.bias)

    def forward(self, states: Tensor) -> Tensor:
        """Map hidden states (rows, length, hidden) to logits."""
        states = self.input_dropout(states[:, 0] if self.whole else states)
        if self.dense is not None:
            states = self.dropout(torch.tanh(self.dense(states)))
        return self.out(states)


class MaskedHead(nn.Module):
    """Turns hidden states into logits over the vocabulary, through the encoder's own word embeddings.

    As XLM-R's: dense, GELU, layer norm, the embedding matrix, a bias. The matrix belongs to the encoder and is not
    saved twice; where its vectors are narrower than the hidden states (ELECTRA, RemBERT) the dense layer narrows.
    """

    def __init__(self, embeddings: nn.Embedding, hidden: int, std: float, epsilon: float) -> None:
        super().__init__()
        vocabulary, width = embeddings.weight.shape
        self.dense = nn.Linear(hidden, width)
        self.layer_norm = nn.LayerNorm(width, eps=epsilon)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self._embeddings = [embeddings]  # in a list, so that it is no module of this one
        nn.init.normal_(self.dense.weight, std=std)
        nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor, undo: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Map hidden states (..., hidden) to logits (..., vocabulary); `undo` what was done behind the embeddings."""
        states = self.layer_norm(gelu(self.dense(states)))
        states = states if undo is None else undo(states)
        return linear(states, self._embeddings[0].weight, self.bias)


class TransferModel(nn.Module):
    """An encoder and the heads of the tasks it is trained on."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleDict()
        self.beside: Any = None
        """An adapter that a method trains beside the encoder; None where the encoder itself is trained."""
        self._seen: list[Batch] | None = None

    @property
    def config(self) -> Any:
        """The encoder's configuration."""
        return self.encoder.config

    def add_head(self, task: Task, seed: int, *, input_dropout: bool = True) -> None:
        """Give the model a new head for a task; equal seeds give equal weights whatever was drawn before.

        `input_dropout` is `Head`'s. A bi-encoder (ranking) compares hidden states: it has no head. A head for masked
        language modelling looks through the encoder's embeddings.
        """
        if task.kind == "ranking":
            return
        std = getattr(self.config, "initializer_range", 0.02)
        if task.kind == "mlm":
            network: Any = self.encoder
            epsilon = _configured(self.config, _EPSILON, 1e-5)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                embeddings = network.get_input_embeddings()
                self.heads[task.name] = MaskedHead(embeddings, self.config.hidden_size, std, epsilon)
            return
        dropout = _configured(self.config, _DROPOUT, 0.0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads[task.name] = Head(
                task, self.config.hidden_size, std, dropout, input_dropout=input_dropout
            )

    def known_as(self, head: str, task: str) -> "TransferModel":
        """Return the same encoder with one head, which another task is read through: XQuAD through SQuAD's."""
        model = TransferModel(self.encoder)
        model.beside = self.beside
        if head in self.heads:
            model.heads[task] = self.heads[head]
        return model

    def states(self, batch: Batch, layer: int = -1) -> Tensor:
        """Return the hidden states of a layer, (rows, length, hidden); those of padding mean nothing.

        `delta` of a batch is added to its word embeddings; without it what `lower` says is not computed again.
        """
        inputs, rows, length = self.inputs(batch), *batch["ids"].shape
        delta, lower = batch.get("delta"), batch.get("lower")
        spared = spares_padding(self.encoder) and pays(batch["mask"], self.config.hidden_size)
        here = layout(batch["mask"]) if spared else None
        if here is not None:
            inputs = here.inputs(self.encoder, inputs)
            delta, lower = (None if each is None else here.flat(each) for each in (delta, lower))
        with ExitStack() as changes:
            if delta is not None:
                changes.enter_context(perturbed(self.encoder, delta))
            elif lower is not None:
                changes.enter_context(starting_above(self.encoder, int(batch["layers"]), lower))
            found = self.encoder(**inputs, output_hidden_states=layer != -1)
        states = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
        states = states if here is None else here.padded(states, rows, length)
        if self._seen is not None:
            self._seen.append({"states": states, "mask": batch["mask"]})
        return states

    def starts_above(self, layers: int, batch: Batch) -> bool:
        """Tell whether the encoder goes on from the states of its lowest layers: some do more between their layers."""
        expected, lower = self.states(batch), self.states(batch, layers)
        try:
            found = self.states({**batch, "lower": lower, "layers": torch.tensor(layers)})
        except (RuntimeError, TypeError, ValueError):
            return False  # narrower embeddings (ELECTRA, RemBERT), biases of the input (DeBERTa, MPNet)
        here = batch["mask"] > 0
        return torch.allclose(found[here].float(), expected[here].float(), atol=1e-4, rtol=1e-4)

    @contextmanager
    def watched(self) -> Iterator[list[Batch]]:
        """Collect states and mask of every pass of the encoder: what a loss has computed is not computed again."""
        self._seen = []
        try:
            yield self._seen
        finally:
            self._seen = None

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """Return what the encoder reads of a batch; the parts of a pair where it has vectors for them (BERT)."""
        inputs = {"input_ids": batch["ids"], "attention_mask": batch["mask"]}
        if "segments" in batch and getattr(self.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = batch["segments"]
        return inputs

    def forward(self, task: str, batch: Batch) -> Tensor:
        """Return the logits of a task."""
        return self.logits(task, self.states(batch))

    def logits(self, task: str, states: Tensor) -> Tensor:
        """Return the logits of a task at some hidden states; output embeddings are those before coupling layers."""
        head, coupling = self.heads[task], getattr(self.beside, "coupling", None)
        undo = (coupling.inverse,) if coupling is not None and isinstance(head, MaskedHead) else ()
        return head(states, *undo)


def dropout_generator(device: torch.device) -> torch.Generator:
    """Return the generator that dropout on a device draws from."""
    return (
        torch.cuda.default_generators[device.index or 0] if device.type == "cuda" else torch.default_generator
    )
