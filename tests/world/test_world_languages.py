from pathlib import Path

import numpy as np
import pytest

from simxfer.common.errors import InputError
from simxfer.schema.tables import is_language
from simxfer.tasks.world import WORLD_LANGUAGES
from simxfer.world import LANGUAGES, PIVOT, languages_table, true_distance
from simxfer.world.languages import COMPONENTS, MINIMAL_PAIRS, differing_switches


def test_the_task_records_name_the_languages_in_the_same_order():
    assert tuple(LANGUAGES) == WORLD_LANGUAGES
    assert all(is_language(code) for code in LANGUAGES)
    assert next(iter(LANGUAGES)) == PIVOT


def test_parents_come_before_their_children():
    seen = set()
    for code, language in LANGUAGES.items():
        assert language.parent is None or language.parent in seen
        seen.add(code)


@pytest.mark.parametrize(
    ("code", "switch"),
    [
        ("x-sov", "order"),
        ("x-vso", "order"),
        ("x-na", "adjective"),
        ("x-post", "adposition"),
        ("x-nodet", "determiner"),
        ("x-insitu", "wh_fronting"),
        ("x-fus", "morphology"),
        ("x-agg", "morphology"),
        ("x-cyrl", "script"),
        ("x-lex", "cognacy"),
    ],
)
def test_minimal_pairs_differ_from_the_pivot_in_one_switch(code, switch):
    assert code in MINIMAL_PAIRS
    assert differing_switches(code) == (switch,)
    assert sum(true_distance(code)[component] > 0 for component in COMPONENTS) == 1


def test_true_distances_worked_by_hand():
    # x-b1: order (2), adposition, determiner, wh-fronting differ: 5/6; agglutinative; Latin; 1 - .30.
    assert true_distance("x-b1") == pytest.approx(
        {"total": (5 / 6 + 1 + 0 + 0.7) / 4, "syntax": 5 / 6, "morphology": 1, "script": 0, "lexicon": 0.7}
    )
    # x-c2 against x-d1: order 2, adjective, adposition, determiner, wh; both fusional; path .60 x .20 x .15.
    assert true_distance("x-c2", "x-d1") == pytest.approx(
        {"total": (1 + 0 + 1 + 0.982) / 4, "syntax": 1, "morphology": 0, "script": 1, "lexicon": 0.982}
    )
    assert true_distance("x-b1", "x-b2")["total"] == pytest.approx(0.5 / 4)


def test_true_distance_is_a_symmetric_dissimilarity():
    matrix = np.array([[true_distance(a, b)["total"] for b in LANGUAGES] for a in LANGUAGES])
    assert np.allclose(matrix, matrix.T)
    assert np.allclose(np.diag(matrix), 0)
    assert matrix.max() <= 1
    assert (matrix[~np.eye(len(matrix), dtype=bool)] > 0).all()


def test_the_table_holds_every_language_and_the_true_distances():
    table = languages_table()
    assert set(table["language"]) == set(LANGUAGES)
    wide = table[table["kind"] == "distance"].pivot(index="language", columns="feature", values="value")
    for code in LANGUAGES:
        assert wide.loc[code].to_dict() == pytest.approx(true_distance(code))
    assert not table.duplicated(["language", "kind", "feature"]).any()


def test_every_language_has_one_value_of_each_switch_one_family_one_script():
    table = languages_table()
    for kind in ("genetic", "script"):
        assert (table[table["kind"] == kind].groupby("language")["value"].sum() == 1).all()
    switches = table[table["kind"] == "switch"]
    switch = switches["feature"].str.split("=").str[0]
    assert (switches.groupby(["language", switch])["value"].sum() == 1).all()


def test_syntactic_features_have_uriels_names():
    urielplus = pytest.importorskip("urielplus")
    path = Path(urielplus.__file__).parent / "database" / "original_uriel" / "features.npz"
    names = set(np.load(path, allow_pickle=False)["feats"].tolist())
    table = languages_table()
    assert set(table.loc[table["kind"] == "syntactic", "feature"]) <= names


def test_an_unknown_language_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean 'x-pivot'"):
        true_distance("x-pivott")
