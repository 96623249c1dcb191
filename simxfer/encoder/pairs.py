"""Queries and candidates of a bi-encoder: how questions about paragraphs become them, and pairs to train on."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from simxfer.common.errors import InputError
from simxfer.common.identity import hashed
from simxfer.encoder.ragged import Features, select_rows

Keys = Sequence[str]


def relevant(queries: Sequence[Keys], candidates: Sequence[Keys]) -> list[list[int]]:
    """Return the indices of the candidates that share a key with each query, ascending."""
    holders: dict[str, list[int]] = defaultdict(list)
    for i, keys in enumerate(candidates):
        for key in keys:
            holders[key].append(i)
    return [sorted({i for key in keys for i in holders.get(key, ())}) for keys in queries]


def training_pairs(features: Features, sides: Sequence[str], keys: Sequence[Keys]) -> Features:
    """Return the pairs (query, relevant candidate) as units of two rows, in the order of the queries.

    The label of a pair is its group: pairs that are connected through shared keys have the same one, in every
    language that has the same keys. In a batch a candidate is a negative of the queries of other groups only: it
    may be relevant to those of its own.

    Args:
        features: one row an example, queries and candidates.
        sides: `query` or `candidate`, of each example.
        keys: of each example.

    Raises:
        InputError: nothing is relevant to a query.
    """
    queries, candidates = ([i for i, s in enumerate(sides) if s == side] for side in ("query", "candidate"))
    found = relevant([keys[i] for i in queries], [keys[i] for i in candidates])
    lonely = [keys[i] for i, hits in zip(queries, found, strict=True) if not hits]
    if lonely or not queries:
        got = (
            f"none of the {len(candidates)} candidates has a key of the query with {lonely[0]}"
            if lonely
            else "no query"
        )
        raise InputError(f"training data of a ranking task: {got}; every query needs a relevant candidate")
    pairs = [(i, candidates[hit]) for i, hits in zip(queries, found, strict=True) for hit in hits]
    labels = _groups([{*keys[i], *keys[j]} for i, j in pairs])
    return select_rows(features, np.array(pairs).ravel(), 2, labels)


def _groups(keys: Sequence[set[str]]) -> np.ndarray:
    """Return a number for each set, equal for sets that are connected through shared members; (sets,) int64.

    It is a hash of the least key of the connected sets, so that it means the same in other data.
    """
    unit = np.repeat(np.arange(len(keys)), [len(found) for found in keys])
    names, key = np.unique([name for found in keys for name in found], return_inverse=True)
    n = len(keys) + len(names)
    edges = coo_array((np.ones(len(unit), bool), (unit, len(keys) + key)), shape=(n, n))
    component = connected_components(edges, directed=False)[1]
    _, least = np.unique(component[len(keys) :], return_index=True)
    number = np.zeros(component.max() + 1, np.int64)
    number[component[len(keys) :][least]] = [_hash(names[i]) for i in least]
    return number[component[: len(keys)]]


def _hash(name: str) -> int:
    return int.from_bytes(hashed(name, 7), "big")
