"""Structural similarity of tasks: what their records say, whatever their texts are about."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError
from simxfer.tasks.record import Task

_INPUTS = {"span": 2, "multiple_choice": 2, "tagging": 1, "retrieval": 1, "mlm": 1}
"""Texts in an input, by kind; classification takes one or two and its records do not say."""


def gower_similarity(numeric: np.ndarray, nominal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Gower's similarity of all pairs of records, and the share of variables known for both.

    Mean over the variables that both have of 1 - |difference| / range (numeric) or equality (nominal), Gower
    1971; range [0, 1], symmetric, NaN where nothing is known for both. The range is that of the records given,
    so that the values of a pair depend on which records are compared.

    Args:
        numeric: (records, variables), NaN where unknown.
        nominal: (records, variables) of text, empty where unknown.

    Example:
        >>> import numpy as np
        >>> from analyses import gower_similarity
        >>> numeric = np.array([[2.0, 5.6], [2.0, 4.6], [1.0, np.nan]])
        >>> nominal = np.array([["classification"], ["classification"], ["tagging"]])
        >>> similarity, known = gower_similarity(numeric, nominal)
        >>> similarity.round(2).tolist()
        [[1.0, 0.67, 0.0], [0.67, 1.0, 0.0], [0.0, 0.0, 1.0]]
        >>> known.round(2)[0].tolist()
        [1.0, 1.0, 0.67]
    """
    numeric, nominal = np.asarray(numeric, dtype=np.float64), np.asarray(nominal, dtype=str)
    if numeric.ndim != 2 or nominal.ndim != 2 or len(numeric) != len(nominal) or not len(numeric):
        raise InputError(
            f"got shapes {numeric.shape} and {nominal.shape}; expected (records, variables) twice"
        )
    known_numeric, known_nominal = ~np.isnan(numeric), nominal != ""
    # With an initial value a variable that no record states has no range, instead of a warning.
    spread = np.nanmax(numeric, axis=0, initial=-np.inf) - np.nanmin(numeric, axis=0, initial=np.inf)
    scaled = numeric / np.where(spread > 0, spread, 1.0)
    alike = 1 - np.abs(scaled[:, None] - scaled[None, :])
    equal = (nominal[:, None] == nominal[None, :]).astype(np.float64)
    both = np.concatenate(
        [
            known_numeric[:, None] & known_numeric[None, :],
            known_nominal[:, None] & known_nominal[None, :],
        ],
        axis=2,
    )
    parts = np.where(both, np.concatenate([alike, equal], axis=2), 0.0)
    known = both.sum(axis=2)
    with np.errstate(invalid="ignore"):
        return parts.sum(axis=2) / np.where(known > 0, known, np.nan), known / both.shape[2]


def task_variables(tasks: Sequence[Task]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the variables of task records: numeric (NaN: unknown) and nominal ones, one row a task.

    Numeric: number of input texts, log2 of the label space, log10 of the number of training examples.
    Nominal: kind, first metric.
    """
    names = [task.name for task in tasks]
    numeric = pd.DataFrame(
        {
            "inputs": [_INPUTS.get(task.kind, np.nan) for task in tasks],
            "log2_labels": [np.log2(len(task.labels)) if task.labels else np.nan for task in tasks],
            "log10_train": [np.log10(dict(task.sizes).get("train", np.nan)) for task in tasks],
        },
        index=names,
    )
    nominal = pd.DataFrame(
        {"kind": [t.kind for t in tasks], "metric": [t.metric for t in tasks]}, index=names
    )
    return numeric, nominal
