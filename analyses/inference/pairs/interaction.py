"""Does a similarity matter as much under one training method as under another?

Every pair is its own control: the outcome of a method minus that of the reference, rows equal in source,
target, language and replicate, is regressed on the centred similarity as in `pair_regression`. Its slope is
the similarity-by-method interaction, with slopes that vary by task.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analyses.inference.checks import complete_rows
from analyses.inference.multiplicity import holm
from analyses.inference.pairs.regression import SAME_DATA, pair_regression
from analyses.inference.result import Inference
from simxfer.common.errors import InputError, unknown

DIFFERENCE = "difference"


def pair_interaction(
    data: pd.DataFrame,
    similarity: str = "similarity",
    outcome: str = "gain",
    source: str = "intermediate",
    target: str = "target",
    language: str = "language",
    *,
    method: str = "method",
    reference: str = "full",
    replicate: Sequence[str] = ("checkpoint", "seed"),
    kind: tuple[str, str] | None = None,
    level: float = 0.95,
) -> Inference:
    """Compare the slopes of `pair_regression` between methods.

    Args:
        method: the column that tells the methods apart. reference: the method that the others are compared
        with.
        replicate: further columns in which compared rows are equal, where the table has them.
            The other arguments, and a column `same_data`, are those of `pair_regression`.

    Returns:
        A row `slope, M - reference` for each other method (p as it is, `p_holm` over the methods), then a row
        `slope, M` for every method.

    Raises:
        InputError: as `pair_regression`; unknown reference, only one method, no row in common, a row twice.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import Truth, pair_interaction, simulate_grid
        >>> rng = np.random.default_rng(1)
        >>> full = simulate_grid(rng, Truth(languages=2, slope=2.0)).assign(method="full")
        >>> halved = full["gain"] - full["similarity"] + rng.normal(size=len(full))
        >>> both = pd.concat([full, full.assign(method="lora", gain=halved)])
        >>> pair_interaction(both).table[["term", "estimate", "low", "high"]].round(1)
                         term  estimate  low  high
        0  slope, lora - full      -1.1 -1.3  -0.9
        1         slope, full       2.0  1.5   2.6
        2         slope, lora       0.9  0.3   1.5
    """
    keys = [source, target, language, *(name for name in replicate if name in data.columns)]
    constant = [name for name in (similarity, *(kind or ()), SAME_DATA) if name in data.columns]
    frame, notes = complete_rows(data, [outcome, similarity], [*keys, method])
    methods = _methods(frame, method, reference)
    tasks = (source, target, language)
    rows: list[dict] = []
    counts: dict[str, int] = {}
    for other in methods[1:]:
        compared = _differences(frame, outcome, keys, constant, method, (other, reference))
        result = pair_regression(compared, similarity, DIFFERENCE, *tasks, kind=kind, level=level)
        rows.append({**result.table.iloc[0].to_dict(), "term": f"slope, {other} - {reference}"})
        counts = counts or dict(result.counts)
        notes += [f"{other} - {reference}: {note}" for note in result.notes]
    # Over the comparisons only: slopes of single methods are shown, not tested against each other.
    adjusted = holm(np.array([row["p"] for row in rows]))
    rows = [{**row, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]
    for name in methods:
        alone = pair_regression(
            frame[frame[method] == name], similarity, outcome, *tasks, kind=kind, level=level
        )
        rows.append({**alone.table.iloc[0].to_dict(), "term": f"slope, {name}", "p_holm": np.nan})
    return Inference(
        procedure="pair_interaction",
        null=f"the mean slope on the centred similarity is the same under {methods[1]} as under {reference}",
        table=pd.DataFrame(rows),
        counts={**counts, "methods": len(methods)},
        level=level,
        notes=tuple(notes),
        references=("Barr et al. 2013, J. Mem. Lang. 68: 255-278", "Holm 1979"),
    )


def _methods(frame: pd.DataFrame, method: str, reference: str) -> list[str]:
    """Return the reference, then the other methods."""
    found = sorted(frame[method].unique(), key=str)
    if reference not in found:
        raise InputError(unknown("reference method", reference, found))
    if len(found) < 2:
        raise InputError(f"only one method, {reference!r}; an interaction compares at least two")
    return [reference, *(name for name in found if name != reference)]


def _differences(
    frame: pd.DataFrame,
    outcome: str,
    keys: list[str],
    constant: list[str],
    method: str,
    pair: tuple[str, str],
) -> pd.DataFrame:
    """Return one row a key that both methods have, with the difference of their outcomes."""
    first, second = (frame[frame[method] == name] for name in pair)
    for part, name in zip((first, second), pair, strict=True):
        if part.duplicated(keys).any():
            raise InputError(
                f"method {name!r} has two rows with the same {keys}; name the other key in `replicate`"
            )
    both = first[[*keys, *constant, outcome]].merge(
        second[[*keys, outcome]], on=keys, suffixes=("", "_reference")
    )
    if both.empty:
        raise InputError(f"{pair[0]!r} and {pair[1]!r} have no row with the same {keys}")
    return both.assign(**{DIFFERENCE: both[outcome] - both[f"{outcome}_reference"]})
