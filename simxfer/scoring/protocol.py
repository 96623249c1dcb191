"""Under which protocol a target is scored: split, languages, lengths, how sentences are read."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Literal

from simxfer.common.identity import (
    CODE_VERSION,
    FEATURES_VERSION,
    PERTURBATION_VERSION,
    READER_VERSION,
    content_id,
)
from simxfer.sources.perturb import ATTACKS, CLEAN, parse
from simxfer.sources.request import DataRequest

Direction = Literal["to-pivot", "from-pivot"]
"""Which side of a retrieval task asks: the sentences of a language, or those of the pivot."""


def middle_layer(layers: int) -> int:
    """Return the hidden state that sentences are read from in an encoder of so many layers, two above the middle.

    XTREME's Tatoeba script (google-research/xtreme, scripts/run_tatoeba.sh) reads `specific_layer` 13 of 24 and 7 of
    12, counted from the first layer's output: hidden states 14 and 8. Phang et al. (2020) read 14 as well.
    """
    return min(layers, layers // 2 + 2)


PGD_STEPS = 5
"""Steps of the attack on embeddings, each a forward and a backward pass."""
VARIANTS = 64
"""Most variants of an example that an attack on words ranks them by, each with one word in another's place."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One target, scored in some languages by one stage's checkpoint, under one protocol."""

    target: str
    split: str
    tuned_on: str = ""
    """Split that a mining threshold, or each language's checkpoint, is chosen on; empty where there is none but the
    scored one."""
    languages: tuple[str, ...]
    folder: str = ""
    """Folder of native files; empty: the hub."""
    fields: Literal["english", "as-is"] = "english"
    """Where fields that parallel test sets share are from; see `DataRequest`."""
    revision: str
    draw: int
    world: int
    selection: str = ""
    """Rule whose checkpoint is scored, of a stage that keeps several; counts in the id where it stands."""
    perturbation: str = "clean"
    lexicons: str = ""
    """Folder of the lexicons that the perturbation reads; see `DataRequest`."""
    beneath: tuple[tuple[str, str], ...] = ()
    """Language -> stage whose adapter stands beneath when it is tested; empty: what the stage was trained on."""
    limit: int | None = None
    max_length: int = 64
    stride: int = 16
    protocol: dict = field(default_factory=dict)
    numerics: str = "fp32"
    """What the encoder computes in, as in training (`fp32`, `bf16`); heads and similarities are single precision."""
    code: int = CODE_VERSION
    features: int = FEATURES_VERSION
    readers: int = READER_VERSION

    @cached_property
    def id(self) -> str:
        """Name of the evaluation's files; folders and fields count by the revision."""
        spec = asdict(self)
        del spec["folder"], spec["fields"], spec["lexicons"]
        for name in ("beneath", "selection"):
            if not spec[name]:
                del spec[name]
        if self.perturbation != CLEAN:
            spec["perturbations"] = PERTURBATION_VERSION
        return f"{self.target}-{content_id(spec)}"

    @property
    def reported_split(self) -> str:
        """The split as results name it, where what stands behind a slash is a subset of it."""
        return self.split.replace("/", ":")

    @property
    def variants(self) -> tuple[str, ...]:
        """The perturbations under which data are read; of several each example keeps its lowest score."""
        if self.perturbation == CLEAN or self.radius:
            return (CLEAN,)
        drawn = tuple(map(str, parse(self.perturbation).draws))
        return (*drawn, CLEAN) if self.adversarial else drawn

    @property
    def adversarial(self) -> bool:
        """Whether the first of the variants gives way to what the model's loss makes of it (`word_attack`)."""
        return self.perturbation != CLEAN and parse(self.perturbation).adversarial

    @property
    def radius(self) -> float:
        """Of the ball in which word embeddings are moved against the model; 0 where words are perturbed, or nothing."""
        asked = None if self.perturbation == CLEAN else parse(self.perturbation)
        return asked.strength if asked and asked.name in ATTACKS else 0.0

    @property
    def passes(self) -> int:
        """How often the data go through the model, at most; a backward pass counts as two."""
        if self.adversarial:
            return 3 + int(VARIANTS * (1 + parse(self.perturbation).strength))
        return 2 + 3 * PGD_STEPS if self.radius else len(self.variants)

    @property
    def requests(self) -> Iterator[DataRequest]:
        """All data that are read, whole: of the scored split, then of the one that something is chosen on.

        They tell of a perturbation where it reads a lexicon, which is data as well.
        """
        perturbation = self.perturbation if self.lexicons else "clean"
        for split in filter(None, (self.split, self.tuned_on)):
            for language in self.languages:
                yield DataRequest(
                    self.target,
                    split,
                    language,
                    self.world,
                    self.draw,
                    folder=self.folder,
                    fields=self.fields,
                    perturbation=perturbation,
                    lexicons=self.lexicons,
                )
