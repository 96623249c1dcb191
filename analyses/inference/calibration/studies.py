"""The designs of the studies: each study's primary test on simulated tables of its own shape."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.calibration.design import NAIVE, Design, covers, rejects
from analyses.inference.calibration.simulate import Truth, simulate_grid, simulate_orders
from analyses.inference.methods import method_difference
from analyses.inference.orders import order_contrasts
from analyses.inference.pairs.by_language import language_regression
from analyses.inference.pairs.interaction import pair_interaction
from analyses.inference.pairs.regression import pair_regression
from analyses.inference.result import Inference
from analyses.inference.sets import set_contrast

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


def _sets(rng: np.random.Generator, effect: float) -> pd.DataFrame:
    """Return sets as the study's world grid has them, in which languages differ (SD 1) beside sets' own noise (.2)."""
    diverse = ["fns", "aps", "nps", "asv", "isv", "anv", "adv", "apv"]
    alike = ["afi", "fnp", "aid", "fid", "inv", "ndv", "fdv", "dpv"]
    worth = dict(zip("adfinpsv", rng.normal(size=8), strict=True))
    data = pd.DataFrame(
        {"languages": [",".join(one) for one in diverse + alike], "arm": [1.0] * 8 + [0.0] * 8}
    )
    means = data["languages"].map(lambda text: np.mean([worth[code] for code in text.split(",")]))
    return data.assign(score=means + effect * data["arm"] + 0.2 * rng.normal(size=16))


def _arms(rng: np.random.Generator, effect: float) -> Inference:
    return set_contrast(_sets(rng, effect))


def _arms_alone(rng: np.random.Generator) -> float:
    data = _sets(rng, 0.0)
    arms = (data.loc[data["arm"] == arm, "score"] for arm in (1.0, 0.0))
    return float(stats.ttest_ind(*arms).pvalue)


def _methods(rng: np.random.Generator, full: float, adapters: float) -> pd.DataFrame:
    """Return gains of 5 x 5 tasks, two of them `same_data`, under full fine-tuning and the mean of three adapters.

    Both share the task pairs' similarity and noise; slopes differ by task under each and between them.
    """
    truth = Truth(
        sources=5, targets=5, languages=1, seeds=1, slope=adapters, slope_by_source=0.5, slope_by_target=0.5
    )
    mean = simulate_grid(rng, truth)
    moved = sum(
        mean[task].map(dict(zip(sorted(set(mean[task])), rng.normal(0, 0.5, 5), strict=True)))
        for task in ("intermediate", "target")
    )
    more = (full - adapters + moved) * mean["similarity"] + rng.normal(size=len(mean))
    same = mean["intermediate"].str[1:] == mean["target"].str[1:]
    mean = mean.assign(same_data=same & mean["intermediate"].isin(["s0", "s1"]))
    return pd.concat([mean.assign(method="adapters"), mean.assign(method="full", gain=mean["gain"] + more)])


def _adapters(rng: np.random.Generator, slope: float) -> Inference:
    data = _methods(rng, 0.0, slope)
    return pair_regression(data[data["method"] == "adapters"])


def _full_less_adapters(rng: np.random.Generator, full: float) -> Inference:
    return pair_interaction(_methods(rng, full, 1.0), reference="adapters")


def _two_methods(rng: np.random.Generator, replicates: int, pairs: int, effect: float = 0.0) -> Inference:
    """Differences of two methods by replicate and pair of tasks: noise they share (SD .7) beside their own (SD 1).

    The first pair is four times as variable, as where a language collapses in some replicates.
    """
    shared = rng.normal(0, 0.7, (replicates, 1))
    own = rng.normal(0, 1, (replicates, pairs)) * np.where(np.arange(pairs) == 0, 4, 1)
    return method_difference(pd.DataFrame(effect + shared + own))


def _by_language(rng: np.random.Generator) -> Inference:
    """Test the slope of scores as the study's world grid has them, everything that the model names varying.

    The slope varies by replicate (SD 1, mean 0), and every replicate has test sets of its own difficulty.
    """
    shape = S, T, L, R = 3, 1, 8, 6
    s, t, k, r = (index.ravel() for index in np.indices(shape))
    x = (rng.normal(size=(S, T, 1)) + rng.normal(size=L) + rng.normal(size=shape[:3]))[s, t, k]
    score = rng.normal(0, 2, (S, T))[s, t] + rng.normal(0, 2, L)[k] + rng.normal(size=(T, L))[t, k]
    score += rng.normal(size=(S, L))[s, k] + rng.normal(size=len(s))
    score += rng.normal(size=(S, T, R))[s, t, r] + rng.normal(0, 2, (T, L, R))[t, k, r]
    keys = pd.DataFrame({"intermediate": s, "target": t, "language": k, "replicate": r}).astype(str)
    data = keys.assign(similarity=x, gain=score + rng.normal(0, 1, R)[r] * x)
    return language_regression(data, replicate="replicate")


STUDY_DESIGNS: tuple[Design, ...] = (
    _orders(0, 5, 0.4),
    _orders(0, 6, 0.7),
    _orders(1, 5, 0.4),
    _orders(1, 6, 0.7, needs="a first stage that makes less of the run variance"),
    _last_difference(5),
    rejects(NAIVE, "arms of 8 + 8 sets of 3 of 8 languages, by diversity, languages differ", _arms_alone,
            runs=RUNS, instead="set_contrast"),
    rejects("set_contrast", "8 + 8 sets of 3 of 8 languages, by diversity, languages differ",
            lambda rng: _arms(rng, 0.0).p, runs=RUNS),
    covers("set_contrast", "8 + 8 sets of 3 of 8 languages, interval", lambda rng: _arms(rng, 1.0), 1.0, runs=RUNS),
    rejects("pair_regression", "adapters, 5 x 5 tasks, slopes by s and t",
            lambda rng: _adapters(rng, 0.0).p, runs=RUNS),
    covers("pair_regression", "adapters, 5 x 5 tasks, slopes by s and t, interval",
           lambda rng: _adapters(rng, 1.0), 1.0, runs=RUNS),
    rejects("pair_interaction", "full minus adapters, 5 x 5 tasks, slopes by s and t",
            lambda rng: _full_less_adapters(rng, 1.0).p, runs=RUNS),
    covers("pair_interaction", "full minus adapters, 5 x 5 tasks, slopes by s and t, interval",
           lambda rng: _full_less_adapters(rng, 2.0), 1.0, runs=RUNS),
    rejects("method_difference", "6 replicates, 3 pairs of tasks, one of them 4 times as variable",
            lambda rng: _two_methods(rng, 6, 3).p, runs=RUNS),
    rejects("method_difference", "5 replicates, 8 pairs of tasks, one of them 4 times as variable",
            lambda rng: _two_methods(rng, 5, 8).p, runs=RUNS),
    covers("method_difference", "6 replicates, 3 pairs of tasks, interval",
           lambda rng: _two_methods(rng, 6, 3, -4.0), -4.0, runs=RUNS),
    rejects("language_regression", "3 sources, 1 target, 8 languages, slopes vary by 6 replicates",
            lambda rng: _by_language(rng).p),
)  # fmt: skip
