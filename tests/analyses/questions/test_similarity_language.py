"""similarity-language: the slope on the language-specific part is found where planted, and only that part counts."""

import numpy as np
import pandas as pd
import pytest
from real_languages import ENCODER, INTERMEDIATES, LANGUAGES, Truth, real_results, write_real_run

from analyses.inference.result import Inference
from analyses.questions import similarity_language, texts
from analyses.questions.covariates import kinship_of
from analyses.questions.similarity_language import PRIMARY, answered, slope, specific
from analyses.run import load_run

CODES = LANGUAGES["xnli"][1:]


def table(rng, intermediates=4, targets=4, slope=0.0, by_task=0.0, specific_sd=0.5):
    """Gains and similarities by intermediate, target and language, with all the means that the model knows."""
    shape = (intermediates, targets, len(CODES))
    kin = np.linalg.cholesky(kinship_of(CODES).to_numpy() + 1e-9 * np.eye(len(CODES)))
    part = specific_sd * (rng.normal(size=(1, *shape[1:])) + rng.normal(size=(shape[0], 1, shape[2])))
    part = part + specific_sd * rng.normal(size=shape)
    x = rng.normal(size=(*shape[:2], 1)) + rng.normal(size=(1, 1, shape[2])) + part
    slopes = slope + by_task * (rng.normal(size=(1, targets, 1)) + rng.normal(size=(intermediates, 1, 1)))
    y = 2 * rng.normal(size=(*shape[:2], 1)) + 2 * kin @ rng.normal(size=shape[2]) + slopes * part
    y = (
        y
        + 2 * rng.normal(size=(1, *shape[1:]))
        + rng.normal(size=(shape[0], 1, shape[2]))
        + rng.normal(size=shape)
    )
    s, t, code = (index.ravel() for index in np.indices(shape))
    named = {"intermediate": [f"s{i}" for i in s], "target": [f"t{i}" for i in t]}
    return pd.DataFrame(named | {"language": [CODES[i] for i in code], "gain": y.ravel(), PRIMARY: x.ravel()})


def test_planted_slope_is_found_with_its_size():
    data = table(np.random.default_rng(1), slope=3.0)
    found = answered(data, kinship_of(CODES))
    low, high = np.quantile(specific(data, PRIMARY)[0], [0.25, 0.75])
    assert found.sentence.startswith("Yes") and found.primary is not None
    assert found.primary.interval[0] < 3 * (high - low) < found.primary.interval[1]
    [figure] = found.figures
    assert len(figure.frame) == len(data) and (figure.extra["low"] <= figure.extra["high"]).all()


@pytest.mark.parametrize(("intermediates", "targets", "by_task"), [(2, 2, 0.0), (4, 4, 1.0)])
def test_no_slope_is_rarely_shown(intermediates, targets, by_task):
    """Level .05 in 40 tables: seven or more shown have a chance below .01, also where slopes vary about zero."""
    rng = np.random.default_rng(7)
    shown = 0
    for _ in range(40):
        found = slope(table(rng, intermediates, targets, by_task=by_task), PRIMARY, kinship_of(CODES))
        shown += isinstance(found, Inference) and found.p < 0.05
    assert shown < 7


def test_what_pairs_and_languages_share_does_not_count():
    """Similarity of pairs and languages with a slope of ten, and nothing specific: not estimable."""
    data = table(np.random.default_rng(2), specific_sd=0.05)
    data["gain"] += 10 * data[PRIMARY]
    found = answered(data, kinship_of(CODES))
    assert not found.answered and found.sentence.startswith("Not estimable") and found.primary is None
    assert "too little of it is language-specific" in found.flags[0]


def test_the_specific_part_by_hand():
    """Two pairs, two languages: a quarter of x11 - x12 - x21 + x22, with alternating sign."""
    data = pd.DataFrame({"intermediate": list("aabb"), "target": "t", "language": ["de", "sw"] * 2})
    part, share = specific(data.assign(**{PRIMARY: [1.0, 2.0, 3.0, 8.0]}), PRIMARY)
    np.testing.assert_allclose(part, [1, -1, -1, 1])
    assert share == pytest.approx(1 / np.var([1.0, 2.0, 3.0, 8.0]))


def test_tasks_too_few_for_slopes_of_their_own_are_told():
    found = answered(table(np.random.default_rng(3), intermediates=1, targets=3, slope=2.0), None)
    assert any("1 intermediate" in flag and "3 target" not in flag for flag in found.flags)
    assert found.answered


def test_from_a_run_through_its_own_texts(tmp_path, monkeypatch):
    """Embeddings of a language's texts move towards one intermediate's, and its gain there is what moves."""
    monkeypatch.setattr(texts, "sentence_encoder", lambda: None)
    results = real_results(Truth(), seeds=2, intermediates=INTERMEDIATES)
    rng = np.random.default_rng(4)
    pull = {(s, t, code): rng.uniform(0, 1) for s in INTERMEDIATES[1:] for t in LANGUAGES for code in CODES}
    keys = zip(results["intermediate"], results["target"], results["language"], strict=True)
    results["value"] = (results["value"] - 20 + [10 * pull.get(key, 0.0) for key in keys]).clip(0, 100)
    folder = write_real_run(tmp_path, results)
    write_texts(folder, pull, rng)
    found = similarity_language.answer(load_run(folder))
    assert found.sentence.startswith("Yes") and found.primary.estimate > 0
    assert "gain on subword_js" not in found.inferences
    pairs = found.tables["Gain (points) and similarity by pair and language"]
    assert ("mnli", "xnli") not in set(
        zip(pairs["intermediate"], pairs["target"], strict=True)
    )  # shared data


def write_texts(folder, pull, rng, n=12, dimensions=12):
    """Add samples and representations: a test set is its language's place plus what pulls it to intermediates."""
    places = {s: rng.normal(size=dimensions) * 3 for s in INTERMEDIATES[1:]}
    languages = {code: rng.normal(size=dimensions) * 5 for code in ("en", *CODES)}
    sides = [(s, "en", "train", places[s] + languages["en"]) for s in places]
    for target, codes in LANGUAGES.items():
        for code in (c for c in codes if c in languages):
            pulled = sum(pull.get((s, target, code), 0.0) * place for s, place in places.items())
            sides.append((target, code, "test", languages[code] + pulled))
    columns = {"task": 0, "language": 1, "split": 2}
    rows = pd.DataFrame([{c: side[i] for c, i in columns.items()} for side in sides for _ in range(n)])
    rows = rows.assign(example_id=[str(i) for i in range(len(rows))])
    values = np.stack([side[3] for side in sides for _ in range(n)]) + rng.normal(
        size=(len(rows), dimensions)
    )
    (folder / "samples").mkdir()
    (folder / "representations").mkdir()
    rows.assign(text="a text").to_parquet(folder / "samples" / "samples.parquet")
    stem = folder / "representations" / ENCODER.replace("/", "__")
    np.savez(stem.with_name(stem.name + ".npz"), embeddings=values)
    rows.to_parquet(stem.with_name(stem.name + ".parquet"))
