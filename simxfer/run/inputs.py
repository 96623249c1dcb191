"""What a run reads, name by name -> what it was when the run began; what has changed since is refused by its name."""

import json
from collections.abc import Mapping

from simxfer.common.errors import InputError
from simxfer.common.identity import (
    CODE_VERSION,
    FEATURES_VERSION,
    PERTURBATION_VERSION,
    READER_VERSION,
    known_sha256,
)
from simxfer.encoder.pretrained import Encoder, resolve_encoder
from simxfer.grid.plan import Plan
from simxfer.schema.directory import RunDirectory
from simxfer.sources import revision
from simxfer.sources.files import used_files
from simxfer.sources.origin import source_of
from simxfer.sources.perturb.code_mix import lexicon_file
from simxfer.sources.request import DataRequest

Inputs = dict[str, str]
"""Name of a file, data set or version -> its SHA-256, commit or number."""


def inputs_of(plan: Plan) -> Inputs:
    """Return all that decides the scores of a plan and does not stand in the grid file."""
    found = {
        "simxfer's code": f"version {CODE_VERSION}",
        "simxfer's features": f"version {FEATURES_VERSION}",
        "simxfer's readers": f"version {READER_VERSION}",
        "simxfer's perturbations": f"version {PERTURBATION_VERSION}",
    }
    for name in dict.fromkeys(stage.encoder for stage in plan.stages.values()):
        found |= encoder_inputs(resolve_encoder(name))
    asked = [request for stage in plan.stages.values() for request in stage.requests]
    asked += plan.compared
    asked += [r for scored in plan.evaluations.values() for e in scored.values() for r in e.requests]
    for request in dict.fromkeys(asked):
        found |= data_inputs(request)
    return found


def encoder_inputs(encoder: Encoder) -> Inputs:
    """Return the files of an encoder, or its commit on the hub."""
    if encoder.hub:
        return {f"encoder {encoder.name}": encoder.hub}
    return {str(path): known_sha256(path) for path in encoder.files}


def data_inputs(request: DataRequest) -> Inputs:
    """Return the files of a request by their paths below the folder of the data, or the revision elsewhere."""
    if lexicon := lexicon_file(request):
        return data_inputs(request.whole) | {f"lexicon {lexicon.name}": known_sha256(lexicon)}
    source = source_of(request)
    if source == "files":
        return {
            path.relative_to(request.folder).as_posix(): known_sha256(path)
            for path in used_files(request.whole)
        }
    if source == "world":
        return {"the embedded world": revision(request).split(":")[0]}
    name, _, commit = revision(request).partition("@")
    return {name: commit}


def refuse_changed(run: RunDirectory, now: Inputs) -> None:
    """Refuse inputs that are not what they were when the run began; new ones are no change.

    Raises:
        InputError: some differ; they are named.
    """
    if changed := changes(recorded(run), now):
        raise InputError(
            f"{run.root} was begun with other inputs: {'; '.join(changed[:4])}"
            f"{f' and {len(changed) - 4} more' * (len(changed) > 4)}. Nothing was trained on them: put back what was "
            "there, or give this grid another name"
        )


def recorded(run: RunDirectory) -> Inputs:
    """Return the inputs that a run began with."""
    return json.loads(run.inputs.read_text(encoding="utf-8")) if run.inputs.exists() else {}


def changes(before: Mapping[str, str], now: Inputs) -> list[str]:
    """Say of every input that both have and that differs what it was and what it is."""
    return [
        f"{name} ({before[name][:16]} then, {value[:16]} now)"
        for name, value in now.items()
        if before.get(name, value) != value
    ]
