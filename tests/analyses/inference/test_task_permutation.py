"""permute_tasks: slow and fast versions, exact enumeration, invariances, type I error."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analyses.inference import Truth, max_t, permute_tasks, simulate_grid, specification_curve
from analyses.inference.pairs.orders import crossed_orders
from analyses.inference.pairs.permutation import (
    _overlap_statistics,
    _whole_statistics,
    task_null,
    task_tables,
)
from analyses.inference.pairs.studentised import deviates
from analyses.inference.pairs.two_way import task_rank
from simxfer.common.errors import InputError

ONE = {"languages": 1, "seeds": 1}
COLUMNS = ("intermediate", "target", "language")


def grid(seed: int = 0, **truth) -> pd.DataFrame:
    return simulate_grid(np.random.default_rng(seed), Truth(**(ONE | truth)))


def slow_partial_t(y: np.ndarray, x: np.ndarray, z: np.ndarray) -> float:
    """t of x in the regression of y on x, z and the dummies of rows and columns, by plain least squares."""
    S, T = y.shape
    rows, columns = (i.ravel() for i in np.indices((S, T)))
    design = np.column_stack([x.ravel(), z.ravel(), np.eye(S)[rows], np.eye(T)[columns][:, 1:]])
    beta, rss, *_ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    df = S * T - design.shape[1]
    cov = np.linalg.inv(design.T @ design) * rss[0] / df
    return beta[0] / np.sqrt(cov[0, 0])


def slow_deviate(t: float, df: int, moved: np.ndarray, fixed: np.ndarray, present: np.ndarray) -> float:
    """The normal deviate of a plain t under the load of two cleared tables, from its definition, by loops."""
    load, n = 1.0, present.sum()
    for a, b, here in ((moved, fixed, present), (moved.T, fixed.T, present.T)):
        shares = [
            ((x * x).sum() / (moved**2).sum(), (y * y).sum() / (fixed**2).sum())
            for x, y in zip(a, b, strict=True)
        ]
        side = sum(n * p * q / cells.sum() for (p, q), cells in zip(shares, here, strict=True))
        load *= side ** (1 + 0.5 / (len(a) - 1))
    nu = max(1.0, (df + 1) / load - 1)
    return np.sign(t) * (8 * nu + 1) / (8 * nu + 3) * np.sqrt(nu * np.log1p(t * t / df))


@pytest.mark.parametrize("scheme", ["freedman-lane", "double-semi-partialling"])
def test_equals_plain_least_squares_over_all_permutations(scheme):
    """The kernel's statistic is that of the t of a full regression for each of 3! x 4! permutations."""
    rng = np.random.default_rng(4)
    data = grid(4, sources=3, targets=4, slope=0.5)
    data["z"] = rng.normal(size=len(data)) + data["similarity"]
    tables, grid_cells, _ = task_tables(data, "gain", ["similarity"], *COLUMNS, covariates=["z"])
    null, _, exact = task_null(tables, rng, scheme, permutations=143)
    y, x, z = (grid_cells.fill(data[c].to_numpy()) for c in ("gain", "similarity", "z"))
    rows_of, columns_of = (index.ravel() for index in np.indices((3, 4)))
    full = np.column_stack([z.ravel(), np.eye(3)[rows_of], np.eye(4)[columns_of]])
    project = full @ np.linalg.pinv(full)
    clear = lambda m: m - (project @ m.ravel()).reshape(m.shape)  # noqa: E731
    slow = []
    for rows in permutations(range(3)):
        for columns in permutations(range(4)):
            moved = (clear(y) if scheme == "freedman-lane" else clear(x))[np.ix_(rows, columns)]
            pair = (y - clear(y) + moved, x) if scheme == "freedman-lane" else (y, moved)
            tables_of = (moved, clear(x if scheme == "freedman-lane" else y))
            slow.append(slow_deviate(slow_partial_t(*pair, z), tables.df, *tables_of, np.ones((3, 4))))
    assert exact
    assert tables.df == 12 - 3 - 4 + 1 - 2
    np.testing.assert_allclose(null[:, 0], slow, rtol=1e-6, atol=1e-8)


def test_one_product_of_both_sides_equals_an_order_at_a_time():
    """The fast way permutes both tables, the slow way one of them, by the composed orders, with a fit each."""
    data = grid(3, sources=6, targets=5, kinds=2).assign(z=lambda d: d["similarity"] ** 2)
    kind = ("intermediate_kind", "target_kind")
    tables, *_ = task_tables(data, "gain", ["similarity", "gain"], *COLUMNS, covariates=["z"], kind=kind)
    first, others = crossed_orders(tables.groups, np.random.default_rng(0), 199)
    assert (len(first.rows), len(others.rows)) == (10, 20)
    fast, slow = (
        way(tables.outcome, tables.regressors[:1], tables, first, others)
        for way in (_whole_statistics, _overlap_statistics)
    )
    np.testing.assert_allclose(fast, slow, rtol=1e-6, atol=1e-8)


def test_missing_pairs_equal_least_squares_on_the_overlap():
    rng = np.random.default_rng(5)
    data = grid(5, sources=4, targets=5, slope=0.5).assign(z=lambda d: rng.normal(size=len(d)))
    data = data.drop(index=[1, 13])
    tables, grid_cells, _ = task_tables(data, "gain", ["similarity"], *COLUMNS, covariates=["z"])
    null, _, exact = task_null(tables, rng, permutations=2879)
    x, z = (grid_cells.fill(data[c].to_numpy(), np.nan) for c in ("similarity", "z"))
    residual = np.where(tables.present, tables.outcome, np.nan)
    assert exact
    every = [(r, c) for r in permutations(range(4)) for c in permutations(range(5))]
    for i in range(0, 2880, 97):
        moved = residual[np.ix_(*every[i])]
        here = np.isfinite(moved) & np.isfinite(x)
        rows_of, columns_of = np.nonzero(here)
        design = np.column_stack([x[here], z[here], np.eye(4)[rows_of], np.eye(5)[columns_of][:, 1:]])
        beta, rss, *_ = np.linalg.lstsq(design, moved[here], rcond=None)
        df = here.sum() - design.shape[1]
        se = np.sqrt(np.linalg.inv(design.T @ design)[0, 0] * rss[0] / df)
        project = design[:, 2:] @ np.linalg.pinv(design[:, 2:])
        pair = []
        for table in (moved, tables.regressors[0]):
            pair.append(np.zeros((4, 5)))
            pair[-1][here] = table[here] - project @ table[here]
        assert null[i, 0] == pytest.approx(slow_deviate(beta[0] / se, df, *pair, here), rel=1e-5)


def test_an_even_load_leaves_the_normal_deviate_of_t():
    """Wallace's formula is within 1 % of the deviate with the tail of t, from 4 degrees of freedom on."""
    r = np.array([-0.9, -0.3, 0.1, 0.6])
    for df in (4, 10, 63):
        t = r * np.sqrt(df / (1 - r**2))
        found = deviates(r[None], np.array([df]), np.ones((1, 4)))[0]
        np.testing.assert_allclose(found, np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), df)), rtol=0.01)
    assert np.isnan(deviates(r[None], np.array([0]), np.ones((1, 4)))).all()


def unequal(rng: np.random.Generator) -> pd.DataFrame:
    """Nine by nine tasks without any association; one target has gains 10, and a similarity 4, times as wide."""
    y, x = rng.normal(size=(2, 9, 9))
    y[:, 4] *= 10
    x[:, 4] *= 4
    s, t = (i.ravel() for i in np.indices(y.shape))
    names = {"intermediate": [f"s{i}" for i in s], "target": [f"t{i}" for i in t]}
    return pd.DataFrame({**names, "gain": y.ravel(), "similarity": x.ravel(), "other": x.ravel() ** 2})


@pytest.mark.parametrize("turned", [False, True], ids=["targets", "sources"])
def test_unequal_tasks_do_not_make_an_association(turned):
    """100 data sets of which plain correlations reject 38: Binomial(100, .06) stays below 16."""
    names = {"intermediate": "target", "target": "intermediate"} if turned else {}
    rejected = np.zeros(3, dtype=int)
    for seed in range(100):
        data = unequal(np.random.default_rng(seed)).rename(columns=names)
        rng, more = np.random.default_rng(seed), {"rng": np.random.default_rng(seed), "permutations": 99}
        p = (
            permute_tasks(data, rng=rng, permutations=99).p,
            max_t(data, "gain", ["similarity", "other"], **more).p,
            specification_curve(data, ["gain"], ["similarity"], [(), ("other",)], **more).p,
        )
        rejected += np.array(p) <= 0.05
    assert rejected.max() < 16


def test_the_unit_of_one_side_does_not_matter():
    data = unequal(np.random.default_rng(3))
    scaled = data.assign(gain=1e-6 * data["gain"], similarity=1e6 * data["similarity"])
    p = [permute_tasks(d, rng=np.random.default_rng(3), permutations=999).p for d in (data, scaled)]
    assert p[0] == p[1]


def test_exact_p_counts_ties_of_symmetric_tables():
    """A 3 x 3 table that equals its similarity: r = 1 for the identity and for no other order here."""
    x = np.array([[5.0, 1.0, 0.0], [0.0, 7.0, 2.0], [1.0, 3.0, 4.0]])
    data = pd.DataFrame(
        [
            {"intermediate": f"s{i}", "target": f"t{j}", "similarity": x[i, j], "gain": 2 * x[i, j] + i - j}
            for i in range(3)
            for j in range(3)
        ]
    )
    result = permute_tasks(data, rng=np.random.default_rng(0))
    assert result.counts["permutations"] == 36
    assert result.p == pytest.approx(1 / 36)
    assert result.estimate == pytest.approx(2.0)


def test_random_p_has_the_plus_one_and_comes_near_the_exact_one():
    data = grid(11, sources=5, targets=5, slope=0.8)
    exact = permute_tasks(data, rng=np.random.default_rng(0), permutations=14400)
    drawn = permute_tasks(data, rng=np.random.default_rng(0), permutations=3999)
    assert "exact" in exact.summary()
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 4000) + 1 / 4000)
    assert drawn.p * 4000 == pytest.approx(round(drawn.p * 4000))
    strong = permute_tasks(grid(1, slope=50.0), rng=np.random.default_rng(0), permutations=99)
    assert strong.p == pytest.approx(1 / 100)


def test_same_seed_same_numbers_and_task_effects_do_not_matter():
    data = grid(8)
    shifted = data.assign(gain=data["gain"] + 9.0 * data["target"].str[1:].astype(int))
    p = [permute_tasks(d, rng=np.random.default_rng(3), permutations=999).p for d in (data, data, shifted)]
    assert p[0] == p[1] == p[2]


def test_within_kinds_only_kin_change_places():
    data = grid(2, sources=4, targets=6, kinds=2)
    result = permute_tasks(data, rng=np.random.default_rng(0), kind=("intermediate_kind", "target_kind"))
    assert result.counts["permutations"] == 2 * 2 * 6 * 6


def test_missing_cells_leave_p_close_to_the_complete_one():
    data = grid(6, slope=0.4)
    whole = permute_tasks(data, rng=np.random.default_rng(0))
    gap = permute_tasks(data.drop(index=[0]), rng=np.random.default_rng(0))
    assert gap.counts["pairs"] == 80
    assert gap.p == pytest.approx(whole.p, abs=0.05)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda d: d[d["target"] < "t2"], {}, "'target' has 2 levels"),
        (lambda d: d.assign(similarity=3.0), {}, "is constant"),
        (lambda d: d.assign(z=2 * d["similarity"]), {"covariates": ["z"]}, "beyond task means"),
        (lambda d: d, {"scheme": "raw"}, "unknown scheme"),
        (lambda d: d.assign(a=d["intermediate"], b=d["target"]), {"kind": ("a", "b")}, "no task can move"),
        (lambda d: d.assign(a=d["target"], b=d["target"]), {"kind": ("a", "b")}, "several values"),
    ],
)
def test_refusals(change, arguments, message):
    with pytest.raises(InputError, match=message):
        permute_tasks(change(grid()), rng=np.random.default_rng(0), **arguments)


def test_rank_of_tasks_is_that_of_their_dummies():
    rng = np.random.default_rng(11)
    present = rng.random((200, 5, 4)) < 0.4
    rows, columns = (i.ravel() for i in np.indices((5, 4)))
    design = np.hstack([np.eye(5)[rows], np.eye(4)[columns]])
    expected = [np.linalg.matrix_rank(design[cells.ravel()]) if cells.any() else 0 for cells in present]
    np.testing.assert_array_equal(task_rank(present), expected)


def block_grid(bridge: int, seed: int) -> pd.DataFrame:
    """Two blocks of tasks that share `bridge` sources: the others have pairs in one block alone."""
    data = grid(seed, sources=8, targets=6)
    source, target = (data[c].rank(method="dense").astype(int) - 1 for c in COLUMNS[:2])
    return data[(source < bridge) | ((source % 2) == (target % 2))]


def test_too_many_missing_pairs_are_refused():
    with pytest.raises(InputError, match="too few in common"):
        permute_tasks(
            block_grid(0, 3).query("index % 3 != 0"), rng=np.random.default_rng(0), permutations=499
        )


def test_orders_without_a_degree_of_freedom_are_no_zeros():
    """A statistic near zero has a p near one: orders that test nothing must not count as less extreme."""
    found = []
    for seed in range(40):
        result = permute_tasks(block_grid(1, seed), rng=np.random.default_rng(seed), permutations=299)
        found.append((abs(result.table["statistic"].iloc[0]), result.p))
    small = [p for statistic, p in found if statistic < 0.15]
    assert small and min(small) > 0.75
    assert np.isfinite(result.distribution).all()
