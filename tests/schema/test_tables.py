import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simxfer.common.errors import InputError
from simxfer.metrics import METRICS
from simxfer.run.results import read_results
from simxfer.schema.tables import EXAMPLES, LANGUAGES, RESULTS, SIMILARITY, is_language, rows_text, validate


def table(n: int = 3, **changes) -> pd.DataFrame:
    """A valid results table of n rows, with some columns changed."""
    columns = {
        "run": "r",
        "model": "m",
        "checkpoint": "c",
        "method": "full",
        "intermediate": "none",
        "target": "w-xnli",
        "language": "en",
        "split": "test",
        "perturbation": "clean",
        "selection": "last",
        "seed": range(n),
        "metric": "accuracy",
        "value": 60.0,
        "n_examples": 100,
        "flags": "",
        "stage": "s",
    }
    return pd.DataFrame(columns | changes, index=range(n))


def faults_of(frame: pd.DataFrame, kind=RESULTS) -> list[str]:
    with pytest.raises(InputError) as caught:
        validate(frame, kind, "my.csv")
    head, *faults = str(caught.value).split("\n  - ")
    assert head == f"my.csv is not a valid {kind.name} table:"
    return faults


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": [0, 0, 1]}, "rows 1, 2: the same key"),
        ({"seed": [0, "x", 2]}, "column 'seed', row 2: got 'x', expected integer"),
        ({"seed": [0, 1.5, 2]}, "column 'seed', row 2: got 1.5, expected integer"),
        ({"seed": [0, None, 2]}, "column 'seed', row 2: empty; drop the row or fill it in"),
        ({"value": [50, "50%", 50]}, "column 'value', row 2: got '50%', expected float"),
        ({"value": [50, np.nan, 50]}, "column 'value', row 2: empty"),
        ({"value": [50, 100.5, -1]}, "rows 2, 3: accuracy 100.5 is outside [0.0, 100.0]"),
        ({"value": [50, np.inf, 50]}, "row 2: accuracy inf is outside"),
        ({"language": ["en", "avg", "sw"]}, "row 2: 'avg' is an average, not a language; drop it"),
        ({"language": ["en", "Mean", "sw"]}, "row 2: 'Mean' is an average"),
        ({"language": ["en", "english", "sw"]}, "row 2: unknown language 'english'; expected a BCP-47 code"),
        ({"language": ["en", "", "sw"]}, "column 'language', row 2: empty"),
        ({"metric": ["accuracy", "acc", "acc"]}, "rows 2, 3: unknown metric 'acc'; known: accuracy"),
        ({"intermediate": ["none", None, "none"]}, "column 'intermediate', row 2: empty"),
        ({"stage": [1, 2, 3], "target": [pd.NA, "a", "a"]}, "column 'target', row 1: empty"),
    ],
)
def test_refusals_name_row_and_remedy(changes, words):
    faults = faults_of(table(**changes))
    assert len(faults) == 1
    assert words in faults[0]


def test_values_between_0_and_1_are_refused_as_no_points():
    [fault] = faults_of(table(6, value=[0.1, 0.2, 0.3, 0.4, 0.5, 1.0]))
    assert fault.startswith("rows 1, 2, 3, 4, 5, ... (6 in all): all values of accuracy are at most 1")
    assert "multiply them by 100" in fault
    validate(table(6, value=[0.1, 0.2, 0.3, 0.4, 0.5, 1.1]), RESULTS)
    validate(table(6, value=0.0), RESULTS)  # a degenerate run scores 0, and 0 is 0 on both scales


def test_missing_columns_are_all_named():
    [fault] = faults_of(table().drop(columns=["seed", "value", "flags"]))
    assert fault.startswith("columns ['seed', 'value'] are missing; it has ['run', ")


def test_a_column_twice_is_refused():
    [fault] = faults_of(pd.concat([table(), table()[["value"]]], axis=1))
    assert fault.startswith("columns ['value'] occur twice")


def test_all_faults_are_reported_together():
    frame = table(4, language=["avg", "en", "en", "zz"], value=[50, 101, 50, 50], seed=[0, 1, 1, 1])
    assert len(faults_of(frame)) == 4  # a pseudo-language, an unknown one, a twin key, a value out of range
    assert len(faults_of(table(seed="x", value="y"))) == 2


def test_optional_columns_may_be_missing_or_empty_and_unknown_ones_are_kept():
    frame = table(note=["a", "b", "c"]).drop(columns=["flags", "n_examples", "stage"])
    out = validate(frame.set_index(pd.Index([7, 8, 9])), RESULTS)
    assert list(out.columns) == [*RESULTS.column_names, "note"]
    assert list(out["flags"]) == ["", "", ""]
    assert out["n_examples"].isna().all() and out["n_examples"].dtype == "Int64"
    assert list(out["note"]) == ["a", "b", "c"]
    assert list(out.index) == [0, 1, 2]


def test_none_survives_a_csv_and_so_do_ids_that_look_like_numbers(tmp_path):
    frame = table(run="007", checkpoint="1e5", stage="0012e34567890123", language=["en", "no", "sw"])
    frame = validate(frame, RESULTS)
    frame.to_csv(tmp_path / "results.csv", index=False)
    pd.testing.assert_frame_equal(read_results(tmp_path / "results.csv"), frame)


def test_an_empty_table_has_no_fault():
    assert len(validate(table(0), RESULTS)) == 0


def test_examples_and_similarity_have_their_own_rules():
    examples = pd.DataFrame(
        {"stage": "s", "target": "t", "language": "en", "perturbation": "clean", "example_id": ["1", "2"]}
    )
    assert list(validate(examples.assign(score=[0.0, 1.0]), EXAMPLES)["tp"].isna()) == [True, True]
    assert faults_of(examples.assign(score=[0.5, 1.5]), EXAMPLES) == ["row 2: score outside [0, 1]"]
    rows = pd.DataFrame({"a": ["x", "x"], "b": "y", "measure": "m", "value": 0.5, "observed_share": 1.0})
    assert "the same key" in faults_of(rows, SIMILARITY)[0]
    rows = pd.DataFrame({"language": "mean", "kind": "k", "feature": ["f"], "value": 1.0})
    assert "is an average" in faults_of(rows, LANGUAGES)[0]


def test_languages():
    assert all(map(is_language, ["en", "sw", "zh-Hant", "qu", "x-pivot", "x-a2-b1"]))
    assert not any(map(is_language, ["avg", "ALL", "english", "", "x", "x-", "x-a b", "x-ninechars", "zz"]))


def test_rows_are_counted_from_1_and_cut_after_five():
    assert rows_text(pd.Series([False, True, False])) == "row 2"
    assert rows_text(pd.Series([True] * 3)) == "rows 1, 2, 3"
    assert rows_text(pd.Series([True] * 7)) == "rows 1, 2, 3, 4, 5, ... (7 in all)"


@st.composite
def results_tables(draw) -> pd.DataFrame:
    names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=8)
    seeds = draw(st.lists(st.integers(0, 2**40), unique=True, min_size=1, max_size=6))
    n = len(seeds)
    several = st.lists(names, min_size=n, max_size=n)
    changes = {
        "seed": seeds,
        "run": draw(names),
        "intermediate": draw(several),
        "flags": draw(st.lists(st.one_of(names, st.just("")), min_size=n, max_size=n)),
        "metric": draw(st.sampled_from(sorted(METRICS))),
        "language": draw(st.sampled_from(["en", "sw", "x-agg"])),
        "value": draw(st.lists(st.floats(2.0, 100.0), min_size=n, max_size=n)),
    }
    return table(n, **changes)


@settings(max_examples=40)
@given(results_tables())
def test_a_valid_table_validates_to_itself(tmp_path_factory, frame):
    once = validate(frame, RESULTS)
    pd.testing.assert_frame_equal(validate(once, RESULTS), once)
    path = tmp_path_factory.mktemp("tables") / "results.csv"
    once.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_results(path), once)
