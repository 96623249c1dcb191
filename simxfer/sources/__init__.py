"""Where examples come from. A source answers two questions: which revision its data have, and what they are.

The embedded world makes its examples; those of real tasks stand in a folder of native files, or in Parquet data
sets of the Hugging Face hub that `simxfer fetch` brought into the local cache.
"""

from collections.abc import Callable, Sequence
from importlib import import_module

from simxfer.common.errors import InputError
from simxfer.common.streams import stream_seed
from simxfer.sources.request import HELD_OUT, KEPT, DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import AnyExample, Examples, MiningExample, RankingExample

_HELD_OUT_SHARE = 20

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


def revision(request: DataRequest) -> str:
    """Return the revision of the data of a request: equal revisions are equal data.

    It begins with the name of the source and ends with `UNRESOLVED` where the data are not at hand.
    """
    return _call(request, "revision")(request.whole)


def read_examples(request: DataRequest) -> Examples:
    """Return the examples, or raise an InputError that says what is missing and how to get it."""
    found = _call(request, "read_examples")(request.whole)
    examples: Sequence[AnyExample] = found
    if request.split.endswith((KEPT, HELD_OUT)):
        out = request.split.endswith(HELD_OUT)
        examples = [e for e in examples if _is_searched(e) or (_rank(e) % _HELD_OUT_SHARE == 0) == out]
    examples = sampled(examples, request.limit)
    if not examples:
        raise InputError(f"{request.task} has no usable {request.split} examples in {request.language}")
    return Examples(examples, found.without_gold if isinstance(found, Examples) else 0)


def sampled(examples: Sequence[AnyExample], limit: int | None) -> list[AnyExample]:
    """Return at most `limit` examples in their order, drawn by their ids: parallel test sets keep the same ones.

    Of ranking data queries are drawn, and all that they search is kept. Mining data stay whole: few of their
    sentences have a translation, and the score is about finding which.
    """
    asked = [e for e in examples if not _is_searched(e)]
    if limit is None or len(asked) <= limit or isinstance(examples[0], MiningExample):
        return list(examples)
    kept = {e.id for e in sorted(asked, key=_rank)[:limit]}
    return [e for e in examples if _is_searched(e) or e.id in kept]


def _is_searched(example: AnyExample) -> bool:
    """Tell whether an example is a candidate that queries search, and asks nothing itself."""
    return isinstance(example, RankingExample) and example.side == "candidate"


def _rank(example: AnyExample) -> int:
    return stream_seed("sample", example.id)


def _call(request: DataRequest, function: str) -> Callable:
    return getattr(import_module(SOURCES[source_of(request)]), function)
