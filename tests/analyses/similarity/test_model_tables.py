"""Model-based similarity from a run's files: Fisher vectors by hand, their labelled table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyses.run import load_run
from analyses.similarity import (
    knn_accuracy,
    log_me,
    regularized_h_score,
    task_similarities,
    taskemb,
    transrate,
)
from simxfer.common.errors import InputError
from simxfer.schema.tables import RESULTS, SAMPLES, SIMILARITY, validate

NO_SAMPLES = pd.DataFrame(columns=SAMPLES.column_names)
VECTORS = {
    "intermediate/w-roles": np.array([1.0, 3.0, 0.0]),
    "target/w-pos": np.array([6.0, 2.0, 0.0]),
    "target/w-xnli": np.array([0.0, 0.0, 5.0]),
}


def test_by_hand():
    # Scaled: (1/4, 3/4) and (3/4, 1/4); shares (1/4, 3/4) and (3/4, 1/4): 2 * 3/16 over 10/16.
    assert taskemb(np.array([1.0, 3.0]), np.array([6.0, 2.0])) == pytest.approx(0.6)
    # A weight that neither depends on says nothing.
    assert taskemb(np.array([1.0, 3.0, 0.0]), np.array([6.0, 2.0, 0.0])) == pytest.approx(0.6)
    assert taskemb(np.array([1.0, 0.0]), np.array([0.0, 4.0])) == 0.0
    assert np.isnan(taskemb(np.zeros(2), np.ones(2)))


VALUES = arrays(float, 8, elements=st.floats(1e-3, 1e3))


@given(VALUES, VALUES, st.floats(1e-3, 1e3))
def test_range_symmetry_and_scale(x, y, factor):
    value = taskemb(x, y)
    assert 0 <= value <= 1 + 1e-12
    assert taskemb(y, x) == pytest.approx(value)
    assert taskemb(factor * x, y) == pytest.approx(value)
    assert taskemb(x, factor * x) == pytest.approx(1.0)
    order = np.argsort(x)
    assert taskemb(x[order], y[order]) == pytest.approx(value)


@pytest.mark.parametrize("bad", [np.array([1.0, -1.0]), np.array([1.0, np.nan]), np.array([np.inf, 1.0])])
def test_what_is_no_fisher_vector_is_refused(bad):
    with pytest.raises(InputError, match="negative, NaN or infinite"):
        taskemb(bad, np.ones(2))
    with pytest.raises(InputError, match=r"shapes \(3,\) and \(2,\)"):
        taskemb(np.ones(3), np.ones(2))


def test_the_table_has_the_pairs_that_are_embedded_and_names_the_others():
    found = task_similarities(
        NO_SAMPLES,
        intermediates=["w-roles", "w-nli+w-roles"],
        targets=["w-pos", "w-xnli"],
        task_embeddings={"world/w0-s0": VECTORS},
        measures=["taskemb"],
    )
    validate(found.table, SIMILARITY)
    values = found.table.set_index(["a", "b", "checkpoint"])["value"]
    assert values.to_dict() == {
        ("w-roles", "w-pos", "world/w0-s0"): pytest.approx(0.6),
        ("w-roles", "w-xnli", "world/w0-s0"): 0.0,
    }
    [left] = found.left_out.to_dict("records")
    assert (
        left["what"] == "intermediate/w-nli+w-roles" and "not embedded through world/w0-s0" in left["reason"]
    )


def test_without_task_embeddings_the_reason_is_given():
    found = task_similarities(NO_SAMPLES, intermediates=["w-roles"], targets=["w-pos"], measures=["taskemb"])
    assert found.table.empty and "grid key task_embeddings" in found.left_out["reason"].iloc[0]


def test_a_run_returns_what_the_core_wrote(tmp_path):
    row = dict.fromkeys(RESULTS.column_names, "x") | {"target": "w-pos", "language": "x-pivot", "seed": 0}
    row |= {"metric": "accuracy", "value": 50.0, "n_examples": 8}
    pd.DataFrame([row]).to_parquet(tmp_path / "results.parquet")
    folder = tmp_path / "representations" / "fisher"
    folder.mkdir(parents=True)
    np.savez(folder / "world__w0-s0.npz", allow_pickle=False, **VECTORS)
    run = load_run(tmp_path)
    found = run.task_embeddings("world/w0-s0")
    assert found.keys() == VECTORS.keys()
    assert all(np.array_equal(found[name], VECTORS[name]) for name in VECTORS)
    assert run.task_embeddings("world/w0-s1") == {}
    assert list(run.labelled_features("world/w0-s0")) == []
    rng = np.random.default_rng(0)
    for intermediate in ("w-roles", "w-nli>w-roles"):
        folder = tmp_path / "representations" / "labelled" / "world__w0-s0" / intermediate
        folder.mkdir(parents=True)
        labels = np.arange(30) % 3
        np.savez(folder / "w-pos.npz", features=rng.normal(size=(30, 4)) + labels[:, None], labels=labels)
    rows = list(run.labelled_features("world/w0-s0"))
    assert [row[:2] for row in rows] == [("w-nli>w-roles", "w-pos"), ("w-roles", "w-pos")]
    for _, _, features, labels in rows:
        assert features.shape == (30, 4)
        np.testing.assert_array_equal(labels, np.arange(30) % 3)


def test_transferability_is_that_of_the_functions_and_refusals_are_named():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    features = {
        name: rng.normal(size=(60, 4)) + k * labels[:, None] for k, name in enumerate(["w-nli", "w-roles"])
    }
    rows = [(a, "w-pos", x, labels) for a, x in features.items()]
    rows += [
        ("w-nli", "w-xnli", features["w-nli"], np.zeros(60, dtype=int)),
        ("w-qa", "w-pos", features["w-nli"], labels),
    ]
    functions = (log_me, regularized_h_score, transrate, knn_accuracy)
    found = task_similarities(
        NO_SAMPLES,
        intermediates=["w-nli", "w-roles"],
        targets=["w-pos", "w-xnli"],
        labelled={"world/w0-s0": iter(rows)},
        measures=[function.__name__ for function in functions],
    )
    validate(found.table, SIMILARITY)
    values = found.table.set_index(["a", "b", "measure", "checkpoint"])["value"]
    expected = {
        (a, "w-pos", function.__name__, "world/w0-s0"): function(x, labels)
        for a, x in features.items()
        for function in functions
    }
    assert values.to_dict() == pytest.approx(expected)
    for function in functions:  # features that hold the labels transfer better
        of = [values["w-roles" if k else "w-nli", "w-pos", function.__name__, "world/w0-s0"] for k in (0, 1)]
        assert of[1] > of[0]
    assert set(found.left_out["what"]) == {"w-nli to w-xnli through world/w0-s0"}
    assert len(found.left_out) == 4 and found.left_out["reason"].str.contains("1 class").all()
