import json
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.common.errors import InputError
from simxfer.common.identity import content_id
from simxfer.encoder.pretrained import Encoder
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.plan import Plan, Stage
from simxfer.run.opening import receipts
from simxfer.scoring.protocol import middle_layer
from simxfer.sources import revision
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.intermediate import (
    TaskData,
    canonical,
    parse_intermediate,
    shares_data,
    shares_kind,
    tasks_of,
)

STAGE = Stage(
    encoder="a",
    fingerprint="f",
    parent="p",
    phase="target",
    data=(TaskData("w-xnli"),),
    revisions=("world-1:0:0",),
    hyperparameters=({"steps": 10, "epochs": 0.0, "batch_size": 4},),
    seed=1,
)


@pytest.fixture
def plan_of(checkpoint):
    def make(blocks: str, extra: str = "", name: str = "g") -> Plan:
        text = f"name: {name}\nencoders: [{checkpoint}]\nseeds: [0, 1]\nblocks:\n{blocks}\n{extra}"
        return expand(parse_grid(text), revision)

    return make


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "g"},
        {"parent": "q"},
        {"phase": "intermediate-1"},
        {"data": (TaskData("w-xnli", ("x-sov",)),)},
        {"revisions": ("world-1:1:0",)},
        {"hyperparameters": ({"steps": 11, "epochs": 0.0, "batch_size": 4},)},
        {"method": "adapter"},
        {"numerics": "bf16"},
        {"deterministic": True},
        {"seed": 2},
        {"head": "reuse"},
        {"code": -1},
        {"features": -1},
        {"readers": -1},
    ],
)
def test_a_stages_id_depends_on_what_decides_its_result(change):
    assert replace(STAGE, **change).id != STAGE.id


def test_a_stages_id_does_not_depend_on_the_name_of_the_encoder():
    assert replace(STAGE, encoder="b").id == STAGE.id


def test_ids_are_those_of_always():
    """Made with the function itself on the day the test was written: a change orphans every finished stage."""
    assert content_id({"b": [1, 2.5], "a": "ü"}) == "81858db7918423e5"
    assert replace(STAGE, code=2, features=4, readers=1).id == "06093f15e3d0a776"


def test_ids_depend_neither_on_the_runs_name_nor_on_what_else_is_in_the_grid(plan_of):
    small = plan_of("  - {intermediates: [none], targets: [w-xnli]}")
    large = plan_of("  - {intermediates: [none, w-qa], targets: [w-xqa, w-xnli]}", name="h")
    assert set(small.stages) <= set(large.stages)


def test_a_sequence_shares_its_beginning(plan_of):
    plan = plan_of("  - {intermediates: [w-nli, 'w-nli>w-qa'], targets: [w-xnli]}")
    by_phase = [stage.phase for stage in plan.stages.values()]
    # Two seeds: one first stage, one second stage, and two target stages each; one pretrained root.
    assert by_phase.count("pretrained") == 1
    assert by_phase.count("intermediate-1") == 2
    assert by_phase.count("intermediate-2") == 2
    assert by_phase.count("target") == 4
    assert plan.unshared_stages == 2 * (2 + 3)


def test_parents_come_first_and_cells_point_to_their_evaluation(plan_of):
    plan = plan_of(
        "  - {intermediates: [none, 'w-nli>w-qa', 'w-nli+w-qa'], targets: [w-pos, w-tatoeba],"
        " no_pretraining_control: true}"
    )
    seen: set[str | None] = {None}
    for stage in plan.stages.values():
        assert stage.parent in seen
        seen.add(stage.id)
    for cell in plan.cells:
        path = plan.path(cell.stage)
        assert path[0].phase == "pretrained"
        assert plan.evaluations[cell.stage][cell.evaluation].target == cell.target
        trained = [stage.tasks for stage in path[1:] if stage.phase != "target"]
        assert trained == [tuple(d.task for d in phase) for phase in parse_intermediate(cell.intermediate)]
        assert plan.urgency[path[0].id] >= plan.urgency[cell.stage]
    assert len(plan.cells) == 2 * 2 * 3 + 2 * 2  # seeds x targets x intermediates, and the control's


def test_a_plan_comes_back_from_its_file_as_it_was(plan_of):
    plan = plan_of(
        "  - {intermediates: [none, 'w-nli@x-sov>w-qa', 'w-nli+w-qa'], targets: [w-pos, w-tatoeba],"
        " no_pretraining_control: true}\n  - {intermediates: [none], targets: [w-pos], seeds: [7, 0]}",
        "overrides: {'*': {epochs: 2}, w-pos: {selection: best-en-dev}}",
    )
    again = Plan.from_dict(json.loads(json.dumps(plan.as_dict())))
    assert again == plan
    assert list(again.stages) == [stage.id for stage in again.stages.values()] == list(plan.stages)
    assert {s: list(found) for s, found in again.evaluations.items()} == {
        s: list(found) for s, found in plan.evaluations.items()
    }
    assert list(again.evaluations) == list(plan.evaluations) and again.urgency == plan.urgency
    broken = plan.as_dict()
    broken["evaluations"] = broken["evaluations"][1:]
    with pytest.raises(ValueError, match="evaluations that are not there"):
        Plan.from_dict(broken)


def test_a_plan_is_made_of_what_is_handed_in():
    """No file is read: neither the folder of the encoder nor that of the data is there."""
    grid = parse_grid(
        "name: g\nencoders: [world/w0-s0]\nseeds: [3]\nblocks: [{intermediates: [none, qqp], targets: [xnli]}]"
    )
    asked: list[DataRequest] = []

    def revision(request: DataRequest) -> str:
        asked.append(request)
        return f"{request.task}-{request.language}"

    plan = expand(grid, revision, lambda _: Encoder("e", "m", "nowhere", hub="f"))
    assert len(asked) == len(set(asked)), "one question a request"
    assert [s.revisions for s in plan.stages.values()][1] == ("mnli-en",)
    assert {s.fingerprint for s in plan.stages.values()} == {"hub:f"} and plan.cells[0].checkpoint == "e"


def test_children_and_paths_go_both_ways(plan_of):
    plan = plan_of("  - {intermediates: [none, 'w-nli>w-qa'], targets: [w-pos, w-xqa]}")
    for stage in plan.stages.values():
        assert all(child.parent == stage.id for child in plan.children[stage.id])
        assert [s.parent for s in plan.path(stage.id)] == [None, *[s.id for s in plan.path(stage.id)][:-1]]
    assert sum(map(len, plan.children.values())) == len(plan.stages) - 1


def test_retrieval_reads_the_intermediate_checkpoint_and_none_is_scored_once(plan_of):
    plan = plan_of("  - {intermediates: [none, w-nli], targets: [w-tatoeba]}")
    assert not [stage for stage in plan.stages.values() if stage.phase == "target"]
    none = [cell for cell in plan.cells if cell.intermediate == "none"]
    assert [cell.seed for cell in none] == [0, 1]
    assert len({(cell.stage, cell.evaluation) for cell in none}) == 1
    assert len({cell.stage for cell in plan.cells if cell.intermediate == "w-nli"}) == 2


def protocols(plan: Plan) -> dict[str, dict]:
    return {e.target: e.protocol for found in plan.evaluations.values() for e in found.values()}


@pytest.mark.parametrize("recipe", ["xtreme", "xstilts"])
def test_recipes_of_xtreme_read_sentences_as_xtreme_does(recipe, plan_of):
    """evaluate_retrieval.py: English asks, all tokens count, no centring; hidden state 14 of 24, 8 of 12."""
    blocks = "  - {intermediates: [none], targets: [tatoeba, bucc2018, lareqa]}"
    extra = f"recipe: {recipe}\nlanguages: [en, de]\noverrides: {{'*': {{max_length: 64, stride: 8}}}}\n"
    found = protocols(plan_of(blocks, extra))
    theirs = {"layer": 2, "pooling": "mean", "special_tokens": True, "centre": False, "neighbours": 4}
    assert found["tatoeba"] == theirs | {"scoring": "cosine", "direction": "from-pivot"}
    assert found["bucc2018"] == theirs | {"scoring": "margin"}
    assert found["lareqa"] == {"layer": -1, "pooling": "first", "centre": False, "scoring": "cosine"}
    given = extra + "retrieval: {layer: -1, centre: true, direction: to-pivot}\n"
    changed = protocols(plan_of(blocks, given))["tatoeba"]
    assert changed == found["tatoeba"] | {"layer": -1, "centre": True, "direction": "to-pivot"}
    assert [middle_layer(n) for n in (24, 12, 6, 2)] == [14, 8, 5, 2]


def test_the_protocol_of_the_world_is_the_grids_own(plan_of):
    found = protocols(plan_of("  - {intermediates: [none], targets: [w-tatoeba]}"))["w-tatoeba"]
    assert found == {
        "layer": -1,
        "pooling": "mean",
        "special_tokens": False,
        "centre": True,
        "direction": "to-pivot",
        "scoring": "cosine",
        "neighbours": 4,
    }


def test_receipts_say_how_sentences_are_read():
    text = """name: g
encoders: [FacebookAI/xlm-roberta-large, FacebookAI/xlm-roberta-base]
recipe: xtreme
seeds: [0]
blocks: [{intermediates: [none], targets: [tatoeba]}]
"""
    grid = parse_grid(text)
    read = receipts(grid, expand(grid, revision), {})["targets"]["tatoeba"]["retrieval"]
    assert read["layer"] == [14, 8]
    assert (read["direction"], read["special_tokens"], read["centre"]) == ("from-pivot", True, False)


@pytest.mark.parametrize("target", ["xnli", "americasnli"])
def test_a_checkpoint_of_xnli_is_chosen_on_its_own_english_dev_data(target, plan_of):
    """XTREME's run_classify.py evaluates on XNLI's 2,490 English dev pairs, not on the 9,815 of MNLI."""
    blocks = f"  - {{intermediates: [none], targets: [{target}]}}"
    extra = "recipe: xtreme\noverrides: {'*': {max_length: 64}}\n"
    stage = list(plan_of(blocks, extra).stages.values())[-1]
    assert stage.parts == ((("mnli", "train"),),)
    assert stage.dev_parts == ((("xnli", "dev"),),)
    held_out = plan_of(blocks, extra + f"data: {{tasks: {{{target}: {{dev: held-out}}}}}}\n")
    stage = list(held_out.stages.values())[-1]
    assert stage.parts == ((("mnli", "train#kept"),),)
    assert stage.dev_parts == ((("mnli", "train#held-out"),),)


def test_xcopa_is_social_iqa_and_then_copa_under_xtreme(plan_of):
    blocks = "  - {intermediates: [none], targets: [xcopa]}"
    extra = "languages: [et]\noverrides: {'*': {max_length: 64, stride: 8}}\n"
    root, first, last, *other_seed = plan_of(blocks, "recipe: xtreme\n" + extra).stages.values()
    assert (first.parent, last.parent) == (root.id, first.id) and len(other_seed) == 2
    assert [stage.parts for stage in (first, last)] == [((("socialiqa", "train"),),), ((("copa", "train"),),)]
    assert [stage.phase for stage in (first, last)] == ["before-target-1", "target"]
    assert [stage.head for stage in (first, last)] == ["new", "reuse"]
    assert [stage.sequences for stage in (first, last)] == [
        (5 * (33_410 // 32) * 32,),
        (5 * (400 // 32) * 32,),
    ]
    pooled = plan_of(blocks, "recipe: xstilts\n" + extra)
    assert [s.parts for s in pooled.stages.values()][1] == ((("socialiqa", "train"), ("copa", "train")),)


def test_a_cell_that_two_blocks_name_is_one_cell(plan_of):
    plan = plan_of(
        "  - {intermediates: [none, w-nli], targets: [w-xnli]}\n"
        "  - {intermediates: [none], targets: [w-xnli], seeds: [0, 1, 2]}"
    )
    assert len(plan.cells) == 5
    assert len({(c.intermediate, c.target, c.seed) for c in plan.cells}) == 5


def test_the_control_has_its_own_root_a_seed(plan_of):
    plan = plan_of("  - {intermediates: [none], targets: [w-pos], no_pretraining_control: true}")
    roots = [stage for stage in plan.stages.values() if stage.parent is None]
    assert [(root.fingerprint.startswith("random:"), root.seed) for root in roots] == [
        (False, None),
        (True, 0),
        (True, 1),
    ]


TRAINABLE = [name for name, task in TASKS.items() if task.train_languages]


@st.composite
def intermediates(draw) -> str:
    """Intermediates as somebody might spell them: blanks anywhere, parts of a mixture in any order."""
    blank = st.sampled_from(["", " "])

    def item(name: str) -> str:
        codes = draw(st.lists(st.sampled_from(TASKS[name].train_languages), unique=True, max_size=3))
        return name + draw(blank) + (f"@{','.join(codes)}" if codes else "")

    def mixture() -> str:
        names = draw(st.lists(st.sampled_from(TRAINABLE), min_size=1, max_size=3, unique=True))
        return (draw(blank) + "+" + draw(blank)).join(item(name) for name in names)

    return ">".join(draw(blank) + mixture() for _ in range(draw(st.integers(1, 3))))


@given(intermediates())
def test_one_spelling_of_an_intermediate(text):
    name = canonical(text)
    assert canonical(name) == name
    assert parse_intermediate(name) == parse_intermediate(text)
    assert set(tasks_of(name)) == {data.task for phase in parse_intermediate(text) for data in phase}
    assert " " not in name


def test_the_pivot_needs_no_saying_and_mixtures_have_no_order():
    assert canonical("w-nli@x-pivot") == "w-nli"
    assert canonical(" w-qa + w-nli > w-pos") == "w-nli+w-qa>w-pos"
    assert canonical("w-nli@x-vso, x-sov") == "w-nli@x-sov,x-vso"
    assert canonical(" none ") == "none"
    assert parse_intermediate("none") == ()


@pytest.mark.parametrize("text", ["", ">", "w-nli>", "w-nli++w-qa", "none>w-nli", "w-nli+w-nli", "w-nli@"])
def test_refused_intermediates(text):
    with pytest.raises(InputError):
        parse_intermediate(text)


def test_same_data_and_same_kind():
    assert shares_data("w-qa>w-nli", "w-xnli") and not shares_data("w-qa", "w-xnli")
    assert shares_kind("w-qa+w-which-a", "w-xnli") and not shares_kind("w-qa", "w-xnli")
    assert not any(
        f("none", target) for f, target in product((shares_data, shares_kind), ("w-xnli", "w-pos"))
    )


def test_names_of_language_groups_stand_for_their_languages():
    [[data]] = parse_intermediate("mlm@xtreme")
    assert len(data.languages) == 40 and str(data) == "mlm@xtreme"
    assert canonical("mlm@" + ",".join(reversed(data.languages))) == "mlm@xtreme"
    [[more]] = parse_intermediate("mlm@xtreme-r")
    assert set(data.languages) < set(more.languages) and len(more.languages) == 50
