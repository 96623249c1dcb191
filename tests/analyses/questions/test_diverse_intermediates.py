"""Diverse intermediates: sets as units, by hand and on simulated tables of the world grid's shape."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from analyses import choose_sets, load_run, set_arms, set_contrast
from analyses.inference.sets import precision_of
from analyses.questions.diverse_intermediates import PRIMARY, answer, design
from analyses.questions.language_sets import language_sets, linked
from simxfer.common.errors import InputError

GRIDS = Path(__file__).parents[3] / "data" / "grids"


def test_contrast_by_hand():
    """Three pairs of equal languages: the slope is the mean of their differences, 3, 1 and 4, the spread theirs."""
    sets = ["a,b", "b,c", "a,c"] * 2
    data = pd.DataFrame({"languages": sets, "arm": [1, 1, 1, 0, 0, 0], "score": [8, 7, 9, 5, 6, 5]})
    found = set_contrast(data).table.iloc[0]
    assert found["estimate"] == pytest.approx(8 / 3)
    assert (found["df"], found["precision"]) == (2, pytest.approx(1.5))
    assert found["se"] == pytest.approx(np.std([3, 1, 4], ddof=1) / np.sqrt(3))


def test_arms_without_a_common_language_are_refused():
    sets = ["a,b", "b,c", "a,c", "d,e", "e,f", "d,f"] * 2
    data = pd.DataFrame({"languages": sets, "arm": [1, 1, 1, 0, 0, 0] * 2, "score": np.arange(12.0) ** 2})
    with pytest.raises(InputError, match="tells its arm"):
        set_contrast(data)
    assert precision_of(data["arm"].to_numpy(), data["languages"])[0] == 0


def test_language_effects_do_not_enter_the_contrast():
    rng = np.random.default_rng(1)
    kin = pd.DataFrame(rng.random((6, 6)), list("abcdef"), list("abcdef"))
    diverse, alike = choose_sets(kin + kin.T, 3, 6, rng)
    data = pd.DataFrame({"languages": [",".join(s) for s in (*diverse, *alike)], "arm": [1] * 6 + [0] * 6})
    data["score"] = rng.normal(size=12)
    worth = dict(zip("abcdef", rng.normal(size=6) * 50, strict=True))
    moved = data.assign(
        score=data["score"] + [sum(worth[c] for c in s.split(",")) for s in data["languages"]]
    )
    assert set_contrast(moved).estimate == pytest.approx(set_contrast(data).estimate)
    assert set_contrast(moved).p == pytest.approx(set_contrast(data).p)


def test_bands_are_thirds_of_all_sets_of_the_pool():
    names = list("abcdef")
    kin = pd.DataFrame(np.abs(np.subtract.outer(np.arange(6.0), np.arange(6.0)) ** 2), names, names)
    arms = set_arms(list(combinations(names, 2)), kin)
    assert arms["arm"].value_counts()["diverse"] >= 5
    assert (
        arms.loc[arms["arm"] == "diverse", "diversity"].min()
        > arms.loc[arms["arm"] == "alike", "diversity"].max()
    )


def test_sets_that_share_languages_are_one_pool():
    names = ["none", "t", "t@a,b", "t@b,c", "t@d,e", "t@a,b,c", "t@a,b>u", "t@d,e+u"]
    sets = language_sets(names)
    assert sets["intermediate"].tolist() == ["t@a,b", "t@b,c", "t@d,e"]
    assert [codes for _, codes in linked(sets)] == [["a", "b", "c"], ["d", "e"]]


def simulated(directory, effect, rng, sets=None, missing=()):
    """Write results of the world grid's shape: sets of an own vocabulary know what they were taught, plus `effect`
    for diverse sets of the other pool."""
    grid = yaml.safe_load((GRIDS / "diverse-intermediates.yaml").read_text())
    from simxfer.world.languages import languages_table

    names = [name for block in grid["blocks"] for name in block["intermediates"]]
    taught = {name: name.partition("@")[2].split(",") for name in names}
    rows = []
    for checkpoint in grid["encoders"]:
        level = dict(zip(grid["languages"], rng.normal(50, 5, len(grid["languages"])), strict=True))
        for i, name in enumerate(names):
            for language in grid["languages"]:
                split = "test/unseen" if language == "x-pivot" else "test/unseen+translated"
                value = level[language] + rng.normal(0, 2) + 40 * (language in taught[name])
                value += effect * (8 <= i < 16)
                if (checkpoint, name) not in missing:
                    rows.append((checkpoint, name, language, split, value))
    table = pd.DataFrame(rows, columns=["checkpoint", "intermediate", "language", "split", "value"])
    fixed = {"run": "r", "model": "m", "method": "full", "target": "w-is-a", "perturbation": "clean"}
    table = table.assign(
        **fixed, selection="last", seed=0, metric="accuracy", n_examples=240, flags="", stage="s"
    )
    table["value"] = table["value"].clip(0, 100)
    directory.mkdir(exist_ok=True)
    table.to_csv(directory / "results.csv", index=False)
    languages_table().to_csv(directory / "languages.csv", index=False)
    (directory / "grid.json").write_text('{"margin": 5, "pivot": "x-pivot"}')
    return load_run(directory)


def test_planted_effects_and_absences_are_told_apart(tmp_path):
    found = answer(simulated(tmp_path, 0.0, np.random.default_rng(3)))
    assert found.primary_test.endswith(PRIMARY)
    assert "equivalent within" in found.sentence
    (low, high) = next(
        t.interval for n, t in found.inferences.items() if n.endswith("that the set was taught")
    )
    assert low < 40 < high or abs(low - 40) < 5


def test_a_planted_effect_of_diversity_is_found(tmp_path):
    found = answer(simulated(tmp_path, 12.0, np.random.default_rng(4)))
    low, high = found.primary.interval
    assert 0 < low < 12 < high


def test_a_set_that_is_not_scored_is_said(tmp_path):
    encoders = [f"world/w{w}-s{s}" for w in (0, 1) for s in range(3)]
    lost = {(name, "w-tag-a@x-fus,x-na,x-sov") for name in encoders}
    found = answer(simulated(tmp_path, 0.0, np.random.default_rng(5), missing=lost))
    assert found.answered and found.primary is not None


def test_other_runs_get_no_answer(tmp_path):
    run = simulated(tmp_path, 0.0, np.random.default_rng(6))
    from dataclasses import replace

    assert answer(replace(run, results=run.results[run.results["intermediate"] == "none"])) is None


@pytest.mark.parametrize("name", ["diverse-intermediates", "diverse-intermediates-real"])
def test_the_grids_say_what_they_can_show(name):
    grid = yaml.safe_load((GRIDS / f"{name}.yaml").read_text())
    names = [i for block in grid["blocks"] for i in block["intermediates"]]
    cells = pd.DataFrame({"intermediate": names}).assign(checkpoint=grid["encoders"][0], seed=0)
    assert any("attainable" in line for line in design(cells, grid["margin"]))
