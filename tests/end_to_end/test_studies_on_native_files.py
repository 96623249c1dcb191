"""Each study's grid on real languages, cut to a few examples and a tiny encoder: trained, scored, answered."""

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from support import write_xlmr_checkpoint

from analyses.report import write_report
from simxfer.grid.names import Study
from simxfer.run.train import train_grid

GRIDS = Path(__file__).parents[2] / "data" / "grids"
FEW = {"steps": 1, "batch_size": 4, "max_length": 48, "stride": 8, "warmup_steps": 0, "selection": "last"}


def cut(study: str, encoder: Path, shared: Path) -> dict:
    """Return a study's real grid with a few examples of everything; what it is about stays."""
    grid = yaml.safe_load((GRIDS / f"{study}-real.yaml").read_text())
    text = json.dumps(grid["data"]).replace("../shared", str(shared))
    languages = grid["languages"]
    return grid | {
        "encoders": [str(encoder)],
        "seeds": [0],
        "languages": languages[:3] if isinstance(languages, list) else languages,
        "test_examples": 4,
        "data": json.loads(text),
        "blocks": [{k: v for k, v in block.items() if k != "seeds"} for block in grid["blocks"]],
        "overrides": {"*": FEW | {"train_examples": 16}},
        "method_overrides": {},
        "retrieval": {"layer": -1},
    }


@pytest.mark.slow
@pytest.mark.parametrize("study", get_args(Study))
def test_a_study_runs_through_on_real_files(study, tmp_path, shared):
    encoder = write_xlmr_checkpoint(tmp_path / "tiny")
    file = tmp_path / "grid.yaml"
    file.write_text(yaml.safe_dump(cut(study, encoder, shared)))
    run = train_grid(file, tmp_path / "runs", workers=1)
    write_report(run.root)
    first = json.loads((run.root / "report" / "answers.json").read_text())[0]
    assert first["name"] == study and first["sentence"]
