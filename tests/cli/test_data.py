"""`simxfer data`: its text fits 100 columns and hides nothing it should show, its JSON holds the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from simxfer.cli.data import NAMES, WIDTH, inspection_text, inspections_json
from simxfer.run.inspection import inspect

ROOT = Path(__file__).parents[2]


def run(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simxfer", "data", *map(str, arguments)]
    environment = os.environ | more
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, env=environment)


def xnli(folder: Path, rows: str) -> str:
    path = folder / "xnli" / "test-en.tsv"
    path.parent.mkdir()
    path.write_text(rows, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("task", ["w-nli", "w-xqa", "w-roles", "w-xcloze", "w-tatoeba"])
def test_every_field_and_row_of_an_example_of_the_world_is_printed(task):
    [found] = inspect(task, head=2)
    text = inspection_text(found)
    plain = "".join(text.split())
    for shown in found.examples:
        values = [value for value in shown.fields.values() if isinstance(value, str)]
        values += [*shown.fields.get("choices", ())]
        values += ["".join(row.subwords) for row in shown.rows if not any(row.tags)]
        assert all("".join(value.split()) in plain for value in values)
    assert f"{found.counts['examples']} examples" in text and "world/w0-s0" in text
    assert max(map(cell_len, text.splitlines())) <= WIDTH


def test_long_wide_and_invisible_text_is_shown_within_the_columns(tmp_path):
    rows = f"{'漢字' * 400}終\tso\u200b it\x1b[31m\tneutral\n"
    text = inspection_text(inspect("xnli", folder=xnli(tmp_path, rows))[0])
    assert "... (801 characters in all) ..." in text and "終" in text
    assert r"so\u200b it\x1b[31m" in text and "\x1b" not in text
    assert max(map(cell_len, text.splitlines())) <= WIDTH
    assert f"  {'label':{NAMES}}neutral" in text.splitlines()


def test_json_is_the_inspection(tmp_path):
    found = inspect("w-xqa", head=1)
    [read] = json.loads(inspections_json(found))
    [shown] = found[0].examples
    assert read["revision"] == "world-1:0:0" and read["encoding"]["max_length"] == 64
    assert read["examples"][0]["fields"]["context"] == shown.fields["context"]
    [row] = read["examples"][0]["rows"]
    assert tuple(row["subwords"]) == shown.rows[0].subwords and tuple(row["answer"]) == shown.rows[0].answer


def test_the_command_prints_and_refuses_with_code_2(tmp_path):
    folder = xnli(tmp_path, "a\tb\tneutral\n")
    done = run("xnli", "--folder", folder, "--head", 1, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["examples"][0]["fields"]["label"] == "neutral"
    done = run("xnli", "--folder", folder, "--language", "swa")
    assert done.returncode == 2 and "Did you mean 'sw'" in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout


def test_a_terminal_without_the_letters_gets_their_numbers(tmp_path):
    done = run("xnli", "--folder", xnli(tmp_path, "ŋ\tb\tneutral\n"), PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and r"\u014b" in done.stdout, done.stderr


def test_without_an_encoder_no_torch_is_loaded(tmp_path):
    code = (
        "import sys, simxfer.cli.data; from simxfer.run.inspection import inspect; "
        f"inspect('xnli', folder={xnli(tmp_path, 'a	b	neutral')!r}, encoder='none'); "
        "print({'torch', 'transformers'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
