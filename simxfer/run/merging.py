"""A trained stage -> a folder with a plain encoder, as Hugging Face ships them: what LoRA trained is part of it."""

from pathlib import Path

import torch

from simxfer.common.errors import InputError, unknown
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.run.checkpoints import Checkpoints, is_trained
from simxfer.run.opening import read_plan
from simxfer.schema.directory import RunDirectory
from simxfer.training.methods.lora import merged


def write_merged(root: Path, stage_id: str, out: Path) -> None:
    """Write the encoder of a trained stage, and its tokenizer, as a folder that `AutoModel` and grids can load.

    Stages of LoRA store A and B alone; here they are added to the matrices that they stand beside. Heads stay
    in the stage's own folder (`heads.safetensors`).

    Args:
        root: of the run.
        stage_id: which stage; the column `stage` of the results.
        out: folder that is made.

    Raises:
        InputError: no such stage, its checkpoint is not there, or it has adapters, which cannot be merged.
    """
    run = RunDirectory(root)
    if not run.plan.exists():
        raise InputError(f"{root} is no run directory (it has no plan.json); `simxfer train GRID` makes one")
    plan = read_plan(run)
    if stage_id not in plan.stages:
        raise InputError(unknown(f"stage of {root}", stage_id, plan.stages))
    stage = plan.stages[stage_id]
    if stage.parent is not None and not (is_trained(run, stage) and run.stage(stage_id).encoder.exists()):
        raise InputError(
            f"{root} has no checkpoint of stage {stage_id}: train it, with keep_checkpoints: all if it is a target's"
        )
    model = Checkpoints(run, plan, torch.device("cpu")).load(stage)
    if model.beside is not None:
        raise InputError(
            f"stage {stage_id} has adapters ({stage.method}), which are not linear and cannot be merged into the "
            "encoder's matrices; only LoRA can"
        )
    merged(model.encoder).save_pretrained(out)  # type: ignore[operator]
    load_tokenizer(resolve_encoder(stage.encoder)).save_pretrained(out)
