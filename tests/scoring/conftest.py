"""XTREME's own predictions and labels, made up for its tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mock(shared) -> Path:
    return shared / "pack" / "xtreme_mock_test_data"
