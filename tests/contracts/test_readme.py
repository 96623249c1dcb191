"""The README's numbers are those of the tables that runs made."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "column", "other"), [("real_languages", "mean", 0.1), ("studies", "sentence", "another")]
)
def test_the_readmes_blocks_are_made_from_their_tables(script, column, other):
    spec = importlib.util.spec_from_file_location(script, ROOT / "docs" / f"{script}.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    readme, table = (ROOT / "README.md").read_text(encoding="utf-8"), page.read()
    assert page.with_block(readme, table) == readme
    table.loc[0, column] = other
    assert page.with_block(readme, table) != readme
