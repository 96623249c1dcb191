"""Adversarial steps on word embeddings: a perturbation climbs the loss inside a ball.

Arrays are (rows, length, dimensions); padding is never perturbed. Balls, each with its step of size a along the
gradient g (an example is a row with all its tokens):

    l2-example     a g / |g| over the example            |delta| <= radius, Frobenius (FreeLB, Zhu et al. 2020; PGD)
    l2-token       the same of every token
    linf-sign      a sign(g)                             |delta| <= radius in every entry (Madry et al. 2018)
    linf-scaled    a g / max|g| over the example         the same (FreeLB's L-infinity)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from simxfer.common.streams import stream_seed

Ball = Literal["l2-example", "l2-token", "linf-sign", "linf-scaled"]
_TINY = 1e-8
"""Below this a gradient has no direction: padding, a saturated example."""


def ascend(delta: Tensor, gradient: Tensor, size: float, ball: Ball) -> Tensor:
    """Return the perturbation one step of a size further up the loss."""
    if ball == "linf-sign":
        return delta + size * gradient.sign()
    if ball == "linf-scaled":
        return delta + size * gradient / gradient.abs().amax(dim=(1, 2), keepdim=True).clamp(min=_TINY)
    return delta + size * gradient / _norm(gradient, ball).clamp(min=_TINY)


def project(delta: Tensor, radius: float, ball: Ball) -> Tensor:
    """Return the nearest perturbation inside the ball (L2: scaled back to it)."""
    if ball.startswith("linf"):
        return delta.clamp(-radius, radius)
    return delta * (radius / _norm(delta, ball).clamp(min=_TINY)).clamp(max=1.0)


def climb(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    mask: Tensor,
    radius: float,
    size: float,
    steps: int,
    ball: Ball,
) -> Tensor:
    """Return the perturbation after so many steps of PGD: each up the loss, then back into the ball.

    Args:
        loss: of a perturbation, summed over rows that do not look at each other.
        start: (rows, length, dimensions), inside the ball.
        mask: (rows, length), 0 at padding.
        radius: of the ball.
        size: of a step.
        steps: how many.
        ball: see above.
    """
    delta = start
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        gradient = torch.autograd.grad(loss(delta), delta)[0] * mask[..., None]
        delta = project(ascend(delta.detach(), gradient, size, ball), radius, ball)
    return delta


def random_start(ids: Tensor, mask: Tensor, width: int, size: float, ball: Ball, seed: int) -> Tensor:
    """Return FreeLB's start: uniform in [-size, size], for L2 over the root of (unpadded tokens x dimensions).

    A row's start is the seed's and its own subwords', whatever else is in the batch: micro-batches change nothing.
    """
    noise = torch.zeros(*ids.shape, width)
    for row, (subwords, here) in enumerate(zip(ids.tolist(), mask.bool().tolist(), strict=True)):
        own = [subword for subword, is_there in zip(subwords, here, strict=True) if is_there]
        generator = torch.Generator().manual_seed(stream_seed(seed, *own))
        drawn = torch.rand(len(own), width, generator=generator) * 2 - 1
        units = len(own) * width if ball == "l2-example" else width
        noise[row, torch.tensor(here)] = drawn * (size / units**0.5 if ball.startswith("l2") else size)
    return noise.to(ids.device)


def _norm(x: Tensor, ball: Ball) -> Tensor:
    return torch.linalg.vector_norm(x, dim=(1, 2) if ball == "l2-example" else 2, keepdim=True)


@contextmanager
def perturbed(encoder: Any, delta: Tensor) -> Iterator[None]:
    """Add a perturbation to what the word embeddings give (before positions and norm), while it lasts."""
    hook = encoder.get_input_embeddings().register_forward_hook(
        lambda _module, _inputs, output: output + delta
    )
    try:
        yield
    finally:
        hook.remove()
