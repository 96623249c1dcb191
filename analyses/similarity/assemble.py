"""One call each for all measures between tasks and between languages that the inputs allow."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analyses.similarity import MEASURES
from analyses.similarity.codes import iso639_3
from analyses.similarity.sentence_encoders import Embeddings, SentenceEncoder, encode
from analyses.similarity.tables import (
    TRANSFERABILITY,
    Labelled,
    description_table,
    lexical_table,
    semantic_table,
    structural_table,
    task_embedding_table,
    transferability_table,
    typological_table,
)
from analyses.similarity.typology import MIN_SHARE, language_distances
from analyses.similarity.uriel import KINDS
from simxfer.common.errors import InputError, unknown
from simxfer.schema.tables import SAMPLES, SIMILARITY, SUBWORDS, validate
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.intermediate import tasks_of
from simxfer.tasks.record import Task


@dataclass(frozen=True)
class Assembled:
    """A similarity table, and what is not in it."""

    table: pd.DataFrame
    """In the schema SIMILARITY."""
    left_out: pd.DataFrame
    """Columns measure, what, reason."""

    def to_frame(self) -> pd.DataFrame:
        """Return the similarity table."""
        return self.table

    def summary(self) -> str:
        """Return a line a measure: number of pairs and range found; then what was left out and why."""
        lines = [
            f"{name}: {len(rows)} pairs, {rows['value'].min():.3g} to {rows['value'].max():.3g}"
            for name, rows in self.table.groupby("measure", sort=False)
        ]
        lines += [f"left out: {row.measure}, {row.what}: {row.reason}" for row in self.left_out.itertuples()]
        return "\n".join(lines)

    def plot(self, measure: str) -> Any:
        """Return a plotly heatmap of one measure, mean over target languages and checkpoints."""
        from analyses.figures import interactive
        from analyses.figures.figure import Figure

        rows = self.table[self.table["measure"] == measure]
        if rows.empty:
            raise InputError(unknown("measure of this table", measure, self.table["measure"].unique()))
        frame = rows.groupby(["a", "b"], sort=False)["value"].mean().reset_index()
        frame = frame.rename(columns={"a": "row", "b": "column"})
        figure = Figure(name=measure, kind="heatmap", title=measure, caption="", frame=frame, x="similarity")
        return interactive(figure)[0]


def task_similarities(
    samples: pd.DataFrame,
    *,
    embeddings: Sequence[Embeddings] = (),
    subwords: pd.DataFrame | None = None,
    languages: pd.DataFrame | None = None,
    intermediates: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    encoder: SentenceEncoder | None = None,
    cache: Path | None = None,
    task_embeddings: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    labelled: Mapping[str, Iterable[Labelled]] | None = None,
    measures: Iterable[str] | None = None,
) -> Assembled:
    """Return all measures between intermediates and targets that the inputs allow.

    Args:
        samples: a SAMPLES table.
        embeddings: one an encoder: a run's own (`representations/`), or of `encode_samples`.
        subwords: a SUBWORDS table.
        languages: a LANGUAGES table, for artificial languages.
        intermediates: as in grid files; by default every task with training texts.
        targets: by default every task with test texts.
        encoder: sentence encoder for the task descriptions, which are English.
        cache: folder for their embeddings.
        task_embeddings: Fisher vectors by checkpoint, as `Run.task_embeddings` returns them.
        labelled: labelled features by checkpoint, as `Run.labelled_features` yields them.
        measures: names in `MEASURES`; by default all of level task but `leep`, `nce` and `linear_cka`, which are
            functions of arrays only.

    Raises:
        InputError: an unknown task or measure, or a table that breaks its schema.

    Example:
        >>> import pandas as pd
        >>> from analyses import task_similarities
        >>> rows = [("mnli", "en", "train"), ("squad_v1", "en", "train"), ("xnli", "en", "test")]
        >>> samples = pd.DataFrame(rows, columns=["task", "language", "split"])
        >>> samples = samples.assign(example_id="1", text="A text.")
        >>> found = task_similarities(samples, measures=["structural"])
        >>> found.table[["a", "b", "measure", "value"]].round(2)
                  a     b     measure  value
        0      mnli  xnli  structural    1.0
        1  squad_v1  xnli  structural    0.0
    """
    samples = validate(samples, SAMPLES)
    wanted = _wanted(measures)
    a = _tasks(samples, "train") if intermediates is None else list(intermediates)
    b = _tasks(samples, "test") if targets is None else list(targets)
    records = [get_task(name) for name in dict.fromkeys([*(t for i in a for t in tasks_of(i)), *b])]
    log = _Log()
    parts = _structural(records, a, b, log) if "structural" in wanted else []
    parts += _semantic(embeddings, a, b, wanted, log)
    parts += _lexical(subwords, a, b, wanted, log)
    parts += _typological(samples, a, b, languages, wanted, log)
    if "description" in wanted:
        parts += _described(records, a, b, encoder, cache, log)
    if "taskemb" in wanted:
        parts += _embedded(task_embeddings or {}, a, b, log)
    parts += _transferability(labelled or {}, a, b, wanted, log)
    return log.assembled(parts)


def language_similarities(
    languages: Sequence[str],
    kinds: Sequence[str] = KINDS,
    table: pd.DataFrame | None = None,
    min_share: float = MIN_SHARE,
) -> Assembled:
    """Return the typological similarity of all ordered pairs of languages, 1 - distance.

    A language that cannot be resolved, and pairs with fewer observed features than `min_share`, are left out.

    Args:
        languages: BCP-47 codes; `x-...` need a table.
        kinds: kinds of features, the names of the measures.
        table: a LANGUAGES table.
        min_share: least share of commonly observed features.

    Example:
        >>> from analyses import language_similarities
        >>> found = language_similarities(["de", "nl", "sw"], ["genetic", "script"])
        >>> print(found.summary())
        genetic: 9 pairs, 0 to 1
        script: 9 pairs, 0.467 to 1
    """
    log, known = _Log(), []
    held = set() if table is None else set(table["language"])
    for code in dict.fromkeys(languages):
        try:
            if code not in held:
                iso639_3(code)
            known.append(code)
        except InputError as error:
            # A run of many languages is worth a table without one of them: left out and told, not raised.
            log.add("all", code, str(error))
    if not known:
        return log.assembled([])
    distances = language_distances(known, kinds, table, min_share=min_share)
    for (kind, flag), rows in distances[distances["flag"] != ""].groupby(["kind", "flag"], sort=False):
        log.add(str(kind), f"{len(rows)} of {len(known) ** 2} pairs", str(flag))
    kept = distances[distances["flag"] == ""].rename(columns={"kind": "measure"})
    kept = kept.assign(language="", checkpoint="", value=1 - kept["distance"])
    return log.assembled([kept[SIMILARITY.column_names]])


class _Log:
    """Notes what is left out while a table is assembled."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, measure: str, what: str, reason: str) -> None:
        self.rows.append((measure, what, reason))

    def assembled(self, parts: Sequence[pd.DataFrame]) -> Assembled:
        """Join the parts, leave out undefined values, check the schema."""
        filled = [part for part in parts if len(part)]
        table = (
            pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=SIMILARITY.column_names)
        )
        undefined = table["value"].isna()
        for name, rows in table[undefined].groupby("measure", sort=False):
            self.add(
                str(name), f"{len(rows)} pairs", "undefined: nothing in common is observed, or no direction"
            )
        left_out = pd.DataFrame(self.rows, columns=["measure", "what", "reason"])
        return Assembled(validate(table[~undefined], SIMILARITY), left_out)


def _wanted(measures: Iterable[str] | None) -> set[str]:
    computed = {
        name
        for name, m in MEASURES.items()
        if m.level == "task" and (".model_based:" not in m.path or name in ("taskemb", *TRANSFERABILITY))
    }
    for name in measures or ():
        if name not in computed:
            raise InputError(unknown("measure of a table of tasks", name, computed))
    return computed if measures is None else set(measures)


def _tasks(samples: pd.DataFrame, split: str) -> list[str]:
    return list(samples.loc[samples["split"] == split, "task"].unique())


def _structural(records: Sequence[Task], a: list[str], b: list[str], log: _Log) -> list[pd.DataFrame]:
    for name in a:
        if len(tasks_of(name)) != 1:
            log.add("structural", name, "an intermediate of several tasks has no record")
    return [structural_table(records, a, b)]


def _semantic(
    embeddings: Sequence[Embeddings], a: list[str], b: list[str], wanted: set[str], log: _Log
) -> list[pd.DataFrame]:
    names = [name for name in wanted if MEASURES[name].path.startswith("analyses.similarity.semantic")]
    names = [name for name in MEASURES if name in names and name != "description"]
    if names and not embeddings:
        log.add("semantic", "all pairs", "no embeddings were given")
    for one in embeddings if names else ():
        refused = sorted(set(one.rows["language"]) - one.languages)
        if refused:
            log.add("semantic", ", ".join(refused), f"{one.checkpoint} was not trained on these languages")
    return [semantic_table(one, a, b, names) for one in embeddings] if names else []


def _lexical(
    subwords: pd.DataFrame | None, a: list[str], b: list[str], wanted: set[str], log: _Log
) -> list[pd.DataFrame]:
    names = [name for name in wanted if MEASURES[name].path.startswith("analyses.similarity.lexical")]
    if not names:
        return []
    if subwords is None or subwords.empty:
        log.add("lexical", "all pairs", "no subword counts were given")
        return []
    return [lexical_table(validate(subwords, SUBWORDS), a, b, names)]


def _typological(
    samples: pd.DataFrame, a: list[str], b: list[str], table: pd.DataFrame | None, wanted: set[str], log: _Log
) -> list[pd.DataFrame]:
    parts = []
    for name in (name for name in MEASURES if name in wanted and name.startswith("typological_")):
        try:
            part = typological_table(samples, a, b, name.removeprefix("typological_"), table)
        except InputError as error:
            log.add(name, "all pairs", str(error))
            continue
        # A missing value is told of once, where undefined values are left out.
        thin = part["value"].notna() & (part["observed_share"] < MIN_SHARE)
        if thin.any():
            log.add(name, f"{thin.sum()} pairs", f"under {MIN_SHARE:.0%} of the features are observed")
        parts.append(part[~thin])
    return parts


def _embedded(
    found: Mapping[str, Mapping[str, np.ndarray]], a: list[str], b: list[str], log: _Log
) -> list[pd.DataFrame]:
    if not found:
        log.add("taskemb", "all pairs", "no task embeddings were given (grid key task_embeddings)")
    for checkpoint, vectors in found.items():
        sides = [*(f"intermediate/{name}" for name in a), *(f"target/{name}" for name in b)]
        missing = [name for name in sides if name not in vectors]
        if missing:
            log.add("taskemb", ", ".join(missing), f"not embedded through {checkpoint}")
    return [task_embedding_table(vectors, a, b, name) for name, vectors in found.items()]


def _transferability(
    found: Mapping[str, Iterable[Labelled]], a: list[str], b: list[str], wanted: set[str], log: _Log
) -> list[pd.DataFrame]:
    names = [name for name in TRANSFERABILITY if name in wanted]
    if names and not found:
        log.add("transferability", "all pairs", "no labelled features were given (grid key task_embeddings)")
    parts = []
    for checkpoint, rows in found.items() if names else ():
        part, refused = transferability_table(rows, a, b, names, checkpoint)
        parts.append(part)
        for reason in refused:
            log.add(*reason)
    return parts


def _described(
    records: Sequence[Task],
    a: list[str],
    b: list[str],
    encoder: SentenceEncoder | None,
    cache: Path | None,
    log: _Log,
) -> list[pd.DataFrame]:
    if encoder is None or "en" not in encoder.languages:
        log.add("description", "all pairs", "no sentence encoder for English was given")
        return []
    # Centred on all descriptions there are, not on those of this table: a pair's similarity is its own.
    known = {task.name: task.description for task in (*TASKS.values(), *records)}
    vectors = np.asarray(encode(list(known.values()), ["en"] * len(known), encoder, cache), dtype=np.float64)
    named = dict(zip(known, vectors - vectors.mean(axis=0), strict=True))
    return [description_table(named, a, b, encoder.name)]
