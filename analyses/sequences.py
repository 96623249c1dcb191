"""Sequences of tasks: what is forgotten on the way, and what the order does.

With new heads in every phase, "forgetting" needs a rule for how an earlier task is scored again (its old head, or a
fresh probe): the matrix that is given here has been made by one, and says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError


@dataclass(frozen=True)
class Forgetting:
    """What a sequence of T tasks keeps, in points. R[i, j] is the score on task j after stage i."""

    average: float
    """Mean of the last row."""
    learning: float
    """Mean of the diagonal: each task when it has just been learnt."""
    backward_transfer: float
    """Mean over the earlier tasks of last score minus score when learnt (Lopez-Paz and Ranzato 2017, over T - 1)."""
    forward_transfer: float
    """Mean over the later tasks of score before it is trained minus score without any training; NaN without those."""
    forgetting: float
    """Mean over the earlier tasks of best score before the end minus last score (Chaudhry et al. 2018)."""
    by_task: tuple[float, ...]
    """Forgetting of each earlier task."""


def forgetting(scores: np.ndarray, untrained: Sequence[float] | None = None) -> Forgetting:
    """Return what a sequence of tasks keeps.

    GEM's own code divides the sums by T, a term that is always 0 counted; the paper, and this, by T - 1.

    Args:
        scores: R, (stages, tasks), as many stages as tasks, in points.
        untrained: (tasks,) scores before any training, for forward transfer.

    Raises:
        InputError: not a square table of at least two tasks, or a missing score.

    Example:
        >>> from analyses import forgetting
        >>> found = forgetting([[80, 50], [70, 90]], untrained=[40, 45])
        >>> found.backward_transfer, found.forward_transfer, found.by_task
        (-10.0, 5.0, (10.0,))
    """
    r = np.asarray(scores, dtype=float)
    if r.ndim != 2 or r.shape[0] != r.shape[1] or len(r) < 2 or not np.isfinite(r).all():
        raise InputError(
            f"scores have shape {r.shape}; expected (tasks, tasks), at least 2, without missing values"
        )
    before = np.array([r[j - 1, j] for j in range(1, len(r))])
    lost = r[:-1].max(axis=0)[:-1] - r[-1, :-1]
    forward = np.nan if untrained is None else float((before - np.asarray(untrained, dtype=float)[1:]).mean())
    return Forgetting(
        average=float(r[-1].mean()),
        learning=float(np.diag(r).mean()),
        backward_transfer=float((r[-1, :-1] - np.diag(r)[:-1]).mean()),
        forward_transfer=forward,
        forgetting=float(lost.mean()),
        by_task=tuple(float(x) for x in lost),
    )


@dataclass(frozen=True)
class OrderEffects:
    """What the six orders of three tasks say: three parts that are orthogonal and leave nothing over.

    Position is linear plus middle, precedence is linear plus cyclic: never read both as separate findings.
    """

    parts: pd.DataFrame
    """Rows linear (2 df), middle (2), cyclic (1): df, sum_of_squares, share."""
    position: pd.DataFrame
    """Tasks x positions: mean score minus the grand mean."""
    precedence: dict[tuple[str, str], float]
    """Mean score where the first task comes before the second, minus where it comes after."""
    cyclic: float
    """Mean of the orders abc, bca, cab minus that of the others."""
    distances: np.ndarray
    """Kendall distance of each two orders: pairs of tasks that change places."""
    mantel_r: float
    """Correlation of the distances with the absolute differences of the scores."""
    mantel_p: float
    """Exact, one-sided, over the 60 arrangements that the distances tell apart: none is below 1/60."""


def order_effects(orders: Sequence[Sequence[str]], scores: Sequence[float]) -> OrderEffects:
    """Split the scores of all six orders of three tasks into what position and precedence can say.

    Args:
        orders: six different orders of the same three tasks.
        scores: one each, of one replicate (replicates are compared by these effects, seed by seed).

    Raises:
        InputError: not all six orders of three tasks, or not one score each.

    Example:
        >>> from itertools import permutations
        >>> from analyses import order_effects
        >>> found = order_effects(list(permutations("abc")), [61, 58, 64, 63, 57, 60])
        >>> found.parts["share"].round(3).to_dict(), round(found.precedence["a", "b"], 2)
        ({'linear': 0.996, 'middle': 0.0, 'cyclic': 0.004}, -3.67)
    """
    given = [tuple(order) for order in orders]
    y = np.asarray(scores, dtype=float)
    tasks = sorted(set(given[0])) if given else []
    if len(tasks) != 3 or set(given) != set(permutations(tasks)) or y.shape != (6,) or len(given) != 6:
        raise InputError(
            f"got {len(given)} orders and {y.size} scores; expected the six orders of three tasks, one score each"
        )
    place = np.array([[order.index(task) for task in tasks] for order in given])
    designs = order_designs(place)
    turns = designs["cyclic"][:, 0] > 0
    squares = {name: _explained(design, y - y.mean()) for name, design in designs.items()}
    total = ((y - y.mean()) ** 2).sum()
    parts = pd.DataFrame({"df": [2, 2, 1], "sum_of_squares": squares.values()}, index=list(designs))
    distances = np.array([[_kendall(a, b) for b in place] for a in place])
    r, p = _mantel(distances, y)
    return OrderEffects(
        parts=parts.assign(share=parts["sum_of_squares"] / total if total else np.nan),
        position=pd.DataFrame(
            [[y[place[:, i] == k].mean() - y.mean() for k in range(3)] for i in range(3)], index=tasks
        ),
        precedence={
            (tasks[i], tasks[j]): float(
                y[place[:, i] < place[:, j]].mean() - y[place[:, i] > place[:, j]].mean()
            )
            for i, j in combinations(range(3), 2)
        },
        cyclic=float(y[turns].mean() - y[~turns].mean()),
        distances=distances,
        mantel_r=r,
        mantel_p=p,
    )


def order_designs(place: np.ndarray) -> dict[str, np.ndarray]:
    """Return the centred columns that span linear (2 df), middle (2) and cyclic (1) effects, a row an order.

    Args:
        place: (orders, 3), the position 0 to 2 of each task in each order.
    """
    turns = (place[:, 1] - place[:, 0]) % 3 == 1
    return {
        "linear": place - 1.0,
        "middle": (place == 1) - 1 / 3,
        "cyclic": np.where(turns, 1.0, -1.0)[:, None],
    }


def _explained(design: np.ndarray, y: np.ndarray) -> float:
    """Return the sum of squares of the projection of y on the columns of a design."""
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(fitted @ fitted)


def _kendall(a: np.ndarray, b: np.ndarray) -> int:
    return sum((a[i] < a[j]) != (b[i] < b[j]) for i, j in combinations(range(len(a)), 2))


def _mantel(distances: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    upper = np.triu_indices(len(y), 1)
    gaps = np.abs(y[:, None] - y[None, :])[upper]
    if np.ptp(gaps) == 0:
        return np.nan, np.nan
    r = np.corrcoef(distances[upper], gaps)[0, 1]
    # Arrangements that leave the distances as they are count once: 720 / 12.
    moved = {
        tuple(distances[np.ix_(order, order)][upper]) for order in map(list, permutations(range(len(y))))
    }
    reached = [np.corrcoef(one, gaps)[0, 1] >= r - 1e-12 for one in moved]
    return float(r), float(np.mean(reached))
