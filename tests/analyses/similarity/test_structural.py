"""Gower similarity of task records."""

import numpy as np
import pytest

from analyses.similarity.structural import gower_similarity, task_variables
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS


def test_gower_by_hand():
    numeric = np.array([[0.0, 1.0], [10.0, np.nan], [5.0, 1.0]])
    nominal = np.array([["a"], ["a"], ["b"]])
    value, share = gower_similarity(numeric, nominal)
    assert value[0, 1] == pytest.approx((0 + 1) / 2)  # the range apart; equal name; one variable unknown
    assert value[0, 2] == pytest.approx((0.5 + 1 + 0) / 3)
    assert share[0, 1] == pytest.approx(2 / 3) and share[0, 2] == 1
    np.testing.assert_allclose(np.diag(value), 1)
    np.testing.assert_array_equal(value, value.T)


def test_nothing_known_is_undefined():
    value, share = gower_similarity(np.array([[np.nan], [1.0]]), np.array([[""], ["a"]]))
    assert np.isnan(value[0, 1]) and share[0, 1] == 0


def test_shapes_are_checked():
    with pytest.raises(InputError, match="records, variables"):
        gower_similarity(np.ones(3), np.array([["a"]]))


def test_records_of_one_kind_are_nearer():
    tasks = list(TASKS.values())
    numeric, nominal = task_variables(tasks)
    value, _ = gower_similarity(numeric.to_numpy(), nominal.to_numpy(dtype=str))
    kinds = np.array([task.kind for task in tasks])
    same = (kinds[:, None] == kinds[None, :]) & ~np.eye(len(tasks), dtype=bool)
    assert np.nanmean(value[same]) > np.nanmean(value[kinds[:, None] != kinds[None, :]]) + 0.2


def test_inputs_are_the_texts_that_a_kind_reads():
    numeric, _ = task_variables([TASKS[name] for name in ("w-qa", "w-cloze", "w-pos", "w-tatoeba", "w-nli")])
    assert numeric["inputs"].fillna(0).to_dict() == {
        "w-qa": 2, "w-cloze": 2, "w-pos": 1, "w-tatoeba": 1, "w-nli": 0,
    }  # fmt: skip
