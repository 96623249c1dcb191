"""Scores of ranked lists."""

from collections.abc import Hashable, Sequence

from simxfer.metrics.record import Scored, from_examples


def average_precision(
    relevant: Sequence[Hashable], ranked: Sequence[Hashable], k: int | None = None
) -> float:
    """Return the average precision of a ranked list cut after k (0-1).

    The mean, over the relevant ids, of the share of relevant ids down to the rank of each; ids below rank k
    count zero. The divisor is min(number of relevant ids, k), so that a perfect list scores 1 (Roy et al.
    2020). An id that occurs again counts once.

    Raises:
        ValueError: nothing is relevant.
    """
    wanted = set(relevant)
    if not wanted:
        raise ValueError("average precision: no id is relevant, so no ranking can be right or wrong")
    seen: set[Hashable] = set()
    total = 0.0
    for rank, item in enumerate(ranked[:k], start=1):
        if item in wanted and item not in seen:
            seen.add(item)
            total += len(seen) / rank
    return total / min(len(wanted), k or len(wanted))


def reciprocal_rank(relevant: Sequence[Hashable], ranked: Sequence[Hashable], k: int | None = None) -> float:
    """Return 1 / (rank of the first relevant id within the first k), or 0 if there is none."""
    wanted = set(relevant)
    if not wanted:
        raise ValueError("reciprocal rank: no id is relevant, so no ranking can be right or wrong")
    return next((1 / rank for rank, item in enumerate(ranked[:k], start=1) if item in wanted), 0.0)


def map_at_20(gold: Sequence[Sequence[Hashable]], predicted: Sequence[Sequence[Hashable]]) -> Scored:
    """Mean average precision of the first 20 (LAReQA's mAP@20)."""
    return from_examples([average_precision(g, p, 20) for g, p in zip(gold, predicted, strict=True)])


def mrr_at_20(gold: Sequence[Sequence[Hashable]], predicted: Sequence[Sequence[Hashable]]) -> Scored:
    """Mean reciprocal rank within the first 20.

    This is the score of Mewsli-X in XTREME-R, which names it mAP@20. Every mention of Mewsli-X has one right
    entity; there the two are equal.
    """
    return from_examples([reciprocal_rank(g, p, 20) for g, p in zip(gold, predicted, strict=True)])
