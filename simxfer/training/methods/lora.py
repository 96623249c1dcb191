"""Low-rank adaptation (Hu et al. 2022) through peft: W x + (alpha / r) B A x in queries and values; W rests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from simxfer.common.errors import InputError
from simxfer.training.methods.method import Method

if TYPE_CHECKING:
    from torch import nn

    from simxfer.encoder.network import Batch, TransferModel


@dataclass(frozen=True)
class LowRankAdaptation(Method):
    """A and B are trained, B from zero, so that it begins as the encoder is."""

    r: Annotated[int, Field(ge=1)] = 8
    """Rank."""
    alpha: Annotated[int, Field(ge=1)] = 16
    """Its scale is alpha / r."""

    beside: ClassVar[bool] = True
    spelled: ClassVar[tuple[str, ...]] = ("r", "alpha")

    def stored(self, hidden: int, layers: int) -> int:
        """Return the weights of A and B at queries and values."""
        return 4 * hidden * self.r * layers

    def prepare(self, model: TransferModel, seed: int) -> None:
        """Put A and B into the encoder, unless a parent stage's are there; all else rests.

        Raises:
            InputError: peft does not know where queries and values of this kind of encoder are.
        """
        import torch
        from peft import LoraConfig, inject_adapter_in_model

        if _matrices(model):
            return
        config = LoraConfig(r=self.r, lora_alpha=self.alpha)
        # peft draws from the generator that dropout and heads of every method share.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                inject_adapter_in_model(config, model.encoder)
            except ValueError as error:
                raise InputError(
                    f"lora cannot find the queries and values of a {model.config.model_type}: {error}; use full"
                ) from None

    def trained(self, model: TransferModel) -> nn.Module:
        """Return A and B of every matrix, which stand inside the encoder."""
        from torch import nn

        return nn.ParameterDict({name.replace(".", "__"): p for name, p in _matrices(model).items()})

    def changes_nothing(self, model: TransferModel, batch: Batch) -> bool:
        """Tell whether B is still zero everywhere."""
        return not any(bool(p.any()) for name, p in _matrices(model).items() if "lora_B" in name)


def merged(encoder: nn.Module) -> nn.Module:
    """Return a copy of an encoder without A and B, whose queries and values are W + (alpha / r) B A themselves."""
    import copy

    from peft.tuners.lora import LoraLayer

    plain = copy.deepcopy(encoder)
    for name, layer in list(plain.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, own = name.rpartition(".")
            setattr(plain.get_submodule(parent), own, layer.get_base_layer())
    return plain


def _matrices(model: TransferModel) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.encoder.named_parameters() if ".lora_" in name}
