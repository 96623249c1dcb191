"""Adversarial training: are languages harder to tell apart by an encoder's states after a stage than before it?

Per stage and pair of languages a fresh classifier is asked on text that nothing was trained on; see
`analyses.similarity.proxy_a_distance`. Whether hiding the language helps transfer is another question.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analyses.questions.answer import Answer, unanswerable
from analyses.questions.wording import count, listed
from analyses.run import Run
from analyses.similarity import ADistance, proxy_a_distance

NAME, TITLE = "language-separation", "Languages told apart"
QUESTION = "Does training make languages harder to tell apart by the states of their texts?"
BY_STAGE = "Proxy A-distance by stage and pair of languages"
_FEWEST = 20
"""Texts of a language that are left to compare; with fewer no interval says anything."""


def answer(run: Run) -> Answer | None:
    """Answer from a run in which an adversary reads text; None for any other."""
    if run.planned is None or not any(stage.get("unlabelled") for stage in run.stages.values()):
        return None
    steps = list(_steps(run))
    looks = {step.stage: _look(run, step.stage) for step in steps}
    table = pd.DataFrame([row for step in steps for row in _rows(run, step, looks[step.stage])])
    missing = _missing(run, looks)
    if table.empty:
        return unanswerable(NAME, TITLE, QUESTION, f"The run cannot tell: {'; '.join(missing)}.")
    by = ["method", "path", "pooling"]
    means = table.groupby(by, sort=False)[["before", "after"]].mean().reset_index()
    mean = means[means["pooling"] == "mean"]
    said = [f"{row.method} on {row.path} {row.before:.2f} -> {row.after:.2f}" for row in mean.itertuples()]
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=f"Proxy A-distance (0: not told apart, 2: always) before and after a stage, mean over "
        f"{count(table['languages'].nunique(), 'pair')} of languages, mean-pooled states: {listed(said)}.",
        tables={
            "Proxy A-distance by method and path (mean of clipped values)": means,
            BY_STAGE: table,
        },
        what_would_change="More text a language: the interval of one distance is that of the classifier's error.",
        not_shown=(
            *(f"Not measured: {what}." for what in missing),
            "Whether hiding the language helps: see the gains of the same methods.",
            "Distances near 2: a classifier that errs nowhere cannot say how much further apart languages are.",
        ),
    )


@dataclass(frozen=True)
class _Step:
    """A stage on the way to the cells of a method; cells share the stages that they begin with."""

    method: str
    checkpoint: str
    path: str
    """What was trained on, this stage included."""
    stage: str


def _steps(run: Run) -> Iterator[_Step]:
    """Yield every trained stage of every method once, parents first."""
    assert run.planned is not None  # the caller has looked
    found: dict[_Step, None] = {}
    for cell in run.planned.to_dict("records"):
        path: list[str] = []
        for stage in _path(run, cell["stage"])[1:]:
            path.append("+".join(data["task"] for data in run.stages[stage]["data"]))
            found.setdefault(_Step(cell["method"], cell["checkpoint"], ">".join(path), stage))
    yield from found


def _path(run: Run, stage: str) -> list[str]:
    path = [stage]
    while parent := run.stages[path[-1]]["parent"]:
        path.append(parent)
    return path[::-1]


@dataclass(frozen=True)
class _Look:
    """Languages before and after a stage; nothing where the states of one of the two were not written."""

    texts: dict[str, int]
    """Texts by language that nothing on the path was trained on, of the pivot whether it has any or not."""
    distances: dict[tuple[str, str], tuple[ADistance, ADistance]]
    """Distances before and after from the pivot, by language and pooling."""


def _look(run: Run, stage: str) -> _Look:
    """Compare the languages of which enough texts are left; what the stage was trained on is left out before it too."""
    before, after = (run.language_states(one) for one in (run.stages[stage]["parent"], stage))
    if not before or not after:
        return _Look({}, {})
    unseen = {name.removesuffix("/seen"): ~seen for name, seen in after.items() if name.endswith("/seen")}
    texts = {run.pivot: 0} | {code: int(kept.sum()) for code, kept in unseen.items()}
    enough = [code for code, n in texts.items() if n >= _FEWEST]
    others = enough[1:] if run.pivot in enough else []

    def distance(states: dict[str, np.ndarray], language: str, pooling: str) -> ADistance:
        return proxy_a_distance(
            *(states[f"{code}/{pooling}"][unseen[code]] for code in (run.pivot, language))
        )

    return _Look(
        texts,
        {(c, p): (distance(before, c, p), distance(after, c, p)) for c in others for p in ("mean", "first")},
    )


def _rows(run: Run, step: _Step, look: _Look) -> Iterator[dict[str, Any]]:
    """Yield a row a pair of languages and pooling."""
    for (language, pooling), (before, after) in look.distances.items():
        yield {
            "method": step.method,
            "stage": run.stages[step.stage]["phase"],
            "path": step.path,
            "checkpoint": step.checkpoint,
            "seed": run.stages[step.stage]["seed"],
            "languages": f"{run.pivot} - {language}",
            "pooling": pooling,
            "texts": after.n,
            **_said("before", before),
            **_said("after", after),
        }


def _said(when: str, found: ADistance) -> dict[str, float]:
    low, high = found.interval
    return {when: found.clipped, f"{when}_raw": found.raw, f"{when}_low": low, f"{when}_high": high}


def _missing(run: Run, looks: dict[str, _Look]) -> list[str]:
    """Say what was not measured, and why."""
    if not run.compared_as:
        return ["fewer than two languages have text at hand, that of the pivot included"]
    stages, said = count(len(looks), "stage"), []
    there = [look.texts for look in looks.values() if look.texts]
    if len(there) < len(looks):
        said.append(
            f"{len(looks) - len(there)} of {stages}: no states of it or of its parent (not trained "
            "yet, or its checkpoint was gone when the grid first named the text)"
        )
    for code in there[0] if there else ():
        few = [texts[code] for texts in there if texts[code] < _FEWEST]
        if few:
            said.append(
                f"{code} in {len(few)} of {stages}: fewer than {_FEWEST} texts ({min(few)} at least) "
                "that nothing was trained on"
            )
    return said
