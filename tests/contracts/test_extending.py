"""docs/extending.md is followed word for word in a copy of the project, whose contract tests then hold."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"^```(python|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW_FILE = re.compile(r"`([\w/]+\.py)` is new:\n\n\Z")


def follow(page: str, root: Path) -> None:
    """Write the new files of the page, and put the added lines of its diffs behind the lines above them."""
    for match in BLOCK.finditer(page):
        kind, text = match.groups()
        if kind == "python":
            [path] = NEW_FILE.findall(page[: match.start()])
            assert not (root / path).exists()
            (root / path).write_text(text)
        else:
            apply(text, root)


def apply(diff: str, root: Path) -> None:
    """Apply a diff whose hunks are found by their lines, not by numbers; each must stand there exactly once."""
    path = root / re.search(r"^\+\+\+ b/(.*)$", diff, re.MULTILINE)[1]
    source = path.read_text()
    for hunk in re.split(r"^@@\n", diff, flags=re.MULTILINE)[1:]:
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] != "+")
        assert source.count(old) == 1, f"{path}: expected once\n{old}"
        source = source.replace(old, "".join(line[1:] for line in lines if line[0] != "-"))
    path.write_text(source)


@pytest.fixture(scope="module")
def extended(tmp_path_factory) -> Path:
    """A copy of the project, extended as the page says."""
    root = tmp_path_factory.mktemp("extended")
    for name in ("simxfer", "analyses", "tests"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "data").symlink_to(ROOT / "data")
    shutil.copy(ROOT / "pyproject.toml", root)
    follow(PAGE.read_text(), root)
    return root


def run(root: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_contracts_hold_for_what_was_added(extended):
    run(
        extended,
        *("-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"),
        *("-k", "reviews or bitfit or energy or sign_test or stands_below or rooms_below or called_here"),
        *("tests/contracts/test_registries.py", "tests/contracts/test_import_order.py"),
        *("tests/analyses/similarity/test_similarity_registry.py", "tests/analyses/inference/test_forms.py"),
        *("tests/analyses/inference/test_registry.py", "tests/contracts/test_examples.py"),
    )


def test_added_files_are_clean(extended):
    new = [extended / path for path in re.findall(r"`([\w/]+\.py)` is new", PAGE.read_text())]
    assert len(new) == 4
    run(extended, "-m", "ruff", "check", *map(str, new))
    run(extended, "-m", "ruff", "format", "--check", *map(str, new))


def test_the_added_task_is_trained_by_the_added_method(extended, tmp_path):
    folder = tmp_path / "native" / "reviews"
    folder.mkdir(parents=True)
    for name, n in (("train-en", 24), ("test-en", 12), ("test-sw", 12)):
        rows = [
            f'{{"text": "item {i} is {"good" if i % 2 else "bad"}", "label": {i % 2}}}\n' for i in range(n)
        ]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        "name: extended\nencoders: [world/w0-s0]\nmethods: [full, bitfit]\nlanguages: [en, sw]\nseeds: [0]\n"
        f"data: {{folder: {tmp_path / 'native'}}}\n"
        "blocks: [{intermediates: [none], targets: [reviews]}]\noverrides: {'*': {steps: 2, batch_size: 4}}\n"
    )
    train = "from simxfer.cli.main import main; main()"
    run(extended, "-c", train, "train", str(grid), "--out", str(tmp_path / "runs"), "--workers", "1")
    code = f"import pandas as pd; print(pd.read_parquet({str(tmp_path / 'runs/extended/results.parquet')!r}).to_csv())"
    table = run(extended, "-c", code)
    assert all(
        f",{method},none,reviews,{language}" in table
        for method in ("full", "bitfit")
        for language in ("en", "sw")
    )
