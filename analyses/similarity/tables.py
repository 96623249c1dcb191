"""The measures between tasks, labelled: inputs of a run -> tables in the schema SIMILARITY.

a is an intermediate, with the texts that it trains on: the pivot language unless its name says `@sw,ur`; a
mixture or sequence is the union of its tasks' data. b is a target, with its test texts in one language.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from analyses.similarity import MEASURES
from analyses.similarity.lexical import UNKNOWN
from analyses.similarity.semantic import centred, median_distance
from analyses.similarity.sentence_encoders import Embeddings
from analyses.similarity.structural import gower_similarity, task_variables
from analyses.similarity.typology import angular_distances, language_features
from simxfer.common.errors import InputError
from simxfer.schema.tables import SIMILARITY
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import parse_intermediate, tasks_of
from simxfer.tasks.record import Task

SEMANTIC, SUBWORD, TRANSFERABILITY = (
    tuple(name for name, measure in MEASURES.items() if measure.needs == needs)
    for needs in ("embeddings", "subword counts", "features, labels")
)
"""Measures by what they compare; those on centred embeddings follow from `SEMANTIC`."""
MOST_EXAMPLES = 256
"""Examples of a set that the semantic measures look at, for speed and for sets of like size (Frechet)."""

Target = tuple[str, str]
Labelled = tuple[str, str, np.ndarray, np.ndarray]


def semantic_table(
    embeddings: Embeddings, intermediates: Sequence[str], targets: Sequence[str], measures: Iterable[str]
) -> pd.DataFrame:
    """Compare embeddings of training and test texts, raw and centred by language.

    A language with a single set of texts is not among the centred ones: what is left of their mean when the language's
    is taken away is rounding, which has a direction as well. The bandwidth of `mmd` is the median distance over all
    texts of the encoder, so that pairs compare.
    """
    kept = embeddings.rows["language"].isin(embeddings.languages).to_numpy()
    rows, values = embeddings.rows[kept].reset_index(drop=True), embeddings.values[kept]
    languages = rows["language"].to_numpy(dtype=str)
    wanted = list(measures)
    parts = []
    sets = rows[["language", "task", "split"]].drop_duplicates()["language"].value_counts()
    several = rows["language"].map(sets).gt(1).to_numpy()
    for suffix, here in (("", np.ones(len(rows), dtype=bool)), ("_centred", several)):
        names = [name + suffix for name in SEMANTIC if name + suffix in wanted]
        if names and here.any():
            seen = centred(values[here], languages[here]) if suffix else values
            part = rows[here].reset_index(drop=True)
            parts.append(_semantic_pairs(seen, part, names, intermediates, targets))
    return _table(parts, embeddings.checkpoint)


def lexical_table(
    subwords: pd.DataFrame, intermediates: Sequence[str], targets: Sequence[str], measures: Iterable[str]
) -> pd.DataFrame:
    """Compare the subwords of training and test texts, one checkpoint's tokenizer at a time."""
    wanted, parts = set(measures), []
    for checkpoint, rows in subwords.groupby("checkpoint", sort=False):
        cells, counts, pieces = _counted(rows)
        unknown = counts[:, pieces == UNKNOWN].sum(axis=1)
        sides = _sources(cells, intermediates), _targets(cells, targets)
        found = []
        for a, own in sides[0].items():
            for (b, language), theirs in sides[1].items():
                x, y = counts[own].sum(axis=0), counts[theirs].sum(axis=0)
                pair = dict.fromkeys(SUBWORD, (x, y))
                pair["fertility"] = tuple(
                    counts[i].sum() / cells["words"].iloc[i].sum() for i in (own, theirs)
                )
                pair["unknown_rate"] = tuple(unknown[i].sum() / counts[i].sum() for i in (own, theirs))
                found += [
                    (a, b, name, language, MEASURES[name].function(*arguments), 1.0)
                    for name, arguments in pair.items()
                    if name in wanted
                ]
        parts.append(_table([_frame(found)], str(checkpoint)))
    return pd.concat(parts, ignore_index=True) if parts else _table([])


def description_table(
    vectors: Mapping[str, np.ndarray], intermediates: Sequence[str], targets: Sequence[str], checkpoint: str
) -> pd.DataFrame:
    """Compare embeddings of task descriptions; an intermediate of several tasks is their mean.

    Args:
        vectors: task -> (dimensions,) embedding of its description, centred.
    """
    compare = MEASURES["description"].function
    rows = [
        (a, b, "description", "", compare(np.stack([vectors[t] for t in tasks_of(a)]), vectors[b][None]), 1.0)
        for a in intermediates
        for b in targets
    ]
    return _table([_frame(rows)], checkpoint)


def structural_table(
    tasks: Sequence[Task], intermediates: Sequence[str], targets: Sequence[str]
) -> pd.DataFrame:
    """Compare task records by Gower's similarity; intermediates of several tasks have no record."""
    numeric, nominal = task_variables(tasks)
    value, share = gower_similarity(numeric.to_numpy(), nominal.to_numpy(dtype=str))
    position = {task.name: i for i, task in enumerate(tasks)}
    pairs = [(a, b) for a in intermediates if a in position for b in targets if b in position]
    rows = [
        (a, b, "structural", "", value[position[a], position[b]], share[position[a], position[b]])
        for a, b in pairs
    ]
    return _table([_frame(rows)])


def task_embeddings(examples: pd.DataFrame, kind: str, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return typological embeddings of tasks: mean features over the languages of their data.

    A feature's mean is over the languages that state it, weighted by examples; NaN where none does.

    Args:
        examples: columns task, language, n (number of examples).
        kind: kind of features, as in `language_features`; not geographic, whose coordinates have no mean.
        table: a LANGUAGES table, for artificial languages.

    Returns:
        (tasks x features), and last the column `observed_share`: the share of the features that is stated,
        weighted by examples.

    Raises:
        InputError: a missing column, task, language or number, numbers of examples that are not above zero,
            coordinates asked for, and as `language_features`.

    Example:
        >>> import pandas as pd
        >>> from analyses import task_embeddings
        >>> rows = [("tydiqa", "fi", 300), ("tydiqa", "ko", 100), ("mnli", "en", 400)]
        >>> vectors = task_embeddings(pd.DataFrame(rows, columns=["task", "language", "n"]), "syntactic")
        >>> vectors["S_SOV"].to_dict()
        {'mnli': 0.0, 'tydiqa': 0.25}
    """
    missing = {"task", "language", "n"} - set(examples.columns)
    if missing:
        raise InputError(f"columns {sorted(missing)} are missing; expected task, language, n (examples)")
    if kind == "geographic":
        raise InputError("coordinates have no mean; expected a kind of features, such as 'syntactic'")
    if examples[["task", "language"]].isna().any(axis=None):
        raise InputError("a row has no task or no language; drop it, or name the language of its data")
    numeric = pd.api.types.is_numeric_dtype(examples["n"])
    if not numeric or not (examples["n"].gt(0) & examples["n"].lt(np.inf)).all():
        raise InputError(
            f"column 'n' ({examples['n'].dtype}) holds a number of examples that is missing, infinite, text or not "
            "above zero; drop that row, or convert the column by pd.to_numeric"
        )
    weights = examples.pivot_table(index="task", columns="language", values="n", aggfunc="sum", fill_value=0)
    features = language_features(list(weights.columns), kind, table)
    stated, w = features.notna().to_numpy(dtype=float), weights.to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        mean = (w @ features.fillna(0).to_numpy()) / (w @ stated)
    share = (w @ stated).sum(axis=1) / (w.sum(axis=1) * max(1, stated.shape[1]))
    vectors = pd.DataFrame(mean, index=list(weights.index), columns=features.columns)
    return vectors.assign(observed_share=share)


def semantic_task_embeddings(embeddings: Embeddings) -> pd.DataFrame:
    """Return the mean embedding of every task's examples (TextEmb, Vu et al. 2020).

    Returns:
        (task, language, split) x dimensions; cosines of these rows are the measure `mean_cosine`.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import Embeddings, semantic_task_embeddings
        >>> rows = pd.DataFrame({"task": ["mnli", "mnli", "qqp"], "language": "en", "split": "train"})
        >>> values = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
        >>> semantic_task_embeddings(Embeddings(values, rows, "demo", frozenset({"en"})))
                               0    1
        task language split
        mnli en       train  0.5  0.5
        qqp  en       train  0.0  2.0
    """
    keys = [embeddings.rows[name].reset_index(drop=True) for name in ("task", "language", "split")]
    return pd.DataFrame(np.asarray(embeddings.values, dtype=np.float64)).groupby(keys).mean()


def task_embedding_table(
    vectors: Mapping[str, np.ndarray], intermediates: Sequence[str], targets: Sequence[str], checkpoint: str
) -> pd.DataFrame:
    """Compare Fisher vectors of intermediates and targets; pairs without both are left out.

    Args:
        vectors: `intermediate/NAME` and `target/NAME` -> (weights,), see `Run.task_embeddings`.
    """
    compare = MEASURES["taskemb"].function
    rows = [
        (a, b, "taskemb", "", compare(vectors[f"intermediate/{a}"], vectors[f"target/{b}"]), 1.0)
        for a in intermediates
        for b in targets
        if f"intermediate/{a}" in vectors and f"target/{b}" in vectors
    ]
    return _table([_frame(rows)], checkpoint)


def transferability_table(
    labelled: Iterable[Labelled],
    intermediates: Sequence[str],
    targets: Sequence[str],
    measures: Iterable[str],
    checkpoint: str,
) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """Score how well the encoder after an intermediate already tells the labels of a target apart.

    Args:
        labelled: (intermediate, target, features (rows, dimensions), labels (rows,)), see
            `Run.labelled_features`; read one by one.
        measures: names in `TRANSFERABILITY`.

    Returns:
        The table, and (measure, pair, reason) of what a measure refuses, such as labels of one class.
    """
    wanted, found, refused = set(measures), [], []
    for a, b, features, labels in labelled:
        for name in TRANSFERABILITY if a in intermediates and b in targets else ():
            if name not in wanted:
                continue
            try:
                found.append((a, b, name, "", MEASURES[name].function(features, labels), 1.0))
            except InputError as error:
                refused.append((name, f"{a} to {b} through {checkpoint}", str(error)))
    return _table([_frame(found)], checkpoint), refused


def typological_table(
    rows: pd.DataFrame,
    intermediates: Sequence[str],
    targets: Sequence[str],
    kind: str,
    table: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Compare typological embeddings: an intermediate's training data against all test data of a target.

    Args:
        rows: columns task, language, split, one row an example (a SAMPLES table).
    """
    sides = {("a", a): i for a, i in _sources(rows, intermediates).items()}
    for (b, _), i in _targets(rows, targets).items():
        # A target is all its test languages at once here: the languages of its data are what is compared.
        sides["b", b] = np.union1d(sides.get(("b", b), np.empty(0, dtype=int)), i)
    if not sides:
        return _table([])
    # A task may stand on both sides, with other data on each.
    examples = pd.concat([rows.iloc[i].assign(task=f"{side}:{name}") for (side, name), i in sides.items()])
    counts = examples.groupby(["task", "language"]).size().rename("n").reset_index()
    vectors = task_embeddings(counts, kind, table).drop(columns="observed_share")
    distance, share = angular_distances(vectors.to_numpy(), vectors.to_numpy())
    at = {name: i for i, name in enumerate(vectors.index)}
    pairs = [(a, b) for side, a in sides if side == "a" for other, b in sides if other == "b"]
    found = [
        (a, b, f"typological_{kind}", "", 1 - distance[i, j], share[i, j])
        for a, b, i, j in ((a, b, at[f"a:{a}"], at[f"b:{b}"]) for a, b in pairs)
    ]
    return _table([_frame(found)])


def _semantic_pairs(
    values: np.ndarray,
    rows: pd.DataFrame,
    names: Sequence[str],
    intermediates: Sequence[str],
    targets: Sequence[str],
) -> pd.DataFrame:
    values = values.astype(np.float64)
    # 2,000 texts settle a median distance; all pairs of 20,000 would be 3 GB.
    some = values[_spread(np.arange(len(values)), 2000)]
    options = {name: {"bandwidth": median_distance(some)} for name in names if name.startswith("mmd")}
    sources = {a: values[_spread(i, MOST_EXAMPLES)] for a, i in _sources(rows, intermediates).items()}
    tests = {b: values[_spread(i, MOST_EXAMPLES)] for b, i in _targets(rows, targets).items()}
    found = [
        (a, b, name, language, MEASURES[name].function(x, y, **options.get(name, {})), 1.0)
        for a, x in sources.items()
        for (b, language), y in tests.items()
        for name in names
    ]
    return _frame(found)


def _spread(positions: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the positions, evenly spread, so that every task of a mixture stays in."""
    return positions[np.linspace(0, len(positions) - 1, min(len(positions), most)).astype(int)]


def _sources(rows: pd.DataFrame, intermediates: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the positions of the training rows of every intermediate that has any."""
    train = (rows["split"] == "train").to_numpy()
    out = {}
    for name in intermediates:
        mask = np.zeros(len(rows), dtype=bool)
        for data in (data for phase in parse_intermediate(name) for data in phase):
            # The first is the pivot, in which an intermediate trains unless its name says otherwise.
            languages = data.languages or TASKS[data.task].train_languages[:1]
            mask |= train & ((rows["task"] == data.task) & rows["language"].isin(languages)).to_numpy()
        if mask.any():
            out[name] = np.flatnonzero(mask)
    return out


def _targets(rows: pd.DataFrame, targets: Sequence[str]) -> dict[Target, np.ndarray]:
    """Return the positions of the test rows of every target and language."""
    out: dict[Target, list[int]] = {}
    for i, (task, language, split) in enumerate(
        zip(rows["task"], rows["language"], rows["split"], strict=True)
    ):
        if split == "test" and task in targets:
            out.setdefault((str(task), str(language)), []).append(i)
    return {key: np.array(positions) for key, positions in out.items()}


def _counted(rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the samples (task, language, split, words), their counts (samples, pieces), and the pieces."""
    sample = ["task", "language", "split"]
    groups = rows.groupby(sample, sort=False)
    cells = groups["words"].first().reset_index()
    pieces, columns = np.unique(rows["piece"].to_numpy(dtype=str), return_inverse=True)
    counts = np.zeros((len(cells), len(pieces)))
    counts[groups.ngroup().to_numpy(), columns] = rows["count"].to_numpy(dtype=float)
    return cells, counts, pieces


def _frame(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["a", "b", "measure", "language", "value", "observed_share"])


def _table(parts: Sequence[pd.DataFrame], checkpoint: str = "") -> pd.DataFrame:
    """Join parts to one table in the schema's order of columns."""
    joined = pd.concat([_frame([]), *parts], ignore_index=True) if parts else _frame([])
    return joined.assign(checkpoint=checkpoint)[SIMILARITY.column_names]
