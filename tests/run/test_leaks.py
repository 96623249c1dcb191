"""Training rows that share an item with scored ones, from the grid to flags and receipts; ids of several languages."""

import json
import re

import pytest
import yaml
from trained import Trained, train

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.growth import compare
from simxfer.grid.plan import LATER, PLACES, Plan
from simxfer.run.train import train_grid
from simxfer.sources import read_examples, revision, sampled
from simxfer.sources.request import DataRequest
from simxfer.training.recipes import Hyperparameters

WORDS = ("be", "ri", "fa", "gekop", "hehu", "rakezi", "ta", "ko", "so", "mi")


def text(number: int) -> str:
    """A sentence that has its words with no other number."""
    return " ".join(WORDS[(number // 10**i) % 10] + place for i, place in enumerate("aeio"))


def write(folder, name: str, numbers, mark: str = "") -> None:
    rows = [f"{mark}{text(2 * n)}\t{mark}{text(2 * n + 1)}\t{n % 2}\n" for n in numbers]
    (folder / "pawsx").mkdir(parents=True, exist_ok=True)
    (folder / "pawsx" / name).write_text("".join(rows))


@pytest.fixture
def folder(tmp_path):
    """Paraphrases in three parallel languages: 30 to train on, of which 0 to 9 are the first ones of the test set."""
    data = tmp_path / "data"
    for code, mark in (("en", ""), ("de", "zu "), ("fr", "lo ")):
        write(data, f"train-{code}.tsv", range(30), mark)
        write(data, f"test-{code}.tsv", (*range(10), *range(100, 110)), mark)
    return data


def grid(folder, checkpoint, intermediate="none", languages=("de",), targets=("pawsx",), **values) -> dict:
    values = {"steps": 4, "batch_size": 4, **values}
    return {
        "name": "leaks",
        "encoders": [str(checkpoint)],
        "seeds": [0],
        "languages": list(languages),
        "data": {"folder": str(folder)},
        "blocks": [{"intermediates": [intermediate], "targets": list(targets)}],
        "overrides": {"*": values},
    }


def planned(asked: dict) -> Plan:
    return expand(parse_grid(yaml.safe_dump(asked)), revision)


def test_rows_that_leak_are_left_out_and_counted(folder, tmp_path, checkpoint):
    """The limit draws from what remains; English rows leak whose German translation is scored."""
    made = train(tmp_path / "run", grid(folder, checkpoint, train_examples=20))
    [receipt] = made.done(made.cell().stage)["data"]
    assert receipt["examples"] == 20 and receipt["leaks"] == {"pawsx": 10}
    assert receipt["noted"] == {"left-out-as-leaks": 10}
    assert made.results["flags"].str.contains("left-out-as-leaks-in-training=pawsx:10").all()
    stage = made.plan.stages[made.cell().stage]
    assert {int(i) for i in ids_of(made, stage)[0]} == set(range(10, 30))
    assert not made.results["flags"].str.contains("seen").any()
    assert Plan.from_dict(json.loads(made.run.plan.read_text())).leaks == made.plan.leaks


def ids_of(made: Trained, stage) -> list[list[str]]:
    values = Hyperparameters(**stage.hyperparameters[0])
    read = made.runner.data.datasets(stage, stage.data[0], stage.parts[0], values)
    return [list(dataset.gold["id"]) for dataset in read]


def test_without_leaks_the_ids_of_stages_are_what_they_were(folder, checkpoint):
    leaking = planned(grid(folder, checkpoint))
    write(folder, "test-de.tsv", range(100, 110), "zu ")
    write(folder, "test-en.tsv", range(100, 110))
    clean = planned(grid(folder, checkpoint))
    assert leaking.leaks and not clean.leaks
    [one, two] = [list(plan.stages.values())[-1] for plan in (leaking, clean)]
    assert one.revisions == two.revisions and one.id != two.id and two.left_out == ""
    [changed] = compare(clean, leaking).changed[:1]
    assert "training rows left out because they share an item with what is scored" in changed
    named = {k: v for k, v in two._values().items() if k not in (*PLACES, *LATER)}
    assert two.id == content_id(named)


def test_a_target_counts_for_the_training_of_all_others(folder, checkpoint):
    """The intermediate is trained on what one target alone is scored on."""
    (folder / "qqp").mkdir()
    rows = [f"{n}\t0\t0\t{text(2 * n)} ?\tah {text(n)}\t{n % 2}\n" for n in range(5, 40)]
    head = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n"
    (folder / "qqp" / "train.tsv").write_text(head + "".join(rows))
    (folder / "panx").mkdir()
    for split in ("train", "test"):
        (folder / "panx" / f"{split}-en.tsv").write_text("en:ta\tO\nen:mi\tB-PER\n\n" * 2)
    asked = grid(folder, checkpoint, "qqp", ("en",), ("panx",))
    assert planned(asked).leaks.keys() == {"panx:train:en"}
    both = planned(grid(folder, checkpoint, "qqp", ("en",), ("panx", "pawsx")))
    assert both.leaks["qqp:train:en"].shared == {"pawsx": 5}
    assert both.leaks["pawsx:train:en"].ids == tuple(map(str, range(10)))


def test_a_set_of_which_no_batch_remains_is_refused_with_the_counts(folder, tmp_path, checkpoint):
    file = tmp_path / "grid.yaml"
    for kept, batch in ((0, 4), (3, 4)):
        write(folder, "train-en.tsv", (*range(10), *range(20, 20 + kept)))
        file.write_text(yaml.safe_dump(grid(folder, checkpoint, batch_size=batch)))
        said = (
            rf"pawsx, train, en: of {10 + kept} rows 10 are left out, as they share sentence or id \(10 with pawsx\); "
            rf"{kept} remain, and a batch has {batch}"
        )
        with pytest.raises(InputError, match=said):
            train_grid(file, tmp_path / "runs")
    assert not (tmp_path / "runs" / "leaks").exists()


def test_an_item_of_a_parallel_set_is_left_out_in_all_languages_trained_on(folder, checkpoint):
    """One English row is a scored sentence said otherwise; its French translation says nothing of it."""
    write(folder, "train-en.tsv", (*range(29), 105))
    plan = planned(grid(folder, checkpoint, "pawsx@en,fr"))
    place = DataRequest("pawsx", "train", "fr")
    assert "29" in plan.leaks["pawsx:train:en"].ids and "29" not in plan.leaks["pawsx:train:fr"].ids
    assert "29" in plan.left_out(place, ("en", "fr")) and "29" not in plan.left_out(place, ("fr",))


@pytest.mark.parametrize("examples", [7, 20, 100])
def test_languages_of_a_parallel_set_share_the_items_of_one(folder, tmp_path, checkpoint, examples):
    arms = {
        name: train(
            tmp_path / name.replace(",", "-"), grid(folder, checkpoint, name, train_examples=examples)
        )
        for name in ("pawsx@de", "pawsx@de,fr", "pawsx@de,en,fr")
    }
    drawn = {}
    for name, made in arms.items():
        [stage] = [stage for stage in made.plan.stages.values() if stage.phase == "intermediate-1"]
        drawn[name] = ids_of(made, stage)
        done = made.done(stage.id)
        assert sum(row["examples"] for row in done["data"]) == len(drawn["pawsx@de"][0])
        assert [row["examples"] for row in done["data"]] == list(map(len, drawn[name]))
        assert sum(row["updates"] for row in done["data"]) == pytest.approx(4)
        assert all(row["subwords"] > 0 and row["updates"] > 0 for row in done["data"])
        assert stage.expected[0].examples == len(range(49_401)[:examples])
    alone = drawn["pawsx@de"][0]
    assert len(alone) == min(examples, 20)
    for parts in drawn.values():
        together = [i for part in parts for i in part]
        assert sorted(together) == sorted(alone) and len(set(together)) == len(together)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_languages_of_the_world_share_the_items_of_one(tmp_path, checkpoint):
    drawn = {}
    for name in ("w-roles@x-agg", "w-roles@x-agg,x-cyrl,x-sov"):
        asked = grid("", checkpoint, name, ("x-agg",), ("w-xnli",), train_examples=20)
        made = train(tmp_path / re.sub(r"\W", "", name), {**asked, "data": {}})
        [stage] = [stage for stage in made.plan.stages.values() if stage.phase == "intermediate-1"]
        drawn[len(stage.data[0].languages)] = ids_of(made, stage)
    together = [i for part in drawn[3] for i in part]
    assert sorted(together) == sorted(drawn[1][0]) and len(set(together)) == 20


def test_languages_of_other_sets_draw_their_own(tmp_path, checkpoint):
    """Sentences that carry the same numbers in two languages are not the same: no language gives up any for another."""
    (tmp_path / "data" / "panx").mkdir(parents=True)
    for code, size in (("en", 40), ("de", 40), ("fr", 6)):
        sentences = [
            f"{code}:{w}\tO\n{code}:{text(n)[:2]}\tB-PER\n\n" for n in range(size) for w in WORDS[:1]
        ]
        for split in ("train", "test"):
            lines = [s.replace("be", f"{code}{split}") for s in sentences]
            (tmp_path / "data" / "panx" / f"{split}-{code}.tsv").write_text("".join(lines))
    asked = grid(tmp_path / "data", checkpoint, "panx@de,fr", ("en",), ("panx",), train_examples=16)
    made = train(tmp_path / "run", asked)
    [stage] = [stage for stage in made.plan.stages.values() if stage.phase == "intermediate-1"]
    assert list(map(len, ids_of(made, stage))) == [8, 6]


def test_hands_are_dealt_evenly_and_hold_what_was_drawn(folder):
    rows = read_examples(DataRequest("pawsx", "train", "de", folder=str(folder)))
    for limit in (None, 1, 7, 30, 99):
        hands = [sampled(rows, limit, (turn, 4)) for turn in range(4)]
        dealt = sorted(e.id for hand in hands for e in hand)
        assert dealt == sorted(e.id for e in sampled(rows, limit))
        assert max(map(len, hands)) - min(map(len, hands)) <= 1
