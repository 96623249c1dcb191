"""How far a run is, read from its directory: done-markers, score files and the last lines of the logs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simxfer.grid.plan import PRETRAINED, Plan, Stage
from simxfer.run.log import read_log
from simxfer.schema.directory import RunDirectory

EVALUATION_COST = 100
"""Cost of scoring one target in one language, in training sequences (a test set is a few hundred forward passes)."""


@dataclass(frozen=True)
class Status:
    """Counts of a run."""

    stages: int
    trained: int
    evaluations: int
    evaluated: int
    failed: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.trained == self.stages and self.evaluated == self.evaluations


def status(run: RunDirectory, plan: Plan) -> Status:
    """Count what is done."""
    evaluations = [(s, e) for s, found in plan.evaluations.items() for e in found]
    failures = [stage for stage in plan.stages.values() if run.stage(stage.id).failed.exists()]
    reasons = [json.loads(run.stage(stage.id).failed.read_text())["reason"] for stage in failures]
    return Status(
        stages=len(plan.stages),
        trained=sum(run.stage(stage).done.exists() for stage in plan.stages),
        evaluations=len(evaluations),
        evaluated=sum(run.stage(s).scores(e).exists() for s, e in evaluations),
        failed=tuple(f"{s.title}: {reason}" for s, reason in zip(failures, reasons, strict=True)),
    )


def stage_progress(run: RunDirectory, plan: Plan) -> tuple[float, float]:
    """Return (work done, work in all) in training sequences.

    What a stage takes is known once it has begun; until then it is what the records' sizes say, corrected by what
    they said of the stages that have, of the same tasks if there are any.
    """
    trained = [stage for stage in plan.stages.values() if stage.phase != PRETRAINED]
    steps = {stage.id: found for stage in trained if (found := _steps(run, stage))}
    begun = [stage for stage in trained if stage.id in steps and stage.cost]
    cost = {stage.id: _batch(stage) * steps[stage.id][1] for stage in begun}
    corrected = {
        tasks: _ratio([s for s in begun if s.tasks == tasks], cost) for tasks in {s.tasks for s in begun}
    }
    anywhere = _ratio(begun, cost)
    done = total = 0.0
    for stage in plan.stages.values():
        of_stage = cost.get(stage.id, corrected.get(stage.tasks, anywhere) * stage.cost)
        at, last = steps.get(stage.id, (0, 1))
        done, total = done + of_stage * at / max(1, last), total + of_stage
        for evaluation in plan.evaluations.get(stage.id, {}).values():
            scoring = EVALUATION_COST * len(evaluation.languages)
            total += scoring
            done += scoring * run.stage(stage.id).scores(evaluation.id).exists()
    return done, max(total, 1.0)


def _ratio(begun: Sequence[Stage], cost: Mapping[str, float]) -> float:
    """Return what stages take over what the records said."""
    said = sum(stage.cost for stage in begun)
    return sum(cost[stage.id] for stage in begun) / said if said else 1.0


def _batch(stage: Stage) -> float:
    """Return the sequences of a step, in the mean over the tasks of a mixture."""
    return stage.cost / sum(each.updates for each in stage.expected)


def _steps(run: RunDirectory, stage: Stage) -> tuple[int, int] | None:
    """Return (steps done, steps in all) of a stage that has begun."""
    folder = run.stage(stage.id)
    if folder.done.exists():
        steps = json.loads(folder.done.read_text())["steps"]
        return steps, steps
    rows = [row for row in read_log(folder.log) if "steps" in row]  # of training, not of looks at dev data
    return (rows[-1]["step"], rows[-1]["steps"]) if rows else None
