"""The specification curve: every defensible analysis at once, judged as a whole.

Simonsohn, Simmons and Nelson 2020 (Nat. Hum. Behav. 4: 1208-1214): run all combinations of outcome,
similarity measure, controls and blocks; show them sorted; and test the curve (its median, and how many
specifications are significant in the dominant direction) against the curves of permuted data. Whole tasks are
permuted, the same way in every specification, and statistics are studentised as in `permute_tasks`, so that some
tasks may be noisier and their similarities wider than others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import require_draws
from analyses.inference.pairs.permutation import PairGrid, pair_grid, task_null
from analyses.inference.permutation import permutation_p, resolution
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


@dataclass(frozen=True)
class _Curve:
    """Observed z (N,), null z (B, N), slopes (N,) and partial correlations (N,) of N specifications."""

    observed: np.ndarray
    null: np.ndarray
    slopes: np.ndarray
    correlations: np.ndarray


def specification_curve(
    data: pd.DataFrame,
    outcomes: Sequence[str],
    similarities: Sequence[str],
    controls: Sequence[Sequence[str]] = ((),),
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    rng: np.random.Generator,
    kind: tuple[str, str] | None = None,
    permutations: int = 1999,
) -> Inference:
    """Test outcomes x similarities x sets of controls as one curve.

    Args:
        controls: sets of covariates that vary by pair; () is no control.
        kind: columns with the kinds of both tasks: tasks move within kinds in all specifications, because a
            curve needs one permutation scheme.
            The other arguments are those of `permute_tasks`.

    Returns:
        Rows `median of the curve` (partial r) and `share significant` (p < .05 in the dominant direction),
        judged by permutation; then one row a specification, sorted by partial r, with slope, r, single p,
        studentised `statistic`, outcome, similarity, controls.

    Raises:
        InputError: as `permute_tasks`; no specification.

    Example:
        >>> import numpy as np
        >>> from analyses import Truth, simulate_grid, specification_curve
        >>> rng = np.random.default_rng(1)
        >>> data = simulate_grid(rng, Truth(languages=1, seeds=1, slope=1.0))
        >>> data = data.assign(cosine=data["similarity"] + rng.normal(size=81), size=rng.normal(size=81))
        >>> curve = specification_curve(
        ...     data, ["gain"], ["similarity", "cosine"], [(), ("size",)], rng=rng, permutations=499
        ... )
        >>> curve.table[["term", "estimate", "p"]].round(2)
                               term  estimate     p
        0       median of the curve      0.30  0.00
        1         share significant      0.50  0.07
        2      gain ~ cosine | size      0.19  0.15
        3             gain ~ cosine      0.19  0.14
        4         gain ~ similarity      0.42  0.00
        5  gain ~ similarity | size      0.42  0.00
    """
    specifications = list(product(outcomes, similarities, [tuple(c) for c in controls]))
    if not specifications:
        raise InputError(
            "no specification; name at least one outcome, one similarity and one set of controls"
        )
    require_draws(rng, permutations, "permutations")
    columns = list(dict.fromkeys([*outcomes, *similarities, *(name for c in controls for name in c)]))
    grid = pair_grid(data, columns, source, target, language, kind)
    curve = _curve(grid, specifications, rng, permutations)
    table = pd.DataFrame([*_as_a_whole(curve), *_single_rows(curve, specifications)])
    return Inference(
        procedure="specification_curve",
        null="no association in any specification: task labels are exchangeable",
        table=table,
        counts={
            **dict(zip((source, target), grid.cells.shape, strict=True)),
            "pairs": len(grid.pairs),
            "specifications": len(specifications),
            "permutations": len(curve.null),
        },
        distribution=np.median(curve.null, axis=1),
        notes=(*grid.notes, *resolution(curve.null, exact=False)),
        references=("Simonsohn, Simmons and Nelson 2020", "Dekker, Krackhardt and Snijders 2007"),
    )


def _curve(
    grid: PairGrid,
    specifications: list[tuple[str, str, tuple[str, ...]]],
    rng: np.random.Generator,
    permutations: int,
) -> _Curve:
    """Return every specification, observed and under shared permutations."""
    # Drawn, so that the caller's generator moves on and two curves of one generator differ.
    seed = int(rng.integers(2**63))
    observed, null, slopes, correlations = [], [], [], []
    for outcome, similarity, covariates in specifications:
        tables = grid.tables(outcome, [similarity], covariates)
        # The same seed gives the same orders of tasks in every specification.
        drawn, seen, _ = task_null(tables, np.random.default_rng(seed), permutations=permutations)
        observed.append(seen[0])
        null.append(drawn[:, 0])
        slopes.append(tables.slopes[0])
        correlations.append(tables.correlations[0])
    return _Curve(np.array(observed), np.stack(null, axis=1), np.array(slopes), np.array(correlations))


def _as_a_whole(curve: _Curve) -> list[dict[str, object]]:
    """Return the two joint tests: of the median z and of the share of specifications beyond p = .05."""
    median, null_median = float(np.median(curve.observed)), np.median(curve.null, axis=1)
    share, null_share = (_dominant_share(z) for z in (curve.observed[None], curve.null))
    rows = [
        ("median of the curve", float(np.median(curve.correlations)), median,
         permutation_p(null_median, median, exact=False)),
        ("share significant", float(share[0]), float(share[0]),
         permutation_p(null_share, float(share[0]), False, "greater")),
    ]  # fmt: skip
    return [
        {"term": term, "estimate": value, "low": np.nan, "high": np.nan, "p": p, "statistic": statistic}
        for term, value, statistic, p in rows
    ]


def _dominant_share(z: np.ndarray) -> np.ndarray:
    """Return the share of specifications significant in the direction of the median, (B,)."""
    # Every permuted curve is judged in its own direction, for the observed one chose its own too.
    direction = np.where(np.median(z, axis=1, keepdims=True) >= 0, 1.0, -1.0)
    # One threshold for all: statistics are normal deviates, whatever the specification's degrees of freedom.
    return (direction * z > stats.norm.ppf(0.975)).mean(axis=1)


def _single_rows(
    curve: _Curve, specifications: list[tuple[str, str, tuple[str, ...]]]
) -> list[dict[str, object]]:
    """Return one row a specification, sorted by partial r."""
    rows = []
    for i in np.argsort(curve.correlations, kind="stable"):
        outcome, similarity, controls = specifications[i]
        given = f" | {', '.join(controls)}" if controls else ""
        p = permutation_p(curve.null[:, i], float(curve.observed[i]), exact=False)
        named = {"outcome": outcome, "similarity": similarity, "controls": ", ".join(controls)}
        row = {
            "term": f"{outcome} ~ {similarity}{given}",
            "estimate": curve.correlations[i],
            "low": np.nan,
            "high": np.nan,
            "p": p,
            "statistic": curve.observed[i],
        }
        rows.append({**row, "slope": curve.slopes[i], **named})
    return rows
