"""The designs of the calibration: one procedure each, under one known truth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.calibration.design import NAIVE, Design, covers, rejects
from analyses.inference.calibration.simulate import Truth, simulate_families, simulate_grid
from analyses.inference.calibration.studies import STUDY_DESIGNS
from analyses.inference.languages.autocorrelation import morans_i
from analyses.inference.languages.genealogy import genealogical_covariance
from analyses.inference.languages.mantel import mantel
from analyses.inference.languages.permutation import permute_labels
from analyses.inference.languages.pgls import pgls
from analyses.inference.mixed.comparison import likelihood_ratio
from analyses.inference.mixed.model import DegreesOfFreedom, crossed_effects
from analyses.inference.pairs.interaction import pair_interaction
from analyses.inference.pairs.max_statistic import max_t
from analyses.inference.pairs.multiverse import specification_curve
from analyses.inference.pairs.permutation import permute_tasks
from analyses.inference.pairs.regression import pair_regression
from analyses.inference.rankings.agreement import rank_agreement
from analyses.inference.rankings.reliability import intraclass_correlation, seed_reliability
from analyses.inference.resampling.cluster_robust import cluster_ols
from analyses.inference.resampling.pigeonhole import FEW_LEVELS, crossed_bootstrap
from analyses.inference.resampling.sign_flips import paired_randomisation
from analyses.inference.resampling.simultaneous import simultaneous_means
from analyses.inference.resampling.wild_bootstrap import wild_cluster_bootstrap
from analyses.inference.result import Inference
from analyses.inference.tost import equivalence

KINDS = ("intermediate_kind", "target_kind")

Unequal = tuple[Sequence[str], float, float]
"""Tasks with noisier gains and a wider similarity than the others, and how many times each."""


def _grid(rng: np.random.Generator, unequal: Unequal | None = None, **truth) -> pd.DataFrame:
    """Return pair means of 9 x 9 tasks, unless told otherwise; `unequal` tasks have no means of their own."""
    means = {"source": 0.0, "target": 0.0} if unequal else {}
    data = simulate_grid(rng, Truth(**({"languages": 1, "seeds": 1} | means | truth)))
    if unequal is None:
        return data
    tasks, noisier, wider = unequal
    times = data[_BOTH].isin(tasks).sum(axis=1)
    return data.assign(gain=data["gain"] * noisier**times, similarity=data["similarity"] * wider**times)


def _pairs(design: str, **truth) -> Design:
    kind = KINDS if "kinds" in truth else None
    return rejects("pair_regression", design, lambda rng: pair_regression(_grid(rng, **truth), kind=kind).p)


def _interaction(rng: np.random.Generator) -> float:
    """Two methods of equal mean slope, whose slopes differ by source and by target."""
    first = _grid(rng, **_SLOPES)
    second = _grid(rng, **_SLOPES).drop(columns="similarity")
    keys = ["intermediate", "target", "language", "seed"]
    second = second.merge(first[[*keys, "similarity"]], on=keys)
    slopes = [dict(zip(sorted(set(second[c])), rng.normal(size=9), strict=True)) for c in keys[:2]]
    moved = sum(second[c].map(slope) for c, slope in zip(keys[:2], slopes, strict=True))
    second["gain"] = first["gain"] + moved * second["similarity"] + rng.normal(size=len(second))
    both = pd.concat([first.assign(method="full"), second.assign(method="lora")])
    return pair_interaction(both).p


def _tasks(design: str, instead: str = "", **truth) -> Design:
    kind = KINDS if "kinds" in truth else None

    def test(rng: np.random.Generator) -> float:
        return permute_tasks(_grid(rng, **truth), rng=rng, permutations=199, kind=kind).p

    return rejects("permute_tasks", design, test, instead=instead)


def _best_of_twenty(rng: np.random.Generator, unequal: Unequal | None = None) -> float:
    data = _grid(rng, unequal)
    names = [f"m{i}" for i in range(20)]
    data[names] = rng.normal(size=(len(data), 20)) * _widths(data, unequal)
    return max_t(data, "gain", names, rng=rng, permutations=199).p


def _curve(rng: np.random.Generator, unequal: Unequal | None = None) -> float:
    data = _grid(rng, unequal)
    names = [f"m{i}" for i in range(3)]
    noise = rng.normal(size=(len(data), 3)) * _widths(data, unequal)
    data[names] = data[["similarity"]].to_numpy() + noise
    return specification_curve(data, ["gain"], names, [(), ("similarity",)], rng=rng, permutations=199).p


def _widths(data: pd.DataFrame, unequal: Unequal | None) -> np.ndarray:
    """Return the standard deviations of measures, (n, 1)."""
    tasks, _, wider = unequal or ((), 1.0, 1.0)
    return np.where(data[_BOTH].isin(tasks).any(axis=1), wider, 1.0)[:, None]


def _kin(rng: np.random.Generator, families: int, signal: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return unrelated x and y that evolved on one tree with Pagel's lambda `signal`, and its covariance."""
    K = genealogical_covariance(simulate_families(rng, families))
    n = len(K)
    L = np.linalg.cholesky(signal * K.to_numpy() + (1 - signal) * np.eye(n))
    return pd.DataFrame({"language": K.index, "x": L @ rng.normal(size=n), "y": L @ rng.normal(size=n)}), K


def _pgls(design: str, families: int, signal: float) -> Design:
    def test(rng: np.random.Generator) -> float:
        data, K = _kin(rng, families, signal)
        return pgls(data, "y", ["x"], covariance=K).p

    return rejects("pgls", design, test, runs=4000)


def _labels(design: str, signal: float, instead: str = "") -> Design:
    def test(rng: np.random.Generator) -> float:
        data, _ = _kin(rng, 6, signal)
        return permute_labels(data, "y", "x", rng=rng, permutations=199).p

    return rejects("permute_labels", design, test, instead=instead)


def _moran(rng: np.random.Generator) -> float:
    data, K = _kin(rng, 6, 0.0)
    return morans_i(data.set_index("language")["y"], K, rng=rng, permutations=199).p


def _mantel(design: str, signal: float) -> Design:
    def test(rng: np.random.Generator) -> float:
        data, _ = _kin(rng, 6, signal)
        first, second = (_absolute_differences(data, name) for name in "xy")
        return mantel(first, second, rng=rng, permutations=199, alternative="greater").p

    return rejects("mantel", design, test)


def _absolute_differences(data: pd.DataFrame, column: str) -> pd.DataFrame:
    values = data[column].to_numpy()
    return pd.DataFrame(np.abs(values[:, None] - values), data["language"], data["language"])


_LANGUAGES = "y ~ x + (1 | target) + (1 | language) + (1 | tip)"


def _kin_scores(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of nine targets in 16 kin languages against a covariate that evolved on the same tree."""
    data, K = _kin(rng, 4, 0.9)
    targets = [f"t{i}" for i in range(9)]
    rows = data.rename(columns={"y": "shared"}).merge(pd.DataFrame({"target": targets}), how="cross")
    rows["y"] = 60 + 2 * rows["shared"] + rng.normal(size=len(rows))
    rows["tip"] = rows["language"]
    return rows, K


def _phylogenetic_t(rng: np.random.Generator) -> float:
    rows, K = _kin_scores(rng)
    return crossed_effects(rows, _LANGUAGES, covariances={"language": K}).p


def _phylogenetic_bootstrap(rng: np.random.Generator) -> float:
    rows, K = _kin_scores(rng)
    small, known = _LANGUAGES.replace("x +", "1 +"), {"language": K}
    return likelihood_ratio(rows, small, _LANGUAGES, rng=rng, covariances=known, simulations=39).p


def _slopes(design: str, df: DegreesOfFreedom, instead: str = "") -> Design:
    """Random slopes by source and target on the pairs' similarity, its task means left in."""
    bars = "(1 + similarity || intermediate) + (1 + similarity || target)"

    def test(rng: np.random.Generator) -> float:
        return crossed_effects(_grid(rng, **_SLOPES), f"gain ~ similarity + {bars}", df=df).p

    return rejects("crossed_effects", design, test, instead=instead)


def _clustered(design: str, clusters: Sequence[str]) -> Design:
    return rejects(
        "cluster_ols", design, lambda rng: cluster_ols(_grid(rng), "gain", ["similarity"], clusters).p
    )


def _wild(design: str, clusters: Sequence[str]) -> Design:
    def test(rng: np.random.Generator) -> float:
        return wild_cluster_bootstrap(_grid(rng), "gain", "similarity", clusters, rng=rng, draws=199).p

    return rejects("wild_cluster_bootstrap", design, test)


def _naive(design: str, **truth) -> Design:
    def test(rng: np.random.Generator) -> float:
        data = simulate_grid(rng, Truth(**truth))
        return float(stats.linregress(data["similarity"], data["gain"]).pvalue)

    return rejects(NAIVE, design, test, instead="pair_regression")


def _bootstrap(sources: int, targets: int) -> Design:
    def estimate(rng: np.random.Generator) -> Inference:
        return crossed_bootstrap(_grid(rng, sources=sources, targets=targets), "gain", rng=rng, resamples=999)

    return covers("crossed_bootstrap", f"mean gain, {sources} x {targets} tasks", estimate, 0.0)


def _bootstrap_of_seeds(levels: int) -> Design:
    def estimate(rng: np.random.Generator) -> Inference:
        data = pd.DataFrame({"seed": np.arange(levels), "gain": rng.normal(size=levels)})
        return crossed_bootstrap(data, "gain", ["seed"], rng=rng, resamples=499)

    return covers("crossed_bootstrap", f"mean over {levels} seeds", estimate, 0.0)


def _joint_means(languages: int, needs: str = "") -> Design:
    """Whether the intervals of all five groups hold zero; languages are shared."""

    def run(rng: np.random.Generator) -> bool:
        table = rng.normal(size=(5, languages)) + rng.normal(size=languages) - rng.normal(size=languages)
        index = pd.MultiIndex.from_product([range(5), range(languages)], names=["intermediate", "language"])
        data = pd.DataFrame({"gain": table.ravel()}, index).reset_index().astype({"intermediate": str})
        means = simultaneous_means(data, "gain", "intermediate", ["language"], rng=rng, resamples=499).table
        return bool(((means["low"] <= 0) & (means["high"] >= 0)).all())

    name = f"five means over {languages} shared languages, jointly"
    return Design("simultaneous_means", name, "coverage", run, needs=needs)


def _crossed_table(rng: np.random.Generator, units: int, raters: int, sd: Sequence[float]) -> pd.DataFrame:
    """Return value = unit + rater + noise, normal with the standard deviations `sd`."""
    value = sd[0] * rng.normal(size=(units, 1)) + sd[1] * rng.normal(size=raters)
    value = value + sd[2] * rng.normal(size=(units, raters))
    unit, seed = (index.ravel() for index in np.indices(value.shape))
    return pd.DataFrame({"intermediate": [f"s{i}" for i in unit], "seed": seed, "gain": value.ravel()})


def _agreement(items: int, rho: float) -> Design:
    """Kendall's tau of a bivariate normal is 2 / pi asin(rho)."""

    def estimate(rng: np.random.Generator) -> Inference:
        scores = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], items)
        data = pd.DataFrame({"item": np.tile(np.arange(items), 2), "method": np.repeat(["a", "b"], items)})
        data["value"] = scores.T.ravel()
        return rank_agreement(data, "value", "item", "method", rng=rng, permutations=99, resamples=499)

    tau = float(2 / np.pi * np.arcsin(rho))
    return covers("rank_agreement", f"tau {tau:.2f}, {items} items, two rankings", estimate, tau)


def _icc(rng: np.random.Generator) -> Inference:
    return intraclass_correlation(_crossed_table(rng, 20, 3, (1.0, 0.5, 1.0)), "gain", "intermediate", "seed")


def _reliability(tasks: int) -> Design:
    def estimate(rng: np.random.Generator) -> Inference:
        return seed_reliability(_crossed_table(rng, tasks, 4, (1.0, 0.5, 1.0)), rng=rng, resamples=499)

    return covers("seed_reliability", f"mean of 4 seeds over {tasks} tasks", estimate, 0.8)


def _paired(rng: np.random.Generator) -> float:
    right = rng.random((2, 60)) < rng.random(60)
    first, second = (pd.DataFrame({"example_id": np.arange(60), "score": row * 1.0}) for row in right)
    return paired_randomisation(first, second, rng=rng, permutations=199).p


def _at_the_margin(rng: np.random.Generator) -> float:
    x = rng.normal(1.0, 1.0, 20)
    return equivalence(float(x.mean()), float(x.std(ddof=1) / np.sqrt(20)), 19, (-1.0, 1.0)).p


_SLOPES: dict[str, Any] = {"slope_by_source": 1.0, "slope_by_target": 1.0}
_BOTH = ["intermediate", "target"]
_TWO: Unequal = (("t0", "t1"), 4.0, 3.0)
_ONE: Unequal = (("t0",), 10.0, 4.0)
_FOUR: Unequal = (("s0", "s1", "t0", "t1"), 4.0, 3.0)

DESIGNS: tuple[Design, ...] = (
    _pairs("no association"),
    _pairs("slopes vary by target", slope_by_target=1.0),
    _pairs("slopes vary by source and target", **_SLOPES),
    _pairs("slopes vary, 15 % of pairs missing", missing=0.15, **_SLOPES),
    _pairs("slopes vary, blocks of kinds", kinds=3, block=2.0, slope_by_target=0.7),
    _pairs("slopes vary, 5 x 9 tasks", sources=5, **_SLOPES),
    _pairs("singular: no task or pair variance", source=0.0, target=0.0, pair=0.0),
    _pairs("two targets, gains 4:1, similarity 3:1", unequal=_TWO),
    _naive("rows of 9 x 9 x 15 x 3, no association"),
    _naive("pair means, no association", languages=1, seeds=1),
    _naive("pair means, slopes vary by source and target", languages=1, seeds=1, **_SLOPES),
    rejects("pair_interaction", "two methods, slopes vary and differ by source and target", _interaction),
    _tasks("no association"),
    _tasks("no association, 20 % of pairs missing", missing=0.2),
    _tasks("no association, blocks of kinds", kinds=3, block=2.0),
    _tasks("no association, 5 x 6 tasks", sources=5, targets=6),
    _tasks("two targets, gains 4:1, similarity 3:1", unequal=_TWO),
    _tasks("one target, gains 10:1, similarity 4:1", unequal=_ONE),
    _tasks("two targets, gains 4:1 alone", unequal=(_TWO[0], 4.0, 1.0)),
    _tasks("two sources and two targets, gains 4:1, similarity 3:1", unequal=_FOUR),
    _tasks("two targets, gains 4:1, similarity 3:1, 20 % of pairs missing", unequal=_TWO, missing=0.2),
    _tasks("one target, gains 10:1, similarity 4:1, 5 x 6 tasks", unequal=_ONE, sources=5, targets=6),
    _tasks("mean slope zero, slopes vary by target: another null", "pair_regression", slope_by_target=1.0),
    rejects("max_t", "best of 20 unrelated measures", _best_of_twenty),
    rejects("max_t", "best of 20, two targets, gains 4:1, measures 3:1", lambda rng: _best_of_twenty(rng, _TWO)),
    rejects("specification_curve", "3 measures with and without a control, no association", _curve),
    rejects("specification_curve", "two targets, gains 4:1, similarities 3:1", lambda rng: _curve(rng, _TWO)),
    _pgls("24 kin languages, lambda .9", 6, 0.9),
    _pgls("16 kin languages, lambda .9", 4, 0.9),
    _pgls("24 languages, lambda 0", 6, 0.0),
    _slopes("slopes by source and target", "inner-outer"),
    _slopes("slopes by source and target, Satterthwaite", "satterthwaite"),
    rejects("crossed_effects", "covariate of 16 kin languages, phylogenetic effect", _phylogenetic_t,
             instead="likelihood_ratio"),
    rejects("likelihood_ratio", "covariate of 16 kin languages, phylogenetic effect, bootstrap",
             _phylogenetic_bootstrap),
    _labels("24 languages without kinship", 0.0),
    _labels("24 kin languages, lambda .9: not exchangeable", 0.9, "pgls"),
    rejects("morans_i", "24 languages in families, values without kinship", _moran),
    _mantel("24 kin languages, lambda .9", 0.9),
    _mantel("24 languages without kinship", 0.0),
    _clustered("by source, similarity with task means, 9 x 9 tasks", ["intermediate"]),
    _clustered("two-way, similarity with task means, 9 x 9 tasks", _BOTH),
    _wild("by source, similarity with task means, 9 x 9 tasks", ["intermediate"]),
    _wild("two-way, similarity with task means, 9 x 9 tasks", _BOTH),
    _bootstrap(5, 5),
    _bootstrap(9, 9),
    _bootstrap(30, 30),
    _bootstrap_of_seeds(5),
    _bootstrap_of_seeds(9),
    _joint_means(6, needs=f"at least {FEW_LEVELS} levels"),
    _joint_means(15),
    _agreement(9, 0.6),
    _agreement(15, 0.6),
    covers("intraclass_correlation", "ICC(2,1) of 20 units, 3 raters", _icc, 1 / 2.25),
    _reliability(9),
    _reliability(15),
    rejects("paired_randomisation", "60 examples right or wrong", _paired),
    rejects("equivalence", "true effect at the margin, 20 values", _at_the_margin),
    *STUDY_DESIGNS,
)  # fmt: skip
