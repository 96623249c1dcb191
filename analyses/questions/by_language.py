"""An outcome by language against what sets languages apart: the tests that scores and degradation share.

Real languages are kin, so each target has a regression whose residuals covary by descent (PGLS); artificial ones are
exchangeable, so their labels are permuted (Spearman). Of one target, degradation is the pivot's score, a constant, less
the score: on one covariate both have the same test but for its sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from analyses.figures.figure import Figure
from analyses.inference.languages.permutation import permute_labels
from analyses.inference.languages.pgls import pgls
from analyses.inference.multiplicity import benjamini_hochberg
from analyses.inference.result import Inference
from analyses.questions.covariates import Covariate, Covariates
from analyses.questions.scores import TEST
from analyses.questions.wording import count, listed, number, p_value
from simxfer.common.errors import InputError
from simxfer.common.streams import stream

MEAN = "mean over targets"
FEWEST_LANGUAGES = 6
"""Languages outside the pivot below which nothing is tested."""
ALPHA = 0.05


@dataclass(frozen=True)
class Judgement:
    """The tests of an outcome on what sets languages apart, every target on every covariate, the primary one first."""

    data: pd.DataFrame
    """Columns target, language, the outcome and the covariates."""
    outcome: str
    declared: Covariate
    """The covariate of the primary test."""
    target: str
    """The target of the primary test."""
    tests: Mapping[tuple[str, Covariate], Inference]
    flags: tuple[str, ...]
    """What could not be tested, and why."""

    @property
    def primary(self) -> Inference:
        """The primary test."""
        return self.tests[self.target, self.declared]

    @property
    def primary_test(self) -> str:
        """Its name among the inferences."""
        return f"{self.target} on {self.declared.name}"

    def inferences(self) -> dict[str, Inference]:
        """Return the tests by name."""
        return {f"{target} on {covariate.name}": test for (target, covariate), test in self.tests.items()}

    def slopes(self) -> pd.DataFrame:
        """Return one row a test: slope with interval, or rank correlation; p adjusted over the exploratory ones."""
        table = pd.DataFrame(
            [
                {"target": target, **_row(test, of), "primary": test is self.primary}
                for (target, of), test in self.tests.items()
            ]
        )
        exploratory = ~table["primary"]
        table.loc[exploratory, "p_bh"] = benjamini_hochberg(table.loc[exploratory, "p"].to_numpy())
        return table.dropna(axis=1, how="all")

    def findings(self) -> tuple[str, ...]:
        """Return what the other covariates of the primary target say, and which tests of other targets are clear."""
        table = self.slopes()
        rest = table[~table["primary"]].to_dict("records")
        own = [_said(row) for row in rest if row["target"] == self.target]
        others = [row for row in rest if row["target"] != self.target]
        clear = [f"{row['target']} {_said(row)}" for row in others if row["p_bh"] < ALPHA]
        how, first = "exploratory, Benjamini-Hochberg", self.target[0].upper() + self.target[1:]
        texts = [f"{first}, other covariates one at a time ({how}): {listed(own)}."] if own else []
        if others:
            texts.append(f"Other targets, {count(len(others), 'test')} ({how} at .05): {listed(clear)}.")
        return tuple(texts)

    def scatter(self, **texts: Any) -> Figure:
        """Return the figure of the outcome on the declared covariate, a panel a target, its points named.

        `texts` are name, title, caption and y. The line is the fitted one; where nothing was fitted, least squares.
        """
        points, lines = [], []
        for target in (target for target, covariate in self.tests if covariate == self.declared):
            rows = self.data[self.data["target"] == target].dropna(subset=[self.declared.name, self.outcome])
            x, y = rows[self.declared.name].to_numpy(float), rows[self.outcome].to_numpy(float)
            points.append(pd.DataFrame({"panel": target, "label": rows["language"], "x": x, "y": y}))
            slope, at_zero = _line(self.tests[target, self.declared], x, y)
            ends = np.array([x.min(), x.max()])
            lines.append(pd.DataFrame({"panel": target, "x": ends, "y": at_zero + slope * ends}))
        return Figure(
            kind="scatter",
            frame=pd.concat(points, ignore_index=True),
            extra=pd.concat(lines, ignore_index=True).assign(low=np.nan, high=np.nan),
            x=self.declared.axis,
            **texts,
        )


def judge(data: pd.DataFrame, outcome: str, known: Covariates, declared: Covariate) -> Judgement | str:
    """Test an outcome by target and language on every covariate, or say why that cannot be.

    Args:
        data: columns target, language, official (whether on the target's own test data), the outcome.
        declared: the covariate of the primary test.
    """
    data = with_mean(data.merge(known.table, on=["target", "language"]), declared)
    primary = primary_target(data, declared)
    if primary is None:
        return f"no target has {FEWEST_LANGUAGES} languages outside the pivot with a known {declared.axis}"
    tests, refused = _tests(data, outcome, known, declared, primary)
    if (primary, declared) not in tests:
        return refused[0]
    return Judgement(data, outcome, declared, primary, tests, (*_untested(data), *refused))


def with_mean(data: pd.DataFrame, declared: Covariate) -> pd.DataFrame:
    """Return rows by target and language with those of the mean over targets first, over their common languages.

    Targets with too few languages are left out of the mean, which needs two targets and enough common languages.
    """
    known = data.dropna(subset=[declared.name])
    sizes = known.groupby("target")["language"].nunique()
    enough = sizes.index[sizes >= FEWEST_LANGUAGES]
    rows = known[known["target"].isin(enough)]
    targets = rows.groupby("language")["target"].nunique()
    common = targets.index[targets == len(enough)]
    if len(enough) < 2 or len(common) < FEWEST_LANGUAGES:
        return data
    means = rows[rows["language"].isin(common)].groupby("language").mean(numeric_only=True).reset_index()
    return pd.concat([means.assign(target=MEAN, official=True)[data.columns], data], ignore_index=True)


def primary_target(data: pd.DataFrame, declared: Covariate) -> str | None:
    """Return the target of the primary test: official test data first, then most languages; None without enough.

    The mean over targets is it where it has as many languages as any target.
    """
    known = data.dropna(subset=[declared.name])
    by_target = (
        known.groupby("target").agg(n=("language", "nunique"), official=("official", "all")).reset_index()
    )
    enough = by_target[by_target["n"] >= FEWEST_LANGUAGES].assign(mean=lambda t: t["target"] == MEAN)
    ordered = enough.sort_values(["official", "n", "mean", "target"], ascending=[False, False, False, True])
    return None if ordered.empty else str(ordered["target"].iloc[0])


def _tests(
    data: pd.DataFrame, outcome: str, known: Covariates, declared: Covariate, primary: str
) -> tuple[dict[tuple[str, Covariate], Inference], list[str]]:
    """Return the test of every target on every covariate, and why others were refused."""
    tests, refused = {}, []
    targets = [primary, *(target for target in data["target"].unique() if target != primary)]
    for target, covariate in product(targets, [declared, *(c for c in known.all if c != declared)]):
        rows = data[data["target"] == target].dropna(subset=[covariate.name, outcome])
        if rows["language"].nunique() < FEWEST_LANGUAGES:
            continue
        try:
            tests[target, covariate] = _test(rows, outcome, covariate, known.kinship)
        except InputError as error:
            refused.append(f"{target} on {covariate.name} was not tested: {error}")
    return tests, refused


def _test(rows: pd.DataFrame, outcome: str, covariate: Covariate, kinship: pd.DataFrame | None) -> Inference:
    if kinship is not None:
        return pgls(rows, outcome, [covariate.name], covariance=kinship)
    rng = stream("distance", str(rows["target"].iloc[0]), covariate.name)
    return permute_labels(rows, outcome, covariate.name, rng=rng, method="spearman")


def _untested(data: pd.DataFrame) -> tuple[str, ...]:
    """Return a flag that names the targets with too few languages for any test."""
    sizes = data.groupby("target")["language"].nunique()
    few = [f"{target} ({n})" for target, n in sizes[sizes < FEWEST_LANGUAGES].items()]
    text = f"not tested, fewer than {FEWEST_LANGUAGES} languages outside the pivot: {listed(few, 12)}"
    return (text,) if few else ()


def _row(test: Inference, covariate: Covariate) -> dict[str, object]:
    """Return a test in columns: `slope` per unit and Pagel's lambda of a regression, `r` of a permutation."""
    row = test.table.iloc[0]
    lam = test.table.loc[test.table["term"] == "lambda", "estimate"]
    return {
        **({"per": covariate.unit} if len(lam) else {"covariate": covariate.unit}),
        "slope" if len(lam) else "r": row["estimate"],
        **{name: row[name] for name in ("low", "high", "p")},
        "lambda": float(lam.iloc[0]) if len(lam) else np.nan,
        "languages": test.counts["language"],
    }


def _said(row: dict) -> str:
    """Return an exploratory slope (or correlation) in words."""
    p = p_value(row["p_bh"])
    return (
        f"{number(row['slope'])} per {row['per']} ({p})"
        if "slope" in row
        else f"{row['covariate']} {number(row['r'])} ({p})"
    )


def _line(test: Inference, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the line that is drawn."""
    intercepts = test.table.loc[test.table["term"] == "intercept", "estimate"]
    if len(intercepts):
        return test.estimate, float(intercepts.iloc[0])
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def verdict_of(test: Inference, sign: int) -> str:
    """Return `Yes` for a shown slope of the expected sign, `The opposite` for one of the other, or `Not shown`."""
    if not test.p < ALPHA:
        return "Not shown"
    return "Yes" if np.sign(test.estimate) == sign else "The opposite"


def official(scores: pd.DataFrame) -> pd.DataFrame:
    """Return target, language and whether the scores are on the target's own test data."""
    by = ["target", "language"]
    return scores.assign(official=scores["data"] == TEST).groupby(by)["official"].all().reset_index()
