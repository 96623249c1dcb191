"""Bottleneck adapters: small layers inside a resting encoder are trained, and the heads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from simxfer.training.methods.method import Course, Method, Step

if TYPE_CHECKING:
    from torch import nn

    from simxfer.encoder.network import Batch, TransferModel
    from simxfer.training.settings import Training

_PENALTY = 0.01
"""Of a fusion's values away from the identity (AdapterHub's regularisation)."""


@dataclass(frozen=True)
class AdapterTuning(Method):
    """Adapters beside an encoder that rests; how they stand to each other is said in `encoder.adapters`."""

    kind: Literal["pfeiffer", "houlsby", "parallel"] = "pfeiffer"
    """Pfeiffer et al. 2021, Houlsby et al. 2019, or parallel (He et al. 2022)."""
    r: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16
    """Reduction factor: the hidden size over the bottleneck's."""
    phases: Literal["continued", "stacked", "fused", "dropped"] = "continued"
    """What the target trains after an intermediate: the same adapter (`continued`); a new one on top of it
    (`stacked`); attention over it and over the adapter that the target alone has trained (`fused`: AdapterFusion,
    Pfeiffer et al. 2021); a new one in its place (`dropped`: a control, whose gain is 0 bit for bit). What stands below
    rests."""
    invertible: bool = False
    """Whether it has coupling layers behind the embeddings, undone before output embeddings (MAD-X)."""
    leave_last: bool = False
    """Whether the last layer is without it (MAD-X 2.0)."""
    init: Literal["zero", "normal"] = "zero"
    """`zero` begins as the encoder is; `normal` is AdapterHub's."""
    language_r: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Reduction factor of the invertible adapters of languages beneath (MAD-X, Pfeiffer et al. 2020); 0: none."""
    swap: bool = True
    """Whether a language is also tested with its own adapter beneath, in place of the training language's."""

    beside: ClassVar[bool] = True
    spelled: ClassVar[tuple[str, ...]] = ("kind", "r")

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.phases == "fused" and self.kind == "parallel":
            raise ValueError(
                "phases=fused is defined for pfeiffer and houlsby adapters, not for parallel ones"
            )
        if self.phases in ("fused", "dropped") and self.language_r:
            raise ValueError(
                f"phases={self.phases} and language_r do not go together; use phases=stacked or continued"
            )
        if not self.swap and not self.language_r:
            raise ValueError("swap=false is said of language adapters; give language_r, or leave it out")

    @property
    def beneath(self) -> AdapterTuning | None:
        """The adapter of a language."""
        if not self.language_r:
            return None
        return AdapterTuning(r=self.language_r, invertible=True, leave_last=self.leave_last, init=self.init)

    def in_stage(self, part: str, below: str) -> AdapterTuning:
        """Return it as a stage has it: `phases` counts where an intermediate's adapter stands below a target."""
        if below == "language":
            phases: Literal["continued", "stacked", "fused", "dropped"] = "stacked"
        else:
            phases = self.phases if (part, below) == ("target", "intermediate") else "continued"
        return replace(self, phases=phases, language_r=0.0, swap=True)

    def stored(self, hidden: int, layers: int) -> int:
        """Return the weights of one adapter, or of the fusion of two."""
        a_layer = 2 if self.kind == "houlsby" else 1
        if self.phases == "fused":
            return layers * a_layer * (3 * hidden**2 + 2 * hidden)
        places = (layers - self.leave_last) * a_layer
        inner, half = max(1, int(hidden // self.r)), hidden // 2
        coupling = 2 * (2 * half * (half // 2) + half // 2 + half) if self.invertible else 0
        return places * (2 * hidden * inner + inner + hidden) + coupling

    def prepare(self, model: TransferModel, seed: int) -> None:
        """Let the adapter of a parent stage go on, or put a new one there; all else rests."""
        model.encoder.requires_grad_(False)
        if self.phases == "dropped":
            model.beside = None
        if model.beside is None or self.phases != "continued":
            self._add(model, seed)
        model.beside.requires_grad_(False)
        self.trained(model).requires_grad_(True)

    def _add(self, model: TransferModel, seed: int) -> None:
        import torch

        from simxfer.encoder.adapters import Adapters, AdapterSpec

        last = (model.config.num_hidden_layers - 1,) if self.leave_last else ()
        spec = AdapterSpec(
            kind=self.kind, r=self.r, invertible=self.invertible, leave_out=last, init=self.init
        )
        device = next(model.encoder.parameters()).device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if model.beside is None:
                model.beside = Adapters(model.encoder, {"0": spec})
            else:
                fuse = "dynamic" if self.phases == "fused" else ""
                model.beside = model.beside.grown(model.encoder, str(len(model.beside.specs)), spec, fuse)
        model.beside.to(device)

    def begin(self, model: TransferModel, training: Training) -> Course:
        """Return the course of one stage; a fusion's values are held near the identity."""
        return FusionCourse(self, model) if model.beside.fusion else Course(self, model)

    def trained(self, model: TransferModel) -> nn.Module:
        """Return the fusion, or else the adapter that was put there last."""
        adapters = model.beside
        return adapters.fusion if adapters.fusion else adapters.adapters[adapters.top]

    def changes_nothing(self, model: TransferModel, batch: Batch) -> bool:
        """Compare the states with and without the adapter that is trained, or all that are fused."""
        import torch

        adapters = model.beside
        model.eval()
        with torch.no_grad():
            on = model.states(batch)
            adapters.muted = frozenset(adapters.specs if adapters.fusion else [adapters.top])
            off = model.states(batch)
            adapters.muted = frozenset()
        return torch.equal(on, off)


class FusionCourse(Course):
    """Holds the values of a fusion near the identity, once a step."""

    def add_gradients(self, step: Step) -> float:
        """Add the gradients of a batch and of the penalty; return the batch's mean loss."""
        loss = super().add_gradients(step)
        units = (unit for layer in self.model.beside.fusion.values() for unit in layer.values())
        (_PENALTY * sum(unit.penalty() for unit in units)).backward()
        return loss
