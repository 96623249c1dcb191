"""The study of adapters: slopes, rankings and verdicts by hand, planted effects and absences, tables of others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from analyses.questions import adapter_similarity
from analyses.questions.adapter_similarity import answer, described, design
from analyses.questions.method_evidence import PRIMARY, evidence, gain_table, planted_similarity, slope_table
from analyses.questions.method_gains import MEAN, costs, is_adapter, is_dropped, method_gains, with_mean
from analyses.questions.method_rankings import half_agreement
from analyses.questions.method_slopes import centred_slope
from analyses.questions.scores import FULL
from analyses.run import load_run
from simxfer.schema.tables import RESULTS, validate
from simxfer.tasks.planted import label_agreement
from simxfer.world import WORLDS
from simxfer.world.attributes import attributes

PFEIFFER, LORA, DROPPED = (
    "adapter(pfeiffer,r=2)",
    "lora(r=32,alpha=16)",
    "adapter(pfeiffer,r=2,phases=dropped)",
)
TAUGHT = ("w-tag-a", "w-tag-a-1of8", "w-tag-a-2of8", "w-tag-a-3of8", "w-tag-a-4of8")
ENCODERS = ("world/w0-s0", "world/w1-s0")


def planted(
    rng: np.random.Generator, by_method: dict[str, float], seeds: int = 3, noise: float = 3.0
) -> pd.DataFrame:
    """Return results: `by_method` points from no agreement to full agreement, the control's scores those of `none`."""
    rows = []
    for method, slope in by_method.items():
        for checkpoint in ENCODERS:
            for seed in range(seeds):
                for target in ("w-is-a", "w-is-b"):
                    base = 40 + rng.normal(0, noise)
                    for name in ("none", *TAUGHT):
                        known = 0.0 if name == "none" else slope * label_agreement(name, target)
                        drawn = 0.0 if is_dropped(method) else rng.normal(0, noise)
                        rows.append(row(checkpoint, method, name, target, seed, base + known + drawn))
    return validate(pd.DataFrame(rows), RESULTS, "simulated")


def row(checkpoint, method, intermediate, target, seed, value, language="x-na"):
    split = "test/unseen" if target.startswith("w-is") else "test"
    return {
        "run": "simulated", "model": "m", "checkpoint": checkpoint, "method": method, "intermediate": intermediate,
        "target": target, "language": language, "split": split, "perturbation": "clean", "selection": "last",
        "seed": seed, "metric": "accuracy", "value": value, "n_examples": 240, "flags": "",
        "stage": f"{method}{checkpoint}{intermediate}{target}{seed}",
    }  # fmt: skip


def written(folder: Path, table: pd.DataFrame, pivot: str = "x-pivot", **grid) -> Path:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "results.csv", index=False)
    (folder / "grid.json").write_text(json.dumps({"pivot": pivot, **grid}))
    return folder


def real(rng: np.random.Generator, full: float, adapters: float, n: int = 6) -> tuple[pd.DataFrame, dict]:
    """Return gains and similarities of n x n tasks whose slopes, in points per unit, are as given."""
    sources, targets = [f"s{i}" for i in range(n)], [f"t{i}" for i in range(n)]
    pairs = pd.MultiIndex.from_product([sources, targets], names=["intermediate", "target"]).to_frame(
        index=False
    )
    value = rng.normal(size=len(pairs))
    rows = [
        {**pair, "language": "de", "checkpoint": "e", "seed": seed, "method": method, "same_data": False,
         "gain": slope * x + rng.normal(0, 0.3)}
        for pair, x in zip(pairs.to_dict("records"), value, strict=True)
        for method, slope in ((FULL, full), (PFEIFFER, adapters), (LORA, adapters))
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows), {PRIMARY: pairs.assign(value=value)}


@pytest.mark.parametrize("world", WORLDS)
def test_label_agreement_is_that_of_the_nouns(world):
    """Over all nouns, and over seen and unseen ones to the noun that an odd number leaves over."""
    for draw in range(5):
        drawn = attributes(world, draw)
        for k, name in enumerate(TAUGHT):
            taught = drawn.of(name.removeprefix("w-tag-"))
            assert 2 * (taught == drawn.a).mean() - 1 == label_agreement(name, "w-is-a") == 1 - k / 4
            assert (taught != drawn.a)[drawn.seen].sum() == (taught != drawn.a)[~drawn.seen].sum() == 3 * k
            # 26 of 48 for one and three eighths: nothing that rises with the dose.
            assert (taught == drawn.b).sum() == (24, 26, 24, 26, 24)[k]
            assert label_agreement(name, "w-is-b") == 0.0
            assert taught.sum() == 24
    assert label_agreement("w-tag-b", "w-share-b") == 1.0 and label_agreement("w-tag-0", "w-is-a") == 0.0
    assert label_agreement("w-nli", "w-is-a") is None and label_agreement("w-tag-a", "w-pos") is None


@pytest.mark.parametrize("world", WORLDS)
def test_half_flipped_tells_nothing_of_b_among_seen_nouns_of_a_class(world):
    """A* is B or not B there, the other way round among unseen nouns; half of A flipped is neither."""
    drawn = attributes(world, 0)
    noun_class = np.arange(48) // 8
    for c in range(6):
        for seen in (True, False):
            at = (noun_class == c) & (drawn.seen == seen)
            assert (drawn.of("a-4of8") == drawn.b)[at].mean() == 0.5
            assert (drawn.of("a-4of8") == drawn.a)[at].mean() == 0.5
            assert (drawn.a_star == drawn.b)[at].mean() in (0, 1)


def test_methods_are_told_apart():
    assert is_adapter(PFEIFFER) and is_adapter(LORA)
    assert not any(map(is_adapter, (FULL, DROPPED, "full>adapter(pfeiffer,r=2)", "adversarial(mean)")))


def test_centred_slope_by_hand():
    """Similarity 1, 0 over 0, 0: centred .25, -.25, -.25, .25; gains 50, 3, 2, 5: 12.5 over .25."""
    pairs = pd.DataFrame({"intermediate": [*"aabb"], "target": [*"xyxy"], "similarity": [1.0, 0, 0, 0]})
    assert centred_slope(pairs.assign(gain=[50.0, 3.0, 2.0, 5.0])) == pytest.approx(50.0)
    assert np.isnan(centred_slope(pairs.assign(similarity=[1.0, 1, 0, 0], gain=1.0)))


def test_the_mean_of_adapters_needs_all_of_them():
    gains = pd.DataFrame(
        [("s", m, g) for m, g in ((FULL, 9.0), (PFEIFFER, 1.0), (LORA, 3.0))] + [("u", PFEIFFER, 5.0)],
        columns=["intermediate", "method", "gain"],
    ).assign(target="t", language="de", checkpoint="e", seed=0, same_data=False)
    mean = with_mean(gains)[lambda rows: rows["method"] == MEAN]
    assert mean[["intermediate", "gain"]].to_numpy().tolist() == [["s", 2.0]]


def test_rankings_by_hand():
    """Full ranks a > b > c in both seeds, LoRA a > b > c in seed 0 and a > c > b in seed 1: taus 1, 1/3, and 2/3."""
    order = {(FULL, 0): (3, 2, 1), (FULL, 1): (3, 2, 1), (LORA, 0): (3, 2, 1), (LORA, 1): (3, 1, 2)}
    gains = pd.DataFrame(
        [
            (method, seed, name, gain)
            for (method, seed), values in order.items()
            for name, gain in zip("abc", values, strict=True)
        ],
        columns=["method", "seed", "intermediate", "gain"],
    ).assign(target="t", language="de", checkpoint="e")
    found = half_agreement(gains).set_index(["a", "b"])
    assert found["replicates a side"].unique().tolist() == [1]
    assert found["tau"].to_dict() == pytest.approx(
        {(FULL, FULL): 1, (LORA, LORA): 1 / 3, (FULL, LORA): 2 / 3}
    )
    assert half_agreement(gains[gains["seed"] == 0]).empty


def test_planted_effect_and_absences_are_recovered(tmp_path):
    table = planted(np.random.default_rng(1), {FULL: 50, PFEIFFER: 50, LORA: 30, DROPPED: 0})
    found = answer(load_run(written(tmp_path, table, margin=6.0)))
    assert found.answered and found.sentence.startswith("Yes")
    slopes = slope_table_of(found).set_index(["slope on", "method"])
    # Full agreement is 50 points, an interquartile range of these ten pairs .4375.
    everything = slopes.loc["all targets"]
    assert everything.loc[FULL, "low"] < 50 * 0.4375 < everything.loc[FULL, "high"]
    assert everything.loc[MEAN, "low"] < 40 * 0.4375 < everything.loc[MEAN, "high"]
    assert everything.loc[DROPPED, "within the margin"] == "exactly 0"
    absent = slopes.loc["w-is-b, absence planted"]
    assert absent.loc[[FULL, MEAN, LORA], "within the margin"].eq("equivalent").all()
    assert (absent.loc[[FULL, MEAN], "smallest detectable"] < 6).all()
    assert any("holds it" in text for text in found.findings)
    assert any("exactly 0 in all of 6 replicates" in text for text in found.findings)
    assert found.primary.table["df"].item() == 5


def slope_table_of(found) -> pd.DataFrame:
    return found.tables["Slopes by method (points per interquartile range of similarity)"]


def test_no_similarity_effect_is_said_to_be_no_evidence(tmp_path):
    table = planted(np.random.default_rng(2), {FULL: 0, PFEIFFER: 0, LORA: 0})
    found = answer(load_run(written(tmp_path, table, margin=6.0)))
    assert found.sentence.startswith("Not shown: no evidence that")
    assert "equivalent within" in found.sentence


def test_few_replicates_are_not_judged(tmp_path):
    table = planted(np.random.default_rng(3), {FULL: 50, PFEIFFER: 40}, seeds=1)
    found = answer(load_run(written(tmp_path, table)))
    assert found.answered and found.sentence.startswith("Not judged") and "replicates from" in found.sentence
    assert found.primary is None
    assert not any("nan" in text for text in (found.sentence, *found.findings))


def test_missing_cells_cost_their_replicate_alone(tmp_path):
    table = planted(np.random.default_rng(4), {FULL: 50, PFEIFFER: 50})
    lost = (table["method"] == PFEIFFER) & (table["seed"] == 2) & (table["target"] == "w-is-b")
    part = answer(load_run(written(tmp_path, table[~lost])))
    assert part.inferences[f"gain on label agreement, {FULL}"].counts["replicates"] == 6
    assert part.primary is None or part.primary.counts["replicates"] == 4


def test_other_runs_are_none_of_it(tmp_path):
    table = planted(np.random.default_rng(5), {FULL: 50, PFEIFFER: 50}, seeds=1)
    assert answer(load_run(written(tmp_path / "full", table[table["method"] == FULL]))) is None
    assert answer(load_run(written(tmp_path / "none", table[table["intermediate"] == "none"]))) is None
    orphans = table[(table["method"] == FULL) | (table["intermediate"] != "none")]
    found = answer(load_run(written(tmp_path / "orphans", orphans)))
    assert not found.answered and "of `none`" in found.sentence


def test_tasks_are_the_units_of_real_similarity():
    gains, measures = real(np.random.default_rng(6), full=2.0, adapters=1.0)
    found = evidence(gains, measures, margin=1.0)
    spread = found.measured.spread
    assert found.slopes.adapters.interval[0] < 1.0 * spread < found.slopes.adapters.interval[1]
    assert found.slopes.difference.interval[0] < 1.0 * spread < found.slopes.difference.interval[1]
    assert found.slopes.adapters.table["df"].item() == 5
    text = described(found, pd.DataFrame()).sentence
    assert text.startswith("Yes") and "No, more under full fine-tuning" in text
    assert set(gain_table(found)["target"]) == {f"t{i}" for i in range(6)}
    assert set(slope_table(found)["method"]) == {MEAN, FULL, PFEIFFER, LORA, "full − mean of adapters"}


def test_equal_slopes_of_real_tasks_are_equivalent():
    gains, measures = real(np.random.default_rng(7), full=1.0, adapters=1.0)
    assert (
        "Yes, equivalent within ±1 points"
        in described(evidence(gains, measures, 1.0), pd.DataFrame()).sentence
    )


def test_an_outside_table_without_texts_is_answered_why(tmp_path):
    table = pd.DataFrame(
        [
            row("xlmr", method, name, target, 0, 60.0 + i, language=language)
            for method in (FULL, "lora(r=8,alpha=16)")
            for target in ("xnli", "panx")
            for language in ("en", "de")
            for i, name in enumerate(("none", "mnli", "squad_v1"))
        ]
    )
    found = answer(load_run(written(tmp_path, validate(table, RESULTS, "outside"), pivot="en")))
    assert not found.answered and "no sample texts" in found.sentence
    gains = method_gains(load_run(tmp_path))
    assert set(gains["language"]) == {"de"} and set(gains["gain"]) == {1.0, 2.0}
    assert planted_similarity(gains) == {}


def test_what_a_method_trains_is_counted_from_its_stages(tmp_path):
    run = load_run(written(tmp_path, planted(np.random.default_rng(8), {FULL: 1, LORA: 1}, seeds=1)))
    for name, shape in (("f", (10, 20)), ("l", (2, 5))):
        folder = tmp_path / "stages" / name
        folder.mkdir(parents=True)
        save_file({"w": np.zeros(shape, np.float32)}, folder / "encoder.safetensors")
        (folder / "done.json").write_text('{"seconds": 2.5}')
    stages = {"f": {"method": FULL, "data": [1]}, "l": {"method": LORA, "data": [1]}}
    table = costs(type(run)(**{**vars(run), "stages": stages}), [FULL, LORA]).set_index("method")
    assert table.loc[LORA].tolist() == [10, 5.0, 2.5] and table.loc[FULL, "trained weights"] == 200
    assert costs(run, [FULL, LORA]).empty


def test_a_plan_says_what_can_be_shown():
    cells = planted(np.random.default_rng(9), {FULL: 1, PFEIFFER: 1})
    lines = design(cells, 5.0)
    assert "label agreement" in lines[0] and PFEIFFER in lines[0] and "6 assignments" in lines[1]
    assert "3 and 3 replicates" in lines[-1]
    tasks = cells.assign(intermediate=cells["intermediate"].replace("w-tag-a", "w-nli"))
    assert "2 tasks" in " ".join(design(tasks, 1.0))
    assert adapter_similarity.NAME == "adapter-similarity"
