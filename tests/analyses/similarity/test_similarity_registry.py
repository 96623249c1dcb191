"""One contract for all measures: range, direction, symmetry, self, order, duplication, one example, NaN."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import analyses.similarity as similarity
from analyses.similarity import MEASURES, Measure
from simxfer.common.errors import InputError

REPOSITORY = Path(__file__).parents[3]
COUNTS, RATES = ("subword counts",), ("pieces per word", "share of unknown pieces")
PAIRS = {name: m for name, m in MEASURES.items() if "embeddings" in m.needs}
COUNTED = {name: m for name, m in MEASURES.items() if m.needs in COUNTS}
RATED = {name: m for name, m in MEASURES.items() if m.needs in RATES}
FEATURED = {
    name: m
    for name, m in MEASURES.items()
    if "features of the data" in m.needs or m.needs == "typological features"
}
LABELLED = {name: m for name, m in MEASURES.items() if m.needs.endswith("labels")}
OTHER = {"structural", "geographic", "linear_cka", "taskemb"}

NOT_INVARIANT_TO_DUPLICATION = {"mmd", "mmd_centred", "log_me", "regularized_h_score", "knn_accuracy"}
"""Unbiased MMD leaves out pairs of an example with itself, of which copies make more; evidence, shrinkage and
leave-one-out neighbours count examples. All else is a function of the empirical distribution."""


def two_sets(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(30, 6)) + 0.5, rng.normal(size=(20, 6))


def arguments(measure: Measure, seed: int = 0) -> tuple:
    """Two valid inputs for any measure."""
    rng = np.random.default_rng(seed)
    if measure.needs in COUNTS:
        return rng.integers(0, 9, 12), rng.integers(0, 9, 12)
    if measure.needs in RATES:
        return tuple(rng.uniform(0.1, 0.9, 2))
    if measure.name in FEATURED:
        return tuple(rng.integers(0, 2, (2, 40)).astype(float))
    if measure.name == "geographic":
        return np.array([10.0, 20.0]), np.array([-30.0, 80.0])
    if measure.name == "structural":
        return rng.normal(size=(4, 3)), np.array([["a"], ["b"], ["a"], ["b"]])
    if measure.name == "taskemb":
        return tuple(rng.gamma(0.5, size=(2, 40)))
    if measure.name == "linear_cka":
        return rng.normal(size=(30, 6)), rng.normal(size=(30, 4))
    if measure.name in LABELLED:
        return labelled(measure, rng)
    return two_sets(seed)


def labelled(measure: Measure, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(60) % 3
    if measure.name == "leep":
        return rng.dirichlet(np.ones(4), 60), labels
    if measure.name == "nce":
        return rng.integers(0, 4, 60), labels
    return rng.normal(size=(60, 6)) + labels[:, None], labels


def scalar(value) -> float:
    """Gower's similarity returns all pairs and the shares; every other measure a number."""
    return float(value[0][0, 1]) if isinstance(value, tuple) else float(value)


def test_every_measure_is_in_one_group_of_this_contract():
    groups = [PAIRS, COUNTED, RATED, FEATURED, LABELLED, OTHER]
    assert sorted(name for group in groups for name in group) == sorted(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("seed", range(3))
def test_values_are_numbers_in_the_stated_range(name, seed):
    measure = MEASURES[name]
    value = scalar(measure.function(*arguments(measure, seed)))
    assert measure.low <= value <= measure.high and not np.isnan(value)
    assert measure.reference and measure.needs and measure.name == name


@pytest.mark.parametrize("name", MEASURES)
def test_inputs_are_left_as_they_were(name):
    given = [np.array(x) for x in arguments(MEASURES[name])]
    before = [x.copy() for x in given]
    MEASURES[name].function(*given)
    for x, y in zip(given, before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", [*PAIRS, *COUNTED, *RATED, *FEATURED, "geographic", "taskemb"])
def test_direction_is_as_stated(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    there, back = measure.function(x, y), measure.function(y, x)
    if measure.directed:
        assert there != pytest.approx(back)
    else:
        assert there == pytest.approx(back, abs=1e-9)


@pytest.mark.parametrize("name", [*PAIRS, *COUNTED, *RATED, *FEATURED, "geographic", "taskemb"])
def test_nothing_is_more_alike_than_the_thing_itself(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    itself = measure.function(x, x)
    assert itself >= measure.function(x, y)
    if not name.startswith("mmd"):  # unbiased: around 0, not at it
        assert itself == pytest.approx(0.0 if measure.high == 0 else measure.high, abs=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_a_nearer_set_is_more_alike(name):
    measure = MEASURES[name]
    x, noise = two_sets()
    values = [
        measure.function(x, np.resize(x, noise.shape) + shift + 0.1 * noise) for shift in (0.0, -1.0, -3.0)
    ]
    assert values[0] > values[1]
    assert values[1] > values[2] or name.startswith("mmd")  # a Gaussian kernel saturates


@pytest.mark.parametrize("name", [*PAIRS, *LABELLED])
def test_the_order_of_examples_says_nothing(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    permutation = np.random.default_rng(5).permutation(len(x))
    moved = (x[permutation], y[permutation] if name in LABELLED else y[::-1])
    assert measure.function(*moved) == pytest.approx(measure.function(x, y), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", sorted({*PAIRS, *LABELLED} - NOT_INVARIANT_TO_DUPLICATION))
def test_copies_of_all_examples_say_nothing(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    twice = (np.concatenate([x, x]), np.concatenate([y, y]) if name in LABELLED else y)
    assert measure.function(*twice) == pytest.approx(measure.function(x, y), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", sorted(NOT_INVARIANT_TO_DUPLICATION))
def test_no_measure_is_excused_from_duplication_without_need(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    twice = (np.concatenate([x, x]), np.concatenate([y, y]) if name in LABELLED else y)
    assert measure.function(*twice) != pytest.approx(measure.function(x, y), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", [n for n in (*PAIRS, *LABELLED, "linear_cka") if n != "nce"])  # nce: labels
def test_nan_and_infinity_are_refused(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    for bad in (np.nan, np.inf):
        spoilt = x.copy()
        spoilt[3, 1] = bad
        with pytest.raises(InputError, match="NaN or infinite"):
            measure.function(spoilt, y)


@pytest.mark.parametrize("name", [*PAIRS, *LABELLED, "linear_cka"])
def test_one_example_gives_a_number_or_an_error_never_nan(name):
    measure = MEASURES[name]
    x, y = arguments(measure)
    one = (x[:1], y[:1]) if name in [*LABELLED, "linear_cka"] else (x[:1], y)
    try:
        value = measure.function(*one)
    except InputError as error:
        assert "expected at least" in str(error)
    else:
        assert measure.low <= value <= measure.high


@pytest.mark.parametrize("name", [*PAIRS, *LABELLED, "linear_cka"])
def test_constant_features_give_a_defined_answer(name):
    """All examples at one point: alike for pairs; nothing learnt for labels; undefined without variance."""
    measure = MEASURES[name]
    if name in LABELLED:
        labels = np.arange(60) % 3
        constant = np.full(60, 0) if name == "nce" else np.full((60, 4), 0.25)
        value = measure.function(constant, labels)
        expected = {"transrate": 0.0, "regularized_h_score": 0.0, "leep": -np.log(3), "nce": -np.log(3)}
        assert value == pytest.approx(expected[name]) if name in expected else np.isfinite(value)
    elif name == "linear_cka":
        assert np.isnan(measure.function(np.ones((5, 3)), np.ones((5, 3))))
    else:
        itself = measure.function(np.ones((5, 3)), np.ones((4, 3)))
        assert itself == pytest.approx(0.0 if measure.high in (0, 2) else 1.0)


@pytest.mark.parametrize("name", PAIRS)
def test_dimensions_must_agree(name):
    x, y = two_sets()
    with pytest.raises(InputError, match="dimensions"):
        MEASURES[name].function(x, y[:, :3])


def test_every_public_name_resolves():
    for name in dir(similarity):
        assert getattr(similarity, name) is not None
    with pytest.raises(AttributeError, match="Did you mean 'log_me'"):
        similarity.logme  # noqa: B018


def test_import_is_light():
    """No torch, transformers, sentence-transformers nor scikit-learn at import."""
    code = (
        "import sys, analyses.similarity.assemble\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
