"""Questions of runs in real languages: planted slopes are found, absent ones are not, too little data is said."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.questions import QUESTIONS, gains, languages, similarity_language
from analyses.questions.scores import one_source, real_languages
from analyses.run import Run, load_run
from analyses.similarity import pretraining_text
from simxfer.schema.tables import EXAMPLES, LANGUAGES, RESULTS, SAMPLES, SUBWORDS, validate

CODES = ("ar", "bg", "de", "el", "es", "fi", "fr", "hi", "ru", "sw", "ta", "th", "tr", "ur", "vi", "zh")
SIZES = np.log2(pretraining_text(CODES))
NOISE = 1.5


def ask(name, run):
    return import_module(QUESTIONS[name]).answer(run)


def row(target="udpos", language="en", value=80.0, intermediate="none", seed=0, run="r", **more) -> dict:
    cell = {"run": run, "model": "m", "checkpoint": "e", "method": "full", "intermediate": intermediate}
    cell |= {
        "target": target,
        "language": language,
        "split": "test",
        "perturbation": "clean",
        "selection": "last",
    }
    metric = {"udpos": "token_accuracy", "xnli": "accuracy"}.get(target, "accuracy")
    cell |= {
        "seed": seed,
        "metric": metric,
        "value": value,
        "n_examples": 100,
        "flags": "",
        "stage": f"s{seed}",
    }
    return cell | more


def run_of(rows: list[dict], subwords: pd.DataFrame | None = None) -> Run:
    def empty(table):
        return pd.DataFrame(columns=table.column_names)

    return Run(
        name="r",
        directory=Path("nowhere"),
        results=validate(pd.DataFrame(rows), RESULTS),
        examples=empty(EXAMPLES),
        languages=empty(LANGUAGES),
        samples=empty(SAMPLES),
        subwords=empty(SUBWORDS) if subwords is None else validate(subwords, SUBWORDS),
        grid={"pivot": "en"},
    )


def scores(slope: float, codes=CODES, seed: int = 0, **more) -> list[dict]:
    rng = np.random.default_rng(seed)
    values = 60 + slope * (SIZES[list(codes)] - SIZES.mean()) + rng.normal(0, NOISE, len(codes))
    return [row(**more)] + [row(language=code, value=v, **more) for code, v in values.items()]


def test_a_planted_slope_on_pretraining_size_is_found_and_an_absent_one_is_not():
    found = ask("languages", run_of(scores(2.0)))
    assert found.primary_test == "udpos on log2_gib" and found.sentence.startswith("Yes for udpos")
    assert found.primary.estimate == pytest.approx(2.0, abs=0.6)
    absent = [ask("languages", run_of(scores(0.0, seed=s))).primary.p for s in range(20)]
    assert sum(p < 0.05 for p in absent) <= 4  # more happens once in 400 times


def test_a_mean_is_taken_over_seeds_then_encoders():
    rows = [
        row(language="de", value=v, seed=s, checkpoint=c)
        for v, s, c in ((10, 0, "a"), (20, 1, "a"), (45, 0, "b"))
    ]
    found = languages.score_table(run_of([row(), *rows]))
    assert found["value"].tolist() == [30.0] and found["language"].tolist() == ["de"]


def test_fertility_is_left_out_where_words_have_no_blanks():
    sample = {"checkpoint": "e", "task": "udpos", "split": "test", "piece": "▁a", "words": 10}
    counts = pd.DataFrame([{**sample, "language": code, "count": 20} for code in CODES])
    table = languages.score_table(run_of(scores(0.0), counts)).set_index("language")
    assert table["fertility"].isna().to_dict() == {code: code in ("th", "zh") for code in CODES}
    assert table.loc["de", "fertility"] == 2.0
    varied = counts.assign(count=np.arange(len(CODES)) + 20)
    assert "udpos on fertility" in ask("languages", run_of(scores(0.0), varied)).inferences


def test_few_languages_are_said_and_artificial_ones_are_another_question():
    few = ask("languages", run_of(scores(1.0, CODES[:5])))
    assert not few.answered and "no target has 6 languages" in few.sentence
    artificial = [row(language=code) for code in ("x-sov", "x-vso")]
    assert ask("languages", run_of([row(), *artificial])) is None


def test_codes_that_mean_several_languages_are_left_out():
    assert real_languages(["de", "qu", "x-sov", "de", "zh"]) == ["de", "zh"]
    found = languages.score_table(run_of([*scores(1.0), row(language="qu", value=20.0)]))
    assert "qu" not in set(found["language"])


def test_sources_of_unlike_languages_never_mix_and_parts_of_one_experiment_stay_together():
    large, small = scores(1.0, run="large"), scores(1.0, CODES[:7], run="small")
    more_seeds = [r | {"run": "again", "seed": 1} for r in large]
    assert set(one_source(pd.DataFrame(large + small))["run"]) == {"large"}
    assert set(one_source(pd.DataFrame(small + large + more_seeds))["run"]) == {"large", "again"}


def test_degradation_names_the_languages_by_their_distance():
    found = ask("degradation", run_of(scores(2.0)))
    [scatter] = [figure for figure in found.figures if figure.kind == "scatter"]
    assert set(scatter.frame["label"]) == set(CODES)
    by_hand = {r["language"]: 80.0 - r["value"] for r in scores(2.0)}
    assert scatter.frame.set_index("label")["y"].to_dict() == pytest.approx({c: by_hand[c] for c in CODES})
    near, far = scatter.frame.set_index("label").loc[["de", "ta"], "x"]
    assert near < far
    assert next(iter(found.tables.values()))["language"].tolist()[0] != "ar"  # from near to far, not by name


def test_the_published_folder_is_one_more_table():
    run = load_run(Path(__file__).parents[3] / "data" / "published")
    assert [name for name in QUESTIONS if ask(name, run) is not None] == ["degradation", "languages"]


def test_gains_by_language_stand_beside_the_pivots():
    rows = []
    for seed in (0, 1):
        for language, none, mnli in (("en", 80.0, 83.0), ("sw", 50.0, 57.0 + seed), ("de", 70.0, 69.0)):
            rows += [row("xnli", language, none, "none", seed), row("xnli", language, mnli, "squad_v1", seed)]
    found = gains.gain_by_language(run_of(rows).results, "en").set_index("language")
    assert found["gain"].to_dict() == {"de": -1.0, "sw": 7.5}
    assert found["gap_reduction"].to_dict() == {"de": -4.0, "sw": 4.5}
    assert (found["gain_pivot"] == 3.0).all() and (found["replicates"] == 2).all()
    figures = ask("gains", run_of(rows)).figures
    assert [f.name for f in figures if "by-language" in f.name] == ["gains-by-language-xnli"]


SOURCES, TARGETS = ("mnli", "squad_v1", "hellaswag", "commonsenseqa"), ("udpos", "panx", "tydiqa")


def by_language(slope: float, seed: int = 0) -> pd.DataFrame:
    """Gains with effects of pairs and of languages, a slope that varies by target, and similarity of three parts."""
    rng = np.random.default_rng(seed)
    index = pd.MultiIndex.from_product(
        [SOURCES, TARGETS, CODES], names=["intermediate", "target", "language"]
    )
    s, t, l = (codes.astype(int) for codes in index.codes)  # noqa: E741
    shape = len(SOURCES), len(TARGETS), len(CODES)

    def normal(*axes: int) -> np.ndarray:
        return rng.normal(size=[shape[a] if a in axes else 1 for a in range(3)]) * np.ones(shape)

    similarity = (normal(0, 1) + normal(1, 2) + 0.7 * normal(0, 1, 2))[s, t, l]
    data = pd.DataFrame({"similarity": similarity}, index=index).reset_index()
    data["specific"] = similarity_language._specific(data)
    slopes = slope + 0.5 * normal(1)
    effects = 3 * normal(0, 1) + 2 * normal(1, 2) + normal(0, 1, 2)
    return data.assign(gain=effects[s, t, l] + slopes[s, t, l] * data["specific"])


def test_the_language_specific_part_has_no_means_of_pairs_or_languages():
    data = by_language(0.0)
    for by in (["intermediate", "target"], ["target", "language"]):
        assert abs(data.groupby(by)["specific"].mean()).max() < 1e-9
    assert 0.05 < data["specific"].var() / data["similarity"].var() < 0.5


def test_a_slope_on_the_language_specific_part_is_found_and_an_absent_one_is_not():
    found = [similarity_language.regression(by_language(3.0, seed)) for seed in range(5)]
    assert np.mean([f.estimate for f in found]) == pytest.approx(3.0, abs=0.8)
    absent = [similarity_language.regression(by_language(0.0, seed)).p for seed in range(20)]
    assert sum(p < 0.05 for p in absent) <= 4


def test_similarity_that_is_alike_in_all_languages_is_not_estimable(monkeypatch):
    data = by_language(1.0)
    flat = data.assign(specific=data["specific"] / 10, similarity=data["similarity"] - 0.9 * data["specific"])
    monkeypatch.setattr(similarity_language, "cells", lambda run, scores: flat)
    rows = [row("udpos", "de", 50.0), row("udpos", "de", 51.0, "mnli")]
    found = ask("similarity-language", run_of(rows))
    assert not found.answered and found.sentence.startswith("Not estimable")
    monkeypatch.setattr(similarity_language, "cells", lambda run, scores: data)
    assert ask("similarity-language", run_of(rows)).answered


def test_too_few_levels_are_named():
    found = ask("similarity-language", run_of([row("udpos", "de", 50.0), row("udpos", "de", 51.0, "mnli")]))
    assert not found.answered and "0 of 3 intermediates" in found.sentence
