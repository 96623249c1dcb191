"""similarity-degradation: planted slopes are found, planted absences are told apart, thin parts are not estimated."""

import numpy as np
import pandas as pd
import pytest

from analyses.inference.pairs.by_language import specific_part
from analyses.questions import similarity_degradation as study
from analyses.questions.covariates import SYNTACTIC, Covariates
from analyses.questions.language_slopes import ABSENT, COVERAGE
from simxfer.tasks.planted import CLASS_MIX, planted_share

LANGUAGES = tuple(CLASS_MIX)
PIVOT, ABROAD = LANGUAGES[0], LANGUAGES[1:]
TAUGHT, PLACEBO = ("w-tag-a-2", "w-tag-a-4", "w-tag-a"), ("w-tag-0-2", "w-tag-0-4", "w-tag-0")


def similar() -> pd.DataFrame:
    """The share of the nouns that both texts have, a third in all languages of the parallel target."""
    rows = [
        (s, t, code, planted_share(TAUGHT[i % 3], "w-is-a-mix", code if t == "w-is-a-mix" else PIVOT))
        for i, s in enumerate((*TAUGHT, *PLACEBO))
        for t in ("w-is-a-mix", "w-is-a")
        for code in LANGUAGES
    ]
    return pd.DataFrame(rows, columns=[*study.CELL, study.PRIMARY])


def scores(rng: np.random.Generator, points: float, noise: float = 4.0) -> pd.DataFrame:
    """Six assignments: chance differs by language, knowledge adds `points` at a share of 1."""
    rows = []
    for i, world in enumerate(("w0", "w1") * 3):
        chance = {code: rng.normal(50, 8) for code in LANGUAGES}
        for s in (*TAUGHT, *PLACEBO):
            for t in ("w-is-a-mix", *(["w-is-a"] if s in TAUGHT else [])):
                for code in LANGUAGES:
                    share = planted_share(s, "w-is-a-mix", code if t == "w-is-a-mix" else PIVOT)
                    value = chance[code] + points * share + rng.normal(0, noise)
                    rows.append((f"world/{world}-s0", i // 2, s, t, code, value))
    return pd.DataFrame(rows, columns=["checkpoint", "seed", *study.CELL, "value"])


def known() -> Covariates:
    table = pd.DataFrame(
        [(t, c) for t in ("w-is-a-mix", "w-is-a") for c in ABROAD], columns=["target", "language"]
    )
    table = table.assign(syntactic=0.1 * np.arange(len(table)))
    return Covariates(table, SYNTACTIC, SYNTACTIC, (), None)


def answered(points: float = 40.0, margin: float = 3.0, similarity: pd.DataFrame | None = None):
    table = scores(np.random.default_rng(3), points)
    return study.answered(table, similar() if similarity is None else similarity, known(), PIVOT, margin)


def test_the_planted_slope_is_found_and_the_planted_absence_is_equivalent():
    found = answered()
    data = study.long_form(study.units_of(scores(np.random.default_rng(3), 40.0)), similar(), known(), PIVOT)
    own = data[(data["target"] == "w-is-a-mix") & data["intermediate"].isin(TAUGHT)]
    truth = 40.0 * specific_part(own, study.PRIMARY).spread
    low, high = found.primary.interval
    assert found.sentence.startswith("Yes") and low < truth < high
    table = found.tables["Slopes of the score (points per interquartile range of the language-specific part)"]
    verdicts = table.dropna(subset=["verdict"]).set_index("pairs")["verdict"]
    assert verdicts[ABSENT] == "equivalent" and verdicts[COVERAGE].startswith("not estimable")
    assert "6 assignments" in " ".join(found.flags)


def test_no_effect_is_no_evidence():
    found = answered(points=0.0)
    assert found.sentence.startswith("No evidence") and "equivalent" in found.sentence


def test_similarity_that_pairs_and_languages_share_is_not_estimable():
    flat = similar()
    flat[study.PRIMARY] = flat["intermediate"].map(len) + flat["language"].map(len).astype(float)
    found = answered(similarity=flat)
    assert not found.answered and found.sentence.startswith("Not estimable") and found.primary is None


def test_cells_that_are_missing_are_left_out():
    table = scores(np.random.default_rng(4), 40.0)
    lost = (table["language"] == "x-agg") & (table["intermediate"] == "w-tag-a-2")
    assert study.answered(table[~lost], similar(), known(), PIVOT, 3.0).sentence.startswith("Yes")


def test_few_replicates_are_averaged_and_said():
    table = scores(np.random.default_rng(5), 40.0)
    found = study.answered(table[table["seed"] == 0], similar(), known(), PIVOT, 3.0)
    said = " ".join((*found.primary.notes, *found.flags))
    assert (
        "their mean stands and cells" in said and "cells are the units" in said and "no interval" not in said
    )


def test_few_seeds_of_a_real_encoder_on_real_languages():
    # Two targets with texts of their own, one of translations, each outcome one seed's: the slope is 2 per unit.
    rng = np.random.default_rng(8)
    keys = [
        (s, t, c)
        for s in ("mnli", "squad_v1", "hellaswag")
        for t in ("udpos", "panx", "tatoeba")
        for c in ("en", "de", "fi", "hi", "ru", "tr", "zh")
    ]
    similarity = pd.DataFrame(keys, columns=study.CELL).assign(**{study.PRIMARY: rng.normal(size=len(keys))})
    values = 2 * similarity[study.PRIMARY] + 0.1 * rng.normal(size=len(keys))
    table = similarity[study.CELL].assign(checkpoint="packaged/multilingual-e5-small", seed=0, value=values)
    languages = table[["target", "language"]].drop_duplicates().assign(syntactic=0.1)
    covariate = Covariates(languages, SYNTACTIC, SYNTACTIC, (), None)
    found = study.answered(table, similarity, covariate, "en", 1.0)
    assert found.sentence.startswith("Yes") and "2 targets" in found.sentence
    assert any(line.startswith("Coverage (parallel targets): +") for line in found.findings)


def test_a_table_from_elsewhere_is_answered_for(tmp_path):
    path = tmp_path / "scores.csv"
    scores(np.random.default_rng(9), 40.0).to_csv(path, index=False)
    assert study.answered(pd.read_csv(path), similar(), known(), PIVOT, 3.0).sentence.startswith("Yes")


def test_the_design_names_units_detectable_slopes_and_the_margin():
    planned = (
        scores(np.random.default_rng(6), 0.0)
        .drop(columns="value")
        .assign(method="full", perturbation="clean")
    )
    lines = study.design(planned, 3.0)
    assert "6 assignments" in lines[0] and "24 cells" in lines[0]
    # (2.571 + .920) / sqrt(24 x 2/3 x .741^2 x 6): 5 degrees of freedom, three sources, six replicates.
    assert "0.48 SDs" in lines[1] and "12.0" in lines[1] and "±3.0" in lines[2]


@pytest.mark.parametrize(("s", "t", "code", "share"), [
    ("w-tag-a-2", "w-is-a-mix", "x-insitu", 0.5), ("w-tag-a-4", "w-is-a-mix", "x-vso", 0.0),
    ("w-tag-0", "w-is-a-mix", "x-sov", 0.0), ("w-tag-a", "w-is-b-mix", "x-sov", 0.0),
    ("mnli", "w-is-a-mix", "x-sov", None),
])  # fmt: skip
def test_the_planted_share_by_hand(s, t, code, share):
    assert planted_share(s, t, code) == share
