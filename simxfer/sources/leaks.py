"""Training rows that share an item with rows that a grid scores: they are left out, the rest may be trained on."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from simxfer.common.errors import InputError
from simxfer.sources import sampled
from simxfer.sources.items import id_keys, item_keys
from simxfer.sources.origin import answered_by
from simxfer.sources.parallel import english_of
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import AnyExample


@dataclass(frozen=True)
class Leaks:
    """The rows of a training set that share an item with scored ones."""

    rows: int = 0
    """All rows of the set."""
    shared: Mapping[str, int] = field(default_factory=dict)
    """Target -> how many of them share an item with what it is scored on."""
    ids: tuple[str, ...] = ()
    """Those that share one with any target."""


class ScoredItems:
    """The items of everything that a grid scores; data are read when they are first compared with."""

    def __init__(self, scored: Iterable[DataRequest]) -> None:
        """Take what is scored, as it is scored; the embedded world draws its sets apart and is not looked at."""
        self._scored: dict[str, list[DataRequest]] = defaultdict(list)
        for request in scored:
            if not get_task(request.task).world:
                self._scored[request.task].append(request)
        self._rows, self._keys = cache(self._read_rows), cache(self._read_keys)

    def leaks(self, request: DataRequest) -> Leaks:
        """Return the rows of a training set that share an item with a scored row of any target, in any language.

        Of data that are not at hand, or that cannot be read, nothing is known: whoever reads them says so.
        """
        task = get_task(request.task)
        if task.world or not self._scored:
            return Leaks()
        examples = _read(replace(request, limit=None))
        shared: Counter[str] = Counter()
        ids: dict[str, None] = {}
        for example in examples:
            keys = item_keys(example, task) | id_keys(example)
            for target in self._scored:
                if not keys.isdisjoint(self._keys(target, request.language)):
                    shared[target] += 1
                    ids[example.id] = None
        return Leaks(len(examples), dict(shared), tuple(ids))

    def _read_keys(self, target: str, language: str) -> frozenset[bytes]:
        """Return the keys of a target's scored rows: in all scored languages, and of parallel sets in one more.

        Ids count of parallel sets alone: they are the same in all languages, and in the set that was translated.
        """
        task, rows = get_task(target), self._rows(target)
        found = {key for example in rows for key in item_keys(example, task)}
        if not task.parallel:
            return frozenset(found)
        scored = {example.id for example in rows}
        for version in _versions(self._scored[target], language):
            translated = get_task(version.task)
            found |= {key for e in _read(version) if e.id in scored for key in item_keys(e, translated)}
        return frozenset(found | {key for example in rows for key in id_keys(example)})

    def _read_rows(self, target: str) -> list[AnyExample]:
        return [example for request in self._scored[target] for example in _read(request)]


def _versions(scored: Sequence[DataRequest], language: str) -> list[DataRequest]:
    """Return where a parallel test set may be in a language, whole: XCOPA's English is COPA."""
    other = replace(scored[0], language=language, limit=None)
    translated = next((request for request in scored if request.language != language), None)
    english = english_of(translated) if translated else None
    return list(dict.fromkeys([other, *([english] if english and english.language == language else [])]))


def _read(request: DataRequest) -> Sequence[AnyExample]:
    """Return the examples of a request as their files have them; none if they are not at hand or unusable."""
    asked = request.whole
    try:
        return sampled(answered_by(asked, "read_examples")(asked), request.limit)
    except InputError:
        return ()
