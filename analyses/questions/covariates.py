"""What sets the languages of a run apart: true distances of artificial ones; of real ones three covariates.

Real languages: text that the encoder read in pretraining (log2 GiB, `data/pretraining`), URIEL's syntactic distance to
the pivot, and tokenizer fertility on the target's own test texts. Before any data are seen one of them is declared
primary: pretraining size for scores, syntactic distance for degradation (DESIGN.md section 10); a dozen languages carry
one covariate at a time. Where no size is known for an encoder, syntactic distance stands in for scores as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import langcodes
import numpy as np
import pandas as pd

from analyses.inference.languages.genealogy import genealogical_covariance
from analyses.questions.wording import listed
from analyses.run import Run
from analyses.similarity.lexical import tokenizer_profile
from analyses.similarity.pretraining import pretraining_sizes
from analyses.similarity.typology import language_distances, language_features
from simxfer.common.errors import InputError


@dataclass(frozen=True)
class Covariate:
    """One property of languages; `sign` is that of the slope that scores are expected to have on it."""

    name: str
    unit: str
    """What a slope is per; of true distances, that are ranked, their name."""
    axis: str
    sign: int


SIZE = Covariate("log2_gib", "doubling of pretraining text", "log2 of pretraining text, GiB", 1)
SYNTACTIC = Covariate(
    "syntactic", "unit of syntactic distance (0-1)", "syntactic distance from the pivot (URIEL, 0-1)", -1
)
FERTILITY = Covariate("fertility", "subword more a word", "subwords a word of the target's texts", -1)
NO_BLANKS = frozenset({"Hans", "Hant", "Hani", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"})
"""Scripts written without blanks between words, so that there is no word to count."""
SYLLABLES = frozenset({"vi"})
"""Languages whose blanks stand between syllables."""


@dataclass(frozen=True)
class Covariates:
    """What is known of a run's languages: `table` has target, language and a column a covariate, NaN if unknown."""

    table: pd.DataFrame
    of_scores: Covariate
    """Declared primary for scores."""
    of_degradation: Covariate
    """Declared primary for degradation."""
    exploratory: tuple[Covariate, ...]
    """All others, of both."""
    kinship: pd.DataFrame | None
    """Covariance of real languages by descent; None for artificial ones, which are exchangeable."""
    flags: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[Covariate, ...]:
        """Every covariate once, the primary ones first."""
        return tuple(dict.fromkeys((self.of_scores, self.of_degradation, *self.exploratory)))

    def near_first(self, languages: Iterable[str]) -> list[str]:
        """Return languages from near to far from the pivot by distance, those without one last and by name."""
        known = (
            self.table.drop_duplicates("language").set_index("language")[self.of_degradation.name].dropna()
        )
        return sorted(languages, key=lambda code: (known.get(code, np.inf), code))


def covariates(run: Run, cells: pd.DataFrame) -> Covariates:
    """Return what is known of the languages of `cells`, a table with the columns target and language."""
    cells = cells[["target", "language"]].drop_duplicates(ignore_index=True)
    distances = run.distances()
    return _true_distances(cells, distances) if "total" in distances else _real(run, cells)


def _true_distances(cells: pd.DataFrame, distances: pd.DataFrame) -> Covariates:
    names = ["total", *distances.columns.drop("total")]
    found = [
        Covariate(name, f"{name} distance", f"true {name} distance from the pivot (0-1)", -1)
        for name in names
    ]
    table = cells.join(distances[names], on="language")
    return Covariates(table, found[0], found[0], tuple(found[1:]), None)


def _real(run: Run, cells: pd.DataFrame) -> Covariates:
    languages = [str(code) for code in cells["language"].unique()]
    sizes, unknown = _sizes(run, languages)
    syntactic, unread = _to_pivot(languages, run.pivot)
    fertility, unspaced = _fertility(run, cells)
    table = cells.assign(
        **{
            SIZE.name: np.log2(cells["language"].map(sizes)),
            SYNTACTIC.name: cells["language"].map(syntactic),
            FERTILITY.name: fertility,
        }
    )
    primary = SYNTACTIC if sizes.isna().all() else SIZE
    known = tuple(c for c in (SIZE, SYNTACTIC, FERTILITY) if table[c.name].notna().any())
    return Covariates(table, primary, SYNTACTIC, known, kinship_of(languages), (*unknown, *unread, *unspaced))


def _sizes(run: Run, languages: Sequence[str]) -> tuple[pd.Series, tuple[str, ...]]:
    """Return the GiB of pretraining text by language, where all encoders of the run read the same; and flags."""
    models = run.results.drop_duplicates("checkpoint").set_index("checkpoint")["model"]
    by_encoder = {
        name: pretraining_sizes(name, languages).fillna(pretraining_sizes(str(models[name]), languages))
        for name in run.encoders
    }
    lacking = [name for name, sizes in by_encoder.items() if sizes.isna().all()]
    if lacking or not by_encoder:
        nothing = pd.Series(np.nan, index=list(languages))
        return nothing, (f"pretraining text by language is not known of {listed(lacking)}: not a covariate",)
    sizes = pd.DataFrame(by_encoder).mean(axis=1)
    absent = list(sizes.index[sizes.isna()])
    return sizes, (f"no pretraining text is known in {listed(absent, 12)}",) if absent else ()


def _to_pivot(languages: Sequence[str], pivot: str) -> tuple[pd.Series, tuple[str, ...]]:
    """Return syntactic distances to the pivot; NaN, and told, where URIEL does not state enough."""
    resolved = [code for code in languages if _in_uriel(code)]
    rows = pd.DataFrame({"b": [], "distance": [], "flag": []})
    if _in_uriel(pivot):
        rows = language_distances([pivot, *resolved], kinds=("syntactic",))
        rows = rows[(rows["a"] == pivot) & (rows["flag"] == "")]
    distances = rows.set_index("b")["distance"].reindex(list(languages)).astype(float)
    absent = list(distances.index[distances.isna()])
    return distances, (f"URIEL has no syntactic distance of {listed(absent, 12)}",) if absent else ()


def _in_uriel(code: str) -> bool:
    try:
        language_features([code], "syntactic")
    except InputError:
        return False
    return True


def _fertility(run: Run, cells: pd.DataFrame) -> tuple[pd.Series, tuple[str, ...]]:
    """Return subwords a word of each cell's test texts, mean over tokenizers; NaN where blanks bound no words."""
    if run.subwords.empty:
        return pd.Series(np.nan, index=cells.index), ()
    profile = tokenizer_profile(run.subwords[run.subwords["checkpoint"].isin(run.encoders)])
    tests = profile[profile["split"] == "test"].rename(columns={"task": "target"})
    by_cell = tests.groupby(["target", "language"])["fertility"].mean().rename("fertility")
    fertility = cells.join(by_cell, on=["target", "language"])["fertility"]
    unspaced = ~cells["language"].map(spaced).astype(bool)
    left_out = sorted(cells.loc[unspaced & fertility.notna(), "language"].unique())
    text = f"no fertility of {listed(left_out, 12)}, written without blanks between words"
    return fertility.mask(unspaced), (text,) if left_out else ()


def spaced(code: str) -> bool:
    """Tell whether blanks bound the words of a language in the script that its code names or implies."""
    tag = langcodes.get(code, normalize=False)
    return tag.maximize().script not in NO_BLANKS and tag.language not in SYLLABLES


def kinship_of(languages: Sequence[str]) -> pd.DataFrame:
    """Return the covariance by descent; a language whose descent URIEL does not state has no relatives."""
    known = [code for code in languages if _in_uriel(code)]
    features = language_features(known, "genetic") if known else pd.DataFrame({"F_none": []})
    return genealogical_covariance(features.reindex(list(languages)).fillna(0.0))
