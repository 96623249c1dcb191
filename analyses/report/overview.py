"""What was run: counts, coverage, receipts and flags, and the primary tests adjusted together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analyses.inference.multiplicity import holm
from analyses.outcomes import coverage, is_control
from analyses.questions.answer import Answer
from analyses.questions.wording import p_value
from analyses.run import Run
from simxfer.tasks.intermediate import NONE


@dataclass(frozen=True)
class Overview:
    """Facts of a run that stand around the answers."""

    name: str
    description: str
    counts: dict[str, str]
    """Facts for the head of the page, by label."""
    coverage: pd.DataFrame
    missing: pd.DataFrame
    """Rows of the coverage table that lack something."""
    flags: pd.DataFrame
    """Flags of the results table with the number of scores that carry them."""
    receipts: dict[str, dict[str, str]]
    """Protocol by encoder and target, and what all share."""
    environment: dict[str, str]
    holm: dict[str, str]
    """The primary test's p by question, adjusted over all of the report; of a grid with a study, that one's alone."""

    @property
    def family(self) -> str:
        """What the primary tests are adjusted over, in words."""
        if len(self.holm) == 1:
            return "the only one of this report"
        return f"Holm over the {len(self.holm)} primary tests of this report"


def overview(run: Run, found: list[Answer]) -> Overview:
    """Return the facts of a run."""
    covered = coverage(run.results, run.planned)
    return Overview(
        name=str(run.grid.get("name", run.name)),
        description=str(run.grid.get("description", "")),
        counts=_counts(run, covered),
        coverage=covered.drop(columns=["run"]) if covered["run"].nunique() == 1 else covered,
        missing=covered[covered["n_scores"] < covered["n_expected"]],
        flags=_flags(run.results),
        receipts=_receipts(run.receipts),
        environment=_flat(run.environment),
        holm=_holm([answer for answer in found if run.study in ("", answer.name)]),
    )


def _counts(run: Run, covered: pd.DataFrame) -> dict[str, str]:
    results = run.results
    control = is_control(results["checkpoint"])
    own = results[~control]
    intermediates = own.loc[own["intermediate"] != NONE, "intermediate"]
    return {
        "encoders": f"{own['checkpoint'].nunique():,}",
        "no-pretraining controls": f"{results.loc[control, 'checkpoint'].nunique():,}",
        "intermediates": f"{intermediates.nunique():,}",
        "targets": f"{own['target'].nunique():,}",
        "languages": f"{results['language'].nunique():,}",
        "seeds": f"{results['seed'].nunique():,}",
        "scores": f"{len(results):,}",
        "coverage": f"{100 * covered['n_scores'].sum() / covered['n_expected'].sum():.1f} %",
    }


def _flags(results: pd.DataFrame) -> pd.DataFrame:
    flags = results["flags"].str.split(";").explode()
    counted = flags[flags.fillna("") != ""].str.strip().value_counts()
    return counted.rename_axis("flag").rename("scores").reset_index()


def _holm(found: list[Answer]) -> dict[str, str]:
    primary = {answer.name: answer.primary.p for answer in found if answer.primary is not None}
    if not primary:
        return {}
    adjusted = holm(np.array(list(primary.values())))
    return {name: p_value(p) for name, p in zip(primary, adjusted, strict=True)}


def _receipts(receipts: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return one record an encoder and target, then one of the settings that all scores share."""
    groups = {name: value for name, value in receipts.items() if isinstance(value, dict)}
    records = {str(name): _flat(record) for group in groups.values() for name, record in group.items()}
    shared = {name: value for name, value in receipts.items() if name not in groups}
    return records | ({"all scores": _flat(shared)} if shared else {})


def _flat(record: Any, prefix: str = "") -> dict[str, str]:
    """Return nested settings as one level of `a.b` -> text."""
    if not isinstance(record, dict):
        return {prefix or "protocol": str(record)}
    flat: dict[str, str] = {}
    for key, value in record.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        flat |= _flat(value, name) if isinstance(value, dict) else {name: _text(value)}
    return flat


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
