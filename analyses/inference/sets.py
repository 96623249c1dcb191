"""Sets of languages as units: does an arm of sets, or their diversity, matter beyond the languages that they have?

    outcome of a set ~ sum over its languages of (effect of the language) / (size of the set) + slope x regressor

by least squares; the shares of a set sum to one, so that no intercept is needed. Effects of languages are fixed: sets
chosen for their diversity are not a random draw of languages, and a t test of two such arms takes a difference of the
languages for one of diversity. This is the diversity-interaction model of ecology, with the languages in the place of
species: identity effects, and what a set is worth beyond their mean.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analyses.inference.checks import complete_rows, require_level, require_residual, require_varying
from analyses.inference.result import Inference
from simxfer.common.errors import InputError


def set_contrast(
    data: pd.DataFrame,
    regressor: str = "arm",
    outcome: str = "score",
    languages: str = "languages",
    *,
    level: float = 0.95,
) -> Inference:
    """Test an outcome of sets of languages on a regressor, each language with an effect of its own.

    Args:
        data: one row a set.
        regressor: numbers: 1 and 0 for two arms (the slope is their difference), or a diversity.
        outcome: the column explained.
        languages: codes of a set, joined by commas.
        level: confidence level of the interval.

    Returns:
        One row: estimate, interval, p, se, df (sets less languages less one) and `precision`, the sum of squares of
        the regressor that the languages leave: se = SD / sqrt(precision).

    Raises:
        InputError: too few sets for the languages, or a regressor that follows from the languages of the sets, as
            where two arms share none.

    Example:
        >>> import pandas as pd
        >>> from analyses import set_contrast
        >>> sets = ["a,b", "b,c", "a,c", "a,b", "b,c", "a,c"]
        >>> data = pd.DataFrame({"languages": sets, "arm": [1, 1, 1, 0, 0, 0], "score": [8, 7, 9, 5, 6, 5]})
        >>> result = set_contrast(data)
        >>> round(result.estimate, 2), [round(limit, 2) for limit in result.interval], int(result.table["df"].item())
        (2.67, [-1.13, 6.46], 2)
    """
    require_level(level)
    frame, notes = complete_rows(data, [outcome, regressor], [languages])
    x, y = frame[regressor].to_numpy(), frame[outcome].to_numpy()
    require_varying(x, regressor)
    Z = set_shares(frame[languages])
    X = np.column_stack([Z, x])
    df = len(frame) - np.linalg.matrix_rank(X)
    if df < 1:
        raise InputError(
            f"{len(frame)} sets of {Z.shape[1]} languages: nothing is left to estimate the spread of sets from; "
            f"expected {Z.shape[1] + 2} sets at least"
        )
    require_residual(X, y)
    left, precision = _left(x, Z)
    estimate = float(left @ y / precision)
    rest = y - estimate * x
    rest = rest - Z @ np.linalg.lstsq(Z, rest, rcond=None)[0]
    se = float(np.sqrt(rest @ rest / df / precision))
    half = stats.t.ppf(0.5 + level / 2, df) * se
    p = float(2 * stats.t.sf(abs(estimate) / se, df))
    row = {"term": regressor, "estimate": estimate, "low": estimate - half, "high": estimate + half, "p": p}
    return Inference(
        procedure="set_contrast",
        null=f"{regressor} does not matter beyond what each language of a set adds",
        table=pd.DataFrame([row | {"se": se, "df": float(df), "precision": precision}]),
        counts={"sets": len(frame), "languages": Z.shape[1]},
        level=level,
        notes=tuple(notes),
        references=("Kirwan et al. 2009, Ecology 90: 2032-2038",),
    )


def set_shares(languages: Sequence[str] | pd.Series) -> np.ndarray:
    """Return the share of every language in every set, (sets, languages); rows sum to one."""
    split = [text.split(",") for text in languages]
    codes = sorted({code for one in split for code in one})
    return np.array([[one.count(code) / len(one) for code in codes] for one in split])


def precision_of(regressor: np.ndarray, languages: Sequence[str] | pd.Series) -> tuple[float, int]:
    """Return what the languages leave of a regressor, as a sum of squares, and the degrees of freedom; 0 for neither.

    Known before any score: the standard error is the SD of a set over the root of the first.
    """
    Z = set_shares(languages)
    x = np.asarray(regressor, dtype=float)
    df = len(x) - int(np.linalg.matrix_rank(np.column_stack([Z, x])))
    return (0.0, max(df, 0)) if _told_by_languages(x, Z) else (_left(x, Z)[1], max(df, 0))


def _told_by_languages(x: np.ndarray, Z: np.ndarray) -> bool:
    """Return whether a regressor is a sum of shares, so that no set can tell it from the languages."""
    rest = x - Z @ np.linalg.lstsq(Z, x, rcond=None)[0]
    return bool(rest @ rest <= 1e-12 * max(float(x @ x), 1e-300))


def _left(x: np.ndarray, Z: np.ndarray) -> tuple[np.ndarray, float]:
    if _told_by_languages(x, Z):
        raise InputError(
            "which languages a set has tells its arm: no difference of arms can be told from one of languages. "
            "Expected sets of both arms from one pool, each language in both (`analyses.choose_sets`)"
        )
    rest = x - Z @ np.linalg.lstsq(Z, x, rcond=None)[0]
    return rest, float(rest @ rest)
