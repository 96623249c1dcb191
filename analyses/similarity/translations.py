"""How well a sentence encoder covers a language, so that "close in meaning" is not read where it is "well covered".

A raw similarity of English texts and texts of a language mixes what the texts are about with how far the encoder
keeps the language apart from English. Translations have one meaning: what they fall short of is coverage.
"""

import numpy as np
import pandas as pd

from analyses.similarity.arrays import unit_rows
from analyses.similarity.semantic import centred
from analyses.similarity.sentence_encoders import Embeddings
from simxfer.common.errors import InputError
from simxfer.tasks import TASKS

FEWEST_PAIRS = 10


def encoder_coverage(embeddings: Embeddings, pivot: str = "en") -> pd.DataFrame:
    """Return how an encoder treats the test texts of every task and language, beside those of the pivot.

    Args:
        embeddings: of test texts, with the column example_id: equal ids of a parallel test set are translations.
        pivot: the language that the others are compared with.

    Returns:
        One row a task and language outside the pivot. Columns: checkpoint, task, language; translations (number of
        pairs, 0 where the test sets are not parallel); raw (mean cosine of a text and its translation, -1 to 1);
        centred (the same after the mean of each language is taken away); found (share of texts whose nearest text of
        the pivot is the translation, 0 to 1); spread (mean length of the centred vectors over that of the pivot's: a
        language that the encoder does not tell apart has little), NaN without a pivot or under 10 pairs.

    Raises:
        InputError: the embeddings have no example ids.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from analyses import Embeddings, encoder_coverage
        >>> rows = pd.DataFrame({"task": "xnli", "language": ["en"] * 10 + ["sw"] * 10, "split": "test"})
        >>> rows["example_id"] = [str(i) for i in range(10)] * 2
        >>> english = np.random.default_rng(0).normal(size=(10, 4))
        >>> values = np.concatenate([english, english / 2 + [1, 0, 0, 0]])
        >>> found = encoder_coverage(Embeddings(values, rows, "demo", frozenset({"en", "sw"})))
        >>> found[["language", "translations", "centred", "found", "spread"]].round(2)
          language  translations  centred  found  spread
        0       sw            10      1.0    1.0     0.5
    """
    if "example_id" not in embeddings.rows:
        raise InputError("the rows of the embeddings lack the column example_id: translations have one id")
    rows = embeddings.rows.reset_index(drop=True)
    values = np.asarray(embeddings.values, dtype=np.float64)
    table = []
    for task, of_task in rows[rows["split"] == "test"].groupby("task", sort=False):
        sides = dict(iter(of_task.groupby("language", sort=False)))
        home = sides.pop(pivot, None)
        parallel = str(task) in TASKS and TASKS[str(task)].parallel
        for language, part in sides.items():
            found = _compared(values, home, part, parallel) if home is not None else {}
            table.append({"checkpoint": embeddings.checkpoint, "task": task, "language": language} | found)
    names = ["checkpoint", "task", "language", "translations", "raw", "centred", "found", "spread"]
    return pd.DataFrame(table, columns=names).fillna({"translations": 0}).astype({"translations": int})


def _compared(values: np.ndarray, home: pd.DataFrame, part: pd.DataFrame, parallel: bool) -> dict[str, float]:
    spread = _length(values[part.index]) / _length(values[home.index])
    shared = home.index[home["example_id"].isin(part["example_id"])] if parallel else home.index[:0]
    if len(shared) < FEWEST_PAIRS:
        return {"translations": len(shared), "spread": spread}
    order = part.reset_index().set_index("example_id")["index"].loc[home.loc[shared, "example_id"]].to_numpy()
    x, y = values[order], values[shared]
    languages = np.repeat(["x", "y"], len(x))
    a, b = np.split(unit_rows(centred(np.concatenate([x, y]), languages)), 2)
    return {
        "translations": len(x),
        "raw": float((unit_rows(x) * unit_rows(y)).sum(axis=1).mean()),
        "centred": float((a * b).sum(axis=1).mean()),
        "found": float(((a @ b.T).argmax(axis=1) == np.arange(len(a))).mean()),
        "spread": spread,
    }


def _length(values: np.ndarray) -> float:
    """Return the mean distance of the vectors to their mean."""
    return float(np.linalg.norm(values - values.mean(axis=0), axis=1).mean())
