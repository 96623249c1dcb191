"""The lowest layers of an encoder, and stock models that pass layers over: known states in place of computed ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from simxfer.common.errors import InputError


def lowest(encoder: Any, layers: int) -> list[Any]:
    """Return the embeddings and so many of the lowest layers of an encoder.

    Raises:
        InputError: it has no more layers than that, or they cannot be told apart.
    """
    total = encoder.config.num_hidden_layers
    stack = _stack(encoder)
    if not stack or layers >= total:
        raise InputError(
            f"freeze={layers} leaves nothing to train in an encoder of {total} layers; expected at most {total - 1}"
        )
    return [_embeddings(encoder), *stack[:layers]]


@contextmanager
def starting_above(encoder: Any, layers: int, states: Tensor) -> Iterator[None]:
    """Have an encoder go on from the states of so many of its lowest layers, whatever else it is given."""
    embeddings, *below = lowest(encoder, layers)
    with _instead(embeddings, lambda *_, **__: states), _passed_over(below):
        yield


@contextmanager
def ending_below(encoder: Any, layers: int) -> Iterator[None]:
    """Have an encoder compute no more than so many of its lowest layers: the others give what they are given."""
    with _passed_over(_stack(encoder)[layers:]):
        yield


def _embeddings(encoder: Any) -> Any:
    return getattr(encoder, "embeddings", encoder.get_input_embeddings())


def _stack(encoder: Any) -> Sequence[Any]:
    """Return the layers, the lowest first; none where they cannot be told apart."""
    total = encoder.config.num_hidden_layers
    return next((list(m) for m in encoder.modules() if isinstance(m, nn.ModuleList) and len(m) == total), [])


@contextmanager
def _passed_over(layers: Sequence[Any]) -> Iterator[None]:
    with ExitStack() as changes:
        for layer in layers:
            changes.enter_context(_instead(layer, lambda hidden_states, *_, **__: hidden_states))
        yield


@contextmanager
def _instead(module: Any, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Let a module compute something else for a while; its hooks still see it."""
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
