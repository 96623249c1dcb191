"""Do zero-shot scores in real languages follow pretraining size, typological distance and how text is cut?

Pretraining size is the one covariate declared in advance; distance and fertility are exploratory. Degradation is the
pivot's score minus a language's: within a target its slopes are those of the score with the other sign, so that one
test says both.
"""

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.languages.genealogy import genealogical_covariance
from analyses.inference.languages.pgls import pgls
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.result import Inference
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.scores import (
    TEST,
    baseline_scores,
    distances_to_pivot,
    main_scores,
    one_source,
    real_languages,
)
from analyses.questions.wording import count, effect, listed, p_value, verdict
from analyses.run import Run
from analyses.similarity import pretraining_text, tokenizer_profile
from analyses.similarity.typology import language_features
from simxfer.common.errors import InputError

NAME, TITLE = "languages", "Scores and languages"
QUESTION = "Do zero-shot scores follow pretraining size, kinship taken into account?"
SIZE_TERM = "log2_gib"
"""The one covariate declared in advance."""
FEWEST_LANGUAGES = 6
COVARIATES = {
    SIZE_TERM: "doubling of pretraining text",
    "syntactic": "unit of syntactic distance (0-1)",
    "fertility": "subword more a word",
}
AXES = {
    SIZE_TERM: "log2 of pretraining text (CC-100), GiB",
    "syntactic": "syntactic distance from the pivot (URIEL)",
    "fertility": "subwords a word",
}
NO_BLANKS = ("ja", "km", "lo", "my", "th", "zh")
"""Written without blanks between words: their fertility compares with nothing."""


def answer(run: Run) -> Answer | None:
    """Answer from scores in real languages beside the pivot; None where there are none."""
    data = score_table(run)
    if data.empty:
        return None
    sizes = data.dropna(subset=[SIZE_TERM]).groupby("target")["language"].nunique()
    targets = list(sizes[sizes >= FEWEST_LANGUAGES].sort_values(ascending=False, kind="stable").index)
    if not targets:
        why = (
            f"The run cannot tell: no target has {FEWEST_LANGUAGES} languages outside the pivot with a known size of "
            "pretraining text."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    data = data[data["target"].isin(targets)]
    kinship = _kinship(data["language"].unique())
    primary = _primary(data)
    tests = _tests(data, sorted(targets, key=lambda target: target != primary), kinship)
    table = _table(tests, primary)
    shown = [name for name in COVARIATES if data[name].notna().any()]
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(tests[primary, SIZE_TERM], primary, data, run),
        findings=_findings(table),
        tables={
            "Slope of the score by target (points; PGLS, Pagel's lambda by REML)": table,
            "Scores, sizes, distances and subwords a word by language": data.drop(columns=["flags"]),
        },
        inferences={f"{target} on {name}": test for (target, name), test in tests.items()},
        primary_test=f"{primary} on {SIZE_TERM}",
        figures=tuple(_figure(data, targets, name) for name in shown),
        what_would_change=(
            "Scores in more languages of more families, and other encoders: languages are the unit, and "
            f"{count(run.results['checkpoint'].nunique(), 'checkpoint')} stand behind every score."
        ).replace("1 checkpoint stand", "1 checkpoint stands"),
        not_shown=(
            "That size causes score: languages with much text also have more users, tools and cleaner data.",
            "Which covariate matters: size, distance and subwords a word go together over languages.",
            f"Anything about encoders other than {listed(sorted(run.results['checkpoint'].unique()))}.",
        ),
        flags=_flags(data),
    )


def score_table(run: Run) -> pd.DataFrame:
    """Return one row a (target, real language) outside the pivot, mean over encoders of their seeds' means.

    Columns: target, language, split (of the data), value (points), log2_gib, syntactic (URIEL distance to the pivot,
    0-1), fertility (subwords a word, mean over tokenizers), flags; a covariate that is not known is missing.
    """
    scores = baseline_scores(main_scores(run))
    scores = one_source(scores[~scores["control"] & (scores["language"] != run.pivot)])
    scores = scores[scores["language"].isin(real_languages(scores["language"].unique()))]
    if scores.empty:
        return pd.DataFrame()
    by = ["target", "language", "data"]
    means = scores.groupby([*by, "checkpoint"])["value"].mean().groupby(by).mean().reset_index()
    flags = scores.groupby(["target", "language"])["flags"].agg(_joined)
    table = means.rename(columns={"data": "split"}).join(flags, on=["target", "language"])
    codes = list(table["language"].unique())
    table[SIZE_TERM] = table["language"].map(np.log2(pretraining_text(codes)))
    table["syntactic"] = table["language"].map(distances_to_pivot(run, codes))
    table["fertility"] = _fertility(run, table)
    kept = ["target", "language", "split", "value", *COVARIATES, "flags"]
    return table[kept].sort_values(["target", "language"], ignore_index=True)


def _joined(flags: pd.Series) -> str:
    return ";".join(dict.fromkeys(flag for text in flags.fillna("") for flag in text.split(";") if flag))


def _fertility(run: Run, table: pd.DataFrame) -> np.ndarray:
    """Return subwords a word of each row's test texts; NaN without subword counts or blanks between words."""
    if run.subwords.empty:
        return np.full(len(table), np.nan)
    profile = tokenizer_profile(run.subwords)
    tests = profile[(profile["split"] == TEST) & ~profile["language"].isin(NO_BLANKS)]
    means = tests.groupby(["task", "language"])["fertility"].mean()
    return means.reindex(pd.MultiIndex.from_frame(table[["target", "language"]])).to_numpy()


def _kinship(languages: np.ndarray) -> pd.DataFrame:
    features = language_features(list(languages), "genetic").fillna(0.0)
    return genealogical_covariance(features)


def _primary(data: pd.DataFrame) -> str:
    """Return the target of the primary test: of those with official test scores, the one with most languages."""
    official = data[data["split"] == TEST]
    return str((official if len(official) else data)["target"].value_counts().index[0])


def _tests(data: pd.DataFrame, targets: list[str], kinship: pd.DataFrame) -> dict[tuple[str, str], Inference]:
    """Return one regression a target and covariate, of those that enough languages have and that vary."""
    found = {}
    for target in targets:
        for name in COVARIATES:
            rows = data[data["target"] == target].dropna(subset=[name])
            if rows["language"].nunique() < FEWEST_LANGUAGES:
                continue
            try:
                found[target, name] = pgls(rows, "value", [name], covariance=kinship)
            except InputError:
                if name == SIZE_TERM:  # the declared test is refused in the open
                    raise
    return found


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


def _sentence(test: Inference, target: str, data: pd.DataFrame, run: Run) -> str:
    n = data.loc[data["target"] == target, "language"].nunique()
    return (
        f"{verdict(test)} for {target}, the declared primary target ({count(n, 'language')}): {effect(test)} per "
        f"doubling of pretraining text (PGLS), given {count(run.results['checkpoint'].nunique(), 'checkpoint')}."
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
    return Figure(
        name=f"languages-{covariate.replace('_', '-')}",
        kind="scatter",
        title=f"Zero-shot score against {AXES[covariate]}",
        caption="One point a language outside the pivot; targets with most languages first.",
        frame=pd.concat([frame[frame["panel"] == target] for target in targets])[
            ["panel", "label", "x", "y"]
        ],
        x=AXES[covariate],
        y="score, points",
    )
