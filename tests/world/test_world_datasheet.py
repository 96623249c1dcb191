"""The page about the world: generated, current, and with every number from where it says."""

import json
from pathlib import Path

import pytest

from simxfer.common.errors import InputError
from simxfer.tasks.world import WORLD_TASKS
from simxfer.world import LANGUAGES, WORLDS
from simxfer.world.datasheet import datasheet, without_run
from simxfer.world.describe import markdown
from simxfer.world.measured import RUN_BEGINS, RUN_ENDS, fertility, run_section

PAGE = Path(__file__).parents[2] / "docs" / "world.md"


@pytest.fixture(scope="module")
def sheet() -> str:
    return datasheet()


def test_the_page_is_current(sheet):
    """If this fails: python -m simxfer.world.datasheet runs/default --out docs/world.md"""
    page = PAGE.read_text(encoding="utf-8")
    assert RUN_BEGINS in page
    assert without_run(page) == sheet


def test_it_names_every_language_task_and_encoder(sheet):
    for name in (*LANGUAGES, *(task.name for task in WORLD_TASKS)):
        assert f"\n| {name} | " in sheet
    assert all(f"\n| w{world}-s0 | " in sheet for world in WORLDS)


def a_run(folder: Path, **changes) -> Path:
    contrast = {
        "target": "w-is",
        "where": "pivot",
        "contrast": "matched - crossed",
        "planted": "effect",
        "estimate": 42.31,
        "low": 39.06,
        "high": 45.56,
        "replicates": 8,
        "verdict": "shown",
    }
    unjudged = {**contrast, "estimate": -6.58, "low": None, "high": None, "verdict": "not judged"}
    answer = {
        "name": "positive-control",
        "answered": True,
        "question": "Found?",
        "sentence": "Yes: by +42.3 points.",
        "findings": ["A finding."],
        "not_shown": ["A gap."],
        "tables": {"Contrasts": [contrast, unjudged]},
        **changes,
    }
    (folder / "report").mkdir()
    (folder / "report" / "answers.json").write_text(json.dumps([answer]))
    return folder


def test_a_run_is_told_in_its_reports_words_and_numbers(tmp_path, sheet):
    page = datasheet(a_run(tmp_path))
    found = page[page.index(RUN_BEGINS) : page.index(RUN_ENDS)]
    assert "- Yes: by +42.3 points.\n- A finding.\n- Not shown: A gap." in found
    assert "| w-is-* | pivot | matched - crossed | effect | +42.3 | 39.1 to 45.6 | 8 | shown |" in found
    assert "| effect | -6.6 |  | 8 | not judged |" in found
    assert without_run(page) == sheet


def test_what_a_run_did_not_answer_is_left_out(tmp_path):
    assert "Found?" not in run_section(a_run(tmp_path, answered=False))


def test_a_run_without_a_report_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no report .* run `simxfer report"):
        run_section(tmp_path)


def test_fertility_is_one_but_for_suffixes():
    """Every stem is one piece and every suffix another, so fertility is one plus the share of suffixed words."""
    found = fertility(0)
    assert {code for code, value in found.items() if value == 1.0} == {
        code for code, language in LANGUAGES.items() if language.morphology == "isolating"
    }
    assert 1.0 < found["x-fus"] < found["x-agg"] < 1.5


def test_cells_are_formatted_and_escaped():
    assert markdown([(1, 0.125, "a|b")], ["n", "x", "text"]).splitlines()[2] == "| 1 | 0.12 | a\\|b |"
