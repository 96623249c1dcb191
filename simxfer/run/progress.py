"""How far a run is and how long it will take, read from its directory: done-markers, scores, the lines of the logs."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from simxfer.grid.plan import Plan, Stage
from simxfer.run.log import read_log
from simxfer.schema.directory import RunDirectory
from simxfer.scoring.protocol import Evaluation

UNMEASURED = 300
"""Examples that scoring a target in one language is taken to read as long as none was measured, or fewer by a limit."""
FORWARD = 1 / 3
"""What scoring an example takes of the time of training on one."""


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


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    share: float
    """Of the seconds of all its work, 0 to 1."""
    left: float | None
    """Seconds, with the workers that there are; None as long as nothing was measured."""
    at_work: tuple[str, ...] = ()
    """Titles of the stages that are being trained."""
    speed: float = 0.0
    """Useful subwords a second that they train on, all workers together."""


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


class Rates:
    """Seconds a unit of work, by a key of which the first parts say the most.

    What was never measured under its whole key takes the rate of all that share the beginning of it.

    Example:
        >>> rates = Rates()
        >>> rates.add(("encoder", "xnli"), units=10, seconds=20)
        >>> rates.of(("encoder", "xnli")), rates.of(("encoder", "panx")), Rates().of(("encoder",))
        (2.0, 2.0, None)
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])

    def add(self, key: tuple[str, ...], units: float, seconds: float) -> None:
        """Add something that was measured."""
        for end in range(len(key) + 1):
            self._sums[key[:end]][0] += units
            self._sums[key[:end]][1] += seconds

    def of(self, key: tuple[str, ...]) -> float | None:
        """Return the rate of a key; None where nothing was measured."""
        for end in range(len(key), -1, -1):
            units, seconds = self._sums.get(key[:end], (0.0, 0.0))
            if units:
                return seconds / units
        return None


class Watch:
    """Looks at a run again and again, and at nothing twice that is finished."""

    def __init__(self, run: RunDirectory, plan: Plan, workers: int) -> None:
        self.run, self.plan, self.workers = run, plan, workers
        self._training, self._scoring = Rates(), Rates()
        self._untrained = {s.id: s for s in plan.stages.values()}
        self._unscored = {(s, e.id): e for s, found in plan.evaluations.items() for e in found.values()}
        self._spent, self._began = 0.0, time.time()

    def look(self) -> Progress:
        """Return how far the run is now."""
        self._note_finished()
        running = {id: rows for id in self._untrained if (rows := _rows(self.run, id, self._began))}
        measured = self._training
        if measured.of(()) is None:  # nothing is finished yet: what is at work says how fast it goes
            measured = Rates()
            for stage_id, rows in running.items():
                stage, seconds = self._untrained[stage_id], rows[-1]["time"] - rows[0]["time"]
                measured.add(_key(stage), stage.cost * (_share(rows[-1:]) - _share(rows[:1])), seconds)
        done, left = self._spent, 0.0
        for stage in self._untrained.values():
            seconds, begun = stage.cost * (measured.of(_key(stage)) or 0.0), _share(running.get(stage.id, []))
            done, left = done + seconds * begun, left + seconds * (1 - begun)
        for (stage_id, _), evaluation in self._unscored.items():
            left += self._scoring_seconds(self.plan.stages[stage_id], evaluation, measured)
        unfinished = {*self._untrained, *(stage_id for stage_id, _ in self._unscored)}
        if unfinished and not left:
            return Progress(0.0, None)
        return Progress(
            share=done / (done + left) if unfinished else 1.0,
            left=left / max(1, min(self.workers, len(unfinished))),
            at_work=tuple(self._untrained[stage_id].title for stage_id in running),
            speed=sum(map(_speed, running.values())),
        )

    def _note_finished(self) -> None:
        """Take what was trained and scored since the last look out of what is left, and learn how long it took."""
        for stage_id in {stage_id for stage_id, _ in self._unscored}:
            scored = [e for s, e in self._unscored if s == stage_id and self.run.stage(s).scores(e).exists()]
            seconds = _seconds_of_scoring(self.run, stage_id) if scored else {}
            for name in scored:
                work = _scored(self.plan.stages[stage_id], self._unscored.pop((stage_id, name)))
                if name in seconds:
                    self._learn(self._scoring, work, seconds[name])
        for stage in list(self._untrained.values()):
            if self.run.stage(stage.id).done.exists():
                del self._untrained[stage.id]
                if stage.cost:
                    done = json.loads(self.run.stage(stage.id).done.read_text())
                    self._learn(self._training, (_key(stage), stage.cost), done["seconds"])

    def _learn(self, rates: Rates, work: tuple[tuple[str, ...], float], seconds: float) -> None:
        rates.add(*work, seconds)
        self._spent += seconds

    def _scoring_seconds(self, stage: Stage, evaluation: Evaluation, training: Rates) -> float:
        key, units = _scored(stage, evaluation)
        rate = self._scoring.of(key)
        if rate is None:
            examples = min(evaluation.limit or UNMEASURED, UNMEASURED)
            rate = FORWARD * examples * (training.of(_key(stage)) or 0.0)
        return units * rate


def _key(stage: Stage) -> tuple[str, ...]:
    return stage.encoder, "+".join(stage.tasks), stage.method


def _scored(stage: Stage, evaluation: Evaluation) -> tuple[tuple[str, ...], float]:
    """Return key and units of an evaluation."""
    return (stage.encoder, evaluation.target), float(len(evaluation.languages) * evaluation.passes)


def _rows(run: RunDirectory, stage_id: str, since: float) -> list[dict[str, Any]]:
    """Return the rows that a stage's log has of its training since a time; [] where it has fewer than two."""
    rows = [row for row in read_log(run.stage(stage_id).log) if "steps" in row and row["time"] >= since]
    return rows if len(rows) > 1 else []


def _seconds_of_scoring(run: RunDirectory, stage_id: str) -> dict[str, float]:
    return {
        row["evaluation"]: row["seconds"] for row in read_log(run.stage(stage_id).log) if "evaluation" in row
    }


def _share(rows: list[dict[str, Any]]) -> float:
    """Return the share of a stage's steps that its last row has behind it."""
    return rows[-1]["step"] / rows[-1]["steps"] if rows else 0.0


def _speed(rows: list[dict[str, Any]]) -> float:
    """Return the subwords a second behind the first of some rows."""
    seconds = rows[-1]["time"] - rows[0]["time"]
    return sum(row["subwords"] for row in rows[1:]) / seconds if seconds > 0 else 0.0
