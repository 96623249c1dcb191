"""A grid before and after a change of its file, of its data or of its encoder: what is new, gone or changed."""

import pytest

from simxfer.encoder.pretrained import Encoder
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.growth import compare
from simxfer.grid.plan import TARGET, Plan
from simxfer.sources.request import DataRequest

GRID = """\
name: g
encoders: [FacebookAI/xlm-roberta-large]
recipe: xtreme
seeds: [0, 1]
languages: [en, sw]
blocks:
  - {intermediates: [none, mnli], targets: [xnli, tatoeba]}
"""


def plan_of(text: str, changed: tuple[str, ...] = (), encoder: str = "e", weights: str = "f") -> Plan:
    """Plan a grid of data that are nowhere; those of the requests `TASK-LANGUAGE` have changed."""

    def revision(request: DataRequest) -> str:
        name = f"{request.task}-{request.language}"
        return f"files:{name}:{request.split}" + "!" * (name in changed)

    root = Encoder(encoder, "m", "nowhere", hub=weights, config={"num_hidden_layers": 12})
    return expand(parse_grid(text), revision, lambda _: root)


@pytest.fixture(scope="module")
def before() -> Plan:
    return plan_of(GRID)


@pytest.mark.parametrize(
    ("old", "new", "stages", "scored"),
    [
        ("[xnli, tatoeba]", "[xnli, tatoeba, pawsx]", 4, 4),
        ("seeds: [0, 1]", "seeds: [0, 1, 2]", 3, 3),  # its Tatoeba after `none` is that of all seeds
        ("[none, mnli]", "[none, mnli, mnli>qqp]", 4, 4),
        (
            "languages: [en, sw]",
            "languages: [en, sw, ur]",
            0,
            6 + 1,
        ),  # Tatoeba has no pair of English and itself
    ],
)
def test_what_is_added_is_new_and_changes_nothing(before, old, new, stages, scored):
    growth = compare(before, plan_of(GRID.replace(old, new)))
    assert growth.changed == () and growth.gone_stages == () and growth.gone_cells == ()
    assert (growth.kept, len(growth.new_stages), len(growth.new_evaluations)) == (6, stages, scored)


def test_a_language_is_scored_with_the_stages_that_are_there(before):
    growth = compare(before, plan_of(GRID.replace("[en, sw]", "[en, sw, ur]")))
    assert {e.target for _, e in growth.new_evaluations} == {"xnli", "tatoeba"}
    assert {e.languages for _, e in growth.new_evaluations if e.target == "xnli"} == {("en", "sw", "ur")}
    assert not growth.new_stages


def test_what_is_taken_out_is_gone_and_changes_nothing(before):
    growth = compare(before, plan_of(GRID.replace("seeds: [0, 1]", "seeds: [1]")))
    assert growth.changed == () and growth.new_stages == () and growth.new_evaluations == ()
    assert {cell.seed for cell in growth.gone_cells} == {0} and {s.seed for s in growth.gone_stages} == {0}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("overrides: {mnli: {learning_rate: 0.5}}\n", "learning_rate of mnli: 1e-05 there, 0.5 here"),
        ("numerics: bf16\n", "numerics: fp32 there, bf16 here"),
        ("deterministic: true\n", "deterministic: False there, True here"),
        ("head: reuse\n", "head: new there, reuse here"),
        ("test_examples: 7\n", "xnli: test_examples: None there, 7 here"),
        ("retrieval: {layer: 0}\n", "tatoeba: retrieval: "),
        ("data: {tasks: {xnli: {trains_on: [snli]}}}\n", "parts: "),
        ("data: {tasks: {xnli: {test: dev}}}\n", "xnli: split: test there, dev here"),
    ],
)
def test_a_key_that_changes_what_was_done_is_named(before, extra, said):
    changed = compare(before, plan_of(GRID + extra)).changed
    assert any(text.startswith(said) for text in changed), changed


def test_data_that_changed_in_place_are_named_each_once(before):
    changed = compare(before, plan_of(GRID, changed=("mnli-en",))).changed
    assert "the train data of mnli in en" in changed and len(changed) == len(set(changed))
    assert not any("xnli" in text for text in changed)
    assert compare(before, plan_of(GRID, changed=("tatoeba-sw",))).changed == ("the test data of tatoeba",)


def test_an_encoder_is_known_by_its_files_and_not_by_its_name(before):
    moved = compare(before, plan_of(GRID, encoder="elsewhere/e"))
    assert moved.changed == () and moved.kept == 6 and not moved.new_stages and not moved.new_evaluations
    assert compare(before, plan_of(GRID, weights="other")).changed == ("the files of encoder e",)


def test_a_seed_that_is_back_is_not_new(before):
    grown = plan_of(GRID.replace("seeds: [0, 1]", "seeds: [2, 1, 0]"))
    assert compare(grown, before).new_stages == () and compare(before, grown).kept == 6


QUESTIONS = GRID.replace("[xnli, tatoeba]", "[xquad, mlqa, xnli]").replace("[en, sw]", "[en, de, es]")


def test_targets_of_the_same_data_and_hyperparameters_are_one_stage():
    plan = plan_of(QUESTIONS)
    by_target = {(c.target, c.intermediate, c.seed): c.stage for c in plan.cells}
    for (target, intermediate, seed), stage in by_target.items():
        assert (stage == by_target["xquad", intermediate, seed]) == (target in ("xquad", "mlqa"))
    learned = {plan.stages[cell.stage].tasks for cell in plan.cells if cell.target == "mlqa"}
    assert learned == {("squad_v1",)}
    scored = {e.target for e in plan.evaluations[by_target["mlqa", "none", 0]].values()}
    assert scored == {"xquad", "mlqa"}


def test_other_hyperparameters_are_another_stage():
    plan = plan_of(QUESTIONS + "overrides: {mlqa: {epochs: 2}}\n")
    stages = {c.target: c.stage for c in plan.cells if c.intermediate == "none" and c.seed == 0}
    assert stages["xquad"] != stages["mlqa"]
    assert [plan.stages[stages[t]].tasks for t in ("xquad", "mlqa")] == [("squad_v1",)] * 2


@pytest.mark.parametrize("target", ["xcopa", "lareqa", "tydiqa"])
def test_what_asks_another_thing_than_its_data_keeps_its_name(target):
    """Several data sets, another kind or other labels: such a head is the target's own."""
    text = GRID.replace("[xnli, tatoeba]", f"[{target}]").replace("languages: [en, sw]", "languages: all")
    plan = plan_of(text)
    assert {s.tasks for s in plan.stages.values() if s.phase == TARGET} == {(target,)}
