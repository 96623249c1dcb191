"""Paired randomisation: two systems scored on the same examples (or cells), their labels swapped at random.

Under the null the two scores of a unit are exchangeable, so every pattern of swaps is as likely as the
observed one (Fisher 1935; Noreen 1989; Yeh 2000, COLING, for F1). Tagging F1 is resampled from the (tp, fp,
fn) of the
sentences: swapping a sentence moves its three counts from one system to the other.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows, require_columns, require_draws, require_levels
from analyses.inference.permutation import BATCH_NUMBERS, Alternative, permutation_p, resolution
from analyses.inference.result import Inference
from simxfer.common.errors import InputError

COUNTS = ("tp", "fp", "fn")


def paired_randomisation(
    first: pd.DataFrame,
    second: pd.DataFrame,
    on: Sequence[str] = ("example_id",),
    *,
    rng: np.random.Generator,
    score: str | tuple[str, str, str] = "score",
    unit: Sequence[str] | None = None,
    scale: float = 1.0,
    alternative: Alternative = "two-sided",
    permutations: int = 9999,
) -> Inference:
    """Test the difference first - second by swapping the two scores of a unit.

    Args:
        first, second: scores of two systems; `on` names the key that pairs their rows.
        score: the column averaged; or ("tp", "fp", "fn"), and the statistic is micro-averaged F1 in points.
        unit: key columns whose rows are swapped together: the example of a parallel test set in all its
            languages (`["example_id"]` with `on=["language", "example_id"]`), or a cell. Default: `on`.
        scale: multiplies the mean: 100 turns example scores of 0-1 into points.
        permutations: random swaps; all 2^units patterns are enumerated where there are no more than that.

    Returns:
        One row: the difference, both scores, p; a randomisation test gives no interval.

    Raises:
        InputError: unknown columns, a key twice, no pair, a single unit, no difference anywhere.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import paired_randomisation
        >>> first = pd.DataFrame({"example_id": range(10), "score": [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]})
        >>> second = pd.DataFrame({"example_id": range(10), "score": [0, 0, 0, 0, 0, 0, 1, 1, 0, 0]})
        >>> result = paired_randomisation(first, second, rng=np.random.default_rng(1), scale=100)
        >>> round(result.estimate, 1), round(result.p, 3)
        (60.0, 0.031)
    """
    columns = [score] if isinstance(score, str) else list(score)
    if len(columns) not in (1, 3):
        raise InputError(f"score is {score!r}; expected one column, or the three counts {COUNTS}")
    a, b, keys, notes = _paired(first, second, list(on), columns)
    groups = _units(keys, list(unit or on))
    units = int(groups.max()) + 1
    require_levels(units, 2, ", ".join(unit or on), "one unit has nothing to be compared with")
    if (a == b).all():
        raise InputError("the two systems have equal scores in every row; there is no difference to test")
    require_draws(rng, permutations, "permutations")
    # Asked first, for 2**units of some thousand examples has hundreds of digits.
    exact = units < 63 and 2**units <= permutations + 1
    signs = _all_signs(units) if exact else _random_signs(units, rng, permutations)
    if 2.0 ** (1 - units) > 0.05:
        notes.append(f"{units} units: no two-sided p can be smaller than {2.0 ** (1 - units):.3g}")
    ends, null = _difference(a, b, groups, signs, scale)
    estimate = ends[0] - ends[1]
    row = {"term": "first - second", "estimate": estimate, "low": np.nan, "high": np.nan}
    p = permutation_p(null, estimate, exact, alternative)
    return Inference(
        procedure="paired_randomisation" + ("" if len(columns) == 1 else " (F1)"),
        null="the two systems are exchangeable within each unit",
        table=pd.DataFrame([{**row, "p": p, "first": ends[0], "second": ends[1]}]),
        counts={"units": units, "rows": len(a), "permutations": len(null)},
        distribution=null,
        notes=(*notes, "exact: all patterns of swaps enumerated")
        if exact
        else (*notes, *resolution(null, exact)),
        references=("Noreen 1989", "Yeh 2000, COLING", "Phipson and Smyth 2010"),
    )


def _paired(
    first: pd.DataFrame, second: pd.DataFrame, on: list[str], columns: list[str]
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, list[str]]:
    """Return the scores of both systems, (n, columns), for the rows that both have, and their keys."""
    for frame in (first, second):
        require_columns(frame, [*on, *columns])
        if frame.duplicated(on).any():
            raise InputError(f"the key {on} occurs twice; name all key columns in `on`, or average first")
    for name in on:
        kinds = [pd.api.types.is_numeric_dtype(frame[name]) for frame in (first, second)]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"{name!r} holds {first[name].dtype} in one table and {second[name].dtype} in the other, so that no "
                f"row pairs; convert both: .astype({{{name!r}: str}})"
            )
    both = first[[*on, *columns]].merge(
        second[[*on, *columns]], on=on, suffixes=("", "_second"), validate="1:1"
    )
    if both.empty:
        raise InputError(f"no row of the two systems has the same {on}")
    alone = len(first) + len(second) - 2 * len(both)
    notes = [f"{alone} rows without a partner left out"] if alone else []
    seconds = [f"{name}_second" for name in columns]
    both, more = complete_rows(both, [*columns, *seconds], on)
    return both[columns].to_numpy(), both[seconds].to_numpy(), both[on], notes + more


def _units(keys: pd.DataFrame, unit: list[str]) -> np.ndarray:
    """Return the code of each row's unit, (n,)."""
    missing = [name for name in unit if name not in keys.columns]
    if missing:
        raise InputError(f"unit {missing} is not part of the key {list(keys.columns)}; add it to `on`")
    return keys.groupby(unit, sort=True).ngroup().to_numpy()


def _difference(
    a: np.ndarray, b: np.ndarray, groups: np.ndarray, signs: Iterator[np.ndarray], scale: float
) -> tuple[tuple[float, float], np.ndarray]:
    """Return the scores of both systems and the difference under each pattern of swaps.

    With m the sums of both systems halved and d_u the halved difference of unit u, swaps s give the first
    system the sums m + s'd and the second m - s'd.
    """
    half = np.stack([np.bincount(groups, weights=column) for column in ((a - b) / 2).T], axis=1)
    middle = ((a + b) / 2).sum(axis=0)

    def value(sums: np.ndarray) -> np.ndarray:
        if sums.shape[-1] == 1:
            return scale * sums[..., 0] / len(a)
        tp, fp, fn = np.moveaxis(sums, -1, 0)
        # Without any chunk, gold or predicted, F1 is 0.
        return 100.0 * 2 * tp / np.maximum(1.0, 2 * tp + fp + fn)

    moved = np.concatenate([batch @ half for batch in signs])
    null = value(middle + moved) - value(middle - moved)
    return (float(value(a.sum(axis=0))), float(value(b.sum(axis=0)))), null


def _all_signs(units: int) -> Iterator[np.ndarray]:
    """Yield all 2^units patterns of +1 and -1."""
    patterns = np.arange(2**units)
    yield 1.0 - 2.0 * (patterns[:, None] >> np.arange(units) & 1)


def _random_signs(units: int, rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
    """Yield batches of random patterns."""
    batch = max(1, BATCH_NUMBERS // units)
    for start in range(0, count, batch):
        yield 1.0 - 2.0 * rng.integers(0, 2, (min(batch, count - start), units), dtype=np.int8)
