"""Model-based similarity from a run's files: Fisher vectors by hand, their labelled table."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analyses.run import load_run
from analyses.similarity import task_similarities, taskemb
from simxfer.errors import InputError
from simxfer.schema import RESULTS, SAMPLES, SIMILARITY, validate

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
