"""Draw small changes of the source, run the tests nearest to each, and print those that no test noticed.

    python -m tests.mutants --n 60 --seed 1 [--only simxfer/run] [--tests-per-mutant 4] [--timeout 300]

It works on a copy of the checkout and leaves the checkout alone. Nearest are the tests of the module's room and those
that reach it in the fewest imports; the first that fails, or takes too long, ends a mutant. One that survives is a gap
in the tests, or it changes nothing that anybody could see: which of the two takes a reader.
"""

import argparse
import ast
import importlib
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from tests.contracts.trees import ROOT, imported, modules

FLIPPED: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip
HEAVY = ("torch", "transformers", "pandas", "scipy.stats", "statsmodels.api", "hypothesis", "pytest")
"""Loaded once, before the tests of each mutant run in a fork of this process."""
Point = tuple[ast.expr, ast.expr]
"""An expression as it stands, and what it is changed into."""


def points(node: ast.AST) -> Iterator[Point]:
    """Yield every change of what stands below a node; annotations and messages are left as they are."""
    if isinstance(node, ast.Raise | ast.JoinedStr):
        return
    yield from _changes(node)
    skipped = (getattr(node, "annotation", None), getattr(node, "returns", None))
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from points(child)


def _changes(node: ast.AST) -> Iterator[Point]:
    match node:
        case ast.Constant(value=bool(value)):
            yield node, ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield node, ast.Constant(value + 1)
            yield node, ast.Constant(value - 1)
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            yield node, ast.Compare(left, [FLIPPED[type(op)]()], comparators)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in FLIPPED:
            yield node, ast.BinOp(left, FLIPPED[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield node, ast.BoolOp(FLIPPED[type(op)](), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, operand
        case ast.Return(value=ast.expr() as value):
            yield value, ast.Constant(None)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield test, ast.Constant(True)
            yield test, ast.Constant(False)


def changed(text: str, point: Point) -> str:
    """Return the source with one expression changed; all else stays as it is written."""
    old, new = point
    raw = text.encode()  # columns of the syntax tree count bytes
    lines = raw.splitlines(keepends=True)
    start = sum(map(len, lines[: old.lineno - 1])) + old.col_offset
    end = sum(map(len, lines[: (old.end_lineno or old.lineno) - 1])) + (old.end_col_offset or 0)
    return (raw[:start] + f"({ast.unparse(new)})".encode() + raw[end:]).decode()


def draw(n: int, seed: int, only: str) -> list[tuple[str, Path, Point]]:
    """Return n changes of modules below the path `only`, every change as likely as any other."""
    known = []
    for name, tree in sorted(modules().items()):
        path = Path(*name.split("."))
        path = path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
        if path.as_posix().startswith(only):
            known += [(name, path, point) for point in points(tree)]
    return random.Random(seed).sample(known, min(n, len(known)))


@cache
def _imports() -> dict[str, set[str]]:
    return {name: imported(tree) for name, tree in modules().items()}


@cache
def _tests() -> dict[Path, tuple[set[str], set[str]]]:
    """Return the modules that each test file imports, and its words."""
    paths = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.parent.name != "bench"]
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in paths}
    return {path: (imported(ast.parse(text)), set(re.findall(r"\w+", text))) for path, text in texts.items()}


@cache
def nearest(name: str) -> list[Path]:
    """Return the tests of a module, nearest first: those that name what it defines, of its room, in few imports."""
    steps, edge = {name: 0}, {name}
    while edge:
        edge = {user for user, names in _imports().items() if user not in steps and names & edge}
        steps |= dict.fromkeys(edge, max(steps.values()) + 1)
    defined = {node.name for node in modules()[name].body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    *room, stem = name.removeprefix("simxfer.").split(".")
    ranked = []
    for test, (names, words) in _tests().items():
        uses = len(defined & words)  # what a package brings lazily is reached by its name alone
        far = 0 if uses else min((steps[other] for other in names & steps.keys()), default=9)
        near = test.parts[1:-1] == tuple(room[: len(test.parts) - 2])
        if far < 9:
            ranked.append((far - 3 * (near + (stem in test.stem)), -uses, test))
    return [test for *_, test in sorted(ranked)]


def copy_of_checkout(folder: Path) -> Path:
    """Copy all files that git does not ignore, and put reference data beside them."""
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    copy = folder / "checkout"
    for line in listed.splitlines():
        if (ROOT / line).is_file():
            (copy / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / line, copy / line)
    (folder / "shared").symlink_to(ROOT.parent / "shared")
    return copy


def _run(copy: Path, test: Path) -> None:
    """Run a test file of the copy in this process, a fork, and end it with pytest's exit code."""
    os.setsid()
    os.chdir(copy)
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    sys.path[:] = [str(copy), *(p for p in sys.path if p and Path(p).resolve() != ROOT)]
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]  # they are the checkout's
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    os._exit(int(importlib.import_module("pytest").main([str(test), *options])))


def passes(copy: Path, timeout: float, test: Path) -> bool:
    """Tell whether a test file passes in time; one without tests that are not slow passes."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(copy, test))
    process.start()
    try:
        process.join(timeout)
    finally:
        if process.is_alive() and process.pid:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
    return process.exitcode in (0, 5)


def survivors(copy: Path, drawn: list[tuple[str, Path, Point]], most: int, timeout: float) -> Iterator[str]:
    """Yield in words every change that the nearest tests pass with; tests that fail without it are not asked."""
    sound = cache(partial(passes, copy, timeout))
    for name, path, point in drawn:
        tests = [test for test in nearest(name)[:most] if sound(test)]
        text = (copy / path).read_text(encoding="utf-8")
        (copy / path).write_text(changed(text, point), encoding="utf-8")
        if all(passes(copy, timeout, test) for test in tests):
            old, new = (ast.unparse(part).splitlines()[0][:60] for part in point)
            yield f"{path}:{point[0].lineno}: {old}  ->  {new}  ({', '.join(t.stem for t in tests)})"
        (copy / path).write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=60, help="how many changes are drawn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="beginning of the paths to change, such as simxfer/run")
    parser.add_argument("--tests-per-mutant", type=int, default=4)
    parser.add_argument("--timeout", type=float, default=300, help="seconds a test file may take")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.dont_write_bytecode = True  # a mutant of equal size within a second would be taken for the one before
    for name in HEAVY:
        importlib.import_module(name)
    drawn, n_survived = draw(asked.n, asked.seed, asked.only), 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_checkout(Path(folder))
        os.environ["PYTHONPATH"] = str(copy)
        for line in survivors(copy, drawn, asked.tests_per_mutant, asked.timeout):
            print(line, flush=True)
            n_survived += 1
    print(f"{len(drawn)} changes: {len(drawn) - n_survived} noticed, {n_survived} survived")


if __name__ == "__main__":
    main()
