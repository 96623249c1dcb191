"""What importing `analyses` brings in."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "sentence_transformers")


def test_import_brings_no_torch_and_names_are_there_at_first_use():
    """Everything public is reached, the report's modules included, and still no heavy library is loaded."""
    code = (
        "import sys, analyses\n"
        "light = set(sys.modules)\n"
        "assert not {'pandas', 'plotly', 'matplotlib', 'scipy'} & light, 'import analyses is not lazy'\n"
        "assert {'gains', 'coverage', 'write_report', 'load_run', 'pgls', 'MEASURES'} <= set(dir(analyses))\n"
        "import analyses.outcomes\n"
        "assert analyses.coverage is analyses.outcomes.coverage\n"
        "[getattr(analyses, name) for name in dir(analyses)]\n"
        f"assert not set({HEAVY!r}) & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=120)


def test_unknown_names_are_attribute_errors():
    import analyses

    with pytest.raises(AttributeError, match="gans"):
        analyses.gans  # noqa: B018
