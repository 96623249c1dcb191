"""What `analyses` may import, read off the syntax trees, and what importing it brings in."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = (
    "simxfer.schema.tables",
    "simxfer.tasks",
    "simxfer.metrics",
    "simxfer.common.errors",
    "simxfer.common.streams",
)
HEAVY = ("torch", "transformers", "sentence_transformers")
FILES = sorted((ROOT / "analyses").rglob("*.py"))


def imported(tree: ast.AST) -> list[str]:
    """Names of all modules imported anywhere below a node."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.append(node.module or "")
    return names


def below(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_analyses_import_only_the_tables_of_the_core(file):
    names = imported(ast.parse(file.read_text(encoding="utf-8")))
    assert not [n for n in names if below(n, ("simxfer",)) and not below(n, ALLOWED)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_heavy_libraries_are_imported_inside_functions(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    lazy = {id(node) for function in inside for node in ast.walk(function)}
    top = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and id(n) not in lazy]
    assert not [name for node in top for name in imported(node) if below(name, HEAVY)]


def test_only_the_command_line_imports_the_analyses():
    for file in (ROOT / "simxfer").rglob("*.py"):
        if file.parent.name != "cli":
            names = imported(ast.parse(file.read_text(encoding="utf-8")))
            assert not [n for n in names if below(n, ("analyses",))], file


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
