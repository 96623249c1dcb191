"""The regression of an outcome on the language-specific part of a similarity.

A similarity of (source, target, language) has a part that the pair of tasks shares in all languages and one that the
language shares over all pairs. What is left is specific to the language. It splits once more:

    specific_stl = x_stl - x_st. - x_..l + x_...    (least squares where cells are missing)
    between_tl   = mean of specific_stl over s      how like all the sources the target is in this language
    within_stl   = specific_stl - between_tl        which of the sources it is like

The slope on `within` compares sources on the same test set: no property of a language or of a test set can make it.
That on `between` compares test sets, and how hard they are for other reasons counts as well. The model is

    outcome ~ within + between + beside + (1 | pair) + (1 | language) + (1 | target:language) + (1 | source:language)
              + slopes of `within` by source, by target and by replicate, where there are enough of each

A score in the pivot is constant in a pair, so that degradation has the same slopes with the opposite sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_levels, require_varying
from analyses.inference.mixed.model import CrossedEffects, crossed_effects
from analyses.inference.pairs.two_way import cells
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

FEWEST_LEVELS = 4
"""Tasks of a side from which on slopes vary by them; with fewer the conclusion is about these tasks."""
FEWEST_LANGUAGES = 3


@dataclass(frozen=True)
class SpecificPart:
    """A similarity by cell: `frame` has a row a (source, target, language), with specific, within and between.

    `share` is that of the similarity's variance which is specific.
    """

    frame: pd.DataFrame
    share: float

    @property
    def spread(self) -> float:
        """The interquartile range of the specific part."""
        return float(np.subtract(*np.quantile(self.frame["specific"], [0.75, 0.25])))


def specific_part(
    data: pd.DataFrame,
    similarity: str = "similarity",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
) -> SpecificPart:
    """Return the language-specific part of a similarity, mean over the rows of a (source, target, language).

    Raises:
        InputError: no row.

    Example:
        >>> import pandas as pd
        >>> from analyses import specific_part
        >>> table = pd.DataFrame({"intermediate": list("aabb"), "target": "t", "language": ["de", "sw"] * 2})
        >>> found = specific_part(table.assign(similarity=[1.0, 2.0, 3.0, 8.0]))
        >>> found.frame["specific"].round(9).tolist(), round(found.share, 2)
        ([1.0, -1.0, -1.0, 1.0], 0.14)
    """
    if data.empty:
        raise InputError(f"no row has a {similarity}; expected one a pair of tasks and language")
    cell = [source, target, language]
    frame = data.groupby(cell, sort=False)[similarity].mean().reset_index()
    x = frame[similarity].to_numpy(float)
    pairs = frame.assign(pair=_joined(frame, [source, target]))
    specific = cells(pairs, "pair", language).residuals(x)
    # Rounding of a similarity that is additive in pairs and languages is no part of it.
    specific = np.where(np.abs(specific) > 1e-6 * np.ptp(x), specific, 0.0)
    frame = frame.assign(specific=specific)
    between = frame.groupby([target, language])["specific"].transform("mean").to_numpy()
    between = np.where(np.abs(between) > 1e-6 * np.ptp(x), between, 0.0)
    spread = float(np.var(x))
    share = float(np.var(specific) / spread) if spread > 0 else 0.0
    return SpecificPart(frame.assign(within=specific - between, between=between), share)


def language_regression(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    replicate: str | None = None,
    beside: Sequence[str] = (),
    kinship: pd.DataFrame | None = None,
    level: float = 0.95,
) -> Inference:
    """Test whether an outcome rises with what of a similarity is specific to a language.

    Args:
        data: one row a score; rows of one (source, target, language), and replicate if told, are averaged.
        similarity: the regressor, constant over replicates.
        outcome: the column explained, in its own unit (points).
        replicate: column of what the whole grid was repeated over (encoders, draws). The slope then varies by
            replicate: scores of one replicate share its accidents in all languages.
        beside: covariates that stand beside the similarity, such as one property of the languages; one that is the
            same in all rows, or in too few pairs or languages to fit, is left out with a note.
        kinship: covariance of the languages by descent.
        level: confidence level of the intervals.

    Returns:
        Rows `similarity (within)` (the headline, outcome units per unit of similarity), `similarity (between)` where
        there are several targets, and the covariates.

    Raises:
        InputError: fewer than three languages or two sources, nothing specific to vary.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, language_regression, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(sources=4, targets=4, languages=6, seeds=1))
        >>> data["similarity"] += rng.normal(size=len(data))
        >>> data["gain"] += 2 * data["similarity"]
        >>> result = language_regression(data)
        >>> round(result.estimate, 1), [round(limit, 1) for limit in result.interval]
        (2.4, [2.0, 2.8])
    """
    groups = [source, target, language, *([replicate] if replicate else [])]
    rows, notes = complete_rows(data, [similarity, outcome], groups)
    for name, least in ((source, 2), (language, FEWEST_LANGUAGES)):
        require_levels(
            rows[name].nunique(), least, name, "a part specific to languages needs several of them"
        )
    columns = [similarity, outcome, *beside]
    rows = rows.groupby(groups, sort=False)[columns].mean().reset_index()
    part = specific_part(rows, similarity, source, target, language)
    require_varying(
        part.frame["within"].to_numpy(), f"specific {similarity}", float(np.ptp(rows[similarity]))
    )
    rows = rows.merge(part.frame.drop(columns=similarity), on=groups[:3])
    kept = [name for name in beside if _fits(rows, name, source, target, language)]
    notes += [f"{name} varies too little to stand beside" for name in beside if name not in kept]
    several = ["between"] if np.ptp(part.frame["between"]) > 0 else []
    fixed = ["within", *several, *(f"`{name}`" for name in kept)]
    terms, labels = _random_terms(rows, groups)
    model = crossed_effects(
        rows.assign(**labels),
        f"`{outcome}` ~ {' + '.join([*fixed, *terms])}",
        covariances=_known(kinship, terms, language),
        level=level,
    )
    return _result(
        model, similarity, part.share, notes, rows[source].nunique(), rows[target].nunique(), replicate
    )


def _fits(rows: pd.DataFrame, name: str, source: str, target: str, language: str) -> bool:
    """Tell whether a covariate varies over enough pairs or languages to have a slope."""
    values = rows.dropna(subset=[name]).drop_duplicates([source, target, language])[name]
    return len(values) == len(rows.drop_duplicates([source, target, language])) and values.nunique() >= 4


def _random_terms(rows: pd.DataFrame, groups: list[str]) -> tuple[list[str], dict[str, pd.Series]]:
    """Return the random effects that the table carries, and the labels of their groups.

    No group of one level, none with a level a row, none that divides the rows as another does.
    """
    source, target, language, *replicate = groups
    wanted: dict[str, list[str]] = {
        "pair": [source, target],
        language: [language],
        "target_language": [target, language],
        "source_language": [source, language],
        **({"cell": [source, target, language]} if replicate else {}),
        **{
            name: [*replicate, *parts]
            for name, parts in (
                ("replicate_pair", [source, target]),
                ("replicate_test", [target, language]),
            )
            if replicate
        },
    }
    terms, labels, seen = [], {}, set()
    for name, parts in wanted.items():
        label = _joined(rows, parts)
        codes = tuple(pd.factorize(label)[0])
        if 1 < label.nunique() < len(rows) and codes not in seen:
            seen.add(codes)
            labels[name] = label
            terms.append(f"(1 | `{name}`)")
    sides = [side for side in (source, target) if rows[side].nunique() >= FEWEST_LEVELS]
    return [*terms, *(f"(0 + within | `{side}`)" for side in [*sides, *replicate])], labels


def _known(kinship: pd.DataFrame | None, terms: Sequence[str], language: str) -> Mapping[str, pd.DataFrame]:
    return {language: kinship} if kinship is not None and f"(1 | `{language}`)" in terms else {}


def _result(
    model: CrossedEffects,
    similarity: str,
    share: float,
    notes: Sequence[str],
    sources: int,
    targets: int,
    replicate: str | None,
) -> Inference:
    """Return the fixed effects under the names of the reader, without the intercept."""
    table = model.table[model.table["term"] != "intercept"]
    parts = {part: f"{similarity} ({part})" for part in ("within", "between")}
    few = [f"{n} {side}{'s' if n > 1 else ''}" for n, side in ((sources, "source"), (targets, "target"))
           if n < FEWEST_LEVELS]  # fmt: skip
    return Inference(
        procedure="language_regression",
        null="the mean slope of the outcome on the language-specific part of the similarity is zero",
        table=table.assign(term=table["term"].replace(parts)).reset_index(drop=True),
        counts=model.counts,
        level=model.level,
        notes=(
            *notes,
            f"{100 * share:.1f} % of the similarity's variance is specific to languages",
            *(
                [f"no slopes by task for {' and '.join(few)}: the conclusion is about these tasks"]
                if few
                else []
            ),
            *([] if replicate else ["replicates are averaged: cells are the units"]),
            "its error rates were measured on three sources and one target alone",
            *([] if model.converged else ["the fit did not converge: do not rely on it"]),
        ),
        recommended=False,
        references=("Mundlak 1978, Econometrica 46: 69-85", "Bates et al. 2015, J. Stat. Softw. 67(1)"),
    )


def _joined(frame: pd.DataFrame, parts: Sequence[str]) -> pd.Series:
    """Return one label a combination; the separator stands in no name."""
    label = frame[parts[0]].astype(str)
    for name in parts[1:]:
        label = label + "\x1f" + frame[name].astype(str)
    return label
