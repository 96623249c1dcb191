"""Token rows -> the same rows with some subwords masked, for masked language modelling."""

from collections.abc import Collection

import torch
from torch import Tensor

from simxfer.encoder.ragged import IGNORED


def mask_tokens(
    batch: dict[str, Tensor],
    share: float,
    mask_id: int,
    vocabulary: int,
    generator: torch.Generator,
    special: Collection[int],
) -> dict[str, Tensor]:
    """Mask subwords for MLM: of a share of them, 80 % become <mask>, 10 % a random one, 10 % stay.

    Special tokens are never masked nor drawn. Devlin et al. 2019, section 3.1.

    Args:
        batch: ids and mask.
        share: of the subwords that are looked at.
        mask_id: id of <mask>.
        vocabulary: number of ids.
        generator: draws.
        special: ids of the special tokens; XLM-R's are 0 to 3 and the last one.
    """
    ids = batch["ids"]
    ordinary = torch.ones(vocabulary, dtype=torch.bool)
    ordinary[list(special)] = False
    choices = ordinary.nonzero()[:, 0]
    # On the CPU, whatever the device: a GPU draws other numbers from one seed.
    draw, what = (torch.rand(ids.shape, generator=generator).to(ids.device) for _ in range(2))
    random_ids = choices[torch.randint(len(choices), ids.shape, generator=generator)].to(ids.device)
    chosen = (draw < share) & ordinary.to(ids.device)[ids]
    masked = torch.where(chosen & (what < 0.8), mask_id, ids)
    masked = torch.where(chosen & (what >= 0.9), random_ids, masked)
    return {**batch, "ids": masked, "labels": torch.where(chosen, ids, IGNORED)}
