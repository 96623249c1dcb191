"""Forgetting, the effects of order, and mixtures against worked numbers."""

import json

import numpy as np
import pytest

from analyses.sequences import forgetting, order_effects
from simxfer.common.errors import InputError
from simxfer.training.mixture import Temperature, largest_remainder, step_shares
from simxfer.training.recipes import Hyperparameters


@pytest.fixture(scope="module")
def stored(oracles):
    return {
        name: json.loads((oracles / "numeric" / f"{name}.json").read_text())
        for name in ("forgetting", "orders", "mixtures")
    }


def test_what_a_sequence_keeps(stored):
    case = stored["forgetting"]
    found = forgetting(case["R"], case["untrained"])
    expected = [
        case[n] for n in ("average_accuracy", "learning_accuracy", "backward_transfer", "forward_transfer")
    ]
    ours = [found.average, found.learning, found.backward_transfer, found.forward_transfer]
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert found.forgetting == pytest.approx(case["forgetting_max"], abs=1e-9)
    np.testing.assert_allclose(found.by_task, case["forgetting_by_task"], atol=1e-9)
    assert np.isnan(forgetting(case["R"]).forward_transfer)


@pytest.mark.parametrize("scores", [[[1.0, 2.0]], [[1.0]], [[1.0, np.nan], [2.0, 3.0]]])
def test_a_table_that_is_no_sequence_is_refused(scores):
    with pytest.raises(InputError, match="expected \\(tasks, tasks\\)"):
        forgetting(scores)


def test_what_the_order_of_three_tasks_does(stored):
    case = stored["orders"]
    found = order_effects([tuple(o) for o in case["orders"]], case["scores"])
    squares = case["sums_of_squares"]
    for part, name in (("linear", "linear_position"), ("middle", "middle_position"), ("cyclic", "cyclic")):
        assert found.parts.loc[part, "sum_of_squares"] == pytest.approx(squares[name], abs=1e-9)
        assert found.parts.loc[part, "df"] == case["df"][name]
    assert found.parts["sum_of_squares"].sum() == pytest.approx(squares["total"], abs=1e-9)
    for task, effects in case["position_mean_minus_grand"].items():
        np.testing.assert_allclose(found.position.loc[task], effects, atol=1e-9)
    ours = {f"{a}>{b}": value for (a, b), value in found.precedence.items()}
    assert ours == pytest.approx(case["precedence_difference"], abs=1e-9)
    assert found.cyclic == pytest.approx(case["cyclic_effect"], abs=1e-9)
    assert found.distances.tolist() == case["kendall_distance"]
    assert found.mantel_r == pytest.approx(case["mantel_r_kendall_against_abs_score_difference"], abs=1e-9)
    assert found.mantel_p == pytest.approx(case["mantel_p_exact_one_sided"], abs=1e-9)


def test_no_order_gives_a_p_below_1_in_60(stored):
    orders = [tuple(o) for o in stored["orders"]["orders"]]
    rng = np.random.default_rng(0)
    ps = [order_effects(orders, rng.normal(size=6)).mantel_p for _ in range(40)]
    assert min(ps) >= stored["orders"]["smallest_p_one_sided"] - 1e-12
    assert np.mean(ps) == pytest.approx(0.5, abs=0.15)


def test_five_orders_are_refused(stored):
    orders = [tuple(o) for o in stored["orders"]["orders"]]
    with pytest.raises(InputError, match="got 5 orders and 5 scores"):
        order_effects(orders[:5], [1.0] * 5)


def test_mixtures(stored):
    """Shares in proportion to min(n, cap)^(1/T), and whole counts by largest remainder, ties by name."""
    case = stored["mixtures"]
    names = sorted(case["sizes"])
    sizes = [case["sizes"][name] for name in names]
    batches_of_one = [Hyperparameters(learning_rate=1e-5, batch_size=1, steps=1)] * len(names)
    for rule, expected in case["probabilities"].items():
        temperature, cap = _rule(rule)
        shares = step_shares(sizes, batches_of_one, temperature, cap)
        assert shares == pytest.approx([expected[name] for name in names], rel=1e-9)
        counts = case["counts_of_10000_largest_remainder"][rule]
        assert largest_remainder(shares, 10_000) == [counts[name] for name in names]


def _rule(spelled: str) -> tuple[Temperature, int | None]:
    """Return temperature and cap of `temperature2_cap16384`, `proportional`, `alpha0.3`, `uniform`."""
    kind, _, capped = spelled.partition("_cap")
    cap = int(capped) if capped else None
    if kind in ("uniform", "proportional"):
        return ("uniform" if kind == "uniform" else 1.0), cap
    if kind.startswith("alpha"):
        return 1 / float(kind.removeprefix("alpha")), cap
    return float(kind.removeprefix("temperature")), cap
