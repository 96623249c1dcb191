"""How long the command and the analyses take to start, in fresh processes."""

import subprocess
import sys
from math import inf
from pathlib import Path

from .measure import Row, Timer, alone

COMMANDS = {
    "simxfer --help": ([str(Path(sys.executable).with_name("simxfer")), "--help"], 0.3),
    "import analyses": ([sys.executable, "-c", "import analyses"], 1.0),
    "from analyses import gains": ([sys.executable, "-c", "from analyses import gains"], inf),
}
"""Command and target in seconds; the last one is what a first use costs: pandas and the language codes."""


def run(timer: Timer) -> list[Row]:
    """Measure every command against its target; an empty interpreter stands in the note."""
    empty = [sys.executable, "-c", ""]
    subjects = {what: lambda command=command: _call(command) for what, (command, _) in COMMANDS.items()}
    seconds = timer.interleave({**subjects, "python": lambda: _call(empty)})
    start = float(sorted(seconds["python"])[len(seconds["python"]) // 2])
    note = f"of which the interpreter {start:.2g} s"
    return [
        alone("import-time", what, seconds[what], at_most=target, note=note)
        for what, (_, target) in COMMANDS.items()
    ]


def _call(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
