"""Sets of languages as units: how diverse they are, which of them are an arm, and which sets to train.

Diversity of a set is the mean distance of its pairs. The most diverse third of all sets of one size out of a pool is
the arm `diverse`, the least diverse third the arm `alike`: bands that follow from the pool alone, before any result.
"""

from collections.abc import Sequence
from itertools import combinations, islice
from math import comb

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError
from simxfer.common.streams import stream

DIVERSE, ALIKE, BETWEEN = "diverse", "alike", "between"
MOST_SETS = 20_000
"""Of a pool with more sets of the size, so many are drawn to find the bands."""

Sets = tuple[tuple[str, ...], ...]


def set_arms(sets: Sequence[Sequence[str]], distances: pd.DataFrame) -> pd.DataFrame:
    """Return the diversity of sets of one size and the band that it lies in: `diverse`, `alike` or `between`.

    The pool is what `distances` holds: all languages that any of the sets could have had.

    Args:
        sets: of equal size, at least 2 languages each.
        distances: languages x languages, symmetric.

    Returns:
        One row a set, in order: diversity, arm; missing where a distance is.

    Example:
        >>> import pandas as pd
        >>> from analyses import set_arms
        >>> kin = pd.DataFrame([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]], list("abcd"), list("abcd"))
        >>> set_arms([("a", "b"), ("a", "c")], kin)["arm"].tolist()
        ['alike', 'diverse']
    """
    size = _size(sets, len(distances))
    d = distances.to_numpy(float)
    rows = np.array([[distances.index.get_loc(code) for code in one] for one in sets])
    diversity = _diversity(d, rows)
    low, high = np.nanquantile(_diversity(d, _possible(len(d), size)), [1 / 3, 2 / 3])
    # With few distinct distances a third may begin and end at one value: then nothing lies between.
    arm = np.select(
        [diversity >= max(high, np.nextafter(low, np.inf)), diversity <= low], [DIVERSE, ALIKE], BETWEEN
    )
    arms = pd.DataFrame({"diversity": diversity, "arm": arm})
    return arms.assign(arm=arms["arm"].where(arms["diversity"].notna()))


def choose_sets(
    distances: pd.DataFrame, size: int, count: int, rng: np.random.Generator, rounds: int = 3000
) -> tuple[Sets, Sets]:
    """Return `count` diverse and `count` alike sets whose arm is told as little as can be by which languages they have.

    Outlying languages are at home in diverse sets and central ones in alike sets. Within the bands, sets are exchanged
    at random for others while that raises what is left of the arm once every language has an effect of its own: the
    precision of `set_contrast`.

    Raises:
        InputError: a missing distance, or bands with fewer than `count` sets.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import choose_sets
        >>> kin = pd.DataFrame([[0, 1, 9, 9], [1, 0, 9, 9], [9, 9, 0, 1], [9, 9, 1, 0]], list("abcd"), list("abcd"))
        >>> choose_sets(kin, size=2, count=2, rng=np.random.default_rng(1))[1]
        (('a', 'b'), ('c', 'd'))
    """
    names = list(distances.index)
    if distances.isna().to_numpy().any():
        raise InputError("a distance is missing; leave out the languages without one")
    rows = _possible(len(names), size)
    arm = set_arms([[names[i] for i in row] for row in rows], distances)["arm"].to_numpy()
    bands = [np.flatnonzero(arm == name) for name in (DIVERSE, ALIKE)]
    if min(map(len, bands)) < count:
        raise InputError(
            f"a band has {min(map(len, bands))} sets, fewer than {count}; ask for fewer, or a larger pool"
        )
    member = np.zeros((len(rows), len(names)))
    np.put_along_axis(member, rows, 1.0, axis=1)
    chosen = [rng.choice(band, count, replace=False) for band in bands]
    value = _left(member, chosen)
    for _ in range(rounds):
        which = rng.integers(2)
        others = np.setdiff1d(bands[which], chosen[which])
        if not len(others):
            continue
        trial = [part.copy() for part in chosen]
        trial[which][rng.integers(count)] = rng.choice(others)
        if (new := _left(member, trial)) >= value:
            chosen, value = trial, new
    diverse, alike = (tuple(sorted(tuple(names[i] for i in rows[at]) for at in part)) for part in chosen)
    return diverse, alike


def _size(sets: Sequence[Sequence[str]], pool: int) -> int:
    sizes = {len(set(one)) for one in sets}
    if len(sizes) != 1 or not 2 <= min(sizes) < pool:
        raise InputError(
            f"sets of {sorted(sizes)} out of {pool} languages; expected one size, of at least 2 languages and smaller "
            "than the pool"
        )
    return sizes.pop()


def _possible(pool: int, size: int) -> np.ndarray:
    """Return all sets of this size, (sets, size), or `MOST_SETS` drawn where there are more."""
    if comb(pool, size) <= MOST_SETS:
        return np.array(list(islice(combinations(range(pool), size), MOST_SETS)))
    rng = stream("sets", pool, size)
    return np.sort(np.argsort(rng.random((MOST_SETS, pool)), axis=1)[:, :size], axis=1)


def _diversity(d: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the mean pairwise distance of sets, rows (sets, size)."""
    pairs = list(combinations(range(rows.shape[1]), 2))
    return np.mean([d[rows[:, i], rows[:, j]] for i, j in pairs], axis=0)


def _left(member: np.ndarray, arms: list[np.ndarray]) -> float:
    """Return the sum of squares of the arm that the languages of the sets leave."""
    x = np.repeat([1.0, 0.0], [len(arm) for arm in arms])
    Z = member[np.concatenate(arms)]
    rest = x - Z @ np.linalg.lstsq(Z, x, rcond=None)[0]
    return float(rest @ rest)
