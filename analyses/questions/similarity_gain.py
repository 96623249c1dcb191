"""Do intermediates gain more on targets that they are more similar to?

One measure is declared primary: the cosine of the mean embeddings of both tasks' example texts (TextEmb), pivot texts,
centred, through a sentence encoder in real languages and the run's own encoders in artificial ones. All others are
exploratory. A task pair is the unit; sequences and mixtures have no similarity of their own and are left out.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.pairs.max_statistic import max_t
from analyses.inference.pairs.permutation import permute_tasks
from analyses.inference.pairs.power import power_of_grid
from analyses.inference.pairs.regression import pair_regression, pair_table
from analyses.inference.result import Inference, distribution_data
from analyses.outcomes import gains
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.gains import gain_scores
from analyses.questions.texts import descriptions_cache, meanings, sentence_encoder
from analyses.questions.wording import count, effect, listed, number, p_value, points, verdict
from analyses.run import Run
from analyses.similarity import task_similarities
from analyses.similarity.assemble import Assembled
from analyses.similarity.tables import TRANSFERABILITY
from simxfer.common.errors import InputError
from simxfer.common.streams import stream
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "similarity-gain", "Similarity and gain"
QUESTION = "Does an intermediate gain more on a target that it is more similar to?"
PRIMARY = "mean_cosine_centred"
MEASURES = (
    PRIMARY, "nearest_coverage_centred", "mmd", "frechet", "sliced_wasserstein", "description", "subword_js",
    "subword_coverage", "structural", "taskemb", *TRANSFERABILITY,
)  # fmt: skip
"""Tried on pivot texts, where measures invariant to translation need no centring; the last ones where the grid
asked for `task_embeddings`.
"""
POWER_SIMULATIONS = 100
MEASURES_PERMUTATIONS = 1999
"""Enough for p values near .05 of an exploratory table, at a fifth of the time."""
MARGIN = 1.0
"""Slopes within +-1 point per interquartile range of similarity count as none, declared before any data."""


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and sample texts; None where it has no intermediate."""
    scores = gain_scores(run)
    scores = scores[scores["language"] != run.pivot]
    if (scores["intermediate"] == NONE).all():
        return None
    if run.samples.empty:
        why = "The run cannot tell: it holds no sample texts (samples/samples.parquet) to measure similarity on."
        return unanswerable(NAME, TITLE, QUESTION, why)
    with_gain = gains(scores[scores["intermediate"].isin([NONE, *TASKS])]).dropna(subset=["gain"])
    with_gain["same_data"] = with_gain["same_data"].fillna(False).astype(bool)
    similar = similarities(
        run, sorted(with_gain["intermediate"].unique()), sorted(with_gain["target"].unique())
    )
    try:
        return _answered(with_gain, similar)
    except InputError as error:
        return unanswerable(NAME, TITLE, QUESTION, f"The grid is too small to tell: {error}")


def similarities(run: Run, intermediates: list[str], targets: list[str]) -> Assembled:
    """Return the measures between tasks on the pivot's texts; `meanings` says through which encoders."""
    pivot = run.samples["language"] == run.pivot
    fisher = {name: vectors for name in run.encoders if (vectors := run.task_embeddings(name))}
    return task_similarities(
        run.samples[pivot],
        embeddings=[found for one in meanings(run) if len((found := one.of(run.pivot)).rows)],
        subwords=run.subwords[run.subwords["language"] == run.pivot],
        languages=run.languages,
        intermediates=intermediates,
        targets=targets,
        encoder=sentence_encoder(),
        cache=descriptions_cache(run),
        task_embeddings=fisher,
        labelled={name: run.labelled_features(name) for name in fisher},
        measures=MEASURES,
    )


def _answered(with_gain: pd.DataFrame, similar: Assembled) -> Answer:
    data = with_gain.merge(_by_pair(similar.table), on=["intermediate", "target"])
    if PRIMARY not in data:
        raise InputError(f"no pair of tasks has the primary measure {PRIMARY}")
    apart = data[~data["same_data"]]
    regression = pair_regression(data, similarity=PRIMARY)
    permutation = _unless_refused(permute_tasks, apart, similarity=PRIMARY, rng=stream(NAME, PRIMARY))
    power = power_of_grid(apart, similarity=PRIMARY, rng=stream(NAME, "power"), simulations=POWER_SIMULATIONS)
    measures, refused = _usable(apart)
    every = _unless_refused(
        max_t, apart, "gain", measures, rng=stream(NAME, "max-t"), permutations=MEASURES_PERMUTATIONS
    )
    tested = {f"gain on {PRIMARY}, whole tasks permuted": permutation, "gain on all measures": every}
    permuted = {name: found for name, found in tested.items() if isinstance(found, Inference)}
    adjusted = every.table.drop(columns=["low", "high"]) if isinstance(every, Inference) else pd.DataFrame()
    null = (
        (distribution_data(permutation, "similarity-gain-null"),)
        if isinstance(permutation, Inference)
        else ()
    )
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(regression, permutation),
        findings=_findings(regression, every, power),
        tables={
            "All measures, whole tasks permuted, p adjusted by max-T": adjusted,
            "Left out of the similarity table": similar.left_out,
        },
        inferences={
            f"gain on {PRIMARY}": regression,
            **permuted,
            "power of this grid": power,
        },
        primary_test=f"gain on {PRIMARY}",
        figures=(_heatmap(similar.table), _scatter(apart, regression), *null),
        what_would_change=(
            f"More tasks on both sides: {count(regression.counts['intermediate'], 'intermediate')} and "
            f"{count(regression.counts['target'], 'target')} are the units, scores and encoders are not."
        ),
        not_shown=(
            "A ranking of measures: the best of many looks good by chance; only the declared one is tested alone.",
            "Similarity of texts is not similarity of skills: intermediates over the same sentences look alike.",
        ),
        flags=(
            *regression.notes,
            *(f"{name}: {why}" for name, why in tested.items() if isinstance(why, str)),
            *(f"{name} not tested: {why}" for name, why in refused.items()),
        ),
    )


def _unless_refused(procedure: Callable[..., Inference], *arguments, **options) -> Inference | str:
    """Return what a procedure finds, or why it refuses: the regression is shown all the same."""
    try:
        return procedure(*arguments, **options)
    except InputError as error:
        return str(error)


def _by_pair(table: pd.DataFrame) -> pd.DataFrame:
    """Return a column a measure, mean over encoders, each in interquartile ranges over the pairs."""
    wide = table.groupby(["a", "b", "measure"])["value"].mean().unstack("measure")
    spread = wide.quantile(0.75) - wide.quantile(0.25)
    return (wide / spread.where(spread > 0, 1.0)).rename_axis(["intermediate", "target"]).reset_index()


def _usable(apart: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Return the measures that vary within tasks on this grid, and why others cannot be tested."""
    usable, refused = [], {}
    for name in (name for name in MEASURES if name in apart):
        try:
            pair_table(apart, similarity=name)
            usable.append(name)
        except InputError as error:
            refused[name] = str(error)
    return usable, refused


def _sentence(regression: Inference, permutation: Inference | str) -> str:
    n = regression.counts
    permuted = (
        f"permuting whole tasks, {p_value(permutation.p)}"
        if isinstance(permutation, Inference)
        else f"whole tasks could not be permuted: {permutation}"
    )
    return (
        f"{verdict(regression)}: {effect(regression)} of zero-shot gain per interquartile range of similarity "
        f"({PRIMARY}, the declared measure; {count(n['pairs'], 'pair')} of "
        f"{count(n['intermediate'], 'intermediate')} and {count(n['target'], 'target')}, pairs that share training "
        f"data apart); {permuted}."
    )


def _findings(regression: Inference, every: Inference | str, power: Inference) -> tuple[str, ...]:
    low, high = regression.interval
    within = "excludes" if low > -MARGIN and high < MARGIN else "does not exclude"
    texts = [
        f"The interval {within} every slope beyond ±{MARGIN:.0f} point, the margin declared as no effect; the smallest "
        f"slope that this grid finds with power .8 is {number(power.estimate, 1)} points."
    ]
    included = regression.table[regression.table["term"].str.contains("included")]
    if len(included):
        row = included.iloc[0]
        texts.append(
            f"With pairs that share training data the slope is {points(row['estimate'])} ({p_value(row['p'])})."
        )
    if isinstance(every, str):
        return (*texts, "All measures together were not tested, since whole tasks could not be permuted.")
    clear = [
        f"{term} ({p_value(p)})"
        for term, p in zip(every.table["term"], every.table["p"], strict=True)
        if p < 0.05
    ]
    texts.append(
        f"Of {count(len(every.table), 'measure')}, adjusted together by max-T at .05: {listed(clear, 10)}."
    )
    return tuple(texts)


def _heatmap(table: pd.DataFrame) -> Figure:
    rows = table[table["measure"] == PRIMARY].groupby(["a", "b"])["value"].mean().reset_index()
    return Figure(
        name="similarity",
        kind="heatmap",
        title="Similarity of intermediates and targets",
        caption=f"{PRIMARY}: cosine of the mean embeddings of example texts in the pivot, centred, mean over encoders; "
        "range -1 to 1.",
        frame=rows.rename(columns={"a": "row", "b": "column"}),
        x="similarity",
    )


def _scatter(apart: pd.DataFrame, regression: Inference) -> Figure:
    """Return the centred similarity of every pair against its gain, cleared of its tasks' means."""
    pairs = pair_table(apart, similarity=PRIMARY)
    x = pairs.frame["centred"].to_numpy()
    y = pairs.cells.residuals(pairs.frame["gain"].to_numpy())
    label = pairs.frame["intermediate"] + " to " + pairs.frame["target"]
    ends = np.array([x.min(), x.max()])
    (slope, low, high) = (regression.estimate, *regression.interval)
    bounds = np.sort(np.stack([low * ends, high * ends]), axis=0)
    return Figure(
        name="similarity-gain",
        kind="scatter",
        title="Gain against similarity, both cleared of their tasks' means",
        caption="One point a pair of tasks, zero-shot languages, pairs that share training data left out; line and "
        "band are the slope of the pair-level regression and its interval.",
        frame=pd.DataFrame({"panel": "", "label": label, "x": x, "y": y}),
        extra=pd.DataFrame({"panel": "", "x": ends, "y": slope * ends, "low": bounds[0], "high": bounds[1]}),
        x="similarity, interquartile ranges from its tasks' means",
        y="gain, points from its tasks' means",
        zero=0.0,
    )
