"""What of a run was trained against a discriminator of languages, and its scores minus those of full fine-tuning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analyses.questions.replicates import Replicates, replicates
from analyses.questions.scores import FULL, UNIT
from analyses.questions.spelled import phases
from simxfer.common.errors import InputError
from simxfer.tasks.intermediate import NONE

PAIR = ["intermediate", "target"]


@dataclass(frozen=True)
class Adversary:
    """A method of a run with an adversary in one of its phases or in both."""

    method: str
    strength: float
    permuted: bool
    """The control: labels of languages that tell nothing."""
    intermediate: bool
    """Whether the intermediate stage has the adversary."""
    target: bool
    """Whether the target stage has it."""

    @property
    def throughout(self) -> bool:
        """Whether it stands beside every stage, with true labels: what the question asks about."""
        return self.intermediate and self.target and not self.permuted


def adversaries(methods: Iterable[str]) -> tuple[Adversary, ...]:
    """Return the adversarial methods among names, in their order; what cannot be read or has strength 0 is none."""
    found = (_adversary(name) for name in dict.fromkeys(methods))
    return tuple(one for one in found if one)


def _adversary(method: str) -> Adversary | None:
    known = phases(method)
    there = [name == "adversarial" for name, _ in known]
    given = [parameters for name, parameters in known if name == "adversarial"]
    try:
        strength = max((float(one.get("strength", 1)) for one in given), default=0.0)
    except ValueError:  # a method of somebody else's table
        return None
    permuted = any(one.get("labels") == "permuted" for one in given)
    return Adversary(method, strength, permuted, *there) if strength else None


def declared(known: Sequence[Adversary], order: Sequence[str]) -> Adversary:
    """Return the method that is judged: the first with true labels in every stage, in the order of the grid.

    Where none is in every stage, the first with true labels; where all are controls, the first.
    """
    ranked = sorted(known, key=lambda one: order.index(one.method) if one.method in order else len(order))
    for fits in (lambda one: one.throughout, lambda one: not one.permuted, lambda one: True):
        for one in ranked:
            if fits(one):
                return one
    raise InputError("no adversarial method; expected one at least")


def differences(
    scores: pd.DataFrame, method: Adversary, other: str = FULL
) -> dict[tuple[str, str], Replicates]:
    """Return the method's score minus another's by pair (intermediate, target): replicates x languages.

    Rows are paired by encoder, seed and language. Of `none` a method that is adversarial in the intermediate stage
    alone is full fine-tuning; such pairs are left out. A language that some replicate lacks is a column with a gap.
    """
    by = [*PAIR, *UNIT, "language"]
    mine, theirs = (
        scores[scores["method"] == name].groupby(by)["value"].mean() for name in (method.method, other)
    )
    both = (mine - theirs.reindex(mine.index)).dropna()
    wide = both.unstack("language")
    pairs = sorted(set(zip(*(wide.index.get_level_values(name) for name in PAIR), strict=True)))
    return {
        pair: replicates(pd.DataFrame(wide.xs(pair, level=(0, 1))).dropna(axis=1, how="all"))
        for pair in pairs
        if method.target or pair[0] != NONE
    }


def zero_shot(units: Replicates, pivot: str) -> pd.DataFrame:
    """Return the differences in the languages outside the pivot that all replicates have."""
    table = units.table.drop(columns=pivot, errors="ignore")
    return table.dropna(axis=1)


def by_pair(found: dict[tuple[str, str], Replicates], pivot: str) -> pd.DataFrame:
    """Return mean differences over zero-shot languages, replicates x pairs; pairs without such a language are out."""
    tables = {pair: zero_shot(units, pivot) for pair, units in found.items()}
    means = {name_of_pair(pair): table.mean(axis=1) for pair, table in tables.items() if table.shape[1]}
    return pd.DataFrame(means)


def most_complete(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that most replicates have, and the replicates that have them all."""
    n = table.notna().sum()
    return table.loc[:, n == n.max()].dropna() if len(n) else table


def name_of_pair(pair: tuple[str, str]) -> str:
    """Return `mnli>xnli`, or the target alone after `none`."""
    return pair[1] if pair[0] == NONE else ">".join(pair)
