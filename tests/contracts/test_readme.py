"""The README's numbers on real languages are those of the table that a run made."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_readmes_block_is_made_from_its_table():
    spec = importlib.util.spec_from_file_location("real_languages", ROOT / "docs" / "real_languages.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    readme, table = (ROOT / "README.md").read_text(encoding="utf-8"), page.read()
    assert page.with_block(readme, table) == readme
    table.loc[0, "mean"] += 0.1
    assert page.with_block(readme, table) != readme
