"""Published scores of one real encoder: do they follow pretraining size and typological distance?

Nothing can be said about gains: published tables have no intermediate. Every target takes one source, the one
with most languages, so that two runs of one target never mix.
"""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.languages.genealogy import genealogical_covariance
from analyses.inference.languages.pgls import pgls
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.result import Inference
from analyses.outcomes import degradation
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.scores import main_scores
from analyses.questions.wording import count, effect, listed, p_value, verdict
from analyses.run import Run
from analyses.similarity.typology import language_distances, language_features

NAME, TITLE = "published", "Published scores of a real encoder"
QUESTION = "Do zero-shot scores follow pretraining size, kinship taken into account?"
SIZE = "cc100_gib"
"""The one covariate declared in advance; token counts of ja, th, vi, zh are not comparable."""
SIZE_TERM = "log2_gib"
FEWEST_LANGUAGES = 6
COVARIATES = {SIZE_TERM: "doubling of pretraining text", "syntactic": "unit of syntactic distance (0-1)"}


def answer(run: Run) -> Answer | None:
    """Answer from real languages with pretraining sizes; None where the folder has none."""
    if SIZE not in run.covariates:
        return None
    data = score_table(run)
    sizes = data.groupby("target")["language"].nunique()
    targets = list(sizes[sizes >= FEWEST_LANGUAGES].sort_values(ascending=False, kind="stable").index)
    if not targets:
        why = f"The folder cannot tell: no target has {FEWEST_LANGUAGES} languages outside the pivot with a known size."
        return unanswerable(NAME, TITLE, QUESTION, why)
    data = data[data["target"].isin(targets)]
    kinship = _kinship(data["language"].unique())
    primary = _primary(data)
    tests = {
        (target, name): _test(data[data["target"] == target], name, kinship)
        for target in sorted(targets, key=lambda target: target != primary)
        for name in COVARIATES
    }
    table = _table(tests, primary)
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(tests[primary, SIZE_TERM], primary, data),
        findings=_findings(table),
        tables={
            "Slope of the score by target (points; PGLS, Pagel's lambda by REML)": table,
            "Scores, sizes and distances": data.drop(columns=["flags"]),
            "Degradation from the pivot (points)": _degradation(run),
        },
        inferences={f"{target} on {name}": test for (target, name), test in tests.items()},
        primary_test=f"{primary} on {SIZE_TERM}",
        figures=tuple(_figure(data, targets, name) for name in COVARIATES),
        what_would_change=(
            "Scores in more languages of more families, and other encoders: languages are the unit, and one "
            "checkpoint stands behind every score."
        ),
        not_shown=(
            "Gains of intermediate tasks: the published tables hold none by language.",
            "That size causes score: languages with much text also have more users, tools and cleaner data.",
            f"Anything about encoders other than {listed(sorted(run.results['checkpoint'].unique()))}.",
        ),
        flags=_flags(data),
    )


def score_table(run: Run) -> pd.DataFrame:
    """Return one row a (target, language) outside the pivot, of the source with most languages for the target.

    Columns: target, language, run (the source), split, value (points), log2_gib, syntactic (URIEL distance to the
    pivot, 0-1), flags. Languages without a size are left out.
    """
    scores = main_scores(run)
    sizes = scores.groupby(["target", "run"])["language"].nunique().rename("n").reset_index()
    chosen = sizes.sort_values(["n", "run"], ascending=[False, True]).drop_duplicates("target")
    scores = scores.merge(chosen[["target", "run"]], on=["target", "run"])
    scores = scores[scores["language"] != run.pivot].merge(run.covariates[["language", SIZE]], on="language")
    scores = scores.assign(log2_gib=np.log2(scores[SIZE].astype(float)), split=scores["data"]).dropna(
        subset=["log2_gib"]
    )
    syntactic = _to_pivot(list(scores["language"].unique()), run.pivot)
    scores["syntactic"] = scores["language"].map(syntactic)
    kept = ["target", "language", "run", "split", "value", "log2_gib", "syntactic", "flags"]
    return scores[kept].sort_values(["target", "language"], ignore_index=True)


def _degradation(run: Run) -> pd.DataFrame:
    """Return degradation beside both scores by source; targets without a pivot score are refused and left out."""
    scores = main_scores(run)
    if not (scores["language"] == run.pivot).any():
        return pd.DataFrame()
    dropped = degradation(scores, run.pivot).dropna(subset=["degradation"])
    return dropped[["target", "run", "language", "y_pivot", "y_language", "degradation", "parallel", "flags"]]


def _to_pivot(languages: list[str], pivot: str) -> pd.Series:
    distances = language_distances([pivot, *languages], kinds=("syntactic",))
    return distances[distances["a"] == pivot].set_index("b")["distance"]


def _kinship(languages: np.ndarray) -> pd.DataFrame:
    features = language_features(list(languages), "genetic").fillna(0.0)
    return genealogical_covariance(features)


def _primary(data: pd.DataFrame) -> str:
    """Return the target of the primary test: of those with official test scores, the one with most languages."""
    official = data[data["split"] == "test"]
    return str((official if len(official) else data)["target"].value_counts().index[0])


def _test(rows: pd.DataFrame, covariate: str, kinship: pd.DataFrame) -> Inference:
    rows = rows.dropna(subset=[covariate])
    return pgls(rows, "value", [covariate], covariance=kinship)


def _table(tests: dict[tuple[str, str], Inference], primary: str) -> pd.DataFrame:
    rows = []
    for (target, name), test in tests.items():
        row = test.table.iloc[0]
        lam = test.table.loc[test.table["term"] == "lambda", "estimate"]
        rows.append(
            {
                "target": target,
                "per": COVARIATES[name],
                "slope": row["estimate"],
                "low": row["low"],
                "high": row["high"],
                "p": row["p"],
                "lambda": float(lam.iloc[0]) if len(lam) else np.nan,
                "languages": test.counts["language"],
                "primary": target == primary and name == SIZE_TERM,
            }
        )
    table = pd.DataFrame(rows)
    exploratory = ~table["primary"]
    if exploratory.any():
        table.loc[exploratory, "p_bh"] = benjamini_hochberg(table.loc[exploratory, "p"].to_numpy())
    return table


def _sentence(test: Inference, target: str, data: pd.DataFrame) -> str:
    n = data.loc[data["target"] == target, "language"].nunique()
    return (
        f"{verdict(test)} for {target}, the declared primary target ({count(n, 'language')}): {effect(test)} per "
        "doubling of pretraining text (PGLS), given one checkpoint."
    )


def _findings(table: pd.DataFrame) -> tuple[str, ...]:
    rest = table[~table["primary"]]
    named = zip(rest["target"], rest["per"], rest["p_bh"], strict=True)
    clear = [f"{target} per {per} ({p_value(p)})" for target, per, p in named if p < 0.05]
    return (f"Exploratory, {count(len(rest), 'test')} under Benjamini-Hochberg at .05: {listed(clear, 12)}.",)


def _flags(data: pd.DataFrame) -> tuple[str, ...]:
    flagged = data[data["flags"] != ""]
    return tuple(
        f"{target}: {listed(sorted(rows['flags'].unique()))}" for target, rows in flagged.groupby("target")
    )


def _figure(data: pd.DataFrame, targets: list[str], covariate: str) -> Figure:
    frame = data.rename(columns={"target": "panel", "language": "label", "value": "y", covariate: "x"})
    frame = frame.dropna(subset=["x"])
    label = (
        "log2 of pretraining text, GiB"
        if covariate == SIZE_TERM
        else "syntactic distance from the pivot (URIEL)"
    )
    return Figure(
        name=f"published-{covariate.replace('_', '-')}",
        kind="scatter",
        title=f"Zero-shot score against {label}",
        caption="One point a language outside the pivot; targets with most languages first.",
        frame=pd.concat([frame[frame["panel"] == target] for target in targets])[
            ["panel", "label", "x", "y"]
        ],
        x=label,
        y="score, points",
    )
