"""What the measures ask of their arrays."""

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError


def matrix(x: np.ndarray, name: str, least: int = 1) -> np.ndarray:
    """Return x as float64 after checking that it is a finite (examples, dimensions) array of enough examples.

    Raises:
        InputError: another shape, fewer than `least` examples, or NaN or infinite values.
    """
    array = np.asarray(x, dtype=np.float64)
    if array.ndim != 2:
        raise InputError(f"{name} has shape {array.shape}; expected (examples, dimensions)")
    if len(array) < least:
        raise InputError(f"{name} has {len(array)} examples; expected at least {least}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).any(axis=1).sum())
        raise InputError(f"{name} has NaN or infinite values in {bad} of {len(array)} examples; drop those")
    return array


def pair(x: np.ndarray, y: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return two matrices after checking that their dimensions agree."""
    x, y = matrix(x, "x", least), matrix(y, "y", least)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"x has {x.shape[1]} dimensions and y {y.shape[1]}; expected one encoder for both")
    return x, y


def classes(labels: np.ndarray, n: int) -> tuple[np.ndarray, int]:
    """Return the labels as 0..C-1, one an example, and C.

    Raises:
        InputError: as `coded`; fewer than two classes.
    """
    index, count = coded(labels, n, "labels")
    if count < 2:
        raise InputError(f"labels hold {count} class; expected at least two")
    return index, count


def coded(labels: np.ndarray, n: int, name: str) -> tuple[np.ndarray, int]:
    """Return labels as 0..C-1, one an example, and C.

    Raises:
        InputError: not one label an example, a missing one, numbers that are not whole, or numbers and text.
    """
    labels = np.asarray(labels)
    if labels.shape != (n,):
        raise InputError(f"{name} have shape {labels.shape}; expected ({n},), one an example")
    missing = int(pd.isna(labels).sum())
    if missing:
        raise InputError(f"{missing} of {n} {name} are missing; drop those examples")
    if labels.dtype.kind == "f" and (labels != np.round(labels)).any():
        raise InputError(f"{name} are not whole numbers; expected classes, not the values of a regression")
    if len({isinstance(label, str) for label in labels}) > 1:
        raise InputError(
            f"{name} are numbers and text; expected one kind: convert them, np.array(..., dtype=str)"
        )
    # Sorted, so that classes have the same numbers whatever the order of the examples.
    found, index = np.unique(labels, return_inverse=True)
    return index, len(found)


def unit_rows(x: np.ndarray) -> np.ndarray:
    """Scale rows to length one; a zero row becomes NaN, since it has no direction."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return x / np.linalg.norm(x, axis=1, keepdims=True)
