"""What every procedure asks of its input before it computes anything."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError, unknown


def require_columns(data: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise InputError, with the nearest known name, for the first column that the table lacks or has twice."""
    for name in names:
        if name not in data.columns:
            raise InputError(unknown("column", name, data.columns))
        if (data.columns == name).sum() > 1:
            raise InputError(
                f"column {name!r} occurs twice in the table; keep one of them (a merge or a concat makes such)"
            )


def numbers(data: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as float64 (missing = NaN).

    Raises:
        InputError: the column is not numeric (a date, or numbers as text) or holds infinite values.
    """
    require_columns(data, [name])
    column = data[name]
    try:
        # numpy would read dates as counts of time and "7" as 7: mistakes to tell, not numbers to compute with.
        if column.dtype.kind in "mMc" or column.map(lambda value: isinstance(value, str)).any():
            raise TypeError
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"column {name!r}: got {column.dtype}, such as {column.dropna().iloc[0]!r}, expected numbers; convert "
            "it, by pd.to_numeric if it holds numbers as text"
        ) from None
    if np.isinf(values).any():
        raise InputError(
            f"column {name!r} holds {int(np.isinf(values).sum())} infinite values; expected finite numbers: "
            "find out where they come from (a division by zero, a logit of 0 or 100), then drop those rows"
        )
    return values


def require_no_number_text(data: pd.DataFrame, name: str) -> None:
    """Raise InputError if a column that is taken for a factor holds nothing but numbers as text."""
    values = pd.Series(data[name].unique()).dropna()
    if (
        values.map(lambda value: isinstance(value, str)).all()
        and pd.to_numeric(values, errors="coerce").notna().all()
    ):
        raise InputError(
            f"column {name!r} holds numbers as text, such as {values.iloc[0]!r}; convert it by pd.to_numeric, or write "
            f"factor({name}) if each value is a level of its own"
        )


def complete_rows(
    data: pd.DataFrame, numeric: Sequence[str], labels: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows without a missing value in these columns, and a note if rows were dropped.

    Numeric columns come back as float64; the index is 0, 1, ...

    Raises:
        InputError: a column is unknown, occurs twice or plays two parts, is not numeric or infinite, or no
            complete row is left.
    """
    require_columns(data, [*numeric, *labels])
    for i, name in enumerate(labels):
        if name in numeric or name in labels[:i]:
            raise InputError(f"column {name!r} is asked for in two parts; expected different columns")
    frame = data.assign(**{name: numbers(data, name) for name in numeric})
    missing = frame[list(dict.fromkeys([*numeric, *labels]))].isna()
    keep = ~missing.any(axis=1)
    if not keep.any():
        raise InputError(f"no row is complete in the columns {[*numeric, *labels]}; nothing to compute")
    dropped = int((~keep).sum())
    where = ", ".join(map(str, missing.columns[missing.any()]))
    notes = [f"{dropped} of {len(frame)} rows dropped: a value is missing in {where}"] if dropped else []
    return frame[keep].reset_index(drop=True), notes


def require_varying(values: np.ndarray, name: str, size: float = 0.0) -> None:
    """Raise InputError if a regressor or an outcome has no spread beyond rounding.

    Args:
        size: of the values that these were computed from, if that is larger: what remains of values after a
            fit rounds as the values did.
    """
    # Means of equal numbers differ by rounding, up to some hundred eps; a real spread is wider.
    if np.ptp(values) <= 1e-12 * max(size, float(np.abs(values).max())):
        raise InputError(
            f"{name!r} is constant ({float(values.flat[0]):.6g}): nothing can be told from it; expected a "
            "column that differs between rows"
        )


def unit_columns(X: np.ndarray) -> np.ndarray:
    """Return X (n, p) with columns of length one; a column of zeros stays."""
    lengths = np.linalg.norm(X, axis=0)
    return X / np.where(lengths > 0, lengths, 1.0)


def full_rank(X: np.ndarray) -> bool:
    """Return whether no column of X (n, p) is a sum of others beyond rounding, whatever their units."""
    return bool(np.linalg.matrix_rank(unit_columns(X), tol=1e-9 * np.sqrt(len(X))) == X.shape[1])


def require_residual(X: np.ndarray, y: np.ndarray) -> None:
    """Raise InputError if the columns of X (n, p) leave nothing of y (n,) beyond rounding."""
    X = unit_columns(X)
    rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    # Squares: what rounding leaves of an exact fit is some 1e-10 of the outcome at most.
    if rest @ rest <= 1e-20 * float(y @ y):
        raise InputError(
            "the regressors explain the outcome exactly: nothing is left to estimate variances from"
        )


def require_levels(count: int, least: int, name: str, why: str) -> None:
    """Raise InputError if a grouping has fewer levels than the procedure can carry."""
    if count < least:
        raise InputError(f"{name!r} has {count} levels, expected at least {least}: {why}")


def require_generator(rng: np.random.Generator) -> None:
    """Raise InputError if rng is a seed, or anything else that draws nothing."""
    if not isinstance(rng, np.random.Generator):
        raise InputError(f"rng is {rng!r}, expected a generator: rng=np.random.default_rng(7)")


def require_draws(rng: np.random.Generator, count: int, name: str, least: int = 1) -> None:
    """Raise InputError without a generator, or if too few permutations, resamples or simulations are asked for."""
    require_generator(rng)
    # True is an int to Python: permutations=True would be one permutation.
    if not isinstance(count, (int, np.integer)) or isinstance(count, bool) or count < least:
        raise InputError(
            f"{name} is {count!r}, expected a whole number, at least {least}; some thousands settle a p of .05"
        )


def require_labelled(what: str, *tables: pd.DataFrame | pd.Series) -> None:
    """Raise InputError unless tables carry labels, and no label stands for two of their rows or columns."""
    for table in tables:
        if not isinstance(table, (pd.DataFrame, pd.Series)):
            raise InputError(
                f"{what}: got {type(table).__name__}, expected labels: pd.DataFrame(..., index=names, columns=names)"
            )
        for labels in table.axes:
            if labels.has_duplicates:
                raise InputError(
                    f"{what}: the label {labels[labels.duplicated()][0]!r} occurs twice; expected each once: average "
                    "or drop one (two codes may have become one language)"
                )


def require_level(level: float) -> None:
    """Raise InputError if a confidence level is no share between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level is {level}, expected a share between 0 and 1, such as .95")
