"""The crossed mixed model, 32,000 rows and 80 levels: ours, lme4's, and statsmodels' MixedLM."""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from analyses.inference import crossed_effects
from simxfer.streams import stream

from .measure import Row, Seconds, Timer, absent, compared
from .r_scripts import has_r, run_r

LEVELS, REPEATS = 40, 20
Fit = tuple[float, float, float]
"""Slope, its standard error, restricted log-likelihood."""


def run(timer: Timer) -> list[Row]:
    """Measure y ~ x + (1 | a) + (1 | b) by REML; the notes say how far the fits are apart."""
    data = _rows()
    what = f"{len(data):,} rows, {LEVELS} + {LEVELS} levels, REML"
    fits: dict[str, Fit] = {}
    ours = partial(_kept, fits, "ours", partial(_ours, data))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        data.to_csv(path, index=False)
        rows = [_lme4(timer, what, fits, ours, path)]
    theirs = partial(_kept, fits, "statsmodels", partial(_statsmodels, data))
    seconds = timer.interleave({"ours": ours, "statsmodels": theirs}, most=1, warm=False)
    note = _apart(fits, "statsmodels")
    return [
        *rows,
        compared(
            "crossed-model",
            what,
            seconds["ours"],
            "statsmodels MixedLM",
            seconds["statsmodels"],
            times=100,
            note=note,
        ),
    ]


def _lme4(timer: Timer, what: str, fits: dict[str, Fit], ours: Callable[[], None], path: Path) -> Row:
    if not has_r("lme4"):
        advice = "install R and its package lme4 (apt-get install r-cran-lme4)"
        return absent("crossed-model", what, "lme4", advice)

    def theirs() -> Seconds:
        seconds, (slope, error, likelihood) = run_r("crossed_model.R", timer.clock, path)
        fits["lme4"] = slope, error, likelihood
        return seconds

    seconds = timer.interleave({"ours": ours, "lme4": theirs})
    return compared(
        "crossed-model", what, seconds["ours"], "lme4", seconds["lme4"], times=1, note=_apart(fits, "lme4")
    )


def _rows() -> pd.DataFrame:
    """Return a balanced design with effects of both factors; x varies by row and by level."""
    rng = stream("bench", "crossed-model")
    a, b, _ = (index.ravel() for index in np.indices((LEVELS, LEVELS, REPEATS)))
    x = rng.normal(size=len(a)) + rng.normal(size=LEVELS)[a]
    effects = 2 * rng.normal(size=LEVELS)[a] + rng.normal(size=LEVELS)[b]
    y = 50 + 0.5 * x + effects + 3 * rng.normal(size=len(a))
    return pd.DataFrame({"y": y, "x": x, "a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b]})


def _kept(fits: dict[str, Fit], name: str, fit: Callable[[], Fit]) -> None:
    fits[name] = fit()


def _ours(data: pd.DataFrame) -> Fit:
    fit = crossed_effects(data, "y ~ x + (1 | a) + (1 | b)")
    return float(fit.fixed.loc["x", "estimate"]), float(fit.fixed.loc["x", "se"]), fit.log_likelihood


def _statsmodels(data: pd.DataFrame) -> Fit:
    """Crossed effects in MixedLM are variance components within one group of all rows."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    components = {"a": "0 + C(a)", "b": "0 + C(b)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM.from_formula("y ~ x", data, groups=np.ones(len(data)), vc_formula=components)
        fit = model.fit(reml=True)
    return float(fit.params["x"]), float(fit.bse["x"]), float(fit.llf)


def _apart(fits: dict[str, Fit], name: str) -> str:
    ours, theirs = fits["ours"], fits[name]
    slope = abs(ours[0] - theirs[0]) / theirs[1]
    return (
        f"slopes differ by {slope:.0e} of a standard error, log-likelihoods by {abs(ours[2] - theirs[2]):.0e}"
    )
