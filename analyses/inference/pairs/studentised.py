"""Correlation of two tables of task pairs -> a normal deviate that unequal tasks do not inflate.

Where some tasks have noisier outcomes and a wider similarity, <a, b> varies more than it does after a
permutation that puts noise and width on different tasks. A statistic divided by an estimate of its own standard
deviation keeps the null of zero correlation then, and stays exact where tasks are exchangeable (DiCiccio and
Romano 2017, J. Am. Stat. Assoc. 112: 1211-1220). With cell variances that are a product of a source's and a
target's, that of <a, b> is |a|^2 |b|^2 / n times the load

    L = S sum_s p_s q_s  T sum_t p_t q_t,   p and q the shares of the tasks in |a|^2 and |b|^2,

1 where either table is spread evenly. r then says as much as one of n / L cells, nu = (df + 1) / L - 1, and
its normal deviate is that of t with nu degrees of freedom, in Wallace's closed form (1959, Ann. Math. Stat. 30:
1121-1130): z = sign(r) (8 nu + 1) / (8 nu + 3) sqrt(-nu log(1 - r^2)).
"""

import numpy as np

from analyses.inference.pairs.orders import Orders


def deviates(r: np.ndarray, df: np.ndarray, load: np.ndarray) -> np.ndarray:
    """Return the normal deviates of correlations r (B, M) with df (B,) degrees of freedom under a load (B, M).

    NaN where no degree of freedom is left.
    """
    df = np.where(df >= 1, df, np.nan)
    # A heavy load on a small grid would leave nothing or less, and nu below 0 has no deviate.
    nu = np.maximum(1.0, (df[:, None] + 1) / load - 1)
    # r of 1 up to rounding has a large deviate, not an infinite one.
    unexplained = -np.log(np.maximum(1 - r**2, 1e-15))
    return np.sign(r) * (8 * nu + 1) / (8 * nu + 3) * np.sqrt(nu * unexplained)


def whole_load(moved: np.ndarray, fixed: np.ndarray, first: Orders, others: Orders) -> np.ndarray:
    """Return the load (A B, M) of the moved table in A orders against all of fixed (M, S, T) in B orders."""
    load = np.ones((len(first.rows), len(others.rows), len(fixed)))
    for axis, a, b in ((1, first.rows, others.rows), (0, first.columns, others.columns)):
        ours = (moved**2).sum(axis) / (moved**2).sum()
        theirs = (fixed**2).sum(axis + 1) / (fixed**2).sum((1, 2))[:, None]
        for i, share in enumerate(theirs):
            load[:, :, i] *= _unleaked(len(ours) * (ours[a] @ share[b].T), len(ours))
    return load.reshape(-1, len(fixed))


def overlap_load(stack: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return the load (B, M) of stack[:, 0] against the M other tables (B, 1 + M, S, T) on present cells (B, S, T).

    A task's share counts by the mean of its cells: tasks have unequal numbers of them.
    """
    squares, n = stack**2, present.sum((1, 2))[:, None]
    load = np.ones((len(stack), stack.shape[1] - 1))
    # An overlap without variance has no shares; its statistic is dropped later.
    whole = np.maximum(squares.sum((2, 3)), 1e-300)
    for axis in (2, 1):
        cells = present.sum(axis)[:, None]
        shares = squares.sum(axis + 1) / whole[:, :, None]
        cross = (shares[:, :1] * shares[:, 1:] / np.maximum(cells, 1)).sum(2)
        load *= _unleaked(n * cross, (cells > 0).sum(2))
    return load


def _unleaked(load: np.ndarray, tasks: np.ndarray | int) -> np.ndarray:
    """Return the load of one side before clearing of task effects leaked the wide tasks into all others.

    Clearing shrinks load - 1 by (n - 2) / (n - 1), n tasks. The exponent takes back half of it: all of it costs
    power on small grids (4 x 4: .70 to .43), none leaves .065 at nominal .05 (9 x 9, two targets unequal).
    """
    return np.maximum(load, 1e-12) ** (1 + 0.5 / np.maximum(1, tasks - 1))
