"""Mining of parallel sentences (BUCC): F1 of pairs, and the threshold that extracts them."""

from collections.abc import Collection, Hashable, Sequence

import numpy as np

from simxfer.metrics.record import Scored

Pair = tuple[Hashable, Hashable]
ScoredPair = tuple[Hashable, Hashable, float]


def mining_f1(gold: Sequence[Pair], predicted: Sequence[Pair]) -> Scored:
    """F1 of the extracted pairs (source id, target id); a pair that occurs twice counts once.

    The examples are the gold pairs, 1 where one was extracted: their mean is the recall.
    """
    wanted, found = _pairs(gold), _pairs(predicted)
    value = 100.0 * 2 * len(wanted & found) / (len(wanted) + len(found))
    return Scored(value, np.array([float(tuple(pair) in found) for pair in gold]))


def tune_threshold(candidates: Sequence[ScoredPair], gold: Collection[Pair]) -> float:
    """Return the threshold at which the candidates (source id, target id, score) have the best F1.

    The threshold lies halfway between the last candidate that it extracts and the first that it does not, and
    is the score of the last candidate where all are extracted (XTREME's and LASER's search fails there).
    Candidates with the same score are extracted together; of equally good thresholds the highest is taken.

    Raises:
        ValueError: there are no candidates or no gold pairs.
    """
    if not candidates or not gold:
        raise ValueError(f"tune_threshold: got {len(candidates)} candidates and {len(gold)} gold pairs")
    best = _best_scores(candidates)
    scores = np.array(list(best.values()))
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    wanted = _pairs(gold)
    right = np.cumsum(np.array([pair in wanted for pair in best])[order])
    f1 = 2 * right / (np.arange(1, len(scores) + 1) + len(wanted))
    cuts = np.flatnonzero(np.append(scores[:-1] != scores[1:], True))
    cut = int(cuts[np.argmax(f1[cuts])])
    if cut + 1 == len(scores):
        return float(scores[cut])
    halfway = float((scores[cut] + scores[cut + 1]) / 2)
    return (
        halfway if halfway > scores[cut + 1] else float(scores[cut])
    )  # neighbouring floats have no half way


def pairs_above(candidates: Sequence[ScoredPair], threshold: float) -> list[Pair]:
    """Return the pairs of the candidates whose score reaches the threshold, each once."""
    return [pair for pair, score in _best_scores(candidates).items() if score >= threshold]


def _pairs(pairs: Collection[Pair]) -> set[Pair]:
    """Return the distinct pairs; pairs read from JSON are lists."""
    return {(source, target) for source, target in pairs}


def _best_scores(candidates: Sequence[ScoredPair]) -> dict[Pair, float]:
    best: dict[Pair, float] = {}
    for source, target, score in candidates:
        best[source, target] = max(score, best.get((source, target), score))
    return best
