"""The study of adversarial training: gain, loss, equivalence and no evidence on simulated tables; controls; gaps."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyses.questions.adversaries import adversaries, by_pair, declared, differences
from analyses.questions.domain_adversarial import answer, design
from analyses.questions.gains import method_scores
from analyses.run import load_run
from simxfer.schema.tables import RESULTS, validate

WEAK, STRONG = "adversarial(mean,strength=0.1)", "adversarial(mean)"
PERMUTED = "adversarial(mean,strength=0.1,labels=permuted)"
FIRST_ONLY = "adversarial(mean,strength=0.1)>full"
LANGUAGES = ("en", "de", "sw", "th")


def results(
    effects: dict[str, float | dict[str, float]], n: int = 6, noise: float = 0.3, **more
) -> pd.DataFrame:
    """Return a results table: full at 60 points, effects by method, each also by target or by language."""
    rng = np.random.default_rng(more.get("seed", 3))
    rows = []
    for target in more.get("targets", ("xnli",)):
        for intermediate in more.get("intermediates", ("none",)):
            for seed in range(n):
                level = rng.normal(0, 2)
                for method, effect in {"full": 0.0, **effects}.items():
                    own = rng.normal(0, noise)
                    for language in LANGUAGES:
                        by = effect if isinstance(effect, dict) else {target: effect}
                        value = 60 + level + own + by.get(target, 0.0) + by.get(language, 0.0)
                        rows.append((method, intermediate, target, language, seed, value))
    columns = ["method", "intermediate", "target", "language", "seed", "value"]
    table = pd.DataFrame(rows, columns=columns).assign(
        run="simulated", model="xlmr", checkpoint="xlmr", split="test", perturbation="clean", selection="last",
        metric="accuracy", n_examples=100, flags="",
    )  # fmt: skip
    table["stage"] = table["method"] + table["intermediate"] + table["target"] + table["seed"].astype(str)
    return validate(table, RESULTS, "simulated")


def loaded(folder: Path, table: pd.DataFrame, **grid):
    table.to_csv(folder / "results.csv", index=False)
    (folder / "grid.json").write_text(json.dumps({"pivot": "en", **grid}))
    return load_run(folder)


def test_methods_are_recognised_by_what_they_are():
    known = adversaries(
        ["full", WEAK, PERMUTED, FIRST_ONLY, "adversarial(strength=0)", "DANN", "lora(r=8)", WEAK]
    )
    assert [one.method for one in known] == [WEAK, PERMUTED, FIRST_ONLY]
    assert [one.throughout for one in known] == [True, False, False]
    assert known[1].permuted and (known[2].intermediate, known[2].target) == (True, False)


def test_the_first_of_the_grid_is_judged_and_no_control():
    known = adversaries([PERMUTED, STRONG, WEAK])
    assert declared(known, [PERMUTED, WEAK, STRONG]).method == WEAK
    assert declared(known, []).method == STRONG
    assert declared(adversaries([PERMUTED, FIRST_ONLY]), []).method == FIRST_ONLY


def test_differences_by_hand(tmp_path):
    """Two seeds: 2 and 4 points in German, 0 in Swahili, which the second seed lacks with the adversary."""
    table = results({WEAK: {}}, n=2, noise=0.0)
    changed = (table["method"] == WEAK) & (table["language"] == "de")
    table.loc[changed, "value"] += table.loc[changed, "seed"].map({0: 2.0, 1: 4.0})
    gone = (table["method"] == WEAK) & (table["language"] == "sw") & (table["seed"] == 1)
    run = loaded(tmp_path, table[~gone])
    (known,) = adversaries([WEAK])
    found = differences(method_scores(run, ["full", WEAK]), known)
    units = found["none", "xnli"].table
    assert units["de"].tolist() == pytest.approx([2, 4]) and units["sw"].isna().tolist() == [False, True]
    # of German and Thai, which both seeds have
    assert by_pair(found, "en")["xnli"].tolist() == pytest.approx([1, 2])


def test_an_adversary_in_the_intermediate_stage_only_is_full_after_none(tmp_path):
    run = loaded(tmp_path, results({FIRST_ONLY: 1.0}, intermediates=("none", "mnli")))
    (known,) = adversaries([FIRST_ONLY])
    assert list(differences(method_scores(run, ["full", FIRST_ONLY]), known)) == [("mnli", "xnli")]
    alone = loaded(tmp_path, results({FIRST_ONLY: 0.0}))
    assert answer(alone) is None


@pytest.mark.parametrize(
    ("effect", "noise", "begins"),
    [
        (5.0, 0.3, "Yes: adversarial(mean,strength=0.1) beats full"),
        (-5.0, 0.3, "The opposite: adversarial(mean,strength=0.1) scores below full"),
        (0.0, 0.2, "Equivalent: adversarial(mean,strength=0.1) stays within ±1 points"),
        (0.0, 4.0, "No evidence: adversarial(mean,strength=0.1) is shown neither"),
    ],
)
def test_every_verdict_can_be_said(tmp_path, effect, noise, begins):
    found = answer(loaded(tmp_path, results({WEAK: effect}, noise=noise), margin=1))
    assert found.sentence.startswith(begins), found.sentence
    low, high = found.primary.interval
    assert low < effect < high


def test_a_gain_a_loss_and_an_absence_are_told_apart(tmp_path):
    effects = {WEAK: {"xnli": 5.0, "udpos": -20.0, "panx": 0.0}}
    run = loaded(tmp_path, results(effects, targets=("xnli", "udpos", "panx"), noise=0.2), margin=1)
    found = answer(run)
    assert found.sentence.startswith("It depends on the tasks")
    verdicts = found.tables["By tasks, the declared strength (points)"].set_index("tasks")["verdict"]
    assert verdicts[["xnli", "udpos", "panx"]].tolist() == ["gain", "loss", "equivalent"]


def test_a_gain_beside_an_absence_is_no_equivalence_of_both(tmp_path):
    run = loaded(tmp_path, results({WEAK: {"xnli": 5.0}}, targets=("xnli", "panx"), noise=0.2), margin=4)
    found = answer(run)
    assert found.sentence.startswith("It depends on the tasks")
    assert "within ±4 points of full in zero-shot languages: +2." in found.sentence
    verdicts = found.tables["By tasks, the declared strength (points)"].set_index("tasks")["verdict"]
    assert verdicts[["mean over tasks", "xnli", "panx"]].tolist() == ["equivalent", "gain", "equivalent"]


def test_controls_and_dose_response_stand_beside(tmp_path):
    table = results({WEAK: 3.0, STRONG: -4.0, PERMUTED: 1.0, FIRST_ONLY: 0.0}, intermediates=("none", "mnli"))
    found = answer(loaded(tmp_path, table, methods=["full", WEAK, STRONG, PERMUTED, FIRST_ONLY]))
    doses = found.tables["By method and strength (points; an oracle's choice where one is picked by it)"]
    assert doses["method"].tolist() == [WEAK, STRONG, FIRST_ONLY, PERMUTED]
    assert doses["pairs"].tolist() == [2, 2, 1, 2]
    against = found.inferences[f"{WEAK} minus its permuted control"]
    assert against.interval[0] < 2.0 < against.interval[1]
    said = " ".join(found.findings)
    assert "with permuted labels of languages: +" in said and f"({FIRST_ONLY}) minus full" in said
    assert not found.flags[1:]


def test_a_collapse_of_one_language_is_its_own_line(tmp_path):
    found = answer(loaded(tmp_path, results({WEAK: {"th": -30.0, "de": -1.0, "sw": -1.0}})))
    (line,) = (text for text in found.findings if text.startswith("Collapse"))
    assert "th on xnli" in line and "de on" not in line


def test_three_seeds_are_not_judged(tmp_path):
    found = answer(loaded(tmp_path, results({WEAK: 3.0}, n=3)))
    assert found.sentence.startswith("Not judged") and "replicates from" in found.sentence
    assert found.primary is None


def test_other_runs_are_somebody_elses(tmp_path):
    table = results({WEAK: 3.0})
    assert answer(loaded(tmp_path, table[table["method"] == "full"])) is None
    assert answer(loaded(tmp_path, table[table["method"] == WEAK])) is None
    english = answer(loaded(tmp_path, table[table["language"] == "en"]))
    assert not english.answered and "no language but the pivot" in english.sentence


def test_tasks_that_lack_seeds_are_left_out_and_said(tmp_path):
    table = results({WEAK: 3.0, STRONG: 0.0}, targets=("xnli", "udpos"))
    gone = (table["target"] == "udpos") & (table["seed"] > 2) & (table["method"] == WEAK)
    found = answer(loaded(tmp_path, table[~gone]))
    flags = " ".join(found.flags)
    assert "1 of 2 pairs of tasks lack replicates" in flags and "no grid declares a strength" in flags
    assert found.tables["By tasks, the declared strength (points)"]["tasks"].tolist() == [
        "mean over tasks",
        "xnli",
    ]


@pytest.mark.parametrize(("seeds", "words"), [(5, "1.66 SDs"), (3, "no verdict")])
def test_the_design_says_what_it_can_show(seeds, words):
    rows = [("xlmr", m, "none", "xnli", "de", "clean", r) for m in ("full", WEAK) for r in range(seeds)]
    columns = ["checkpoint", "method", "intermediate", "target", "language", "perturbation", "seed"]
    said = " ".join(design(pd.DataFrame(rows, columns=columns), 1.0))
    assert words in said and f"judged: {WEAK}" in said
    assert "cannot be answered" in " ".join(design(pd.DataFrame(rows[:1], columns=columns), 1.0))
