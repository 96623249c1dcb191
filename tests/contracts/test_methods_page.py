"""docs/methods.md names every method with its parameters, every selection and every perturbation."""

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from simxfer.sources.perturb import ADVERSARIAL, ATTACKS, PERTURBATIONS, WORST, parse
from simxfer.training.methods import METHODS, canonical_method
from simxfer.training.recipes import TargetSelection

PAGE = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")

METHODS_ONLY = PAGE.split("\n## Perturbations\n")[0]


def rows_of(section: str) -> list[list[str]]:
    """Return the cells of the tables of a section, headers left out."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in lines[2:] if not set(cells[0]) <= {"-", "|"}]


def named(cell: str) -> list[str]:
    """Return what stands in code in a cell, without values and arguments."""
    return [re.split(r"[=(]", name)[0] for name in re.findall(r"`([^`]+)`", cell)]


def test_every_method_stands_there_with_its_parameters():
    rows = {named(name)[0]: named(parameters) for name, parameters, _ in rows_of("Methods")}
    assert set(rows) == set(METHODS)
    for name, path in METHODS.items():
        module, attribute = path.split(":")
        kind = getattr(import_module(module), attribute)
        _, *others = [field.name for field in fields(kind)]
        assert set(others) <= set(rows[name]), name


def test_every_selection_and_every_perturbation_stands_there():
    assert [named(row[0])[0] for row in rows_of("Selections")] == list(get_args(TargetSelection))
    listed = [name for row in rows_of("Perturbations") for name in named(row[0])]
    assert sorted({*listed}) == sorted([*PERTURBATIONS, *ATTACKS, WORST, ADVERSARIAL])


@pytest.mark.parametrize(
    "spelled",
    sorted(set(re.findall(r"`((?:full|adapter|lora|smoothing|adversarial)[(>][^`]+)`", METHODS_ONLY))),
)
def test_the_methods_that_it_spells_can_be_read(spelled):
    assert canonical_method(spelled)


@pytest.mark.parametrize(
    "spelled", sorted(set(re.findall(r"`([a-z-]+\([^`.]*[0-9][^`N]*\))`", PAGE.removeprefix(METHODS_ONLY))))
)
def test_the_perturbations_that_it_spells_can_be_read(spelled):
    assert str(parse(spelled)) == spelled
