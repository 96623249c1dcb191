"""Which data the stages and evaluations of a grid read."""

from collections.abc import Callable, Iterable, Iterator

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.grid.file import Grid
from simxfer.grid.parts import DataChoice
from simxfer.grid.plan import COMPARED, Part, Unlabelled
from simxfer.sources.request import HELD_OUT, KEPT, UNRESOLVED, DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import TaskData
from simxfer.training.methods import load_method, phases_of


def _trains_on(data: TaskData, options: DataChoice) -> tuple[str, ...]:
    """Return whose training data are read: those of other tasks (XNLI: MNLI) are English; `xnli@sw` has its own."""
    by_default = options.trains_on == TASKS[data.task].data_tasks
    return (data.task,) if data.languages and by_default else options.trains_on or ()


def train_parts(data: TaskData, options: DataChoice, chosen: bool) -> tuple[Part, ...]:
    """Return what a task is trained on: all but the held-out part where a checkpoint is chosen on that."""
    kept = KEPT if chosen and options.dev == "held-out" else ""
    return tuple((task, f"{options.train}{kept}") for task in _trains_on(data, options))


def dev_parts(data: TaskData, options: DataChoice) -> tuple[Part, ...]:
    """Return what a task's checkpoint is chosen on; nothing for text, which has no score."""
    if TASKS[data.task].kind == "mlm":
        return ()
    if options.dev == "held-out":
        return tuple((task, f"{options.train}{HELD_OUT}") for task in _trains_on(data, options))
    return tuple((task, str(options.dev)) for task in TASKS[data.task].dev_tasks or _trains_on(data, options))


def joint_revision(requests: Iterable[DataRequest], revision: Callable[[DataRequest], str]) -> str:
    """Return one revision for data of several languages.

    Raises:
        InputError: files are missing; the message is about the first and names the languages of all.
    """
    found: dict[str, None] = {}
    faults: dict[str, InputError] = {}
    for request in requests:
        try:
            found[revision(request)] = None
        except InputError as error:
            faults.setdefault(request.language, error)
    if faults:
        first, *others = faults
        more = f". So it is in {', '.join(others)}: leave them out under languages" if others else ""
        raise InputError(f"{faults[first]}{more}")
    if len(found) == 1:
        return next(iter(found))
    unresolved = any(text.endswith(UNRESOLVED) for text in found)
    source = next(iter(found)).split(":")[0]
    return f"{source}:{content_id({'revisions': list(found)})}" + f":{UNRESOLVED}" * unresolved


def learned_task(target: str, trains_on: tuple[str, ...]) -> str:
    """Return the task that a target's stage learns: the one whose data it is trained on, if that asks the same.

    XQuAD and MLQA are one stage that learns SQuAD: its data, its head, its random streams.
    """
    if len(trains_on) != 1:
        return target
    one, other = TASKS[target], TASKS[trains_on[0]]
    alike = (one.kind, one.labels, one.unanswerable, one.train_languages[:1])
    return (
        other.name
        if alike == (other.kind, other.labels, other.unanswerable, other.train_languages[:1])
        else target
    )


def compared_text(grid: Grid, revision: Callable[[DataRequest], str]) -> tuple[DataRequest, ...]:
    """Return the text by which languages are compared where an adversary is trained; none of fewer than two."""
    asked = grid.unlabelled
    if asked is None or not any(load_method(one).reads_text for m in grid.methods for one in phases_of(m)):
        return ()
    trained_in = {code for target in grid.targets for code in TASKS[target].train_languages[:1]}
    wanted = [
        code for code in TASKS[asked.task].languages if code in {*trained_in, *grid.unlabelled_languages}
    ]
    text = Unlabelled(asked.task, asked.split, tuple(wanted), asked.examples)
    # Of an artificial task no seed draws: before and after training the texts are the same.
    requests = text.requests(COMPARED, grid.world, 0, grid.data.folder or "")
    found = tuple(r for r in requests if r.language in grid.unlabelled_languages or _is_there(r, revision))
    return found if len(found) > 1 else ()


def _is_there(request: DataRequest, revision: Callable[[DataRequest], str]) -> bool:
    try:
        revision(request)
    except InputError:
        return False
    return True


def scored_data(grid: Grid) -> Iterator[DataRequest]:
    """Yield what a grid scores, as it is scored."""
    for target in grid.targets:
        options = grid.task_data(target)
        for code in grid.test_languages(target):
            yield DataRequest(
                target,
                str(options.test),
                code,
                limit=grid.test_examples,
                folder=grid.data.folder or "",
                fields=options.fields,
            )
