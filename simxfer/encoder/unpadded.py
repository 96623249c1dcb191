"""Batches without padding: the rows behind one another in the linear layers, apart from each other in attention.

The stock model is given one long row with its positions, and attention through transformers' `AttentionInterface`,
which takes the long row apart again: into groups of rows of like length, each padded to its longest. Only attention
sees that padding, a few percent of the arithmetic of a model.

Encoders that do not hand attention over (or whose attention knows more of places than a mask says: biases, windows)
stay padded: which they are is tried, not listed.
"""

import inspect
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "simxfer-unpadded"
"""Of the attention, in the configuration of an encoder."""
ALIKE = 0.6
"""Shortest row of a group over its longest, at least: more groups cost more calls than they save padding (measured)."""
PAYS = 700_000
"""Places of padding times the square of the hidden size, at least: the arithmetic that is spared is then more than
what taking rows apart costs (measured from batches of 8 to 64, hidden sizes of 64 to 384)."""
_TOLERANCE = 1e-4


class Places(NamedTuple):
    """Where the tokens of a group stand when its rows are padded."""

    source: Tensor
    """(rows x longest,) which token stands in each place; the first one where there is none."""
    target: Tensor
    """(tokens,) the place of each token."""
    mask: Tensor
    """(rows, 1, 1, longest) whether a place holds a token."""


class Group(NamedTuple):
    """Rows of like length, which attention reads as one batch."""

    start: int
    """The first token of the group in the long row, and behind its last."""
    stop: int
    rows: int
    longest: int
    places: Places | None
    """None where all rows are of one length."""


class Layout(NamedTuple):
    """How the rows of a padded batch stand behind one another: the longest first."""

    places: Tensor
    """(tokens,) where each token stands in the padded batch, flattened."""
    positions: Tensor
    """(1, tokens) of each token in its row, from 0."""
    groups: Sequence[Group]

    def flat(self, padded: Tensor) -> Tensor:
        """Return what stands at the tokens of a padded batch: (rows, length, ...) -> (1, tokens, ...)."""
        return padded.flatten(0, 1).index_select(0, self.places)[None]

    def padded(self, flat: Tensor, rows: int, length: int) -> Tensor:
        """Return the padded batch again, with zeros at padding: (1, tokens, ...) -> (rows, length, ...)."""
        empty = flat.new_zeros(rows * length, *flat.shape[2:])
        return empty.index_copy(0, self.places, flat[0]).unflatten(0, (rows, length))

    def inputs(self, encoder: Any, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what an encoder that spares padding reads in place of input_ids, attention_mask, token_type_ids."""
        flat = {name: self.flat(each) for name, each in batch.items() if name != "attention_mask"}
        # RoBERTa and its kin count positions from the one behind their padding's.
        embeddings = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
        padding = getattr(embeddings, "padding_idx", None)
        first = 0 if padding is None else padding + 1
        return {**flat, "position_ids": self.positions + first, "layout": self}


def layout(mask: Tensor) -> Layout:
    """Return the layout of a batch.

    Args:
        mask: (rows, length), 1 at tokens, 0 at the padding behind them; no row is empty.
    """
    lengths = mask.sum(dim=1).cpu().numpy()
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(lengths.sum()) - np.repeat(starts, lengths)
    places = np.repeat(order * mask.shape[1], lengths) + positions

    def put(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(mask.device)

    cuts = _cuts(lengths)
    groups = []
    for first, last in pairwise(cuts):
        start, stop, longest = starts[first], starts[last - 1] + lengths[last - 1], lengths[first]
        inside = np.arange(longest) < lengths[first:last, None]
        ends = int(start), int(stop), last - first, int(longest)
        if inside.all():
            groups.append(Group(*ends, None))
            continue
        # A place without a token holds the first one's states: attention masks them, and nobody reads what it gives.
        source = np.where(inside, starts[first:last, None] - start + np.arange(longest), 0).ravel()
        places_of = Places(put(source), put(np.flatnonzero(inside)), put(inside)[:, None, None, :])
        groups.append(Group(*ends, places_of))
    return Layout(put(places), put(positions)[None], groups)


def _cuts(lengths: np.ndarray) -> list[int]:
    """Cut descending lengths into runs of like ones."""
    cuts = [0]
    for i, length in enumerate(lengths):
        if length < ALIKE * lengths[cuts[-1]]:
            cuts.append(i)
    return [*cuts, len(lengths)]


class _Spread(torch.autograd.Function):
    """Tokens of a group -> its places; the gradient of an empty place is zero, so that no two are added up."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, places: Places) -> Tensor:
        ctx.target = places.target
        return tokens.index_select(0, places.source)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.index_select(0, ctx.target), None


class _Gathered(torch.autograd.Function):
    """Places of a group -> its tokens."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, places: Places) -> Tensor:
        ctx.target, ctx.n = places.target, len(padded)
        return padded.index_select(0, places.target)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        empty = gradient.new_zeros(ctx.n, *gradient.shape[1:])
        return empty.index_copy_(0, ctx.target, gradient), None


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend inside the rows of a layout; query, key and value are (1, heads, tokens, width). Without one: SDPA."""
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    if kwargs.get("sliding_window") is not None or kwargs.get("position_bias") is not None:
        raise NotImplementedError("windows and biases of positions need the rows apart")
    parts = [_attend(module, group, (query, key, value), kwargs) for group in layout.groups]
    return torch.cat(parts)[None], None


def _attend(module: nn.Module, group: Group, states: Sequence[Tensor], kwargs: dict[str, Any]) -> Tensor:
    """Return (tokens, heads, width) of one group."""
    apart = [_apart(group, each[0, :, group.start : group.stop]) for each in states]
    mask = None if group.places is None else group.places.mask
    found = sdpa_attention_forward(module, *apart, mask, **kwargs)[0].flatten(0, 1)
    return found if group.places is None else _Gathered.apply(found, group.places)


def _apart(group: Group, states: Tensor) -> Tensor:
    """Return the rows of a group as a padded batch: (heads, tokens, width) -> (rows, heads, longest, width)."""
    states = states.transpose(0, 1)  # as the linear layer gave them: the width of all heads lies together
    padded = states if group.places is None else _Spread.apply(states, group.places)
    return padded.unflatten(0, (group.rows, group.longest)).transpose(1, 2)


def pays(mask: Tensor, hidden: int) -> bool:
    """Tell whether a batch has so much padding that it is faster without."""
    return (mask.numel() - int(mask.sum())) * hidden**2 >= PAYS


def spares_padding(encoder: Any) -> bool:
    """Tell whether an encoder reads the inputs of a layout."""
    return encoder.config._attn_implementation == NAME


def spare_padding(encoder: Any) -> None:
    """Let an encoder read batches without padding from now on, if it can."""
    stock = encoder.config._attn_implementation
    parameters = inspect.signature(encoder.forward).parameters
    takes_more = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    if stock != "sdpa" or not takes_more or "position_ids" not in parameters:
        return
    encoder.set_attn_implementation(NAME)
    if not _suits(encoder):
        encoder.set_attn_implementation(stock)


def _suits(encoder: Any) -> bool:
    """Tell whether the states of two rows without padding are those with padding."""
    ids = torch.tensor([[5, 6, 7, 1, 1, 1], [8, 9, 10, 11, 12, 13]]) % encoder.config.vocab_size
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1] * 6])
    batch = {"input_ids": ids, "attention_mask": mask}
    here, inside = layout(mask), mask > 0
    with torch.no_grad():
        expected = encoder.eval()(**batch).last_hidden_state
        try:
            flat = encoder(**here.inputs(encoder, batch)).last_hidden_state
        except (NotImplementedError, RuntimeError, TypeError):
            return False  # whatever it does with a long row: it is not what we ask for
    found = here.padded(flat, *mask.shape)
    return torch.allclose(found[inside], expected[inside], atol=_TOLERANCE, rtol=_TOLERANCE)


ALL_ATTENTION_FUNCTIONS.register(NAME, _attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
