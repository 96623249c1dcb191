"""language_regression against the closed form of a balanced layout."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference.pairs.by_language import language_regression, specific_part


def balanced() -> pd.DataFrame:
    """Three sources, one target, eight languages, a score each."""
    rng = np.random.default_rng(2)
    s, k = (index.ravel() for index in np.indices((3, 8)))
    x = rng.normal(size=3)[s] + rng.normal(size=8)[k] + rng.normal(size=24)
    y = 3 * rng.normal(size=3)[s] + 3 * rng.normal(size=8)[k] + 1.5 * x + rng.normal(size=24)
    return pd.DataFrame({"intermediate": s, "target": "t", "language": k, "similarity": x, "gain": y}).astype(
        {"intermediate": str, "language": str}
    )


def cleared(values: np.ndarray) -> np.ndarray:
    """Return a source x language table without its row and column means."""
    table = values.reshape(3, 8)
    return (table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()).ravel()


def test_a_balanced_layout_has_the_slope_of_doubly_centred_least_squares():
    data = balanced()
    x, y = (cleared(data[name].to_numpy()) for name in ("similarity", "gain"))
    slope = x @ y / (x @ x)
    residual = y - slope * x
    # (3 - 1)(8 - 1) cells are left by the means, and one of them by the slope.
    se = np.sqrt(residual @ residual / 13 / (x @ x))
    row = language_regression(data).table.iloc[0]
    assert row["estimate"] == pytest.approx(slope, rel=1e-6)
    assert row["se"] == pytest.approx(se, rel=1e-3)
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(slope) / se, row["df"]), rel=0.02)


def test_the_parts_add_up_to_the_specific_part():
    frame = specific_part(balanced()).frame
    assert np.allclose(frame["within"] + frame["between"], frame["specific"])
    assert np.allclose(frame["specific"], cleared(balanced()["similarity"].to_numpy()))
