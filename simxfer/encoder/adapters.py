"""Bottleneck adapters inside a stock transformers encoder, which stays as it is: hooks on the ends of its sublayers.

With h the output of a sublayer's last dense layer (after its dropout), r the sublayer's input, LN the encoder's own
norm behind it and B(x) = U act(D x + d) + u:

    base      LN(h + r)
    pfeiffer  LN(h + B(LN(h + r)) + r)   behind the feed-forward (Pfeiffer et al. 2021, AdapterFusion; 2020, MAD-X)
    houlsby   LN(h + B(h) + r)           behind attention and feed-forward (Houlsby et al. 2019)
    parallel  LN(h + s B(r) + r)         beside the feed-forward (He et al. 2022)
    stack     one behind the other: y = h, then for each y = y + B(LN(y + r)) (pfeiffer) or y + B(y); LN(y + r)
    fuse      LN(h + sum_n a_n V up_n + r), a = softmax_n(q . k_n), q = Q x + b, k_n = K up_n + b, up_n = B_n(x)

A stack follows AdapterHub's code, which published adapters were made with, and not MAD-X's paper: the second adapter
reads the norm of the first one's output and adds to it. Its inverse before the output embeddings follows the paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, silu

from simxfer.common.errors import InputError

Kind = Literal["pfeiffer", "houlsby", "parallel"]
Init = Literal["zero", "normal"]
PLACES: dict[str, tuple[str, ...]] = {
    "pfeiffer": ("ffn",),
    "houlsby": ("attention", "ffn"),
    "parallel": ("ffn",),
}
"""Where each kind stands: behind attention, behind the feed-forward."""
_STD = 0.02
"""Of the weights that are drawn (AdapterHub)."""


@dataclass(frozen=True, kw_only=True)
class AdapterSpec:
    """One adapter: kind, reduction factor, and what else decides its shape."""

    kind: Kind = "pfeiffer"
    r: float = 16
    """The hidden size over the bottleneck's; a bottleneck has at least one unit."""
    invertible: bool = False
    """Whether it has NICE coupling layers behind the embeddings (MAD-X), of reduction factor 2."""
    scale: float = 4.0
    """s of a parallel adapter."""
    leave_out: tuple[int, ...] = ()
    """Layers without it, counted from 0."""
    init: Init = "zero"
    """`zero` starts the up-projection at 0, so that the encoder begins as it was; `normal` draws both (AdapterHub)."""

    def bottleneck(self, hidden: int) -> int:
        """Return the number of units of the bottleneck."""
        return max(1, int(hidden // self.r))


class Bottleneck(nn.Module):
    """U act(D x + d) + u."""

    def __init__(self, outer: int, inner: int, activation: Any, init: Init) -> None:
        super().__init__()
        self.down, self.up, self.activation = nn.Linear(outer, inner), nn.Linear(inner, outer), activation
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=_STD)
            nn.init.zeros_(layer.bias)
        if init == "zero":
            nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., outer) to (..., outer)."""
        return self.up(self.activation(self.down(x)))


class Invertible(nn.Module):
    """NICE (Dinh et al. 2015): y1 = x1 + f(x2), y2 = x2 + g(y1), of the halves of the hidden size."""

    def __init__(self, hidden: int, activation: Any, init: Init) -> None:
        super().__init__()
        self.f = Bottleneck(hidden // 2, hidden // 4, activation, init)
        self.g = Bottleneck(hidden // 2, hidden // 4, activation, init)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., hidden) to (..., hidden)."""
        first, second = x.chunk(2, dim=-1)
        first = first + self.f(second)
        return torch.cat([first, second + self.g(first)], dim=-1)

    def inverse(self, y: Tensor) -> Tensor:
        """Undo `forward`."""
        first, second = y.chunk(2, dim=-1)
        second = second - self.g(first)
        return torch.cat([first - self.f(second), second], dim=-1)


class Fusion(nn.Module):
    """Attention over what several adapters add (AdapterFusion); `dynamic` has values V, otherwise V is the identity.

    `dropout` acts on the scores before the softmax, as in AdapterHub's code.
    """

    def __init__(self, hidden: int, *, dynamic: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden, bias=False) if dynamic else None
        for layer in (self.query, self.key):
            nn.init.normal_(layer.weight, std=_STD)
            nn.init.zeros_(layer.bias)
        if self.value is not None:
            nn.init.eye_(self.value.weight)

    def forward(self, x: Tensor, ups: Tensor) -> Tensor:
        """Mix ups (adapters, ..., hidden) as x (..., hidden) asks for; scores are not scaled."""
        values = ups if self.value is None else self.value(ups)
        scores = self.dropout((self.query(x) * self.key(ups)).sum(dim=-1))
        return (scores.softmax(dim=0)[..., None] * values).sum(dim=0)

    def penalty(self) -> Tensor:
        """Return the squared distance of V from the identity, which V begins at; 0 where there is no V."""
        if self.value is None:
            return self.query.weight.new_zeros(())
        weight = self.value.weight
        return (torch.eye(len(weight), device=weight.device) - weight).square().sum()


class Adapters(nn.Module):
    """Adapters of one encoder, stacked or fused; weights are called NAME.layerI.attention|ffn.down|up, as AdapterHub's.

    Args:
        encoder: a transformers encoder whose layers end in dense, dropout and LayerNorm with a residual.
        specs: the adapters by name, in the order in which they are stacked.
        fuse: `dynamic` or `static` fuses them instead.

    Raises:
        InputError: the encoder has no such places.
    """

    def __init__(
        self,
        encoder: Any,
        specs: Mapping[str, AdapterSpec],
        fuse: Literal["", "dynamic", "static"] = "",
    ) -> None:
        super().__init__()
        places = adapter_places(encoder)
        hidden = int(encoder.config.hidden_size)
        dropout = float(getattr(encoder.config, "attention_probs_dropout_prob", 0.0))
        self.specs = dict(specs)
        self.muted: frozenset[str] = frozenset()
        """Adapters that are left out of the forward pass for now; the encoder without any is as it was."""
        self.adapters: Any = nn.ModuleDict({name: nn.ModuleDict() for name in specs})
        self.fusion: Any = nn.ModuleDict()
        self.hooks: list[Any] = []
        for layer, where, end in places:
            names = [n for n, s in specs.items() if where in PLACES[s.kind] and layer not in s.leave_out]
            for name in names:
                inner = specs[name].bottleneck(hidden)
                unit = Bottleneck(hidden, inner, _activation(specs[name]), specs[name].init)
                _child(self.adapters[name], f"layer{layer}")[where] = unit
            if fuse and any(where in PLACES[spec.kind] for spec in specs.values()):
                _child(self.fusion, f"layer{layer}")[where] = Fusion(
                    hidden, dynamic=fuse == "dynamic", dropout=dropout
                )
            if names:
                end.adapter_input = None
                self.hooks.append(end.dropout.register_forward_hook(partial(_keep, end)))
                self.hooks.append(end.register_forward_hook(partial(self._adapt, names, layer, where)))
        for name in [name for name, spec in specs.items() if spec.invertible][:1]:
            # Of several the first one's: what stands behind the embeddings stands there once.
            units: Any = self.adapters[name]
            units["invertible"] = Invertible(hidden, _activation(specs[name]), specs[name].init)
            self.hooks.append(encoder.embeddings.register_forward_hook(self._invert))

    @property
    def top(self) -> str:
        """The name of the adapter that was put there last."""
        return list(self.specs)[-1]

    def grown(
        self, encoder: Any, name: str, spec: AdapterSpec, fuse: Literal["", "dynamic"] = ""
    ) -> "Adapters":
        """Return these adapters, which give their places away, and a new one on top of them or fused with them."""
        self.remove()
        more = Adapters(encoder, self.specs | {name: spec}, fuse)
        for before in self.specs:
            more.adapters[before].load_state_dict(self.adapters[before].state_dict())
        return more

    @property
    def coupling(self) -> Invertible | None:
        """The coupling layers behind the embeddings, if there are any."""
        found = [
            units["invertible"]
            for name, units in self.adapters.items()
            if "invertible" in units and name not in self.muted
        ]
        return found[0] if found else None

    def named_weights(self) -> dict[str, nn.Parameter]:
        """Return the weights by AdapterHub-like names, without the prefix of the module that holds them."""
        own = {
            name.removeprefix("adapters."): p for name, p in self.adapters.named_parameters(prefix="adapters")
        }
        return own | dict(self.fusion.named_parameters(prefix="fusion"))

    def remove(self) -> None:
        """Take the hooks away; the encoder is as it was."""
        for hook in self.hooks:
            hook.remove()

    def _invert(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        unit = self.coupling
        return output if unit is None else unit(output)

    def _adapt(
        self,
        names: Sequence[str],
        layer: int,
        where: str,
        end: Any,
        inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> Tensor:
        """Return what stands in the place of `output` = LN(h + r)."""
        units = {
            name: self.adapters[name][f"layer{layer}"][where] for name in names if name not in self.muted
        }
        if not units:
            return output
        h, r = end.adapter_input, inputs[1]
        norm = end.LayerNorm
        if f"layer{layer}" in self.fusion:
            x = output if self.specs[names[0]].kind == "pfeiffer" else h
            ups = torch.stack([unit(x) for unit in units.values()])
            return norm(h + self.fusion[f"layer{layer}"][where](x, ups) + r)
        y = h
        for name, unit in units.items():
            spec = self.specs[name]
            if spec.kind == "parallel":
                y = y + spec.scale * unit(r)
            else:
                y = y + unit(norm(y + r) if spec.kind == "pfeiffer" else y)
        return norm(y + r)


def adapter_places(encoder: Any) -> list[tuple[int, str, Any]]:
    """Return (layer, attention or ffn, module) of every end of a sublayer that an adapter can stand behind.

    Raises:
        InputError: the encoder's layers have no dense, dropout and LayerNorm with a residual at their ends.
    """
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    places = []
    for i, layer in enumerate(layers or ()):
        ends = {"attention": getattr(getattr(layer, "attention", None), "output", None)}
        ends["ffn"] = getattr(layer, "output", None)
        for where, end in ends.items():
            if end is not None and {"dense", "dropout", "LayerNorm"} <= dict(end.named_children()).keys():
                places.append((i, where, end))
    if not places or len(places) != 2 * len(layers or ()):
        kind = getattr(encoder.config, "model_type", "unknown")
        raise InputError(
            f"an encoder of model_type {kind} has no places for adapters (a dense layer, dropout and LayerNorm behind "
            "attention and feed-forward of every layer, as BERT and XLM-R have); use full or lora"
        )
    return places


def _activation(spec: AdapterSpec) -> Any:
    return silu if spec.kind == "houlsby" else relu


def _child(modules: Any, name: str) -> nn.ModuleDict:
    if name not in modules:
        modules[name] = nn.ModuleDict()
    return modules[name]


def _keep(end: Any, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
    end.adapter_input = output
