"""The tasks: one file a family, one frozen record a task, one visible registry."""

from simxfer.common.errors import InputError, unknown
from simxfer.tasks.choice import CHOICE_TASKS
from simxfer.tasks.nli import NLI_TASKS
from simxfer.tasks.paraphrase import PARAPHRASE_TASKS
from simxfer.tasks.plain_text import TEXT_TASKS
from simxfer.tasks.questions import QUESTION_TASKS
from simxfer.tasks.record import Task
from simxfer.tasks.retrieval import RETRIEVAL_TASKS
from simxfer.tasks.tagging import TAGGING_TASKS
from simxfer.tasks.world import WORLD_TASKS

_FAMILIES: tuple[tuple[Task, ...], ...] = (
    NLI_TASKS,
    PARAPHRASE_TASKS,
    QUESTION_TASKS,
    CHOICE_TASKS,
    TAGGING_TASKS,
    RETRIEVAL_TASKS,
    TEXT_TASKS,
    WORLD_TASKS,
)

TASKS: dict[str, Task] = {task.name: task for family in _FAMILIES for task in family}
if len(TASKS) != sum(len(family) for family in _FAMILIES):
    raise RuntimeError("two task records have the same name")


def get_task(name: str) -> Task:
    """Return the record of a task, or raise an InputError that suggests the nearest name."""
    if name not in TASKS:
        raise InputError(unknown("task", name, TASKS))
    return TASKS[name]
