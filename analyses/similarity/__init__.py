"""Similarity of tasks and languages: one file a family of measures, one visible registry.

Every measure is a function of arrays (`Measure.function`) and appears in tables of the schema SIMILARITY under
its name; higher means more alike. `task_similarities` and `language_similarities` assemble all measures that
the inputs allow and say which were left out and why. Names are imported when first used, so that `import
analyses.similarity` is fast and brings no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import inf
from typing import Any, Literal

from simxfer.common.errors import unknown

Level = Literal["task", "language"]

_HERE = "analyses.similarity"


@dataclass(frozen=True)
class Measure:
    """One measure: where it lives, its range, its direction, what it compares and needs."""

    name: str
    path: str
    """module:function, a function of two arrays (or of an array and labels)."""
    low: float
    high: float
    directed: bool
    """Whether value(a, b) and value(b, a) differ in meaning: how well a serves b."""
    level: Level
    needs: str
    """The inputs of the function."""
    reference: str

    @property
    def function(self) -> Callable[..., float]:
        """Import and return the function."""
        module, attribute = self.path.split(":")
        return getattr(import_module(module), attribute)


def _registry(*measures: Measure) -> dict[str, Measure]:
    registry = {measure.name: measure for measure in measures}
    if len(registry) != len(measures):
        raise RuntimeError("two measures have the same name")
    return registry


def _semantic(
    name: str, function: str, low: float, high: float, directed: bool, reference: str
) -> list[Measure]:
    """Return a measure on raw embeddings and the same on embeddings centred by language."""
    path = f"{_HERE}.{function}"
    return [
        Measure(name, path, low, high, directed, "task", "embeddings", reference),
        Measure(
            f"{name}_centred", path, low, high, directed, "task", "embeddings centred by language", reference
        ),
    ]


def _lexical(name: str, function: str, directed: bool, needs: str, reference: str) -> Measure:
    return Measure(name, f"{_HERE}.lexical:{function}", 0, 1, directed, "task", needs, reference)


def _model(name: str, low: float, high: float, needs: str, reference: str, directed: bool = True) -> Measure:
    return Measure(name, f"{_HERE}.model_based:{name}", low, high, directed, "task", needs, reference)


_ANGULAR, _URIEL = f"{_HERE}.typology:angular_similarity", "Littell et al. 2017; Khan et al. 2025"
_ANGULAR_KINDS = ("syntactic", "phonological", "inventory", "featural", "genetic", "script")

MEASURES: dict[str, Measure] = _registry(
    *_semantic("mean_cosine", "semantic:mean_cosine", -1, 1, False, "Vu et al. 2020, TextEmb"),
    *_semantic(
        "nearest_coverage",
        "semantic:nearest_coverage",
        -1,
        1,
        True,
        "mean cosine to the nearest source example",
    ),
    *_semantic(
        "mmd", "semantic:mmd_similarity", -2, 2, False, "Gretton et al. 2012, eq. 3; minus the squared MMD"
    ),
    *_semantic(
        "frechet", "semantic:frechet_similarity", -inf, 0, False, "Dowson and Landau 1982; minus the square"
    ),
    *_semantic(
        "sliced_wasserstein",
        "semantic:sliced_wasserstein_similarity",
        -inf,
        0,
        False,
        "Bonneel et al. 2015; minus it",
    ),
    Measure(
        "description",
        f"{_HERE}.semantic:mean_cosine",
        -1,
        1,
        False,
        "task",
        "embeddings of task descriptions",
        "Vu et al. 2020",
    ),
    _lexical("subword_js", "js_similarity", False, "subword counts", "Lin 1991; 1 - divergence in bits"),
    _lexical("subword_jaccard", "jaccard_overlap", False, "subword counts", "Jaccard 1912"),
    _lexical("subword_coverage", "vocabulary_coverage", True, "subword counts", "Lin et al. 2019, overlap"),
    _lexical("fertility", "ratio_similarity", False, "pieces per word", "Rust et al. 2021"),
    _lexical("unknown_rate", "rate_similarity", False, "share of unknown pieces", "Rust et al. 2021"),
    Measure(
        "structural",
        f"{_HERE}.structural:gower_similarity",
        0,
        1,
        False,
        "task",
        "task records",
        "Gower 1971",
    ),
    *(
        Measure(
            f"typological_{kind}",
            _ANGULAR,
            0,
            1,
            False,
            "task",
            "mean features of the data's languages",
            _URIEL,
        )
        for kind in _ANGULAR_KINDS
    ),
    _model("log_me", -inf, inf, "features, labels", "You et al. 2021"),
    _model("regularized_h_score", 0, inf, "features, labels", "Ibrahim et al. 2022"),
    _model("transrate", -inf, inf, "features, labels", "Huang et al. 2022"),
    _model("knn_accuracy", 0, 1, "features, labels", "Renggli et al. 2022"),
    _model("leep", -inf, 0, "source probabilities, labels", "Nguyen et al. 2020"),
    _model("nce", -inf, 0, "source labels, labels", "Tran et al. 2019"),
    _model("linear_cka", 0, 1, "two features of the same examples", "Kornblith et al. 2019", False),
    _model("taskemb", 0, 1, "two Fisher vectors", "Vu et al. 2020; Achille et al. 2019", False),
    *(
        Measure(kind, _ANGULAR, 0, 1, False, "language", "typological features", _URIEL)
        for kind in _ANGULAR_KINDS
    ),
    Measure(
        "geographic",
        f"{_HERE}.typology:great_circle_similarity",
        0,
        1,
        False,
        "language",
        "coordinates",
        _URIEL,
    ),
)

_EXPORTS: dict[str, str] = {
    "task_similarities": f"{_HERE}.assemble",
    "language_similarities": f"{_HERE}.assemble",
    "Assembled": f"{_HERE}.assemble",
    "task_embeddings": f"{_HERE}.tables",
    "semantic_task_embeddings": f"{_HERE}.tables",
    "language_features": f"{_HERE}.typology",
    "language_distances": f"{_HERE}.typology",
    "distance_blocks": f"{_HERE}.typology",
    "set_diversity": f"{_HERE}.diversity",
    "set_arms": f"{_HERE}.language_sets",
    "choose_sets": f"{_HERE}.language_sets",
    "iso639_3": f"{_HERE}.codes",
    "english_name": f"{_HERE}.codes",
    "SentenceEncoder": f"{_HERE}.sentence_encoders",
    "Embeddings": f"{_HERE}.sentence_encoders",
    "encode": f"{_HERE}.sentence_encoders",
    "encode_samples": f"{_HERE}.sentence_encoders",
    "multilingual_e5": f"{_HERE}.sentence_encoders",
    "encoder_coverage": f"{_HERE}.translations",
    "tokenizer_profile": f"{_HERE}.lexical",
    "pretraining_sizes": f"{_HERE}.pretraining",
    "proxy_a_distance": f"{_HERE}.domains",
    "ADistance": f"{_HERE}.domains",
    **{path.split(":")[1]: path.split(":")[0] for path in (m.path for m in MEASURES.values())},
}

__all__ = ["MEASURES", "Measure", *_EXPORTS]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(unknown("name in analyses.similarity", name, _EXPORTS))
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
