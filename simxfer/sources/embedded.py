"""Examples of the embedded world: nothing on disk, everything drawn from (world, draw)."""

from typing import TYPE_CHECKING

from simxfer import world as embedded
from simxfer.tasks.examples import AnyExample

if TYPE_CHECKING:
    from simxfer.sources.request import DataRequest


def revision(request: "DataRequest") -> str:
    """Return the revision: the generator's version, the world and the draw."""
    return f"world-{embedded.VERSION}:{request.world}:{request.draw}"


def read_examples(request: "DataRequest") -> list[AnyExample]:
    """Return the examples of the request."""
    return embedded.examples(
        request.world, request.task, request.split, request.language, request.limit, request.draw
    )
