"""The rules by which a target is scored: what its stage keeps for them, and what data they choose on."""

from typing import get_args

from simxfer.grid.parts import DataChoice
from simxfer.schema.tables import TARGET_DEV
from simxfer.sources.request import HELD_OUT
from simxfer.tasks.record import Task
from simxfer.training.recipes import LAST, Hyperparameters, Selection


def kept_for(rules: tuple[str, ...]) -> tuple[str, ...]:
    """Return the rules whose checkpoints are kept beside the last one.

    Of one rule that a stage may end with by itself nothing is: it is the stage of a grid without `selections`.
    """
    if len(rules) == 1 and rules[0] in get_args(Selection):
        return ()
    return tuple(rule for rule in rules if rule != LAST)


def target_dev(task: Task, options: DataChoice, languages: tuple[str, ...]) -> str:
    """Return the split whose data in each language choose a checkpoint for that language; empty where there is none.

    It is the target's own dev split, or the held-out part of its own training data; never the one that is scored.
    """
    if "dev" in task.splits and options.test != "dev":
        return "dev"
    trained = set(languages) <= set(task.train_languages) and options.test != options.train
    return f"{options.train}{HELD_OUT}" if trained and options.dev == "held-out" else ""


def refuse_rules(
    task: Task,
    rules: tuple[str, ...],
    values: Hyperparameters,
    options: DataChoice,
    languages: tuple[str, ...],
) -> None:
    """Refuse rules that a target has no checkpoints or no data for.

    Raises:
        ValueError: it is trained for no step, or the dev data of each language are asked for and cannot choose.
    """
    if rules != (LAST,) and not values.steps and not values.epochs:
        raise ValueError(
            f"target {task.name!r} is trained for no step: there is no checkpoint to select by {rules[-1]}; leave out "
            "selections, set selection: last, or train it"
        )
    if TARGET_DEV not in rules:
        return
    if task.kind == "ranking":
        raise ValueError(
            f"target {task.name!r} ranks the candidates of all languages together, with one checkpoint; leave "
            f"{TARGET_DEV} out of selections"
        )
    if not target_dev(task, options, languages):
        raise ValueError(
            f"target {task.name!r} has no data but the scored ones (split {options.test}) to choose a checkpoint by in "
            f"all of its {len(languages)} languages; leave {TARGET_DEV} out of selections, or score another split, or "
            f"set data: {{tasks: {{{task.name}: {{dev: held-out}}}}}} if it has training data in all of them"
        )
