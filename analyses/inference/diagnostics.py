"""Diagnostics of the outcome: headroom without mathematical coupling, ceilings, a scale free of chance.

A gain and the baseline it was taken from share the baseline's noise: their correlation is negative even where
gain has nothing to do with headroom (Oldham 1962, J. Chron. Dis. 15; Tu and Gilthorpe 2007, Stat. Med. 26).
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from analyses.inference.checks import require_columns
from analyses.outcomes import gains, is_control, is_shared, measurements
from simxfer.common.errors import InputError, unknown
from simxfer.metrics import METRICS
from simxfer.schema.tables import RESULTS, validate
from simxfer.tasks.intermediate import NONE

CEILING = "scores at the ceiling: differences are compressed"
NOT_JUDGED = "no n_examples: not judged"


def headroom(results: pd.DataFrame, seeds: Collection | None = None, replicate: str = "seed") -> pd.DataFrame:
    """Return every gain beside the headroom that other seeds of `none` leave: the metric's maximum less their mean.

    Without `seeds`, the baseline of a gain of seed r is the mean over all other seeds. Each row is then free
    of coupling, but a mean over seeds is not (every seed is in both means again): relate rows, do not average
    them. With `seeds`, these seeds give the baseline and only gains of the other seeds are returned; such
    rows may be averaged, as `pair_regression` does.

    Args:
        results: a results table with scores of `none`.
        seeds: levels of `replicate` kept for the baseline.
        replicate: the column that tells replicates apart: seed, or checkpoint where encoders are the
            replicates. No-pretraining controls are never the baseline of encoders.

    Returns:
        key columns, gain, baseline (points, mean of `none` over the other seeds), headroom (points),
        n_baseline (scores behind it), flags.

    Raises:
        InputError: the table is not valid, an unknown replicate column or seed, a cell with fewer than two
            seeds of `none`, seeds that leave no gain or no baseline.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, headroom, simulate_results
        >>> truth = Truth(sources=2, targets=1, languages=1, seeds=3)
        >>> rows = headroom(simulate_results(np.random.default_rng(1), truth))
        >>> rows[["intermediate", "seed", "gain", "baseline", "headroom", "n_baseline"]].head(3).round(1)
          intermediate  seed  gain  baseline  headroom  n_baseline
        0           s0     0  -3.4      61.2      38.8           2
        1           s0     1  -5.5      60.4      39.6           2
        2           s0     2  -5.6      60.5      39.5           2
    """
    results = measurements(results)
    if replicate not in ("seed", "checkpoint"):
        raise InputError(unknown("replicate column", replicate, ("seed", "checkpoint")))
    cell = [*(k for k in RESULTS.key if k not in ("intermediate", replicate)), "control"]
    out = gains(results)
    out["control"] = is_control(out["checkpoint"])
    none = results[results["intermediate"] == NONE].assign(control=lambda t: is_control(t["checkpoint"]))
    none = none[~is_shared(none)]  # the gain's own baseline, whatever its seed
    if seeds is not None:
        _require_seeds(seeds, results[replicate], replicate)
        none = none[none[replicate].isin(list(seeds))]
        out = out[~out[replicate].isin(list(seeds))]
    out = _with_other_baselines(out, none, cell, replicate)
    _require_baselines(out, replicate)
    high = out["metric"].map({name: metric.high for name, metric in METRICS.items()})
    out["headroom"] = high - out["baseline"]
    return out[[*RESULTS.key, "gain", "baseline", "headroom", "n_baseline", "flags"]].reset_index(drop=True)


def _with_other_baselines(
    out: pd.DataFrame, none: pd.DataFrame, cell: list[str], replicate: str
) -> pd.DataFrame:
    """Return the gains with baseline and n_baseline over the replicates of the cell that are not their own."""
    whole = none.groupby(cell)["value"].agg(["sum", "count"]).reset_index()
    own = none.groupby([*cell, replicate])["value"].agg(["sum", "count"]).reset_index()
    out = out.drop(columns="baseline").merge(whole, on=cell, how="left")
    out = out.merge(own, on=[*cell, replicate], how="left", suffixes=("", "_own"))
    counted = out[["sum", "count", "sum_own", "count_own"]].fillna(0.0).astype("float64")
    # The mean of the others is the whole sum less the own: no loop over replicates.
    n = counted["count"] - counted["count_own"]
    out["baseline"] = (counted["sum"] - counted["sum_own"]) / n.where(n > 0)
    out["n_baseline"] = n.astype("int64")
    return out


def _require_seeds(seeds: Collection, present: pd.Series, replicate: str) -> None:
    known = set(present.unique())
    for seed in seeds:
        if seed not in known:
            raise InputError(unknown(replicate, str(seed), known))
    if not seeds or len(known - set(seeds)) == 0:
        raise InputError(
            f"{len(seeds)} of {len(known)} levels of {replicate!r} give the baseline; expected at least one "
            "for the baseline and one for the gains"
        )


def _require_baselines(out: pd.DataFrame, replicate: str) -> None:
    lacking = out[out["n_baseline"] == 0]
    if out.empty or len(lacking):
        where = "" if out.empty else f", first {lacking.iloc[0][['target', 'language', 'method']].to_dict()}"
        raise InputError(
            f"{len(lacking)} of {len(out)} gains have no other {replicate} of {NONE!r}{where}; expected at "
            f"least two, or the headroom shares its noise with the gain: run {NONE!r} with another {replicate}"
        )


def ceiling_check(
    results: pd.DataFrame,
    by: Sequence[str] = ("target", "metric"),
    *,
    k: float = 2.0,
    largest_share: float = 0.1,
) -> pd.DataFrame:
    """Return the share of scores that lie within k standard errors of their metric's maximum.

    The standard error is binomial over n_examples, at a share kept half an example off the borders; the mean
    of example scores between 0 and 1 has at most that, chunk F1 about that.

    Args:
        by: columns of the results table; one row each of their combinations.
        largest_share: a share above it is flagged.

    Returns:
        by, n_scores, n_judged (those with n_examples), n_near, share (of the judged; missing without any),
        largest (points), flags.

    Raises:
        InputError: the table is not valid, an unknown column, k not positive, a share outside 0-1.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, ceiling_check, simulate_results
        >>> easy = simulate_results(np.random.default_rng(1), Truth(targets=2, languages=3, seeds=1), 85.0)
        >>> easy = easy.assign(n_examples=100, value=easy["value"].where(easy["target"] == "t0", 99.0))
        >>> found = ceiling_check(easy)
        >>> found[["target", "n_near", "share", "largest"]].round(1)
          target  n_near  share  largest
        0     t0       0    0.0     87.3
        1     t1      30    1.0     99.0
        >>> found["flags"].tolist()
        ['', 'scores at the ceiling: differences are compressed']
    """
    if not k > 0 or not 0 <= largest_share <= 1:
        raise InputError(f"got k = {k}, largest_share = {largest_share}; expected k > 0 and a share in 0-1")
    table = validate(results, RESULTS)
    require_columns(table, by)
    high = table["metric"].map({name: metric.high for name, metric in METRICS.items()}).astype("float64")
    n = table["n_examples"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    share = np.clip(table["value"] / high, 0.5 / n, 1 - 0.5 / n)
    near = high - table["value"] <= k * high * np.sqrt(share * (1 - share) / n)
    judged = pd.Series(~np.isnan(n), index=table.index)
    marked = table.assign(judged=judged, near=near & judged)
    out = (
        marked.groupby(list(by), sort=True)
        .agg(
            n_scores=("value", "size"),
            n_judged=("judged", "sum"),
            n_near=("near", "sum"),
            largest=("value", "max"),
        )
        .reset_index()
    )
    out["share"] = out["n_near"] / out["n_judged"].where(out["n_judged"] > 0)
    out["flags"] = np.select([out["n_judged"] == 0, out["share"] > largest_share], [NOT_JUDGED, CEILING], "")
    return out[[*by, "n_scores", "n_judged", "n_near", "share", "largest", "flags"]]


def chance_corrected_logit(value: ArrayLike, chance: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Return logit((p - c) / (1 - c)) of scores p with chance level c: 0 half-way from chance to the maximum.

    Continuity correction: p is first kept half an example, 1 / (2 n), above chance and below the maximum.
    Scores between these borders are untouched; all at or below chance share the lowest finite value.

    Args:
        value: scores in points, 0-100. chance: points, 0 to below 100. n: number of examples; the three
            broadcast.

    Raises:
        InputError: values or chance out of range or missing, n (1 - c) not above 1: no room between the borders.

    Example:
        >>> from analyses import chance_corrected_logit
        >>> chance_corrected_logit([50, 75, 90, 100], chance=50, n=1000).round(2).tolist()
        [-6.91, 0.0, 1.39, 6.91]
    """
    p, c, n = np.broadcast_arrays(
        np.asarray(value) / 100, np.asarray(chance) / 100, np.asarray(n, dtype=float)
    )
    _require_shares(p, c)
    if not (n * (1 - c) > 1).all():
        raise InputError(
            f"n = {n.min():g} examples at chance {100 * c.max():g}: expected n (100 - chance) / 100 above 1"
        )
    kept = np.clip(p, c + 0.5 / n, 1 - 0.5 / n)
    return logit((kept - c) / (1 - c))


def chance_corrected_points(value: ArrayLike, chance: ArrayLike) -> np.ndarray:
    """Return the points (chance-100) of a `chance_corrected_logit`: its inverse between the borders.

    Raises:
        InputError: a missing value, or chance outside 0 to below 100.

    Example:
        >>> from analyses import chance_corrected_logit, chance_corrected_points
        >>> chance_corrected_points([-1.0, 0.0, 1.0], chance=50).round(1).tolist()
        [63.4, 75.0, 86.6]
        >>> round(chance_corrected_points(chance_corrected_logit(80, 50, n=1000), 50).item(), 6)
        80.0
    """
    x, c = np.broadcast_arrays(np.asarray(value, dtype=float), np.asarray(chance) / 100)
    shares = expit(x)
    _require_shares(shares, c)
    return 100 * (c + (1 - c) * shares)


def _require_shares(shares: np.ndarray, chance: np.ndarray) -> None:
    if not ((shares >= 0) & (shares <= 1)).all():
        raise InputError("scores must be points between 0 and 100, none missing; find the rows that are not")
    if not ((chance >= 0) & (chance < 1)).all():
        raise InputError(f"chance runs to {100 * np.max(chance):g}; expected points from 0 to below 100")
