"""What the study of adapters rests on: gains with a similarity, slopes by method, planted absences, rankings."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyses.inference.pairs.multiverse import specification_curve
from analyses.inference.result import Inference
from analyses.questions.method_gains import MEAN, is_adapter, is_dropped, with_mean
from analyses.questions.method_rankings import agreement_tests, half_agreement
from analyses.questions.method_slopes import Slopes, absent_slopes, planted_slopes, sampled_slopes
from analyses.questions.replicates import detectable, margin_verdict
from analyses.questions.scores import FULL
from analyses.questions.similarity_gain import PRIMARY, similarities
from analyses.run import Run
from simxfer.common.errors import InputError
from simxfer.common.streams import stream
from simxfer.tasks.planted import label_agreement

PLANTED = "label agreement"
MEASURES = (PRIMARY, "nearest_coverage_centred", "description", "subword_js", "structural")
"""Of the specification curve."""
CURVE_PERMUTATIONS = 999


@dataclass(frozen=True)
class Measured:
    """Gains with a column `similarity` in interquartile ranges over the pairs, and what it is."""

    data: pd.DataFrame
    name: str
    spread: float
    """The interquartile range, in the measure's own unit."""

    @property
    def planted(self) -> bool:
        """Whether the similarity is known by construction."""
        return self.name == PLANTED


@dataclass(frozen=True)
class Evidence:
    """All that the answer rests on."""

    measured: Measured
    methods: tuple[str, ...]
    slopes: Slopes
    absent: dict[tuple[str, str], Inference]
    rankings: pd.DataFrame
    tests: dict[str, Inference]
    margin: float
    curve: Inference | None


def planted_similarity(gains: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return how far labels agree, as `text_similarities` does; nothing unless all pairs are about attributes."""
    pairs = gains[["intermediate", "target"]].drop_duplicates()
    known = {pair: label_agreement(*pair) for pair in pairs.itertuples(index=False, name=None)}
    values = [value for value in known.values() if value is not None]
    return {PLANTED: pairs.assign(value=values)} if len(values) == len(pairs) else {}


def text_similarities(run: Run, gains: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return by measure: intermediate, target, value (mean over encoders)."""
    tasks = [sorted(gains[name].unique()) for name in ("intermediate", "target")]
    table = similarities(run, *tasks).table.rename(columns={"a": "intermediate", "b": "target"})
    means = table.groupby(["measure", "intermediate", "target"])["value"].mean().reset_index()
    return {str(name): rows for name, rows in means.groupby("measure") if name in MEASURES}


def measured(gains: pd.DataFrame, measures: Mapping[str, pd.DataFrame]) -> Measured:
    """Return the gains, the mean of adapters among them, with their similarity in interquartile ranges.

    Raises:
        InputError: no pair has the primary measure.
    """
    name = PLANTED if PLANTED in measures else PRIMARY
    if name not in measures:
        raise InputError(f"no pair of tasks has the primary measure {PRIMARY}")
    similar = measures[name]
    spread = float(np.subtract(*np.quantile(similar["value"], [0.75, 0.25]))) or 1.0
    scaled = similar.assign(similarity=similar["value"] / spread)[["intermediate", "target", "similarity"]]
    return Measured(with_mean(gains).merge(scaled, on=["intermediate", "target"]), name, spread)


def evidence(gains: pd.DataFrame, measures: Mapping[str, pd.DataFrame], margin: float) -> Evidence:
    """Return slopes by method, their difference, planted absences, rankings and a specification curve.

    Args:
        gains: as `method_gains` gives them.
        measures: by name: intermediate, target, value; `PLANTED` or `PRIMARY` is the regressor, the others are for
            the specification curve.
        margin: points per interquartile range within which a slope counts as none.

    Raises:
        InputError: tasks or replicates are too few, or the similarity does not vary beyond the tasks' means.
    """
    found = measured(gains, measures)
    data = found.data
    methods = sorted(set(data["method"]) - {MEAN}, key=lambda m: (m != FULL, is_dropped(m), m))
    slopes = (planted_slopes if found.planted else sampled_slopes)(data, methods)
    apart = data[~data["same_data"]]
    kept = apart[(apart["method"] == FULL) | apart["method"].map(is_adapter)]
    return Evidence(
        measured=found,
        methods=tuple(methods),
        slopes=slopes,
        absent=absent_slopes(data, methods) if found.planted else {},
        rankings=half_agreement(kept),
        tests=agreement_tests(kept),
        margin=margin,
        curve=_curve(apart, measures),
    )


def _curve(apart: pd.DataFrame, measures: Mapping[str, pd.DataFrame]) -> Inference | None:
    """Return the mean of adapters' gain on all measures as one curve; None where whole tasks cannot be permuted."""
    data = apart[apart["method"] == MEAN]
    for name, rows in measures.items():
        column = rows.rename(columns={"value": name})[["intermediate", "target", name]]
        data = data.merge(column, on=["intermediate", "target"], how="left")
    names = [name for name in measures if data[name].notna().all()]
    try:
        return specification_curve(
            data, ["gain"], names, rng=stream("adapter-similarity", "curve"), permutations=CURVE_PERMUTATIONS
        )
    except InputError:
        return None


def slope_table(found: Evidence) -> pd.DataFrame:
    """Return a row a method and slope: estimate, interval, p, smallest detectable slope, verdict within the margin."""
    rows = [("all targets", name, test) for name, test in found.slopes.by_method.items()]
    if found.slopes.difference is not None:
        rows.append(("all targets", "full − mean of adapters", found.slopes.difference))
    rows += [(f"{target}, absence planted", name, test) for (target, name), test in found.absent.items()]
    return pd.DataFrame([_slope_row(found, *row) for row in rows])


def _slope_row(found: Evidence, where: str, method: str, test: Inference) -> dict[str, object]:
    low, high = test.interval
    return {
        "slope on": where,
        "method": method,
        "slope": test.estimate,
        "low": low,
        "high": high,
        "p": test.p,
        "smallest detectable": detectable(test),
        "within the margin": verdict_within(test, found.margin),
    }


def verdict_within(test: Inference, margin: float) -> str:
    """Return `exactly 0` where all replicates are, else `equivalent`, `different`, `undecided` or `not judged`."""
    values = test.distribution
    exact = len(values) > 0 and not np.any(np.round(values, 9))
    return "exactly 0" if exact else margin_verdict(test, margin)


def gain_table(found: Evidence) -> pd.DataFrame:
    """Return mean gains by target and intermediate, a column a method, beside the similarity in its own unit."""
    data = found.measured.data
    wide = data.pivot_table(index=["target", "intermediate"], columns="method", values="gain", aggfunc="mean")
    similar = data.groupby(["target", "intermediate"])["similarity"].first() * found.measured.spread
    return wide.reindex(columns=[MEAN, *found.methods]).assign(similarity=similar).reset_index()
