"""The proxy A-distance against worked counts and against another run of the same classifier."""

import json
import math

import numpy as np
import pytest

from analyses.similarity import ADistance, proxy_a_distance
from simxfer.common.errors import InputError


@pytest.fixture(scope="module")
def stored(oracles) -> dict:
    return json.loads((oracles / "numeric" / "proxy_a_distance.json").read_text())


def test_from_counts(stored):
    for case in stored["counts"]:
        found = ADistance(case["errors"], case["n_test"])
        assert found.raw == pytest.approx(case["pad"], abs=1e-9)
        assert found.clipped == pytest.approx(case["clipped"], abs=1e-9)


def test_from_states(stored):
    for case in stored["feature_sets"]:
        found = proxy_a_distance(np.array(case["source"]), np.array(case["target"]))
        assert found.errors / found.n == pytest.approx(case["held_out_error"], abs=1e-12)
        assert found.raw == pytest.approx(case["pad"], abs=1e-9)


def test_the_interval_is_wilsons():
    """By its formula; at no error it is no point."""
    for errors, n in ((0, 200), (13, 200), (100, 200)):
        z, share = 1.959963984540054, errors / n
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        expected = [2 * (1 - 2 * (middle + half)), 2 * (1 - 2 * (middle - half))]
        assert ADistance(errors, n).interval == pytest.approx(expected, abs=1e-9)
    assert ADistance(0, 200).interval[0] < 2.0


def test_alike_is_about_nothing_and_apart_is_two():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(40):
        low, high = proxy_a_distance(rng.normal(size=(120, 5)), rng.normal(size=(120, 5))).interval
        covered += low <= 0 <= high
    assert covered >= 34  # 38 are expected; fewer than 34 come once in 300 tries of a right interval
    states = rng.normal(size=(90, 5))
    apart = proxy_a_distance(states, states[:50] + 20)
    assert (apart.raw, apart.n) == (2.0, 50)


def test_what_is_no_pair_of_tables_is_refused():
    for source, target, message in (
        (np.ones((9, 2)), np.ones((9, 3)), "2 dimensions and y 3"),
        (np.ones((9, 2)), np.ones((3, 2)), "at least 4"),
        (np.full((9, 2), np.nan), np.ones((9, 2)), "NaN"),
    ):
        with pytest.raises(InputError, match=message):
            proxy_a_distance(source, target)
