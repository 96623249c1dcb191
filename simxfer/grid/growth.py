"""The plan that a run was begun with and the plan of its grid now -> what is new, what is gone, what has changed.

A run may grow: ids may be added, none may change. A cell is found again by what it is called (encoder, method,
intermediate, target, seed, and its selection where others are kept too); where data and encoders stand is in no id, so
that moved ones change nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from simxfer.grid.plan import PRETRAINED, Cell, Plan, Stage
from simxfer.scoring.protocol import Evaluation

_NO_DIFFERENCE = (
    *("encoder", "folder", "lexicons", "parent", "fused_with", "beneath", "languages"),
    *("hyperparameters", "revisions", "fingerprint"),
)
"""Fields of stages and evaluations that are no part of an id, may be added to, or are told of one by one."""
_KEYS = {
    "limit": "test_examples",
    "protocol": "retrieval",
    "code": "version of the code",
    "left_out": "training rows left out because they share an item with what is scored",
    "kept": "selections",
}
"""Fields -> keys of a grid file, where they differ."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How the plan of a run differs from the one that it had before."""

    kept: int
    """Trained stages that both have."""
    new_stages: tuple[Stage, ...]
    gone_stages: tuple[Stage, ...]
    new_evaluations: tuple[tuple[Stage, Evaluation], ...]
    """Stages and what is scored with them for the first time, or anew because its languages are others."""
    gone_cells: tuple[Cell, ...]
    changed: tuple[str, ...]
    """What differs under a name that both have: nothing, or the plan is of another run."""


def compare(before: Plan, now: Plan) -> Growth:
    """Compare the plan of a run with the one that it was left with."""
    named = {_name(before, cell): cell for cell in before.cells}
    changed: dict[str, None] = {}
    for cell in now.cells:
        if (known := named.pop(_name(now, cell), None)) is not None:
            changed |= dict.fromkeys(_cell_changes(before, known, now, cell))
    scored = {(stage, e) for stage, found in before.evaluations.items() for e in found}
    return Growth(
        kept=len(_trained(before).keys() & _trained(now).keys()),
        new_stages=tuple(s for s in _trained(now).values() if s.id not in before.stages),
        gone_stages=tuple(s for s in _trained(before).values() if s.id not in now.stages),
        new_evaluations=tuple(
            (now.stages[stage], evaluation)
            for stage, found in now.evaluations.items()
            for evaluation in found.values()
            if (stage, evaluation.id) not in scored
        ),
        gone_cells=tuple(named.values()),
        changed=tuple(changed),
    )


def _name(plan: Plan, cell: Cell) -> tuple[str | int, ...]:
    # One rule may take the place of another under the same name, and is told as a change; of several each has its own.
    selection = plan.evaluations[cell.stage][cell.evaluation].selection
    return cell.checkpoint, cell.method, cell.intermediate, cell.target, cell.seed, selection


def _trained(plan: Plan) -> dict[str, Stage]:
    return {stage.id: stage for stage in plan.stages.values() if stage.phase != PRETRAINED}


def _cell_changes(before: Plan, known: Cell, now: Plan, cell: Cell) -> Iterator[str]:
    """Say what differs in two cells of one name: of the first stage that differs, as those below it inherit that."""
    if known.stage != cell.stage:
        steps = zip(before.path(known.stage), now.path(cell.stage), strict=False)
        last = before.stages[known.stage], now.stages[cell.stage]
        yield from _stage_changes(*next((pair for pair in steps if pair[0].id != pair[1].id), last))
        return
    scored, asked = (plan.evaluations[c.stage][c.evaluation] for plan, c in ((before, known), (now, cell)))
    for text in _field_changes(scored, asked, ("revision",)):
        yield f"{cell.target}: {text}"
    if scored.languages == asked.languages and scored.revision != asked.revision:
        yield f"the {asked.split} data of {cell.target}{_place(asked.folder)}"


def _stage_changes(then: Stage, here: Stage) -> Iterator[str]:
    if then.fingerprint != here.fingerprint:
        yield f"the files of encoder {here.encoder}"
    yield from _field_changes(then, here)
    for task, old, new in zip(here.tasks, then.hyperparameters, here.hyperparameters, strict=False):
        for key in new:
            if old.get(key) != new[key]:
                yield f"{key} of {task}: {old.get(key)} there, {new[key]} here"
    known = {(r.task, r.split, r.language): rev for r, rev in zip(then.requests, then.revisions, strict=True)}
    for request, revision in zip(here.requests, here.revisions, strict=True):
        if known.get((request.task, request.split, request.language), revision) != revision:
            yield f"the {request.split} data of {request.task} in {request.language}{_place(here.folder)}"


def _field_changes(
    then: Stage | Evaluation, here: Stage | Evaluation, besides: tuple[str, ...] = ()
) -> Iterator[str]:
    """Say which fields differ of two stages or two evaluations."""
    for name in (field.name for field in fields(here)):
        old, new = getattr(then, name), getattr(here, name)
        if old != new and name not in (*_NO_DIFFERENCE, *besides):
            yield f"{_KEYS.get(name, name)}: {_short(old)} there, {_short(new)} here"


def _place(folder: str) -> str:
    return f" ({folder})" if folder else ""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
