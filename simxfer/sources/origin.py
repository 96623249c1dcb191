"""Which source answers a request: the embedded world, a folder of native files, or the hub's Parquet data sets."""

from collections.abc import Callable
from importlib import import_module

from simxfer.common.errors import InputError
from simxfer.sources.request import UNRESOLVED, DataRequest
from simxfer.tasks import get_task

SOURCES: dict[str, str] = {
    "world": "simxfer.sources.embedded",
    "files": "simxfer.sources.files",
    "hub": "simxfer.sources.hub",
}


def source_of(request: DataRequest) -> str:
    """Return the source that a request is answered by, a name in `SOURCES`.

    Tasks that have no subfolder in the folder of native files are read from the hub, if they are there.
    """
    task = get_task(request.task)
    if task.world:
        return "world"
    if not request.folder:
        return "hub"
    from simxfer.sources import files

    return "files" if task.hub is None or files.holds(task, request.folder) else "hub"


def answered_by(request: DataRequest, function: str) -> Callable:
    """Return a function of the request's source: `revision`, `read_examples` or `read_questions`."""
    return getattr(import_module(SOURCES[source_of(request)]), function)


def at_hand(request: DataRequest) -> bool:
    """Tell whether the data of a request are on this machine."""
    try:
        return not str(answered_by(request, "revision")(request.whole)).endswith(UNRESOLVED)
    except InputError:  # no such files
        return False
