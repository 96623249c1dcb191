"""Accuracy of labels and tags, and F1 of chunks."""

from collections.abc import Callable, Sequence

import numpy as np

from simxfer.metrics.record import Scored, from_examples

Chunks = set[tuple[str, int, int]]
Sentences = Sequence[Sequence[str]]


def accuracy(gold: Sequence, predicted: Sequence) -> Scored:
    """Share of examples whose prediction equals the gold answer."""
    return from_examples([float(g == p) for g, p in zip(gold, predicted, strict=True)])


def token_accuracy(gold: Sentences, predicted: Sentences) -> Scored:
    """Share of words whose tag is right, over all words of the test set; counts are (right, wrong, wrong)."""
    right = np.array(
        [sum(g == p for g, p in zip(gs, ps, strict=True)) for gs, ps in zip(gold, predicted, strict=True)]
    )
    total = np.array([len(gs) for gs in gold])
    wrong = total - right
    value = 100.0 * float(right.sum()) / max(1, int(total.sum()))
    return Scored(value, right / np.maximum(total, 1), np.stack([right, wrong, wrong], axis=1))


def chunk_f1(gold: Sentences, predicted: Sentences) -> Scored:
    """F1 of chunks with the right type and the right borders, over the whole test set (conlleval).

    An I- tag that continues nothing starts a chunk, as in conlleval and in seqeval's default mode.
    """
    return _f1("chunk_f1", chunks, gold, predicted)


def tag_f1(gold: Sentences, predicted: Sentences) -> Scored:
    """F1 of runs of bare tags, over the whole test set: what XTREME publishes as UDPOS F1 (seqeval 0.0.12).

    XTREME hands bare part-of-speech tags to a scorer of chunks. See `tag_runs` for what that makes of them;
    `token_accuracy` is what the field calls tagging accuracy.
    """
    return _f1("tag_f1", tag_runs, gold, predicted)


def _f1(name: str, find: Callable[[Sequence[str]], Chunks], gold: Sentences, predicted: Sentences) -> Scored:
    counts = []
    for gs, ps in zip(gold, predicted, strict=True):
        if len(gs) != len(ps):
            raise ValueError(f"{name}: {len(ps)} predicted tags for {len(gs)} words")
        g, p = find(gs), find(ps)
        counts.append((len(g & p), len(p - g), len(g - p)))
    array = np.asarray(counts, dtype=np.int64)
    tp, fp, fn = array.T
    examples = np.where(tp + fp + fn == 0, 1.0, 2 * tp / np.maximum(1, 2 * tp + fp + fn))
    total = array.sum(axis=0)
    value = 100.0 * 2 * total[0] / max(1, 2 * total[0] + total[1] + total[2])
    return Scored(float(value), examples, array)


def chunks(tags: Sequence[str]) -> Chunks:
    """Return the chunks of a BIO-tagged sentence as (type, first word, word after the last)."""
    found, start, kind = set(), 0, ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and (prefix != "I" or name != kind):
            found.add((kind, start, i))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = name, i
    return found


def tag_runs(tags: Sequence[str]) -> Chunks:
    """Return the chunks that seqeval 0.0.12 sees, as (type, first word, word after the last).

    The first letter of a tag is taken for its place in a chunk (B begin, I inside, E end, S single, O outside)
    and what follows its last hyphen for its type. Of bare tags equal neighbours merge into one run, except
    those that begin with B, E or S: each SCONJ or SYM is a run by itself. seqeval 1.x takes the first letter
    off as well, so that CCONJ equals SCONJ.
    """
    found, start, before, kind = set(), 0, "O", ""
    for i, tag in enumerate([*tags, "O"]):
        place, name = tag[0], tag.rpartition("-")[2]
        changed = kind != name
        if before in "ES" or (before in "BI" and place in "BSO") or (before not in "O." and changed):
            found.add((kind, start, i))
        if place in "BS" or (before in "ESO" and place in "EI") or (place not in "O." and changed):
            start = i
        before, kind = place, name
    return found
