"""The registry of procedures: every entry resolves, imports lazily, and is what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

import analyses.inference as inference
from analyses.inference import PROCEDURES


@pytest.mark.parametrize("name", PROCEDURES)
def test_every_procedure_resolves_and_is_documented(name):
    function = getattr(inference, name)
    assert PROCEDURES[name].path.endswith(f":{function.__name__}")
    assert function.__name__ == name
    assert "Raises:" in function.__doc__
    assert inference.__all__.count(name) == 1


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(AttributeError, match="Did you mean 'pair_regression'"):
        _ = inference.pair_regresion


def test_import_is_light():
    """No torch, no statsmodels, and not even scipy before a procedure is asked for."""
    code = (
        "import sys, analyses.inference as i\n"
        "assert 'scipy' not in sys.modules, 'scipy'\n"
        "i.pair_regression, i.crossed_effects, i.pgls\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'statsmodels', 'sklearn'} & "
        "set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_name_is_also_a_module():
    """An imported submodule would hide a function of the same name."""
    modules = {path.stem for path in Path(inference.__file__).parent.glob("*.py")}
    assert not modules & set(inference.__all__)
