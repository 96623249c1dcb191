"""The tasks: one file a family, one frozen record a task, one visible registry."""

from simxfer.errors import InputError, unknown
from simxfer.tasks.record import Task
from simxfer.tasks.world import WORLD_TASKS

_FAMILIES: tuple[tuple[Task, ...], ...] = (WORLD_TASKS,)

TASKS: dict[str, Task] = {task.name: task for family in _FAMILIES for task in family}
if len(TASKS) != sum(len(family) for family in _FAMILIES):
    raise RuntimeError("two task records have the same name")


def get_task(name: str) -> Task:
    """Return the record of a task, or raise an InputError that suggests the nearest name."""
    if name not in TASKS:
        raise InputError(unknown("task", name, TASKS))
    return TASKS[name]
