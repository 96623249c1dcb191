"""The syntax trees of both packages, and what they import."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def below(name: str, root: str) -> bool:
    return name == root or name.startswith(root + ".")


@cache
def modules() -> dict[str, ast.Module]:
    """The syntax tree of every module of both packages."""
    paths = [path for package in ("simxfer", "analyses") for path in (ROOT / package).rglob("*.py")]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in paths
    }


def imported(tree: ast.AST, *, lazily: bool = True) -> set[str]:
    """Names of all modules imported below a node; without `lazily` those inside functions not."""
    names: set[str] = set()
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found = members & modules().keys()
            names |= found | ({node.module or ""} if members - found else set())
        if lazily or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)
    return names
