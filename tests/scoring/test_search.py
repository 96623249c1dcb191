"""Search and mining against a full matrix of scores, by hand, and in bounded memory."""

import resource
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from simxfer.scoring import search as retrieval
from simxfer.scoring.search import mine, nearest


@pytest.fixture(params=[(1024, 4096), (3, 2), (1, 1), (5, 4096)])
def blocks(request, monkeypatch):
    rows, columns = request.param
    monkeypatch.setattr(retrieval, "BLOCK_ROWS", rows)
    monkeypatch.setattr(retrieval, "BLOCK_COLUMNS", columns)


def sentences(n: int, m: int, seed: int = 0, dimensions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of two languages that share a direction, as sentence embeddings do: all cosines are positive."""
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(k, dimensions)) + np.array([3.0] + [0] * (dimensions - 1)) for k in (n, m))


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T


def margins(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """Equations 1 and 2 of Artetxe and Schwenk 2019, word by word, for every pair."""
    cosine = cosines(x, y)
    near_x = np.sort(cosine, axis=1)[:, ::-1][:, :k]
    near_y = np.sort(cosine, axis=0)[::-1][:k]
    return cosine / (near_x.mean(axis=1)[:, None] / 2 + near_y.mean(axis=0)[None, :] / 2)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_nearest_is_sklearns(n, m, k, seed):
    rng = np.random.default_rng(seed)
    queries, candidates = rng.normal(size=(n, 6)), rng.normal(size=(m, 6))
    theirs = NearestNeighbors(n_neighbors=min(k, m), metric="cosine", algorithm="brute").fit(candidates)
    distances, expected = theirs.kneighbors(queries)
    found = nearest(queries, candidates, k)
    assert np.array_equal(found.ids, expected)
    np.testing.assert_allclose(found.scores, 1 - distances, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, 4])
def test_margins_order_the_nearest_by_cosine_as_the_full_matrix_does(k, blocks):
    x, y = sentences(17, 23)
    cosine, margin = cosines(x, y), margins(x, y, 4)
    found = nearest(x, y, k, "margin", neighbours=4)
    for i in range(len(x)):
        near = np.argsort(-cosine[i])[:4]
        best = near[np.argsort(-margin[i, near])][:k]
        assert found.ids[i].tolist() == best.tolist()
        np.testing.assert_allclose(found.scores[i], margin[i, best])


def test_a_margin_may_change_the_nearest():
    x, y = sentences(200, 200)
    assert (nearest(x, y).ids != nearest(x, y, scoring="margin").ids).any()


def test_a_hub_loses_its_advantage_by_hand():
    # y0 lies between both queries and wins by cosine (4/5 against 3/5); each query has its own partner.
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    y = np.array([[0.7, 0.7], [0.6, -0.8], [-0.8, 0.6]])
    assert nearest(x, y).ids[:, 0].tolist() == [0, 0]
    found = nearest(x, y, 2, "margin", neighbours=2)
    c = 0.5**0.5
    # Two nearest of x0 are y0 and y1, mean (c + .6) / 2; of y0 x0 and x1, mean c; of y1 mean (.6 - .8) / 2.
    assert found.ids[0].tolist() == [1, 0]
    np.testing.assert_allclose(found.scores[0, 0], 0.6 / (((c + 0.6) / 2 + (0.6 - 0.8) / 2) / 2))
    np.testing.assert_allclose(found.scores[0, 1], c / (((c + 0.6) / 2 + c) / 2))


@pytest.mark.parametrize("scoring", ["cosine", "margin"])
def test_of_equal_candidates_the_first_comes_first(scoring, blocks):
    queries = np.eye(3)[[0, 1]]
    candidates = np.eye(3)[[2, 0, 1, 0, 1, 0]]
    found = nearest(queries, candidates, 3, scoring, neighbours=3)
    assert found.ids.tolist() == [[1, 3, 5], [2, 4, 0]]


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.lists(st.integers(0, 4), min_size=1, max_size=30),
    st.integers(1, 8),
    st.sampled_from([(1024, 4096), (3, 2), (4, 7), (1, 1)]),
)
def test_among_many_equal_ones_the_first_are_taken_in_their_order(asked, given, k, block):
    """Scores of few values, which are exact: a stable sort of the whole matrix says which are the first."""
    x = np.eye(5)[asked] * 2.0
    y = np.eye(5)[given] + np.eye(5)[[4 - i for i in given]]  # beside 0 and 1 a cosine between them
    expected = np.argsort(-cosines(x, y), axis=1, kind="stable")[:, :k]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, "BLOCK_ROWS", block[0])
        patch.setattr(retrieval, "BLOCK_COLUMNS", block[1])
        assert nearest(x, y, k).ids.tolist() == expected.tolist()


def test_fewer_candidates_than_asked_for():
    x, y = sentences(5, 2)
    for scoring in ("cosine", "margin"):
        assert nearest(x, y, 20, scoring).ids.shape == (5, 2)
    assert len(mine(*sentences(1, 1)).scores) == 1


def plain_mining(x: np.ndarray, y: np.ndarray, scores: np.ndarray, k: int, direction: str) -> list[tuple]:
    """LASER's mine_bitexts with loops."""
    cosine = cosines(x, y)
    onward, back = [], []
    for i in range(len(x)):
        near = np.argsort(-cosine[i])[:k]
        j = near[np.argmax(scores[i, near])]
        onward.append((i, int(j), scores[i, j]))
    for j in range(len(y)):
        near = np.argsort(-cosine[:, j])[:k]
        i = near[np.argmax(scores[near, j])]
        back.append((int(i), j, scores[i, j]))
    if direction in ("forward", "backward"):
        return onward if direction == "forward" else back
    if direction == "intersection":
        return [pair for pair in onward if pair[:2] in {p[:2] for p in back}]
    taken: list[tuple] = []
    used: tuple[set, set] = (set(), set())
    for i, j, score in sorted(onward + back, key=lambda pair: -pair[2]):
        if i not in used[0] and j not in used[1]:
            taken.append((i, j, score))
            used[0].add(i)
            used[1].add(j)
    return taken


@pytest.mark.parametrize("direction", ["forward", "backward", "intersection", "max"])
@pytest.mark.parametrize("scoring", ["cosine", "margin"])
def test_mining_is_lasers(direction, scoring, blocks):
    x, y = sentences(31, 24, seed=2)
    scores = cosines(x, y) if scoring == "cosine" else margins(x, y, 3)
    expected = plain_mining(x, y, scores, 3, direction)
    found = mine(x, y, scoring, 3, direction)
    assert [(s, t) for s, t, _ in expected] == list(zip(found.sources, found.targets, strict=True))
    np.testing.assert_allclose(found.scores, [score for *_, score in expected])


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_no_sentence_is_mined_twice_and_the_best_come_first(n, m, seed):
    found = mine(*sentences(n, m, seed))
    assert len(set(found.sources)) == len(found.sources) and len(set(found.targets)) == len(found.targets)
    assert (np.diff(found.scores) <= 0).all()
    assert 1 <= len(found.scores) <= min(n, m)


def test_translations_are_mined_out_of_noise():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 64)), rng.normal(size=(400, 64))
    gold = {(i, 399 - i) for i in range(100)}
    for i, j in gold:
        y[j] = x[i] + 0.3 * rng.normal(size=64)
    found = mine(x, y)
    best = list(zip(found.sources[:100].tolist(), found.targets[:100].tolist(), strict=True))
    assert set(best) == gold
    assert found.scores[99] > 1.2 * found.scores[100]


def test_a_mean_that_is_not_positive_makes_no_infinite_or_inverted_score():
    x = np.array([[1.0, 0.0], [1.0, 0.1]])
    found = nearest(x, -x, 2, "margin")
    assert np.isfinite(found.scores).all() and (found.scores < 0).all()


def test_memory_does_not_grow_with_queries_times_candidates():
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, 8)).astype(np.float32) for n in (20_000, 30_000))
    for search in (lambda: mine(x[:8000], y), lambda: nearest(x, y)):
        before = most_memory()
        search()
        # A matrix of all scores takes 960 and 2,400 MB; a block, its copies and the running best ones far less.
        assert most_memory() - before < 200e6


def most_memory() -> float:
    """Return the largest memory that this process has had so far, in bytes; torch's own is not Python's."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
