"""How far a run is, read from its directory: done-markers, score files and the last lines of the logs."""

import json
from dataclasses import dataclass

from simxfer.plan import Plan, Stage
from simxfer.store.layout import RunDirectory

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
    """Return (work done, work in all) in training sequences."""
    done = total = 0.0
    for stage in plan.stages.values():
        done += stage.cost * _share_trained(run, stage)
        total += stage.cost
        for evaluation in plan.evaluations.get(stage.id, {}).values():
            cost = EVALUATION_COST * len(evaluation.languages)
            total += cost
            done += cost * run.stage(stage.id).scores(evaluation.id).exists()
    return done, max(total, 1.0)


def _share_trained(run: RunDirectory, stage: Stage) -> float:
    folder = run.stage(stage.id)
    if folder.done.exists():
        return 1.0
    if not folder.log.exists():
        return 0.0
    for line in reversed(folder.log.read_text().splitlines()):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a killed run may be torn
        if "steps" in row:  # a line of training, not of a look at dev data
            return row["step"] / row["steps"]
    return 0.0
