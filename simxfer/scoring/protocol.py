"""Under which protocol a target is scored: split, languages, lengths, how sentences are read."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property

from simxfer.common.identity import CODE_VERSION, FEATURES_VERSION, READER_VERSION, content_id
from simxfer.sources.request import DataRequest


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One target, scored in some languages by one stage's checkpoint, under one protocol."""

    target: str
    split: str
    tuned_on: str = ""
    """Split that a mining threshold is tuned on; empty where there is none but the scored one."""
    languages: tuple[str, ...]
    folder: str = ""
    """Folder of native files; empty: the hub."""
    revision: str
    draw: int
    world: int
    perturbation: str = "clean"
    limit: int | None = None
    max_length: int = 64
    stride: int = 16
    protocol: dict = field(default_factory=dict)
    code: int = CODE_VERSION
    features: int = FEATURES_VERSION
    readers: int = READER_VERSION

    @cached_property
    def id(self) -> str:
        """Name of the evaluation's files."""
        spec = asdict(self)
        del spec["folder"]
        return f"{self.target}-{content_id(spec)}"

    @property
    def requests(self) -> Iterator[DataRequest]:
        """All data that are read, whole: of the scored split, then of the one that a threshold is tuned on."""
        for split in filter(None, (self.split, self.tuned_on)):
            for language in self.languages:
                yield DataRequest(self.target, split, language, self.world, self.draw, folder=self.folder)
