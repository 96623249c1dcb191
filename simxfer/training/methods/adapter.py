"""Bottleneck adapters: small layers inside a resting encoder are trained, and the heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from simxfer.training.methods.method import Method

if TYPE_CHECKING:
    from torch import nn

    from simxfer.encoder.network import Batch, TransferModel


@dataclass(frozen=True)
class AdapterTuning(Method):
    """One adapter that intermediate and target stages train one after the other (continued); see `encoder.adapters`."""

    kind: Literal["pfeiffer", "houlsby", "parallel"] = "pfeiffer"
    """Pfeiffer et al. 2021, Houlsby et al. 2019, or parallel (He et al. 2022)."""
    r: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16
    """Reduction factor: the hidden size over the bottleneck's."""
    invertible: bool = False
    """Whether it has coupling layers behind the embeddings, undone before output embeddings (MAD-X)."""
    leave_last: bool = False
    """Whether the last layer is without it (MAD-X 2.0)."""
    init: Literal["zero", "normal"] = "zero"
    """`zero` begins as the encoder is; `normal` is AdapterHub's."""

    beside: ClassVar[bool] = True
    spelled: ClassVar[tuple[str, ...]] = ("kind", "r")

    def prepare(self, model: TransferModel, seed: int) -> None:
        """Put the adapter into the encoder, unless a parent stage's is there; all else rests."""
        import torch

        from simxfer.encoder.adapters import Adapters, AdapterSpec

        model.encoder.requires_grad_(False)
        if model.beside is None:
            last = (model.config.num_hidden_layers - 1,) if self.leave_last else ()
            spec = AdapterSpec(
                kind=self.kind, r=self.r, invertible=self.invertible, leave_out=last, init=self.init
            )
            device = next(model.encoder.parameters()).device
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model.beside = Adapters(model.encoder, {"task": spec}).to(device)

    def trained(self, model: TransferModel) -> nn.Module:
        """Return the adapter."""
        return model.beside

    def changes_nothing(self, model: TransferModel, batch: Batch) -> bool:
        """Compare the states with the adapter on and off."""
        import torch

        model.eval()
        with torch.no_grad():
            on = model.states(batch)
            model.beside.on = False
            off = model.states(batch)
            model.beside.on = True
        return torch.equal(on, off)
