"""Does an intermediate gain more in the languages in which a target's texts are more similar to its own?

The regressor is the language-specific part of similarity: what is left of similarity (intermediate's texts, target's
texts in the language) when the mean of each pair of tasks and of each language is taken away (DESIGN.md section 10).
What pairs share is asked under `similarity-gain`, what languages share under `distance`. Gains of a target in a
language share their baseline, so those have a random intercept; so have those of an intermediate in a language, pairs
and languages, these related by descent where they are real. The slope varies by targets and by intermediates where
there are enough of either. One measure is declared primary, the cosine of mean embeddings centred by language, through
the encoders of `texts.meanings`; all others are exploratory.
"""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.mixed.model import crossed_effects
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.pairs.two_way import cells
from analyses.inference.result import Inference
from analyses.outcomes import gains
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.covariates import covariates
from analyses.questions.gains import gain_scores
from analyses.questions.texts import meanings
from analyses.questions.wording import count, effect, listed, number, p_value, verdict
from analyses.run import Run
from analyses.similarity import task_similarities
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "similarity-language", "Similarity and gain by language"
QUESTION = (
    "Does an intermediate gain more in the languages in which a target's texts are more similar to its own?"
)
PRIMARY = "mean_cosine_centred"
MEASURES = (PRIMARY, "mean_cosine", "nearest_coverage_centred", "subword_js", "subword_coverage")
LEAST_SHARE = 0.05
"""Share of a measure's variance that has to be language-specific for its slope to be estimated."""
FEWEST_TASKS = 3
"""Targets (intermediates) from which on slopes vary by them; with fewer the conclusion is about these tasks."""
FEWEST_LANGUAGES = 3
CELL = ["intermediate", "target", "language"]


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and languages beside the pivot; None for any other."""
    scores = gain_scores(run)
    scores = scores[scores["language"] != run.pivot]
    if scores.empty or (scores["intermediate"] == NONE).all():
        return None
    if run.samples.empty:
        why = "The run cannot tell: it holds no sample texts (samples/samples.parquet) to measure similarity on."
        return unanswerable(NAME, TITLE, QUESTION, why)
    gained = gain_by_cell(scores)
    similar = similarities(run, gained)
    data = gained.merge(similar, on=CELL).dropna(subset=[PRIMARY]) if PRIMARY in similar else gained.iloc[:0]
    if data["language"].nunique() < FEWEST_LANGUAGES:
        why = (
            f"The run cannot tell: fewer than {FEWEST_LANGUAGES} languages have both a gain and {PRIMARY}, the "
            "declared measure."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    kinship = covariates(run, gained).kinship
    return answered(data, kinship)


def gain_by_cell(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the gain of single intermediates by CELL, mean over encoders of their seeds' means; shared data apart."""
    found = gains(scores[scores["intermediate"].isin([NONE, *TASKS])]).dropna(subset=["gain"])
    found = found[~found["same_data"].fillna(False).astype(bool)]
    by_encoder = found.groupby([*CELL, "checkpoint"])["gain"].mean()
    return by_encoder.groupby(CELL).mean().reset_index()


def similarities(run: Run, gained: pd.DataFrame) -> pd.DataFrame:
    """Return a column a measure by CELL: the intermediate's training texts against the target's in the language."""
    found = task_similarities(
        run.samples,
        embeddings=meanings(run),
        subwords=run.subwords[run.subwords["checkpoint"].isin(run.encoders)],
        intermediates=sorted(gained["intermediate"].unique()),
        targets=sorted(gained["target"].unique()),
        measures=MEASURES,
    )
    by_cell = found.table.groupby(["a", "b", "language", "measure"])["value"].mean().unstack("measure")
    return by_cell.rename_axis(CELL).reset_index()


def answered(data: pd.DataFrame, kinship: pd.DataFrame | None) -> Answer:
    """Answer from gains and similarities by CELL."""
    shares = {name: specific(data, name)[1] for name in MEASURES if name in data}
    tests = {name: slope(data, name, kinship) for name, share in shares.items() if share >= LEAST_SHARE}
    judged = {name: test for name, test in tests.items() if isinstance(test, Inference)}
    primary = tests.get(PRIMARY)
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(data, primary, shares[PRIMARY]),
        findings=_findings(judged),
        tables={
            "Slope of the gain on the language-specific part of similarity (points per interquartile range)": _table(
                judged, shares
            ),
            "Gain (points) and similarity by pair and language": data,
        },
        inferences={f"gain on {name}": test for name, test in judged.items()},
        primary_test=f"gain on {PRIMARY}",
        figures=(_scatter(data, primary),) if isinstance(primary, Inference) else (),
        what_would_change="More languages, and more targets with texts of their own: scores and seeds are no units.",
        not_shown=(
            "That similar pairs of tasks gain more: what a pair has in all languages is asked under its own question.",
            "That similarity is meaning: an encoder that covers a language badly finds its texts similar to none.",
        ),
        flags=_flags(data, shares, tests),
        answered=isinstance(primary, Inference),
    )


def specific(data: pd.DataFrame, name: str) -> tuple[np.ndarray, float]:
    """Return the language-specific part of a measure, cleared of pairs' and languages' means, and its share.

    The part is (rows,), missing where the measure is; the share is of the measure's variance.
    """
    x = data[name].to_numpy(float)
    here = np.isfinite(x)
    part = np.full(len(data), np.nan)
    part[here] = _cleared(data[here], x[here])
    spread = float(np.var(x[here]))
    return part, float(np.var(part[here]) / spread) if spread > 0 else 0.0


def _cleared(data: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Return values cleared of the means of pairs and of languages."""
    pairs = data.assign(pair=data["intermediate"] + " to " + data["target"])
    return cells(pairs, "pair", "language").residuals(values)


def slope(data: pd.DataFrame, name: str, kinship: pd.DataFrame | None) -> Inference | str:
    """Return the slope of the gain on the language-specific part of a measure, or why there is none.

    The part counts in its interquartile ranges. `kinship` is the covariance of the languages, None for artificial ones.
    """
    part, _ = specific(data, name)
    low, high = np.nanquantile(part, [0.25, 0.75])
    rows = data.assign(specific=part / ((high - low) or 1.0)).dropna(subset=["specific", "gain"])
    rows = rows.assign(pair=rows["intermediate"] + " to " + rows["target"])
    known = {} if kinship is None else {"language": kinship}
    try:
        return crossed_effects(rows, f"gain ~ specific + {' + '.join(_terms(rows))}", covariances=known)
    except InputError as error:
        return str(error)


def _terms(rows: pd.DataFrame) -> list[str]:
    """Return the random effects that the table carries: no group of one level, none with a level a row."""
    levels = {
        "(1 | pair)": rows["pair"].nunique(),
        "(1 | language)": rows["language"].nunique(),
        **{
            f"(1 | {side}:language)": len(rows.drop_duplicates([side, "language"]))
            for side in ("target", "intermediate")
            # Of one task the combinations are the languages.
            if rows[side].nunique() > 1
        },
    }
    kept = [term for term, n in levels.items() if 1 < n < len(rows)]
    slopes = [side for side in ("target", "intermediate") if rows[side].nunique() >= FEWEST_TASKS]
    return [*kept, *(f"(0 + specific | {side})" for side in slopes)]


def _sentence(data: pd.DataFrame, primary: Inference | str | None, share: float) -> str:
    pairs = len(data.drop_duplicates(["intermediate", "target"]))
    of = (
        f"{PRIMARY}, the declared measure, of whose variance {number(100 * share, 1)} % is language-specific; "
        f"{count(pairs, 'pair')} of tasks, {count(data['target'].nunique(), 'target')}, "
        f"{count(data['language'].nunique(), 'language')}"
    )
    if primary is None:
        return f"Not estimable: less than {100 * LEAST_SHARE:.0f} % would be left to estimate from ({of})."
    if isinstance(primary, str):
        return f"The grid is too small to tell ({of}): {primary}"
    return (
        f"{verdict(primary)}: {effect(primary)} of gain per interquartile range of the language-specific part of "
        f"similarity ({of})."
    )


def _findings(judged: dict[str, Inference]) -> tuple[str, ...]:
    others = {name: test for name, test in judged.items() if name != PRIMARY}
    if not others:
        return ()
    adjusted = benjamini_hochberg(np.array([test.p for test in others.values()]))
    named = [
        f"{name} {number(test.estimate)} ({p_value(p)})"
        for (name, test), p in zip(others.items(), adjusted, strict=True)
    ]
    return (
        f"Other measures, points per interquartile range (exploratory, Benjamini-Hochberg): {listed(named)}.",
    )


def _table(judged: dict[str, Inference], shares: dict[str, float]) -> pd.DataFrame:
    columns = ["estimate", "low", "high", "p", "df"]
    nothing = dict.fromkeys(columns, np.nan)
    rows = [
        {"measure": name, "share_specific": share}
        | ({c: judged[name].table[c].iloc[0] for c in columns} if name in judged else nothing)
        for name, share in shares.items()
    ]
    return pd.DataFrame(rows)


def _flags(
    data: pd.DataFrame, shares: dict[str, float], tests: dict[str, Inference | str]
) -> tuple[str, ...]:
    thin = [name for name, share in shares.items() if share < LEAST_SHARE]
    few = [
        count(data[side].nunique(), side)
        for side in ("target", "intermediate")
        if data[side].nunique() < FEWEST_TASKS
    ]
    return (
        *([f"not estimable, too little of it is language-specific: {listed(thin)}"] if thin else []),
        *([f"the conclusion is about these tasks alone: {listed(few)}"] if few else []),
        *(f"{name} was not tested: {why}" for name, why in tests.items() if isinstance(why, str)),
    )


def _scatter(data: pd.DataFrame, primary: Inference) -> Figure:
    part, _ = specific(data, PRIMARY)
    rows = data.assign(x=part).dropna(subset=["x", "gain"])
    low, high = rows["x"].quantile([0.25, 0.75])
    x = rows["x"].to_numpy() / ((high - low) or 1.0)
    label = rows["intermediate"] + " to " + rows["target"] + " in " + rows["language"]
    points = pd.DataFrame({"panel": "", "label": label, "x": x, "y": _cleared(rows, rows["gain"].to_numpy())})
    ends = np.array([x.min(), x.max()])
    bounds = np.sort(np.stack([bound * ends for bound in primary.interval]), axis=0)
    return Figure(
        name="similarity-language",
        kind="scatter",
        title="Gain against similarity, both cleared of the means of pairs and languages",
        caption="One point an intermediate, target and language; line and band are the slope of the mixed model and "
        "its interval.",
        frame=points,
        extra=pd.DataFrame(
            {"panel": "", "x": ends, "y": primary.estimate * ends, "low": bounds[0], "high": bounds[1]}
        ),
        x="similarity, interquartile ranges from its pair's and language's means",
        y="gain, points from its pair's and language's means",
        zero=0.0,
    )
