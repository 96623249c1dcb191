"""Simulated results under known truth, for the calibration of the procedures and for positive controls.

    gain_stlr = a_s + b_t + c_st + d_tl + (slope + u_s + v_t) x_st + noise_stlr - baseline_tlr

x_st is a similarity with task means and a pair part. `baseline_tlr` is the noise of `none`, which all gains
of one (target, language, seed) share: at equal seeds they correlate .5.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from analyses.inference.checks import require_generator
from simxfer.common.errors import InputError
from simxfer.schema.tables import PIVOT, RESULTS, validate


@dataclass(frozen=True)
class Truth:
    """What a simulated grid is made of: sizes, the slope, and standard deviations in points.

    The similarity has unit variance: a share `task_share` of it lies in the task means, half by side.
    `kinds` > 0 puts tasks in that many kinds, and `block` is the SD of block effects (source kind by target
    kind) in both similarity and gain. `missing` is the share of pairs not run. `language_covariance` (L x L)
    makes the language effects of every target covary (phylogeny).
    """

    sources: int = 9
    targets: int = 9
    languages: int = 15
    seeds: int = 3
    slope: float = 0.0
    source: float = 2.0
    target: float = 2.0
    pair: float = 1.0
    target_language: float = 1.0
    slope_by_source: float = 0.0
    slope_by_target: float = 0.0
    noise: float = 1.0
    task_share: float = 0.5
    kinds: int = 0
    block: float = 0.0
    missing: float = 0.0
    language_covariance: np.ndarray | None = None


def simulate_grid(rng: np.random.Generator, truth: Truth | None = None) -> pd.DataFrame:
    """Return gains under known truth, one row a (intermediate, target, language, seed).

    Columns: intermediate, target, language, seed, similarity, gain, noise, baseline; with kinds also
    intermediate_kind and target_kind. noise and baseline are the noise of this score and of its `none`.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, simulate_grid
        >>> truth = Truth(sources=2, targets=2, languages=2, seeds=1, slope=1.0)
        >>> grid = simulate_grid(np.random.default_rng(1), truth)
        >>> grid[["intermediate", "target", "language", "similarity", "gain"]].round(2).head(3)
          intermediate target language  similarity  gain
        0           s0     t0       en        0.24 -1.61
        1           s0     t0    x-l01        0.24  1.35
        2           s0     t1       en        0.80 -3.85
        >>> len(grid)
        8
    """
    require_generator(rng)
    truth = truth or Truth()
    S, T, L, R = truth.sources, truth.targets, truth.languages, truth.seeds
    kind = [np.arange(n) % max(1, truth.kinds) for n in (S, T)]
    blocks = [
        b[np.ix_(*kind)] for b in rng.normal(0, truth.block, (2, max(1, truth.kinds), max(1, truth.kinds)))
    ]
    x = _similarity(rng, truth) + blocks[0]
    slopes = (
        truth.slope + rng.normal(0, truth.slope_by_source, (S, 1)) + rng.normal(0, truth.slope_by_target, T)
    )
    means = (
        rng.normal(0, truth.source, (S, 1))
        + rng.normal(0, truth.target, T)
        + rng.normal(0, truth.pair, (S, T))
    )
    noise = rng.normal(0, truth.noise, (S, T, L, R))
    baseline = rng.normal(0, truth.noise, (T, L, R))
    mean = (means + slopes * x + blocks[1])[:, :, None] + _language_effects(rng, truth)
    run = rng.random((S, T)) >= truth.missing
    s, t, language, r = (index.ravel() for index in np.indices((S, T, L, R)))
    frame = pd.DataFrame(
        {
            "intermediate": [f"s{i}" for i in s],
            "target": [f"t{i}" for i in t],
            "language": np.array(language_names(L))[language],
            "seed": r,
            "similarity": x[s, t],
            "gain": (mean[..., None] + noise - baseline).ravel(),
            "noise": noise.ravel(),
            "baseline": np.broadcast_to(baseline, noise.shape).ravel(),
        }
    )
    if truth.kinds:
        frame = frame.assign(intermediate_kind=kind[0][s].astype(str), target_kind=kind[1][t].astype(str))
    return frame[run[s, t]].reset_index(drop=True)


def simulate_results(
    rng: np.random.Generator, truth: Truth | None = None, baseline_score: float = 60.0
) -> pd.DataFrame:
    """Return a table in the form of `schema.RESULTS`, `none` included, whose gains are simulate_grid's.

    Raises:
        InputError: a score would leave 0-100.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, simulate_results
        >>> truth = Truth(sources=1, targets=1, languages=2, seeds=1)
        >>> results = simulate_results(np.random.default_rng(1), truth)
        >>> results[["intermediate", "target", "language", "metric", "value"]].round(1)
          intermediate target language    metric  value
        0           s0     t0       en  accuracy   61.7
        1           s0     t0    x-l01  accuracy   63.3
        2         none     t0       en  accuracy   59.3
        3         none     t0    x-l01  accuracy   59.8
    """
    grid = simulate_grid(rng, truth)
    grid["none"] = baseline_score + grid["baseline"]
    grid["value"] = grid["none"] + grid["gain"]
    none = grid.drop_duplicates(["target", "language", "seed"]).assign(intermediate="none")
    scores = pd.concat([grid, none.assign(value=none["none"])], ignore_index=True)
    if not scores["value"].between(0, 100).all():
        raise InputError(
            f"simulated scores run from {scores['value'].min():.1f} to {scores['value'].max():.1f}; expected "
            "0-100: choose smaller standard deviations or another baseline_score"
        )
    constant = dict.fromkeys(("run", "model", "checkpoint"), "simulated") | {
        "method": "full",
        "split": "test",
        "perturbation": "clean",
        "selection": "last",
        "metric": "accuracy",
    }
    kept = scores[["intermediate", "target", "language", "seed", "value"]].assign(**constant)
    return validate(kept, RESULTS, "the simulated grid")


def language_names(count: int) -> list[str]:
    """Return the pivot and count - 1 artificial language codes."""
    return [PIVOT, *(f"x-l{i:02d}" for i in range(1, count))]


def _similarity(rng: np.random.Generator, truth: Truth) -> np.ndarray:
    """Return an S x T similarity of unit variance, `task_share` of it in the task means."""
    S, T = truth.sources, truth.targets
    by_task = rng.normal(size=(S, 1)) + rng.normal(size=(1, T))
    return np.sqrt(truth.task_share / 2) * by_task + np.sqrt(1 - truth.task_share) * rng.normal(size=(S, T))


def _language_effects(rng: np.random.Generator, truth: Truth) -> np.ndarray:
    """Return target-by-language effects, T x L."""
    effects = rng.normal(0, truth.target_language, (truth.targets, truth.languages))
    if truth.language_covariance is None:
        return effects
    return effects @ np.linalg.cholesky(truth.language_covariance).T


def simulate_families(
    rng: np.random.Generator, families: int = 6, size: int = 4, depth: int = 3
) -> pd.DataFrame:
    """Return membership `F_...` of families x size languages, with binary branching at each of `depth`
    nodes.

    Example:
        >>> import numpy as np
        >>> from analyses import simulate_families
        >>> simulate_families(np.random.default_rng(1), families=2, size=2, depth=2)
               F_0  F_0.0  F_0.1  F_1  F_1.1
        en       1      1      0    0      0
        x-l01    1      0      1    0      0
        x-l02    0      0      0    1      1
        x-l03    0      0      0    1      1
    """
    require_generator(rng)
    rows = []
    for family in range(families):
        for _ in range(size):
            turns = rng.integers(0, 2, depth - 1)
            names = [f"F_{family}" + "".join(f".{turn}" for turn in turns[:i]) for i in range(depth)]
            rows.append(dict.fromkeys(names, 1))
    return pd.DataFrame(rows, index=language_names(len(rows))).fillna(0).astype(int)


def simulate_orders(
    rng: np.random.Generator,
    replicates: int = 5,
    shared: float = 0.4,
    effects: dict[str, float] | None = None,
) -> pd.DataFrame:
    """Return scores of the six orders of tasks a, b and c, (replicates, orders), of unit run variance.

    Args:
        shared: share of that variance that lies in the first stage, which two orders have in common.
        effects: points by order `a>b>c`; none unless given.
    """
    require_generator(rng)
    level = rng.normal(0, 2, replicates)
    first = {task: rng.normal(0, np.sqrt(shared), replicates) for task in "abc"}
    own = rng.normal(0, np.sqrt(1 - shared), (replicates, 6))
    orders = [">".join(order) for order in permutations("abc")]
    return pd.DataFrame(
        {o: level + first[o[0]] + own[:, k] + (effects or {}).get(o, 0.0) for k, o in enumerate(orders)}
    )
