"""Does the order of three tasks matter? All six orders, each replicate its own stratum.

Orders that begin with the same task share that trained stage, so that their errors are correlated: a pooled error
rejects .10 at a nominal .05. Each contrast is judged over its own variation between replicates instead (few-seeds
simulation: .036 to .052 with a shared first stage).
"""

from collections.abc import Sequence
from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import require_level
from analyses.inference.multiplicity import holm
from analyses.inference.result import Inference
from analyses.inference.student import student_intervals
from analyses.sequences import order_designs
from simxfer.common.errors import InputError

LAST, EARLIER = "last task", "order of the earlier two, given the last"
FEWEST = 2
"""Replicates below which nothing varies between them."""


def order_contrasts(scores: pd.DataFrame, level: float = 0.95) -> Inference:
    """Compare the six orders of three tasks: which one is last, and the order of the earlier two given the last.

    Both are orthogonal and leave nothing of the five degrees of freedom over. With orthonormal contrasts c_r of
    replicate r, F = n |mean c|^2 / df over the mean square of c_r about that mean.

    Args:
        scores: a row a replicate (a seed; in the embedded world an encoder), a column an order `a>b>c`.
        level: of the intervals.

    Returns:
        First `last task` (2 df) and `order of the earlier two, given the last` (3 df), their estimate the largest
        difference of means, with statistic, df, df_residual, p, p_holm (over the two). Then the differences between
        last tasks, `a last minus b last`, and of the earlier two, `a>b minus b>a before c`, with Student's interval
        over replicates; their p is as it is. Then, as an alternative description of the same five, `linear`, `middle`
        and `cyclic`.

    Raises:
        InputError: not all six orders of three tasks, fewer than two complete replicates, or no variation.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from itertools import permutations
        >>> from analyses import order_contrasts
        >>> orders = [">".join(order) for order in permutations("abc")]
        >>> rng = np.random.default_rng(0)
        >>> scores = pd.DataFrame(rng.normal(70, 1, (6, 6)), columns=orders)
        >>> scores[["a>b>c", "b>a>c"]] += 4  # c last helps
        >>> order_contrasts(scores).table[["term", "estimate", "p_holm"]].head(2).round(3)
                                               term  estimate  p_holm
        0                                 last task     3.846   0.000
        1  order of the earlier two, given the last     0.689   0.321
    """
    require_level(level)
    orders = scores.columns.to_list()
    tasks = _tasks(orders)
    complete = scores.dropna()
    if len(complete) < FEWEST:
        raise InputError(
            f"{len(complete)} of {len(scores)} replicates have all six orders; expected at least {FEWEST}"
        )
    y = complete.to_numpy(float)
    groups = {name: _orthonormal(design) for name, design in _designs(orders, tasks).items()}
    rows = [_f_test(name, y @ groups[name]) for name in (LAST, EARLIER)]
    adjusted = holm(np.array([row["p"] for row in rows]))
    differences = {LAST: _between_last(complete, tasks), EARLIER: _between_earlier(complete, tasks)}
    table = [
        row | {"estimate": float(differences[row["term"]].mean().abs().max()), "p_holm": p}
        for row, p in zip(rows, adjusted, strict=True)
    ]
    table += _t_tests(pd.concat(differences.values(), axis=1), level)
    table += [_f_test(name, y @ groups[name]) for name in ("linear", "middle", "cyclic")]
    columns = ["term", "estimate", "low", "high", "p", "p_holm", "statistic", "df", "df_residual", "se"]
    dropped = len(scores) - len(complete)
    return Inference(
        procedure="order_contrasts",
        null="the mean score does not depend on the order",
        table=pd.DataFrame(table).reindex(columns=columns),
        counts={"replicates": len(complete), "orders": 6},
        level=level,
        notes=(f"{dropped} replicates without all six orders are left out",) * bool(dropped),
        references=("Winer 1971, Statistical Principles in Experimental Design, ch. 9",),
    )


def _tasks(orders: Sequence[str]) -> list[str]:
    paths = [tuple(str(order).split(">")) for order in orders]
    tasks = sorted(set(paths[0])) if paths else []
    if len(tasks) != 3 or sorted(paths) != sorted(permutations(tasks)):
        raise InputError(f"orders {list(orders)}; expected the six orders of three tasks, such as 'a>b>c'")
    return tasks


def _designs(orders: Sequence[str], tasks: list[str]) -> dict[str, np.ndarray]:
    """Return centred columns that span each part of the five degrees of freedom, a row an order."""
    place = np.array([[str(order).split(">").index(task) for task in tasks] for order in orders])
    last = (place == 2).astype(float)
    # One column a last task: +1 and -1 for the two orders that end with it.
    sign = np.where(
        np.array([row[(k + 1) % 3] < row[(k + 2) % 3] for row, k in zip(place, last.argmax(1), strict=True)]),
        1.0,
        -1.0,
    )
    return {LAST: last - 1 / 3, EARLIER: last * sign[:, None], **order_designs(place)}


def _orthonormal(design: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the columns' span."""
    u, size, _ = np.linalg.svd(design, full_matrices=False)
    return u[:, size > 1e-9]


def _f_test(term: str, contrasts: np.ndarray) -> dict:
    """Return F of the mean of contrasts, (replicates, df), over their own variation between replicates."""
    n, df = contrasts.shape
    mean = contrasts.mean(axis=0)
    residual = ((contrasts - mean) ** 2).sum() / (df * (n - 1))
    if not residual > 0:
        raise InputError(f"all replicates agree on {term!r} exactly: there is no variation to judge by")
    statistic = n * (mean @ mean) / df / residual
    p = float(stats.f.sf(statistic, df, df * (n - 1)))
    return {"term": term, "p": p, "statistic": float(statistic), "df": df, "df_residual": df * (n - 1)}


def _between_last(scores: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """Return the differences between two last tasks, (replicates, pairs)."""
    means = {c: scores[[o for o in map(str, scores) if o.endswith(f">{c}")]].mean(axis=1) for c in tasks}
    return pd.DataFrame({f"{a} last minus {b} last": means[a] - means[b] for a, b in combinations(tasks, 2)})


def _between_earlier(scores: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """Return the differences between the two orders before each last task, (replicates, tasks)."""
    found = {}
    for c in tasks:
        first, second = sorted(o for o in map(str, scores) if o.endswith(f">{c}"))
        before = [order.rsplit(">", 1)[0] for order in (first, second)]
        found[f"{before[0]} minus {before[1]}, before {c}"] = scores[first] - scores[second]
    return pd.DataFrame(found)


def _t_tests(differences: pd.DataFrame, level: float) -> list[dict]:
    """Return a row a difference, each over its own variation between replicates."""
    found = student_intervals(differences, level, fewest=FEWEST).rename(columns={"df": "df_residual"})
    found = found.assign(df=1, statistic=found["estimate"] / found["se"])
    return found.rename_axis("term").reset_index().to_dict("records")
