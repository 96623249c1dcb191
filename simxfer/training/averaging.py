"""The mean of checkpoints of one training run, weight by weight, kept as it goes on."""

from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from simxfer.common.atomic import write_file


def average_into(path: Path, module: nn.Module, number: int) -> None:
    """Make a stored mean of `number - 1` checkpoints one of `number`; the first one begins it anew.

    m_n = m_(n-1) + (w_n - m_(n-1)) / n in float32, the running mean of stochastic weight averaging (Izmailov et al.
    2018, arXiv 1803.05407), over checkpoints of one fine-tuning run as in Schmidt et al. 2023, Free lunch: robust
    cross-lingual transfer via model checkpoint averaging, ACL. Of LoRA each of the two factors is averaged, not their
    product.

    The file can be loaded as any checkpoint. It holds how many it is the mean of, and is left as it is where that is
    `number` or more: a stage that is taken up comes by its checkpoints again.

    Args:
        path: the safetensors file of the mean.
        module: what is averaged, with the weights of the checkpoint.
        number: of the checkpoint in its run, from 1.
    """
    weights = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    if number > 1:
        if _averaged(path) >= number:
            return
        mean = load_file(path)
        weights = {name: mean[name] + (value - mean[name]) / number for name, value in weights.items()}
    write_file(path, lambda temporary: save_file(weights, temporary, {"averaged": str(number)}))


def _averaged(path: Path) -> int:
    """Return how many checkpoints a file is the mean of."""
    with safe_open(path, framework="pt") as stored:
        return int(stored.metadata()["averaged"])
