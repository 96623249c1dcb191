"""Measure the mean length of an input of every real task, in characters, on the files of ../shared/pack.

Run from the repository: `python tests/reference/tasks/mean_characters.py > tests/reference/tasks/mean_characters.json`.
Inputs are what the encoder reads of an example, texts joined by a blank (the context once for each choice, both
sentences of a pair to retrieve); English where there is English, else all languages; of it
the first split of test, dev, train that the pack has with gold. Tasks that the pack has no files of stand at 0
(unknown).
"""

import json
import sys
from pathlib import Path

from simxfer.common.errors import InputError
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.examples import AnyExample, ChoiceExample, RetrievalExample
from simxfer.tasks.record import Task


def mean_characters(task: Task, pack: Path) -> float:
    """Return the mean length, rounded to a character."""
    for languages in (("en",), task.languages):
        for split in ("test", "dev", "train"):
            lengths = [n for language in languages for n in _lengths(task, split, language, pack)]
            if lengths:
                return float(round(sum(lengths) / len(lengths)))
    return 0.0


def _lengths(task: Task, split: str, language: str, pack: Path) -> list[int]:
    try:
        examples = read_examples(DataRequest(task.name, split, language, folder=str(pack)))
    except InputError:
        return []
    return [_read(example) for example in examples]


def _read(example: AnyExample) -> int:
    if isinstance(example, ChoiceExample):
        return sum(len(f"{example.context} {choice}") for choice in example.choices)
    if isinstance(example, RetrievalExample):
        return len(example.text) + len(example.translation)
    return len(" ".join(example.texts))


if __name__ == "__main__":
    folder = Path(__file__).parents[3] / ".." / "shared" / "pack"
    measured = {task.name: mean_characters(task, folder) for task in TASKS.values() if not task.world}
    json.dump(measured, sys.stdout, indent=1)
    print()
