"""Error rates of the procedures under known truth: simulated here, recorded in calibration.csv, shown by the
docs.

    python -m analyses.inference.calibration

runs the designs that the table lacks (about ten minutes for all) and adds them. Type I: share of data sets
without an effect in which p <= .05. Coverage: share in which a .95 interval holds the truth.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analyses.inference.cluster_robust import cluster_ols
from analyses.inference.distance_matrices import mantel
from analyses.inference.genealogy import genealogical_covariance
from analyses.inference.label_permutation import permute_labels
from analyses.inference.max_statistic import max_t
from analyses.inference.mixed_model import crossed_effects
from analyses.inference.pairs import pair_regression
from analyses.inference.phylogenetic import pgls
from analyses.inference.pigeonhole import crossed_bootstrap
from analyses.inference.rates import TABLE, error_rates
from analyses.inference.simulate import Truth, simulate_families, simulate_grid
from analyses.inference.task_permutation import permute_tasks
from analyses.inference.wild_bootstrap import wild_cluster_bootstrap
from simxfer.streams import stream

RUNS = 2000
NOMINAL = 0.05
COLUMNS = ("procedure", "design", "measure", "nominal", "rate", "runs")
KINDS = ("intermediate_kind", "target_kind")


@dataclass(frozen=True)
class Design:
    """One procedure under one known truth; `run` simulates once and tells of a rejection (a coverage)."""

    procedure: str
    design: str
    measure: Literal["type I", "coverage"]
    run: Callable[[np.random.Generator], bool]


def _grid(rng: np.random.Generator, **truth) -> pd.DataFrame:
    return simulate_grid(rng, Truth(**({"languages": 1, "seeds": 1} | truth)))


def _pairs(design: str, **truth) -> Design:
    kind = KINDS if "kinds" in truth else None
    run = lambda rng: pair_regression(_grid(rng, **truth), kind=kind).p <= NOMINAL  # noqa: E731
    return Design("pair_regression", design, "type I", run)


def _tasks(design: str, **truth) -> Design:
    kind = KINDS if "kinds" in truth else None

    def run(rng: np.random.Generator) -> bool:
        return permute_tasks(_grid(rng, **truth), rng=rng, permutations=199, kind=kind).p <= NOMINAL

    return Design("permute_tasks", design, "type I", run)


def _best_of_twenty(rng: np.random.Generator) -> bool:
    data = _grid(rng)
    names = [f"m{i}" for i in range(20)]
    data[names] = rng.normal(size=(len(data), 20))
    return max_t(data, "gain", names, rng=rng, permutations=199).p <= NOMINAL


def _kin(rng: np.random.Generator, families: int, signal: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return unrelated x and y that evolved on one tree with Pagel's lambda `signal`, and its covariance."""
    K = genealogical_covariance(simulate_families(rng, families))
    n = len(K)
    L = np.linalg.cholesky(signal * K.to_numpy() + (1 - signal) * np.eye(n))
    return pd.DataFrame({"language": K.index, "x": L @ rng.normal(size=n), "y": L @ rng.normal(size=n)}), K


def _pgls(design: str, families: int, signal: float) -> Design:
    def run(rng: np.random.Generator) -> bool:
        data, K = _kin(rng, families, signal)
        return pgls(data, "y", ["x"], covariance=K).p <= NOMINAL

    return Design("pgls", design, "type I", run)


def _labels(design: str, signal: float) -> Design:
    def run(rng: np.random.Generator) -> bool:
        data, _ = _kin(rng, 6, signal)
        return permute_labels(data, "y", "x", rng=rng, permutations=199).p <= NOMINAL

    return Design("permute_labels", design, "type I", run)


def _mantel(rng: np.random.Generator) -> bool:
    data, _ = _kin(rng, 6, 0.9)
    first, second = (_absolute_differences(data, name) for name in "xy")
    return mantel(first, second, rng=rng, permutations=199, alternative="greater").p <= NOMINAL


def _absolute_differences(data: pd.DataFrame, column: str) -> pd.DataFrame:
    values = data[column].to_numpy()
    return pd.DataFrame(np.abs(values[:, None] - values), data["language"], data["language"])


def _phylogenetic_effect(rng: np.random.Generator) -> bool:
    """Scores of nine targets in 16 kin languages against a covariate that evolved on the same tree."""
    data, K = _kin(rng, 4, 0.9)
    targets = [f"t{i}" for i in range(9)]
    rows = data.rename(columns={"y": "shared"}).merge(pd.DataFrame({"target": targets}), how="cross")
    rows["y"] = 60 + 2 * rows["shared"] + rng.normal(size=len(rows))
    rows["tip"] = rows["language"]
    formula = "y ~ x + (1 | target) + (1 | language) + (1 | tip)"
    return crossed_effects(rows, formula, covariances={"language": K}).p <= NOMINAL


def _two_way(rng: np.random.Generator) -> bool:
    return cluster_ols(_grid(rng), "gain", ["similarity"], ["intermediate", "target"]).p <= NOMINAL


def _wild(rng: np.random.Generator) -> bool:
    data = _grid(rng)
    return (
        wild_cluster_bootstrap(data, "gain", "similarity", ["intermediate"], rng=rng, draws=199).p <= NOMINAL
    )


def _bootstrap(levels: int) -> Design:
    def run(rng: np.random.Generator) -> bool:
        data = _grid(rng, sources=levels, targets=levels)
        low, high = crossed_bootstrap(data, "gain", rng=rng, resamples=499).interval
        return low <= 0 <= high

    return Design("crossed_bootstrap", f"mean gain, {levels} x {levels} tasks", "coverage", run)


def _bootstrap_of_seeds(levels: int) -> Design:
    def run(rng: np.random.Generator) -> bool:
        data = pd.DataFrame({"seed": np.arange(levels), "gain": rng.normal(size=levels)})
        low, high = crossed_bootstrap(data, "gain", ["seed"], rng=rng, resamples=499).interval
        return low <= 0 <= high

    return Design("crossed_bootstrap", f"mean over {levels} seeds", "coverage", run)


_SLOPES = {"slope_by_source": 1.0, "slope_by_target": 1.0}

DESIGNS: tuple[Design, ...] = (
    _pairs("no association"),
    _pairs("slopes vary by target", slope_by_target=1.0),
    _pairs("slopes vary by source and target", **_SLOPES),
    _pairs("slopes vary, 15 % of pairs missing", missing=0.15, **_SLOPES),
    _pairs("slopes vary, blocks of kinds", kinds=3, block=2.0, slope_by_target=0.7),
    _pairs("slopes vary, 5 x 9 tasks", sources=5, **_SLOPES),
    _pairs("singular: no task or pair variance", source=0.0, target=0.0, pair=0.0),
    _tasks("no association"),
    _tasks("no association, 20 % of pairs missing", missing=0.2),
    _tasks("no association, blocks of kinds", kinds=3, block=2.0),
    _tasks("no association, 5 x 6 tasks", sources=5, targets=6),
    _tasks("mean slope zero, slopes vary by target: another null", slope_by_target=1.0),
    Design("max_t", "best of 20 unrelated measures", "type I", _best_of_twenty),
    _pgls("24 kin languages, lambda .9", 6, 0.9),
    _pgls("16 kin languages, lambda .9", 4, 0.9),
    _pgls("24 languages, lambda 0", 6, 0.0),
    Design(
        "crossed_effects",
        "language covariate, phylogenetic effect, 16 languages",
        "type I",
        _phylogenetic_effect,
    ),
    _labels("24 languages without kinship", 0.0),
    _labels("24 kin languages, lambda .9: not exchangeable", 0.9),
    Design("mantel", "24 kin languages, lambda .9", "type I", _mantel),
    Design("cluster_ols", "two-way, similarity with task means, 9 x 9 tasks", "type I", _two_way),
    Design("wild_cluster_bootstrap", "by source, similarity with task means, 9 x 9 tasks", "type I", _wild),
    _bootstrap(9),
    _bootstrap(30),
    _bootstrap_of_seeds(9),
)  # fmt: skip


def calibrate(design: Design, runs: int = RUNS) -> float:
    """Return the share of simulated data sets in which the design rejects (covers)."""
    rng = stream("calibration", design.procedure, design.design)
    return float(np.mean([design.run(rng) for _ in range(runs)]))


def main() -> None:
    """Run the designs that the table lacks, writing it after each; delete the file to run all anew."""
    recorded = {(row["procedure"], row["design"]): row for row in error_rates()}
    for design in DESIGNS:
        key = (design.procedure, design.design)
        if key not in recorded:
            nominal = NOMINAL if design.measure == "type I" else 1 - NOMINAL
            values = (*key, design.measure, f"{nominal:g}", f"{calibrate(design):.4f}", str(RUNS))
            recorded[key] = dict(zip(COLUMNS, values, strict=True))
            _write([recorded[d.procedure, d.design] for d in DESIGNS if (d.procedure, d.design) in recorded])
            print(*values, sep=", ", flush=True)


def _write(rows: list[dict[str, str]]) -> None:
    """Replace the table at once, so that a reader never sees half of it."""
    unfinished = TABLE.with_suffix(".tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(TABLE)


if __name__ == "__main__":
    main()
