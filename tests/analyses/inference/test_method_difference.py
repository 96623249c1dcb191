"""One method against another: by hand, against scipy, few replicates, gaps."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import method_difference
from simxfer.common.errors import InputError


def test_by_hand():
    """Replicates' means 1, 2, 3, 2, 2: mean 2, SD sqrt(1/2), se sqrt(1/10), t = 6.32 at 4 df."""
    found = method_difference(pd.DataFrame({"sw": [0.0, 1, 2, 1, 1], "th": [2.0, 3, 4, 3, 3]}))
    assert found.distribution.tolist() == [1, 2, 3, 2, 2]
    assert found.estimate == 2 and found.table["se"].iloc[0] == pytest.approx(np.sqrt(0.1))
    assert found.interval == pytest.approx((2 - 2.7764 * 0.31623, 2 + 2.7764 * 0.31623), abs=1e-4)
    assert found.table["estimate"].tolist() == [2, 1, 3]


def test_every_row_is_a_one_sample_t_test_and_holm_is_over_the_columns():
    data = pd.DataFrame(np.random.default_rng(0).normal(1, 2, (7, 3)), columns=list("abc"))
    table = method_difference(data).table
    theirs = [stats.ttest_1samp(values, 0).pvalue for values in (data.mean(axis=1), *data.to_numpy().T)]
    np.testing.assert_allclose(table["p"], theirs)
    assert np.isnan(table["p_holm"].iloc[0])
    assert table["p_holm"].iloc[1:].min() == pytest.approx(3 * min(theirs[1:]))


def test_four_replicates_have_values_and_no_interval():
    found = method_difference(pd.DataFrame({"sw": [1.0, 2, 3, 4]}))
    assert found.estimate == 2.5 and np.isnan(found.p) and len(found.distribution) == 4


def test_a_replicate_with_a_gap_is_left_out_and_said():
    data = pd.DataFrame({"sw": [1.0, 2, 3, 2, 2, 9], "th": [1.0, 2, 3, 2, 2, np.nan]})
    found = method_difference(data)
    assert found.counts["replicates"] == 5 and "1 replicate lacks" in found.notes[0]
    with pytest.raises(InputError, match="no replicate has a difference in each"):
        method_difference(data.assign(th=np.nan))


def test_equal_replicates_have_no_interval():
    found = method_difference(pd.DataFrame({"sw": [2.0] * 6}))
    assert found.estimate == 2 and np.isnan(found.interval[0])
