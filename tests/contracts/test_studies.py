"""The five studies: each has a question, three grids that declare it, and a design that can be said before training."""

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import get_args

import pytest

from analyses.questions import QUESTIONS
from analyses.questions.design import design
from simxfer.cli.show import planned_scores
from simxfer.grid.expand import expand
from simxfer.grid.file import load_grid
from simxfer.grid.names import Study
from simxfer.sources import revision

GRIDS = Path(__file__).parents[2] / "data" / "grids"
STUDIES = get_args(Study)
FORMS = ("", "-real", "-xlmr")


def test_studies_are_the_last_questions_in_their_order():
    assert tuple(QUESTIONS)[-len(STUDIES) :] == STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_answers_a_run_and_a_plan(study):
    module = import_module(QUESTIONS[study])
    assert list(signature(module.answer).parameters) == ["run"] and study == module.NAME
    assert list(signature(module.design).parameters) == ["cells", "margin"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("study", STUDIES)
def test_a_grid_declares_its_study_and_its_design_is_said(study, form, in_the_checkout):
    grid = load_grid(GRIDS / f"{study}{form}.yaml")
    assert grid.study == study and grid.name == f"{study}{form}"
    assert "margin" in grid.model_fields_set
    said = design(study, planned_scores(expand(grid, revision)), grid.margin)
    assert said and all(isinstance(line, str) and "nan" not in line for line in said)
    assert any("power .8" in line for line in said), said


@pytest.fixture
def in_the_checkout(monkeypatch, request):
    """Native files are seen from the folder that the command runs in."""
    root = GRIDS.parents[1]
    monkeypatch.chdir(root)
    if "real" in request.node.callspec.params["form"] and not (root.parent / "shared" / "pack").is_dir():
        pytest.skip("../shared/pack is not there: grids on native files were NOT planned")
