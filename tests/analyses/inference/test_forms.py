"""The one form of every procedure: each runs on a small grid and gives a result to tabulate, read and plot."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

import analyses.inference as inference
from analyses.inference import PROCEDURES, Inference, Truth
from analyses.inference.calibration.simulate import simulate_orders
from simxfer.common.errors import InputError
from simxfer.common.streams import stream

GRID = inference.simulate_grid(stream("forms", "grid"), Truth(sources=6, targets=5, languages=5, seeds=5))
SMALL = inference.simulate_results(stream("forms", "results"), Truth(sources=4, targets=3, languages=3))
METHODS = pd.concat(
    [GRID.assign(method="full"), GRID.assign(method="lora", gain=GRID["gain"].to_numpy()[::-1])]
)
FAMILIES = inference.simulate_families(stream("forms", "families"), 3)
KIN = inference.genealogical_covariance(FAMILIES)
LANGUAGES = pd.DataFrame(
    {"language": KIN.index, "x": np.arange(len(KIN)) % 5.0, "y": np.arange(len(KIN)) % 3.0}
)
FIRST, SECOND = (
    pd.DataFrame(np.abs(v[:, None] - v), KIN.index, KIN.index) for v in LANGUAGES[["x", "y"]].to_numpy().T
)
SCORES = pd.DataFrame({"example_id": range(30), "score": np.arange(30) % 2.0})
SETS = pd.DataFrame(
    {"languages": ["a,b", "b,c", "a,c"] * 2, "arm": [1, 1, 1, 0, 0, 0], "score": [8, 7, 9, 5, 6, 5]}
)
RANDOM, LARGE = "gain ~ 1 + (1 | intermediate)", "gain ~ similarity + (1 | intermediate)"
CALLS: dict[str, Callable[..., Inference]] = {
    "crossed_effects": lambda f, rng: f(GRID, LARGE),
    "likelihood_ratio": lambda f, rng: f(GRID, RANDOM, LARGE, rng=rng, simulations=9),
    "pair_regression": lambda f, rng: f(GRID),
    "language_regression": lambda f, rng: f(GRID.assign(similarity=GRID["similarity"] + GRID["noise"])),
    "pair_interaction": lambda f, rng: f(METHODS),
    "leave_one_out": lambda f, rng: f(GRID),
    "specification_curve": lambda f, rng: f(GRID, ["gain"], ["similarity"], rng=rng, permutations=19),
    "permute_tasks": lambda f, rng: f(GRID, rng=rng, permutations=19),
    "permute_labels": lambda f, rng: f(LANGUAGES, "y", "x", rng=rng, permutations=19),
    "pgls": lambda f, rng: f(LANGUAGES, "y", ["x"], covariance=KIN),
    "morans_i": lambda f, rng: f(LANGUAGES.set_index("language")["y"], KIN, rng=rng, permutations=19),
    "crossed_bootstrap": lambda f, rng: f(GRID, "gain", rng=rng, resamples=19),
    "simultaneous_means": lambda f, rng: f(
        GRID[GRID["target"] == "t0"], "gain", "intermediate", ["language"], rng=rng, resamples=19
    ),
    "max_t": lambda f, rng: f(GRID, "gain", ["similarity"], rng=rng, permutations=19),
    "paired_randomisation": lambda f, rng: f(
        SCORES, SCORES.assign(score=SCORES["score"].to_numpy()[::-1] * (SCORES.index > 3)), rng=rng, permutations=19
    ),
    "method_difference": lambda f, rng: f(pd.DataFrame(rng.normal(size=(6, 3)))),
    "set_contrast": lambda f, rng: f(SETS),
    "order_contrasts": lambda f, rng: f(simulate_orders(rng)),
    "equivalence": lambda f, rng: f(0.2, 0.1, 8),
    "power_of_grid": lambda f, rng: f(GRID, rng=rng, simulations=9),
    "rank_agreement": lambda f, rng: f(METHODS, "gain", "intermediate", "method", rng=rng, resamples=19),
    "intraclass_correlation": lambda f, rng: f(GRID, "gain", "intermediate", "seed"),
    "seed_reliability": lambda f, rng: f(GRID, rng=rng, resamples=19),
    "wild_cluster_bootstrap": lambda f, rng: f(GRID, "gain", "similarity", ["intermediate"], rng=rng, draws=19),
    "cluster_ols": lambda f, rng: f(GRID, "gain", ["similarity"], ["intermediate"]),
    "mantel": lambda f, rng: f(FIRST, SECOND, rng=rng, permutations=19),
}  # fmt: skip


FEW = [
    ("permute_tasks", lambda f, rng, n: f(GRID, rng=rng, permutations=n)),
    ("max_t", lambda f, rng, n: f(GRID, "gain", ["similarity"], rng=rng, permutations=n)),
    ("specification_curve", lambda f, rng, n: f(GRID, ["gain"], ["similarity"], rng=rng, permutations=n)),
    ("permute_labels", lambda f, rng, n: f(LANGUAGES, "y", "x", rng=rng, permutations=n)),
    ("morans_i", lambda f, rng, n: f(LANGUAGES.set_index("language")["y"], KIN, rng=rng, permutations=n)),
    ("mantel", lambda f, rng, n: f(FIRST, SECOND, rng=rng, permutations=n)),
    ("paired_randomisation", lambda f, rng, n: f(SCORES, SCORES.assign(score=1.0), rng=rng, permutations=n)),
    ("rank_agreement", lambda f, rng, n: f(METHODS, "gain", "intermediate", "method", rng=rng, permutations=n)),
]  # fmt: skip
CONSTANT = {
    "pair_regression": lambda f, d: f(d),
    "permute_tasks": lambda f, d: f(d, rng=stream("forms"), permutations=19),
    "max_t": lambda f, d: f(d, "gain", ["similarity"], rng=stream("forms"), permutations=19),
    "specification_curve": lambda f, d: f(d, ["gain"], ["similarity"], rng=stream("forms"), permutations=19),
    "cluster_ols": lambda f, d: f(d, "gain", ["similarity"], ["intermediate"]),
    "wild_cluster_bootstrap": lambda f, d: f(
        d, "gain", "similarity", ["intermediate"], rng=stream("forms"), draws=19
    ),
    "crossed_effects": lambda f, d: f(d, LARGE),
    "power_of_grid": lambda f, d: f(d, rng=stream("forms"), simulations=9),
}  # fmt: skip


def run(name: str) -> Inference:
    return CALLS[name](getattr(inference, name), stream("forms", name))


def test_every_procedure_is_called_here():
    assert CALLS.keys() == PROCEDURES.keys()


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_result_tabulates_reads_plots_and_repeats(name):
    result = run(name)
    assert isinstance(result, Inference) and result.procedure.startswith(name)
    assert result.null and all(n > 0 for n in result.counts.values())
    assert {"term", "estimate", "low", "high", "p"} <= set(result.table.columns)
    assert result.recommended == PROCEDURES[name].recommended
    frame = result.to_frame()
    assert len(frame) == len(result.table) and (frame["procedure"] == result.procedure).all()
    assert all(term in result.summary() for term in result.table["term"])
    assert isinstance(result.plot(), go.Figure)
    pd.testing.assert_frame_equal(run(name).table, result.table)


@pytest.mark.parametrize(("name", "call"), FEW, ids=[name for name, _ in FEW])
def test_permutations_too_few_for_the_level_are_refused_or_told(name, call):
    function = getattr(inference, name)
    with pytest.raises(InputError, match="permutations is 0"):
        call(function, stream("forms"), 0)
    result = call(function, stream("forms"), 5)
    assert "no p can be smaller than 0.167" in result.summary()


@pytest.mark.parametrize("name", CONSTANT)
def test_a_constant_outcome_is_no_number(name):
    with pytest.raises(InputError, match=r"constant|explain the outcome exactly"):
        CONSTANT[name](getattr(inference, name), GRID.assign(gain=1.0))


@pytest.mark.parametrize("name", ["permute_tasks", "max_t", "specification_curve"])
def test_an_outcome_of_task_effects_alone_is_no_number(name):
    effects = GRID["intermediate"].str[1:].astype(int) + GRID["target"].str[1:].astype(int)
    with pytest.raises(InputError, match="the outcome beyond task means"):
        CONSTANT[name](getattr(inference, name), GRID.assign(gain=effects * 1.0))


@pytest.mark.parametrize("slope", [0, 2])
def test_an_outcome_without_residual_is_no_number(slope):
    languages, grid = LANGUAGES.assign(y=slope * LANGUAGES["x"]), GRID.assign(gain=slope * GRID["similarity"])
    with pytest.raises(InputError, match="explain the outcome exactly"):
        inference.pgls(languages, "y", ["x"], covariance=KIN)
    for name in ("cluster_ols", "wild_cluster_bootstrap", "crossed_effects"):
        with pytest.raises(InputError, match="explain the outcome exactly"):
            CONSTANT[name](getattr(inference, name), grid)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share(level):
    for call in (
        inference.pair_regression,
        lambda d, level: inference.crossed_effects(d, LARGE, level=level),
    ):
        with pytest.raises(InputError, match="between 0 and 1"):
            call(GRID, level=level)
    with pytest.raises(InputError, match="between 0 and 1"):
        inference.crossed_bootstrap(GRID, "gain", rng=stream("forms"), level=level)


def test_a_control_that_is_one_of_the_matrices_is_refused():
    for control in (FIRST, 2 * SECOND):
        with pytest.raises(InputError, match="the control is one of the two"):
            inference.mantel(FIRST, SECOND, control, rng=stream("forms"))


def test_a_specification_names_columns():
    with pytest.raises(InputError, match="Did you mean 'similarity'"):
        inference.specification_curve(GRID, ["gain"], ["similarty"], rng=stream("forms"))
