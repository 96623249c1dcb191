"""How files of predictions are laid out, and what the benchmarks average.

The layouts, languages, groups and averages are those of google-research/xtreme's evaluate.py (Hu et al. 2020,
Ruder et al. 2021), which reads `TASK/test-LANGUAGE.SUFFIX` below a folder of predictions and one of labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from simxfer.tasks.inference import AMERICASNLI_LANGUAGES
from simxfer.tasks.tagging import MASAKHANER_CODES, UD_LANGUAGES

Form = Literal["labels", "indices", "tags", "answers", "pairs", "rankings"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the predictions of a task are laid out, and how they are scored."""

    form: Form
    """labels, indices: one a line; tags: one a line, a blank line between sentences; answers: {id: text} against
    SQuAD's JSON; pairs: two ids a line; rankings: {id: [ids]}."""
    metrics: tuple[str, ...]
    """Names in `simxfer.metrics.METRICS`; XTREME averages those of the first group."""
    averaged: int = 1
    """How many of the metrics make the task's score in a benchmark, as their mean."""
    languages: tuple[str, ...]
    """Languages of the test sets: those in XTREME and XTREME-R, where the task is one of theirs."""
    more_languages: bool = False
    """Whether the data set exists in more languages than the benchmarks take."""
    labels: tuple[str, ...] = ()
    """The label space, spelled as in the files."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Labels of the label space that are read as another one."""
    suffix: str = "tsv"
    """Ending of the files in a benchmark's folder."""
    quoted: bool = False
    """Whether tab-separated fields are quoted as in CSV."""
    unanswerable: bool = False
    """Whether a question may have no answer."""


def _split(codes: str) -> tuple[str, ...]:
    return tuple(codes.split())


_PANX = _split(
    "ar he vi id jv ms tl eu ml ta te af nl en de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw yo my zh kk "
    "tr et fi hu"
)
_PANX_R = (*_PANX, *_split("qu pl uk az lt pa gu ro"))
_UDPOS = _split(
    "af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh"
)
_UDPOS_R = (*_UDPOS, *_split("lt pl uk wo ro"))
_TATOEBA = _split(
    "ar he vi id jv tl eu ml ta te af nl de el bn hi mr ur fa fr it pt es bg ru ja ka ko th sw zh kk tr et fi hu"
)
_TATOEBA_R = (*_TATOEBA, *_split("az lt pl uk ro"))
_XQUAD = _split("en es de el ru tr ar vi th zh hi")
_XQUAD_R = (*_XQUAD, "ro")
_XNLI = _split("ar bg de el en es fr hi ru sw th tr ur vi zh")
_PAWSX = _split("de en es fr ja ko zh")
_MLQA = _split("en es de ar hi vi zh")
_TYDIQA = _split("en ar bn fi id ko ru sw te")
_BUCC = _split("de fr ru zh")
_XCOPA = _split("et ht id it qu sw ta th tr vi zh")
_LAREQA = _split("ar de el en es hi ru th tr vi zh")
_MEWSLIX = _split("ar de en es fa ja pl ro ta tr uk")

_UPOS = _split("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
_ENTITIES = _split("O B-PER I-PER B-ORG I-ORG B-LOC I-LOC")
_NLI = _split("contradiction entailment neutral")
_DATES = _split("B-DATE I-DATE")
_SQUAD = ("squad_f1", "exact_match")


def _questions(
    languages: tuple[str, ...], metrics: tuple[str, ...] = _SQUAD, unanswerable: bool = False
) -> Layout:
    return Layout(
        form="answers",
        metrics=metrics,
        averaged=len(metrics),
        languages=languages,
        suffix="json",
        unanswerable=unanswerable,
    )


LAYOUTS: dict[str, Layout] = {
    "xnli": Layout(
        form="labels",
        metrics=("accuracy",),
        languages=_XNLI,
        labels=(*_NLI, "contradictory"),
        spellings={"contradictory": "contradiction"},
    ),
    "americasnli": Layout(form="labels", metrics=("accuracy",), languages=AMERICASNLI_LANGUAGES, labels=_NLI),
    "pawsx": Layout(form="labels", metrics=("accuracy",), languages=_PAWSX, labels=("0", "1"), quoted=True),
    "xcopa": Layout(
        form="labels", metrics=("accuracy",), languages=(*_XCOPA, "en"), labels=("0", "1"), suffix="jsonl"
    ),
    "udpos": Layout(
        form="tags",
        metrics=("tag_f1", "token_accuracy"),
        languages=_UDPOS_R,
        more_languages=True,
        labels=_UPOS,
    ),
    "panx": Layout(
        form="tags",
        metrics=("chunk_f1", "token_accuracy"),
        languages=_PANX_R,
        more_languages=True,
        labels=_ENTITIES,
    ),
    "ud": Layout(form="tags", metrics=("tag_f1", "token_accuracy"), languages=UD_LANGUAGES, labels=_UPOS),
    "masakhaner2": Layout(
        form="tags",
        metrics=("chunk_f1", "token_accuracy"),
        languages=tuple(MASAKHANER_CODES),
        labels=(*_ENTITIES, *_DATES),
        spellings=dict.fromkeys(_DATES, "O"),
    ),
    "xquad": _questions(_XQUAD_R),
    "mlqa": _questions(_MLQA, ("mlqa_f1", "mlqa_exact_match")),
    "tydiqa": _questions(_TYDIQA),
    "squad_v1": _questions(("en",)),
    "squad_v2": _questions(("en",), ("squad2_f1", "squad2_exact_match"), unanswerable=True),
    "bucc2018": Layout(form="pairs", metrics=("mining_f1",), languages=_BUCC),
    "tatoeba": Layout(
        form="indices", metrics=("retrieval_accuracy",), languages=_TATOEBA_R, more_languages=True
    ),
    "lareqa": Layout(form="rankings", metrics=("map_at_20",), languages=_LAREQA, suffix="json"),
    "mewslix": Layout(form="rankings", metrics=("mrr_at_20",), languages=_MEWSLIX, suffix="json"),
}


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark: the languages of each task, and its groups of tasks."""

    tasks: dict[str, tuple[str, ...]]
    groups: dict[str, tuple[str, ...]]


BENCHMARKS: dict[str, Benchmark] = {
    "xtreme": Benchmark(
        tasks={
            "pawsx": _PAWSX,
            "xnli": _XNLI,
            "udpos": _UDPOS,
            "panx": _PANX,
            "xquad": _XQUAD,
            "mlqa": _MLQA,
            "tydiqa": _TYDIQA,
            "bucc2018": _BUCC,
            "tatoeba": _TATOEBA,
        },
        groups={
            "classification": ("pawsx", "xnli"),
            "tagging": ("udpos", "panx"),
            "qa": ("xquad", "mlqa", "tydiqa"),
            "retrieval": ("bucc2018", "tatoeba"),
        },
    ),
    # evaluate.py has neither languages nor a score for LAReQA; it stands here as in the paper's tables.
    "xtreme-r": Benchmark(
        tasks={
            "xnli": _XNLI,
            "xcopa": _XCOPA,
            "udpos": _UDPOS_R,
            "panx": _PANX_R,
            "xquad": _XQUAD_R,
            "mlqa": _MLQA,
            "tydiqa": _TYDIQA,
            "tatoeba": _TATOEBA_R,
            "mewslix": _MEWSLIX,
            "lareqa": _LAREQA,
        },
        groups={
            "classification": ("xnli", "xcopa"),
            "tagging": ("udpos", "panx"),
            "qa": ("xquad", "mlqa", "tydiqa"),
            "retrieval": ("tatoeba", "mewslix", "lareqa"),
        },
    ),
}
