"""Adversarial training: are languages harder to tell apart by an encoder's states than before?

Per stage and language a fresh classifier is asked on text that nothing was trained on; see
`analyses.similarity.proxy_a_distance`. Whether hiding the language helps transfer is another question.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from analyses.questions.answer import Answer
from analyses.questions.wording import count
from analyses.run import Run
from analyses.similarity import ADistance, proxy_a_distance

NAME, TITLE = "language-separation", "Languages told apart"
QUESTION = "Does training make languages harder to tell apart by the states of their texts?"
_FEWEST = 20
"""Texts of a language that are left to compare; with fewer no interval says anything."""
_CELL = ["method", "intermediate", "target", "checkpoint", "seed"]


def answer(run: Run) -> Answer | None:
    """Answer from a run that compared languages; None for any other."""
    table = pd.DataFrame(_rows(run))
    if table.empty:
        return None
    means = table.groupby(["method", "pooling"], sort=False)[["before", "after"]].mean().reset_index()
    mean = means[means["pooling"] == "mean"]
    said = "; ".join(f"{row.method} {row.before:.2f} -> {row.after:.2f}" for row in mean.itertuples())
    languages = table["language"].nunique()
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=f"Proxy A-distance from {run.pivot} (0: not told apart, 2: always), mean over cells and "
        f"{count(languages, 'language')}, before and after training, mean-pooled states: {said}.",
        tables={
            "Proxy A-distance by method (mean of clipped values)": means,
            "Proxy A-distance by cell and language": table,
        },
        what_would_change="More text a language: the interval of one distance is that of the classifier's error.",
        not_shown=(
            "Whether hiding the language helps: see the gains of the same methods.",
            "Distances near 2: a classifier that errs nowhere cannot say how much further apart languages are.",
        ),
    )


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    """Yield a row a cell, language and pooling: distances before any training and after the last stage."""
    if run.planned is None:
        return
    measured = cache(lambda stage: _before_and_after(run, stage))
    for cell in run.planned.to_dict("records"):
        for (language, pooling), (before, after) in measured(cell["stage"]).items():
            yield {
                **{name: cell[name] for name in _CELL},
                "language": language,
                "pooling": pooling,
                "texts": after.n,
                **_said("before", before),
                **_said("after", after),
            }


def _before_and_after(run: Run, stage: str) -> dict[tuple[str, str], tuple[ADistance, ADistance]]:
    """Return distances by language and pooling at the pretrained encoder of a path and at its end."""
    root, unseen = _root(run, stage), _unseen(run, stage)
    if root == stage:
        return {}
    before, after = (_distances(run, one, unseen) for one in (root, stage))
    return {key: (before[key], after[key]) for key in after}


def _said(when: str, found: ADistance) -> dict[str, float]:
    low, high = found.interval
    return {when: found.clipped, f"{when}_raw": found.raw, f"{when}_low": low, f"{when}_high": high}


def _root(run: Run, stage: str) -> str:
    while parent := run.parent(stage):
        stage = parent
    return stage


def _unseen(run: Run, stage: str) -> dict[str, np.ndarray]:
    """Return by language which texts a path was not trained on, where there are enough."""
    states = run.language_states(stage)
    found = {name.removesuffix("/seen"): ~seen for name, seen in states.items() if name.endswith("/seen")}
    return {language: kept for language, kept in found.items() if kept.sum() >= _FEWEST}


def _distances(run: Run, stage: str, unseen: dict[str, np.ndarray]) -> dict[tuple[str, str], ADistance]:
    """Return the distance of every language from the pivot, by language and pooling."""
    states = run.language_states(stage)
    found: dict[tuple[str, str], ADistance] = {}
    if not states or run.pivot not in unseen:
        return {}
    for language, pooling in ((code, p) for code in unseen for p in ("mean", "first") if code != run.pivot):
        sides = [states[f"{code}/{pooling}"][unseen[code]] for code in (run.pivot, language)]
        found[language, pooling] = proxy_a_distance(*sides)
    return found
