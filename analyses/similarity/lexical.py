"""Lexical similarity of two samples of text, on the counts of their subwords. Higher means more alike.

x and y are (pieces,) arrays of counts over one list of pieces.
"""

import numpy as np
import pandas as pd

from simxfer.common.errors import InputError
from simxfer.schema.tables import SUBWORDS, validate

UNKNOWN = "<unk>"


def js_similarity(x: np.ndarray, y: np.ndarray) -> float:
    """1 - Jensen-Shannon divergence of the subword distributions, base 2 (Lin 1991); range [0, 1], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import js_similarity
        >>> news, wiki, code = np.array([5, 3, 2, 0]), np.array([4, 4, 2, 0]), np.array([0, 0, 1, 9])
        >>> round(js_similarity(news, wiki), 2), round(js_similarity(news, code), 2)
        (0.99, 0.14)
    """
    p, q = (counts / counts.sum() for counts in _pair(x, y))
    # From entropies, for a divergence has log 0 where a piece occurs on one side only.
    return float(np.clip(1 - _entropy((p + q) / 2) + (_entropy(p) + _entropy(q)) / 2, 0.0, 1.0))


def jaccard_overlap(x: np.ndarray, y: np.ndarray) -> float:
    """Pieces that occur in both, among those that occur in either; range [0, 1], symmetric.

    Example:
        >>> import numpy as np
        >>> from analyses import jaccard_overlap
        >>> jaccard_overlap(np.array([5, 3, 2, 0]), np.array([0, 1, 1, 9]))
        0.5
    """
    x, y = (counts > 0 for counts in _pair(x, y))
    return float((x & y).sum() / (x | y).sum())


def vocabulary_coverage(x: np.ndarray, y: np.ndarray) -> float:
    """Share of y's pieces that occur in x; range [0, 1], directed.

    Example:
        >>> import numpy as np
        >>> from analyses import vocabulary_coverage
        >>> source, target = np.array([5, 3, 2, 1]), np.array([0, 1, 1, 0])
        >>> vocabulary_coverage(source, target), vocabulary_coverage(target, source)
        (1.0, 0.5)
    """
    x, y = (counts > 0 for counts in _pair(x, y))
    return float((x & y).sum() / y.sum())


def ratio_similarity(x: float, y: float) -> float:
    """Smaller over larger of two positive numbers (fertilities); range (0, 1], symmetric.

    Example:
        >>> from analyses import ratio_similarity
        >>> ratio_similarity(1.2, 2.4)
        0.5
    """
    if not (x > 0 and y > 0):
        raise InputError(f"got {x} and {y}; expected two positive numbers")
    return min(x, y) / max(x, y)


def rate_similarity(x: float, y: float) -> float:
    """1 - difference of two rates (unknown rates); range [0, 1], symmetric.

    Example:
        >>> from analyses import rate_similarity
        >>> round(rate_similarity(0.0, 0.25), 2)
        0.75
    """
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise InputError(f"got {x} and {y}; expected two rates between 0 and 1")
    return 1 - abs(x - y)


def tokenizer_profile(subwords: pd.DataFrame) -> pd.DataFrame:
    """Return how a tokenizer cuts each sample: fertility and unknown rate.

    Args:
        subwords: a SUBWORDS table.

    Returns:
        Columns checkpoint, task, language, split, pieces, words, fertility (pieces per whitespace-separated
        word, so not comparable for languages written without blanks: ja, th, zh), unknown_rate (0-1).

    Example:
        >>> import pandas as pd
        >>> from analyses import tokenizer_profile
        >>> pieces = pd.DataFrame({"piece": ["▁ha", "ba", "ri", "<unk>"], "count": [3, 3, 3, 1]})
        >>> sample = {"checkpoint": "xlmr", "task": "xnli", "language": "sw", "split": "test", "words": 4}
        >>> profile = tokenizer_profile(pieces.assign(**sample))
        >>> profile[["language", "pieces", "words", "fertility", "unknown_rate"]]
          language  pieces  words  fertility  unknown_rate
        0       sw      10      4        2.5           0.1
    """
    subwords = validate(subwords, SUBWORDS)
    sample = ["checkpoint", "task", "language", "split"]
    unknown = subwords["count"].where(subwords["piece"] == UNKNOWN, 0)
    groups = subwords.assign(unknown=unknown).groupby(sample, sort=False)
    out = groups.agg(
        pieces=("count", "sum"), words=("words", "first"), unknown=("unknown", "sum")
    ).reset_index()
    for name, part, whole in (("fertility", "pieces", "words"), ("unknown_rate", "unknown", "pieces")):
        out[name] = out[part].astype(float) / out[whole].where(out[whole] > 0).astype(float)
    return out.drop(columns="unknown")


def _pair(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise InputError(f"counts have shapes {x.shape} and {y.shape}; expected one list of pieces for both")
    for counts in (x, y):
        if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
            raise InputError("counts must be finite, not negative and not all zero")
    return x, y


def _entropy(p: np.ndarray) -> float:
    """Entropy in bits."""
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())
