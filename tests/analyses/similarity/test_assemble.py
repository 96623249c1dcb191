"""Labelled tables of a small run: right sides, right languages, nothing silently left out."""

import numpy as np
import pandas as pd
import pytest

import analyses.similarity as similarity
from analyses.similarity import MEASURES
from analyses.similarity.lexical import js_similarity
from analyses.similarity.semantic import centred, mean_cosine, median_distance, squared_mmd
from analyses.similarity.sentence_encoders import Embeddings
from analyses.similarity.tables import semantic_table
from simxfer.common.errors import InputError
from simxfer.schema.tables import SIMILARITY, validate

PIVOT, OTHER = "x-pivot", "x-sov"
SOURCES, TARGETS = ["w-nli", "w-roles"], ["w-xnli", "w-pos"]


def make_samples() -> pd.DataFrame:
    rows = [(task, PIVOT, "train", f"{i}", f"text {i}") for task in SOURCES for i in range(12)]
    rows += [
        (t, code, "test", f"{i}", f"text {i}") for t in TARGETS for code in (PIVOT, OTHER) for i in range(8)
    ]
    rows += [("w-nli", OTHER, "train", "other", "text")]
    return pd.DataFrame(rows, columns=["task", "language", "split", "example_id", "text"])


@pytest.fixture(scope="module")
def samples() -> pd.DataFrame:
    return make_samples()


@pytest.fixture(scope="module")
def embeddings(samples) -> Embeddings:
    values = np.random.default_rng(0).normal(size=(len(samples), 5)).astype(np.float32) + 0.3
    return Embeddings(values, samples[["task", "language", "split"]], "world/enc", frozenset({PIVOT, OTHER}))


@pytest.fixture(scope="module")
def subwords(samples) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    cells = samples[["task", "language", "split"]].drop_duplicates()
    rows = [
        ("world/enc", *cell, piece, int(rng.integers(1, 20)), 30)
        for cell in cells.itertuples(index=False)
        for piece in ("a", "b", "<unk>", cell.task)
    ]
    return pd.DataFrame(rows, columns=["checkpoint", "task", "language", "split", "piece", "count", "words"])


LANGUAGES = pd.DataFrame(
    [
        (PIVOT, "syntactic", "S_SVO", 1.0),
        (PIVOT, "syntactic", "S_SOV", 0.0),
        (OTHER, "syntactic", "S_SVO", 0.0),
        (OTHER, "syntactic", "S_SOV", 1.0),
    ],
    columns=["language", "kind", "feature", "value"],
)


def value(found, a, b, measure, language="") -> float:
    rows = found.table.set_index(["a", "b", "measure", "language"])["value"]
    return rows.loc[(a, b, measure, language)]


def of(embeddings, task, language, split) -> np.ndarray:
    rows = embeddings.rows
    wanted = (rows["task"] == task) & (rows["language"] == language) & (rows["split"] == split)
    return embeddings.values[wanted.to_numpy()].astype(float)


def test_everything_that_can_be_had_is_there(samples, embeddings, subwords):
    found = similarity.task_similarities(
        samples, embeddings=[embeddings], subwords=subwords, languages=LANGUAGES
    )
    validate(found.table, SIMILARITY)
    computed = {n for n, m in MEASURES.items() if m.level == "task" and "model_based" not in m.path}
    there, left = set(found.table["measure"]), set(found.left_out["measure"])
    assert computed - there == {"description", *(n for n in computed if n.startswith("typological_"))} - there
    assert "typological_syntactic" in there
    assert computed - there <= left
    for name, rows in found.table.groupby("measure"):
        assert rows["value"].between(MEASURES[name].low, MEASURES[name].high).all()
    assert "left out: description" in found.summary()


def test_values_are_those_of_the_functions(samples, embeddings, subwords):
    found = similarity.task_similarities(samples, embeddings=[embeddings], subwords=subwords)
    x, y = of(embeddings, "w-nli", PIVOT, "train"), of(embeddings, "w-pos", OTHER, "test")
    assert value(found, "w-nli", "w-pos", "mean_cosine", OTHER) == pytest.approx(mean_cosine(x, y))
    bandwidth = median_distance(embeddings.values)
    assert value(found, "w-nli", "w-pos", "mmd", OTHER) == pytest.approx(-squared_mmd(x, y, bandwidth))
    middle = Embeddings(
        centred(embeddings.values, embeddings.rows["language"].to_numpy(dtype=str)),
        embeddings.rows,
        "world/enc",
        embeddings.languages,
    )
    x, y = of(middle, "w-nli", PIVOT, "train"), of(middle, "w-pos", OTHER, "test")
    assert value(found, "w-nli", "w-pos", "mean_cosine_centred", OTHER) == pytest.approx(mean_cosine(x, y))


def test_a_language_with_one_set_of_texts_has_no_centred_similarity():
    """Its mean is taken away whole; the cosine of the rounding that is left would be any number."""
    rng = np.random.default_rng(0)
    sides = [("w-nli", PIVOT, "train"), ("w-pos", PIVOT, "test"), ("w-pos", OTHER, "test")]
    rows = pd.DataFrame([side for side in sides for _ in range(7)], columns=["task", "language", "split"])
    embeddings = Embeddings(rng.normal(size=(len(rows), 5)), rows, "world/enc", frozenset({PIVOT, OTHER}))
    found = semantic_table(embeddings, ["w-nli"], ["w-pos"], ["mean_cosine", "mean_cosine_centred"])
    assert set(found.loc[found["measure"] == "mean_cosine", "language"]) == {PIVOT, OTHER}
    assert set(found.loc[found["measure"] == "mean_cosine_centred", "language"]) == {PIVOT}


def test_subwords_are_compared_over_one_list_of_pieces(samples, subwords):
    found = similarity.task_similarities(samples, subwords=subwords, measures=["subword_js", "fertility"])
    cells = subwords.set_index(["task", "language", "split", "piece"])["count"].sort_index()
    pieces = ["a", "b", "<unk>", "w-nli", "w-pos"]
    x = cells.loc["w-nli", PIVOT, "train"].reindex(pieces, fill_value=0).to_numpy()
    y = cells.loc["w-pos", OTHER, "test"].reindex(pieces, fill_value=0).to_numpy()
    assert value(found, "w-nli", "w-pos", "subword_js", OTHER) == pytest.approx(js_similarity(x, y))
    ratio = x.sum() / y.sum()
    assert value(found, "w-nli", "w-pos", "fertility", OTHER) == pytest.approx(min(ratio, 1 / ratio))
    assert set(found.table["checkpoint"]) == {"world/enc"}


def test_intermediates_follow_their_names(samples, embeddings):
    names = ["w-nli", "w-nli@x-sov", "w-nli+w-roles", "w-nli>w-roles"]
    found = similarity.task_similarities(
        samples, embeddings=[embeddings], intermediates=names, measures=["mean_cosine", "structural"]
    )
    y = of(embeddings, "w-pos", PIVOT, "test")
    nli, roles = (of(embeddings, task, PIVOT, "train") for task in SOURCES)
    other = of(embeddings, "w-nli", OTHER, "train")
    expected = {"w-nli": nli, "w-nli@x-sov": other, "w-nli+w-roles": np.concatenate([nli, roles])}
    for name, x in expected.items():
        assert value(found, name, "w-pos", "mean_cosine", PIVOT) == pytest.approx(mean_cosine(x, y))
    assert value(found, "w-nli>w-roles", "w-pos", "mean_cosine", PIVOT) == value(
        found, "w-nli+w-roles", "w-pos", "mean_cosine", PIVOT
    )
    assert set(found.left_out.loc[found.left_out["measure"] == "structural", "what"]) == {names[2], names[3]}


def test_a_language_the_encoder_does_not_declare_is_left_out_and_named(samples, embeddings):
    shy = Embeddings(embeddings.values, embeddings.rows, "world/enc", frozenset({PIVOT}))
    found = similarity.task_similarities(samples, embeddings=[shy], measures=["nearest_coverage"])
    assert set(found.table["language"]) == {PIVOT}
    assert found.left_out.iloc[0].tolist() == [
        "semantic",
        OTHER,
        "world/enc was not trained on these languages",
    ]


def test_typological_embeddings_are_means_weighted_by_examples():
    examples = pd.DataFrame({"task": ["t", "t", "u"], "language": [PIVOT, OTHER, OTHER], "n": [30, 10, 5]})
    vectors = similarity.task_embeddings(examples, "syntactic", LANGUAGES)
    assert vectors.loc["t"].to_dict() == {"S_SVO": 0.75, "S_SOV": 0.25, "observed_share": 1.0}
    assert vectors.loc["u"].to_dict() == {"S_SVO": 0.0, "S_SOV": 1.0, "observed_share": 1.0}


def test_typological_embeddings_state_what_was_observed():
    """30 of 40 examples are in a language that states both features, 10 in one that states one of two."""
    half = LANGUAGES[~((LANGUAGES["language"] == OTHER) & (LANGUAGES["feature"] == "S_SVO"))]
    examples = pd.DataFrame({"task": "t", "language": [PIVOT, OTHER], "n": [30, 10]})
    vector = similarity.task_embeddings(examples, "syntactic", half).loc["t"]
    assert vector["observed_share"] == pytest.approx((30 * 2 + 10) / (40 * 2))
    assert vector["S_SVO"] == 1.0 and vector["S_SOV"] == 0.25


@pytest.mark.parametrize(
    ("examples", "kind", "message"),
    [
        ({"task": ["t"], "language": [PIVOT], "n_examples": [3]}, "syntactic", r"\['n'\] are missing"),
        ({"task": ["t"], "language": [PIVOT], "n": [0]}, "syntactic", "not above zero"),
        ({"task": ["t"], "language": ["en"], "n": [3]}, "geographic", "no mean"),
    ],
)
def test_typological_embeddings_refuse(examples, kind, message):
    with pytest.raises(InputError, match=message):
        similarity.task_embeddings(pd.DataFrame(examples), kind, LANGUAGES)


def test_semantic_embeddings_are_means_whose_cosine_is_the_measure(embeddings):
    vectors = similarity.semantic_task_embeddings(embeddings)
    a, b = vectors.loc["w-nli", PIVOT, "train"], vectors.loc["w-xnli", OTHER, "test"]
    sets = [
        embeddings.values[((embeddings.rows == key).all(axis=1)).to_numpy()]
        for key in (["w-nli", PIVOT, "train"], ["w-xnli", OTHER, "test"])
    ]
    np.testing.assert_allclose(a, sets[0].mean(axis=0), rtol=1e-6)
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(mean_cosine(*sets))


def test_typological_similarity_of_tasks(samples):
    found = similarity.task_similarities(samples, languages=LANGUAGES, measures=["typological_syntactic"])
    # (1, 0) against the mean of both languages, (1/2, 1/2): 45 degrees
    assert value(found, "w-roles", "w-pos", "typological_syntactic") == pytest.approx(0.5)


def test_descriptions_need_an_encoder_and_are_compared_by_it(samples, tmp_path):
    encoder = similarity.multilingual_e5()
    found = similarity.task_similarities(
        samples,
        encoder=encoder,
        cache=tmp_path,
        intermediates=["w-nli", "w-roles", "w-nli+w-roles"],
        targets=["w-xnli"],
        measures=["description"],
    )
    assert value(found, "w-nli", "w-xnli", "description") > value(found, "w-roles", "w-xnli", "description")
    assert set(found.table["checkpoint"]) == {"packaged/multilingual-e5-small"}


def test_unknown_names_are_refused(samples):
    with pytest.raises(InputError, match="Did you mean 'mean_cosine'"):
        similarity.task_similarities(samples, measures=["mean_cosin"])
    with pytest.raises(InputError, match="w-nly"):
        similarity.task_similarities(samples, intermediates=["w-nly"])


def test_without_inputs_the_table_is_empty_and_says_why(samples):
    found = similarity.task_similarities(samples, measures=["mmd", "subword_js"])
    assert found.table.empty
    assert set(found.left_out["measure"]) == {"semantic", "lexical"}


def test_language_similarities_are_one_minus_distance():
    found = similarity.language_similarities(["en", "de", "et", "qu", "x-a"], ["syntactic", "phonological"])
    validate(found.table, SIMILARITY)
    distances = similarity.language_distances(["en", "de"], ["syntactic"])
    expected = 1 - distances.set_index(["a", "b"]).loc[("en", "de"), "distance"]
    assert value(found, "en", "de", "syntactic") == pytest.approx(expected)
    assert value(found, "en", "en", "syntactic") == 1
    left = found.left_out.set_index("what")["reason"]
    assert "quy" in left["qu"] and "artificial" in left["x-a"]
    assert ("en", "et") not in set(
        zip(*found.table.query("measure == 'phonological'")[["a", "b"]].to_numpy().T, strict=True)
    )
    assert "phonological" in set(found.left_out["measure"])


def test_language_similarities_of_a_world():
    found = similarity.language_similarities([PIVOT, OTHER], ["syntactic", "genetic"], LANGUAGES)
    assert value(found, PIVOT, OTHER, "syntactic") == pytest.approx(0)
    assert set(found.left_out["measure"]) == {"genetic"}


def test_a_heatmap_shows_the_mean_over_languages(samples, embeddings):
    found = similarity.task_similarities(samples, embeddings=[embeddings], measures=["mean_cosine"])
    shown = np.array(found.plot("mean_cosine").data[0].z, dtype=float)
    expected = found.table.groupby(["a", "b"])["value"].mean().to_numpy()
    np.testing.assert_allclose(np.sort(shown.ravel()), np.sort(expected))
    with pytest.raises(InputError, match="unknown measure"):
        found.plot("mmd")


def test_the_embedded_worlds_own_table():
    """A language that differs from the pivot in word order only keeps its script, and the other way round."""
    from simxfer.world import languages_table

    table = languages_table()
    codes = list(table["language"].unique())
    found = similarity.language_similarities(codes, ["syntactic", "genetic", "script"], table)
    assert found.left_out.empty
    assert len(found.table) == 3 * len(codes) ** 2
    assert value(found, PIVOT, OTHER, "script") == 1 > value(found, PIVOT, "x-cyrl", "script")
    assert value(found, PIVOT, "x-cyrl", "syntactic") == 1 > value(found, PIVOT, OTHER, "syntactic")
    every = similarity.language_similarities(codes, table=table).left_out
    assert set(every["measure"]) == {"phonological", "inventory", "geographic"}
    with pytest.raises(InputError, match="no angle"):
        similarity.language_distances(codes, ["lexical"], table)
