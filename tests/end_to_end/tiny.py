"""The small grid of the end-to-end tests, and the command line that runs it."""

import subprocess
import sys
from collections.abc import Callable

GRID = """\
name: tiny
encoders: [{encoder}]
blocks:
  - intermediates: [none, w-nli, w-qa, w-qa>w-nli, w-nli+w-roles]
    targets: [w-xnli, w-xqa, w-pos, w-xcloze, w-tatoeba]
    no_pretraining_control: true
languages: [x-pivot, x-sov, x-cyrl]
seeds: [0]
test_examples: 40
overrides:
  "*": {{steps: 6, train_examples: 64}}
"""

Cli = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: object) -> list[str]:
    """Return the command line of `simxfer` with these arguments."""
    return [sys.executable, "-c", "from simxfer.cli.main import main; main()", *map(str, arguments)]
