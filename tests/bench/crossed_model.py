"""The crossed mixed model: 32,000 rows and 80 levels, ours, lme4's, and statsmodels' MixedLM; 100,000 rows and
400 pair levels, ours and lme4's.
"""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from analyses.inference import crossed_effects
from simxfer.common.streams import stream

from .measure import Row, Seconds, Timer, absent, alone, compared
from .r_scripts import has_r, run_r

TASKS = "y ~ x + (1 | a) + (1 | b)"
PAIRS = f"{TASKS} + (1 | a:b)"
Fit = tuple[float, float, float]
"""Slope, its standard error, restricted log-likelihood."""


def run(timer: Timer) -> list[Row]:
    """Measure REML fits; the notes say how far they are apart."""
    data = _rows(levels=40, repeats=20)
    what = f"{len(data):,} rows, 40 + 40 levels, REML"
    pairs = _rows(levels=20, repeats=250)
    what_pairs = f"{len(pairs):,} rows, 20 + 20 + 400 pair levels, REML"
    return [
        _against_lme4(timer, what, data, TASKS),
        _against_statsmodels(timer, what, data),
        _alone(timer, what_pairs, pairs),
        _against_lme4(timer, what_pairs, pairs, PAIRS),
    ]


def _alone(timer: Timer, what: str, data: pd.DataFrame) -> Row:
    seconds = timer.interleave({"ours": partial(_ours, data, PAIRS)})["ours"]
    return alone("crossed-model", what, seconds, at_most=2.0)


def _against_statsmodels(timer: Timer, what: str, data: pd.DataFrame) -> Row:
    fits: dict[str, Fit] = {}
    subjects = {
        "ours": partial(_kept, fits, "ours", partial(_ours, data, TASKS)),
        "statsmodels": partial(_kept, fits, "statsmodels", partial(_statsmodels, data)),
    }
    seconds = timer.interleave(subjects, most=1, warm=False)
    return compared(
        "crossed-model",
        what,
        seconds["ours"],
        "statsmodels MixedLM",
        seconds["statsmodels"],
        times=100,
        note=_apart(fits, "statsmodels"),
    )


def _against_lme4(timer: Timer, what: str, data: pd.DataFrame, formula: str) -> Row:
    if not has_r("lme4"):
        advice = "install R and its package lme4 (apt-get install r-cran-lme4)"
        return absent("crossed-model", what, "lme4", advice)
    fits: dict[str, Fit] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        data.to_csv(path, index=False)

        def theirs() -> Seconds:
            seconds, (slope, error, likelihood) = run_r("crossed_model.R", timer.clock, path, formula)
            fits["lme4"] = slope, error, likelihood
            return seconds

        ours = partial(_kept, fits, "ours", partial(_ours, data, formula))
        seconds = timer.interleave({"ours": ours, "lme4": theirs})
    return compared(
        "crossed-model", what, seconds["ours"], "lme4", seconds["lme4"], times=1, note=_apart(fits, "lme4")
    )


def _rows(levels: int, repeats: int) -> pd.DataFrame:
    """Return a balanced design with effects of both factors and of their pairs; x varies by row and by level."""
    rng = stream("bench", "crossed-model")
    a, b, _ = (index.ravel() for index in np.indices((levels, levels, repeats)))
    x = rng.normal(size=len(a)) + rng.normal(size=levels)[a]
    effects = (
        2 * rng.normal(size=levels)[a] + rng.normal(size=levels)[b] + rng.normal(size=(levels, levels))[a, b]
    )
    y = 50 + 0.5 * x + effects + 3 * rng.normal(size=len(a))
    return pd.DataFrame({"y": y, "x": x, "a": [f"a{i}" for i in a], "b": [f"b{i}" for i in b]})


def _kept(fits: dict[str, Fit], name: str, fit: Callable[[], Fit]) -> None:
    fits[name] = fit()


def _ours(data: pd.DataFrame, formula: str) -> Fit:
    fit = crossed_effects(data, formula)
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
