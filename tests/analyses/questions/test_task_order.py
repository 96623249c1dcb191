"""The study of task order: outcomes by hand, planted effects and absences, few replicates, tables of others."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.inference.calibration.simulate import simulate_orders
from analyses.inference.orders import EARLIER, LAST
from analyses.questions import task_order
from analyses.questions.task_order import PERTURBED, answer, answered, by_outcome, design, six_orders
from analyses.run import load_run
from simxfer.schema.tables import RESULTS, validate

TASKS = ("mnli", "squad_v1", "hellaswag")
ORDERS = sorted(">".join(order) for order in permutations(TASKS))
TYPOS = "typos(0.2)"


def results(scores: pd.DataFrame, clean: pd.DataFrame, languages=("en", "de"), target="xnli") -> pd.DataFrame:
    """Return a results table of replicates (seeds) x orders; every language has its own level."""
    rows = [
        {
            "run": "simulated", "model": "xlmr", "checkpoint": "xlmr", "method": "full", "intermediate": name,
            "target": target, "language": language, "split": "test", "perturbation": perturbation,
            "selection": "last", "seed": int(seed), "metric": "accuracy", "n_examples": 100, "flags": "",
            "stage": f"{name}{seed}", "value": float(table.loc[seed, name]) - 5.0 * k,
        }
        for perturbation, table in (("clean", clean), (TYPOS, scores))
        for seed in table.index
        for name in table.columns
        for k, language in enumerate(languages)
    ]  # fmt: skip
    return validate(pd.DataFrame(rows), RESULTS, "simulated")


def written(folder: Path, table: pd.DataFrame, **grid) -> Path:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "results.csv", index=False)
    if grid:
        (folder / "grid.json").write_text(json.dumps({"pivot": "en", **grid}))
    return folder


def simulated(rng: np.random.Generator, n: int = 6, **effects: float) -> pd.DataFrame:
    """Return orders of TASKS around 60 points; effects by last task."""
    names = dict(zip("abc", TASKS, strict=True))
    drawn = simulate_orders(rng, n)
    drawn.columns = [">".join(names[task] for task in order.split(">")) for order in drawn.columns]
    return 60 + drawn + [effects.get(order.split(">")[-1], 0.0) for order in drawn.columns]


def test_only_all_six_orders_of_three_tasks_are_a_study():
    assert six_orders([*ORDERS, "none", "mnli>squad_v1", "a>b>c"]) == ORDERS
    assert six_orders(ORDERS[:5]) == [] and six_orders(["mnli>mnli>squad_v1"]) == []


def test_outcomes_by_hand(tmp_path):
    clean = pd.DataFrame(70.0, index=[0, 1], columns=[*ORDERS, "mnli"])
    worse = clean - 10.0
    worse.loc[1, ORDERS[0]] = 50.0
    run = load_run(written(tmp_path, results(worse, clean)))
    main = task_order.main_scores
    found = by_outcome(main(run), main(run, TYPOS), ORDERS)
    # Languages are 5 points apart: the mean of two lies 2.5 below the first.
    assert found["clean"].table.loc[0, "mnli"] == 67.5
    assert found[PERTURBED].table.loc[1, ORDERS[0]] == 47.5
    assert found["drop"].table.loc[:, ORDERS[0]].tolist() == [10.0, 20.0]
    assert found["drop"].unit == "seed"


def test_languages_are_those_that_all_orders_have(tmp_path):
    clean = pd.DataFrame(70.0, index=[0, 1], columns=ORDERS)
    table = results(clean - 10, clean)
    gone = (table["language"] == "de") & (table["intermediate"] == ORDERS[0]) & (table["seed"] == 1)
    run = load_run(written(tmp_path, table[~gone]))
    found = by_outcome(task_order.main_scores(run), task_order.main_scores(run, TYPOS), ORDERS)
    assert (found["clean"].table == 70.0).all().all()  # of English alone


def test_a_planted_effect_is_found_and_a_planted_absence_is_equivalent(tmp_path):
    rng = np.random.default_rng(5)
    perturbed, clean = simulated(rng, hellaswag=6.0), simulated(rng) + 10
    run = load_run(written(tmp_path, results(perturbed, clean), study="task-order", margin=4))
    found = answer(run)
    assert found.sentence.startswith("Yes") and "hellaswag last over " in found.sentence
    assert "Clean score: equivalent, all 6" in " ".join(found.findings)
    table = found.inferences[found.primary_test].table.set_index("term")
    assert table.loc[LAST, "p_holm"] < 0.01 < table.loc[EARLIER, "p_holm"]
    low, high = table.loc["hellaswag last minus mnli last", ["low", "high"]]
    assert low < 6 < high and low > 0
    kept = found.tables["Score by order (points, mean over replicates)"]
    assert set(kept["intermediate"]) == set(ORDERS)


def test_nothing_planted_is_no_evidence_and_never_no_effect(tmp_path):
    rng = np.random.default_rng(8)
    found = answer(load_run(written(tmp_path, results(simulated(rng), simulated(rng)))))
    assert found.sentence.startswith("No evidence that it does")
    assert (
        "Perturbed score: 1 of 6 differences of order are shown to be within ±1 points" in found.findings[0]
    )


def test_few_replicates_are_not_judged(tmp_path):
    rng = np.random.default_rng(1)
    found = answer(load_run(written(tmp_path, results(simulated(rng, 3), simulated(rng, 3)))))
    assert found.sentence.startswith("Not judged: 3 seeds") and not found.inferences and found.primary is None


def test_without_perturbed_scores_it_says_what_to_do(tmp_path):
    table = results(simulated(np.random.default_rng(1)), simulated(np.random.default_rng(2)))
    found = answer(load_run(written(tmp_path, table[table["perturbation"] == "clean"])))
    assert not found.answered and "Name perturbations in the grid" in found.sentence
    rest = table[table["intermediate"] != ORDERS[0]]
    assert answer(load_run(written(tmp_path, rest))) is None


def test_a_seed_without_all_orders_is_left_out_and_said(tmp_path):
    rng = np.random.default_rng(4)
    table = results(simulated(rng, 7), simulated(rng, 7))
    gone = (table["seed"] == 3) & (table["intermediate"] == ORDERS[2])
    found = answer(load_run(written(tmp_path, table[~gone])))
    assert "1 seed without all six orders left out" in " ".join(found.flags)
    assert found.inferences[found.primary_test].counts["replicates"] == 6


def test_scores_at_a_ceiling_are_shown_and_not_tested():
    from analyses.questions.replicates import Replicates

    same = Replicates(pd.DataFrame(100.0, index=range(6), columns=ORDERS), "seed", 1)
    moving = Replicates(simulated(np.random.default_rng(2)), "seed", 1)
    drop = Replicates(same.table - moving.table, "seed", 1)
    found = answered({PERTURBED: moving, "clean": same, "drop": drop}, ORDERS, 1.0, TYPOS)
    assert "Clean score: from 100.0 to 100.0" in " ".join(found.findings)


@pytest.mark.parametrize(("seeds", "words"), [(5, "1.66 SDs"), (3, "no verdict")])
def test_the_design_says_what_it_can_show(seeds, words):
    rows = [
        ("xlmr", "full", order, "xnli", "en", perturbation, seed)
        for order in ORDERS for perturbation in ("clean", TYPOS) for seed in range(seeds)
    ]  # fmt: skip
    columns = ["checkpoint", "method", "intermediate", "target", "language", "perturbation", "seed"]
    said = " ".join(design(pd.DataFrame(rows, columns=columns), 1.0))
    assert words in said and TYPOS in said
