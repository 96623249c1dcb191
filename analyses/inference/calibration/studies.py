"""The designs of the studies: each study's primary test on simulated tables of its own shape."""

from dataclasses import replace

import numpy as np

from analyses.inference.calibration.design import Design, covers, rejects
from analyses.inference.calibration.simulate import simulate_orders
from analyses.inference.orders import order_contrasts
from analyses.inference.result import Inference

RUNS = 4000


def _orders(part: int, replicates: int, shared: float, needs: str = "") -> Design:
    """Last task (part 0), or the order of the earlier two given the last (1)."""

    def test(rng: np.random.Generator) -> float:
        return float(order_contrasts(simulate_orders(rng, replicates, shared)).table["p"].iloc[part])

    name = ("last task", "earlier two given the last")[part]
    return rejects(
        "order_contrasts",
        f"{name}, {replicates} replicates, first stage {shared:.0%} of the run variance",
        test,
        runs=RUNS,
        needs=needs,
    )


def _last_difference(replicates: int) -> Design:
    def estimate(rng: np.random.Generator) -> Inference:
        found = order_contrasts(simulate_orders(rng, replicates, effects={"a>b>c": 2.0, "b>a>c": 2.0}))
        return replace(found, table=found.table[found.table["term"] == "b last minus c last"])

    return covers(
        "order_contrasts",
        f"one last task against another, {replicates} replicates",
        estimate,
        -2.0,
        runs=RUNS,
    )


STUDY_DESIGNS: tuple[Design, ...] = (
    _orders(0, 5, 0.4),
    _orders(0, 6, 0.7),
    _orders(1, 5, 0.4),
    _orders(1, 6, 0.7, needs="a first stage that makes less of the run variance"),
    _last_difference(5),
)
