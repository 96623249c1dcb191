"""A user's mistakes: a clear message, exit code 2, no traceback, nothing lost."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from tiny import Cli


def changed(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    return change


MISTAKES = {
    "misspelt task": (changed("w-nli,", "w-nlli,"), ["line 4", "'w-nlli'", "Did you mean 'w-nli'"]),
    "misspelt target": (changed("w-xcloze", "w-xclose"), ["line 5", "Did you mean 'w-xcloze'"]),
    "misspelt language": (changed("x-sov", "x-sovv"), ["line 7", "Did you mean 'x-sov'"]),
    "misspelt key": (changed("seeds:", "seds:"), ["line 8", "Did you mean 'seeds'", "'seeds' is missing"]),
    "seeds twice": (changed("seeds: [0]", "seeds: [0, 1, 0]"), ["line 8", "0 given twice"]),
    "empty sequence": (changed("w-qa>w-nli", "w-qa>"), ["line 4", "empty part"]),
    "target as intermediate": (changed("w-nli+w-roles", "w-xnli"), ["line 4", "target only"]),
    "unknown encoder": (changed("encoders: [", "encoders: [world/w9-s9, "), ["line 2", "unknown encoder"]),
    "average as a language": (changed("x-cyrl", "avg"), ["line 7", "'avg'"]),
    "no YAML": (lambda text: "name: [", ["not valid YAML"]),
    "several faults at once": (
        lambda text: text.replace("w-nli,", "w-nlli,").replace("x-sov", "x-svo"),
        ["3 faults", "line 4", "line 7"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_faulty_grid_is_refused_before_anything_runs(mistake: str, grid: Path, simxfer: Cli) -> None:
    change, said = MISTAKES[mistake]
    grid.write_text(change(grid.read_text()))
    done = simxfer("train", grid, "--out", grid.parent / "runs")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for words in said:
        assert words in done.stderr, done.stderr
    assert not (grid.parent / "runs").exists()


def test_a_missing_grid_file_is_named(simxfer: Cli) -> None:
    done = simxfer("plan", "data/grids/defalt.yaml")
    assert done.returncode == 2 and "Did you mean 'default'" in done.stderr


def test_the_run_of_another_grid_is_left_alone(
    grid: Path, tmp_path: Path, simxfer: Cli, undisturbed: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    grid.write_text(grid.read_text() + "numerics: bf16\n")
    done = simxfer("train", grid, "--out", undisturbed.parent)
    assert done.returncode == 2
    assert (
        "another grid" in done.stderr
        and "numerics: fp32 there" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_a_folder_that_is_no_run_is_left_alone(grid: Path, tmp_path: Path, simxfer: Cli) -> None:
    (tmp_path / "runs" / "tiny").mkdir(parents=True)
    (tmp_path / "runs" / "tiny" / "thesis.tex").write_text("years of work")
    done = simxfer("train", grid, "--out", tmp_path / "runs")
    assert done.returncode == 2 and "no run directory" in done.stderr
    assert [p.name for p in (tmp_path / "runs" / "tiny").iterdir()] == ["thesis.tex"]


def test_an_unwritable_output_is_named(grid: Path, tmp_path: Path, simxfer: Cli) -> None:
    (tmp_path / "file").write_text("in the way")
    done = simxfer("train", grid, "--out", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr


def test_a_truncated_results_file_is_refused(undisturbed: Path, tmp_path: Path, simxfer: Cli) -> None:
    whole = (undisturbed / "results.parquet").read_bytes()
    (tmp_path / "results.parquet").write_bytes(whole[: len(whole) // 2])
    done = simxfer("results", "import", tmp_path / "results.parquet", tmp_path / "run")
    assert done.returncode == 2
    assert "cut off or damaged" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_average_as_a_language_is_refused_with_its_rows(
    undisturbed: Path, tmp_path: Path, simxfer: Cli
) -> None:
    results = pd.read_parquet(undisturbed / "results.parquet")
    average = results.iloc[[0]].assign(language="avg")
    pd.concat([results, average]).to_csv(tmp_path / "results.csv", index=False)
    done = simxfer("results", "import", tmp_path / "results.csv", tmp_path / "run")
    assert done.returncode == 2
    assert f"row {len(results) + 1}" in done.stderr and "'avg' is an average" in done.stderr


def test_export_and_import_give_the_same_table(undisturbed: Path, tmp_path: Path, simxfer: Cli) -> None:
    assert simxfer("results", "export", undisturbed, tmp_path / "out.csv").returncode == 0
    assert simxfer("results", "import", tmp_path / "out.csv", tmp_path / "run").returncode == 0
    there, back = (pd.read_parquet(p / "results.parquet") for p in (undisturbed, tmp_path / "run"))
    pd.testing.assert_frame_equal(there, back)


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["status", "nowhere"], ["tasks", "w-nlli"]])
def test_a_wrong_command_line_is_explained(arguments: list[str], simxfer: Cli) -> None:
    done = simxfer(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.startswith("simxfer: ")
