"""Every key of a grid file decides what it says it decides: weights, or scores alone, or neither.

One grid is trained twice, with and without the key. A key that nobody listed here fails, and so does one that the code
takes into its ids but forgets when it trains or scores.
"""

import json
from typing import Any

import pandas as pd
import pytest
from support import write_xlmr_checkpoint
from trained import Trained, same, train

from simxfer.grid.file import Grid, load_grid
from simxfer.grid.parts import Block, Data, DataChoice, Override, Retrieval, UnlabelledText
from simxfer.run.representations import write_samples
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.training.methods import METHODS
from simxfer.training.methods.full import FullFineTuning

SHORT = {"steps": 3, "batch_size": 4, "train_examples": 12}


class HeadsOnly(FullFineTuning):
    """A second training method: it leaves the encoder as it is."""

    def parameter_groups(self, model, values):
        [matrices, _] = super().parameter_groups(model, values)
        heads = list(model.heads.parameters())
        return [{**matrices, "params": heads}]


BASE = {
    "name": "one",
    "languages": ["x-pivot", "x-agg"],
    "seeds": [0],
    "test_examples": 8,
    "overrides": {"*": SHORT},
}


def block(intermediate: str = "none", target: str = "w-xnli") -> dict:
    return {"blocks": [{"intermediates": [intermediate], "targets": [target]}]}


def by_all(**values: Any) -> dict:
    return {"overrides": {"*": SHORT | values}}


MIXED = block("w-nli+w-which-a") | {"overrides": {"*": SHORT, "w-nli": {"train_examples": 4}}}
POOL = {"data": {"tasks": {"w-xnli": {"trains_on": ["w-nli", "w-xnli"]}}}}
TEXT = {"task": "w-xnli", "languages": ["x-agg"], "examples": 9}
HEARD = {"methods": ["adversarial(strength=1,rate=0.1)"], "unlabelled": TEXT}
SPANS = block(target="w-xqa") | by_all(max_length=24, stride=8)

WEIGHTS: dict[str, tuple[dict, dict]] = {
    "encoders": ({}, {"encoders": ["other"]}),
    "blocks.intermediates": ({}, block("w-nli")),
    "blocks.intermediates, language": (block("w-roles"), block("w-roles@x-agg")),
    "blocks.intermediates, order": (block("w-roles>w-nli"), block("w-nli>w-roles")),
    "blocks.targets": ({}, block(target="w-which-a")),
    "blocks.seeds": ({}, {"blocks": [{"intermediates": ["none"], "targets": ["w-xnli"], "seeds": [1]}]}),
    "seeds": ({}, {"seeds": [1]}),
    "methods": ({}, {"methods": ["heads-only"]}),
    "recipe": ({}, {"recipe": "xtreme"}),
    "head": (block("w-which-a", "w-which-a"), {"head": "reuse"}),
    "numerics": ({}, {"numerics": "bf16"}),
    "mixture_temperature": (MIXED, {"mixture_temperature": 9.0}),
    "mixture_cap": (MIXED, {"mixture_cap": 2}),
    "world": ({}, {"world": 1}),
    "data.tasks.train": ({}, {"data": {"tasks": {"*": {"train": "test"}}}}),
    "data.tasks.trains_on": ({}, {"data": {"tasks": {"w-xnli": {"trains_on": ["w-nli"]}}}}),
    "unlabelled.task": (HEARD, {"unlabelled": TEXT | {"task": "w-nli"}}),
    "unlabelled.split": (block(target="w-pos") | HEARD, {"unlabelled": TEXT | {"split": "test"}}),
    "unlabelled.languages": (HEARD, {"unlabelled": TEXT | {"languages": ["x-sov"]}}),
    "unlabelled.examples": (HEARD, {"unlabelled": TEXT | {"examples": 6}}),
    "method_overrides": ({}, {"method_overrides": {"full": {"w-xnli": {"learning_rate": 1e-4}}}}),
    "overrides.learning_rate": ({}, by_all(learning_rate=1e-4)),
    "overrides.batch_size": ({}, by_all(batch_size=3)),
    "overrides.steps": ({}, by_all(steps=4)),
    "overrides.epochs": ({}, {"overrides": {"*": {"batch_size": 4, "train_examples": 12, "epochs": 2}}}),
    "overrides.train_examples": ({}, by_all(train_examples=11)),
    "overrides.warmup_share": ({}, by_all(warmup_share=0.6)),
    "overrides.warmup_steps": ({}, by_all(warmup_steps=2)),
    "overrides.weight_decay": ({}, by_all(weight_decay=0.5)),
    "overrides.head_decay": (by_all(weight_decay=0.5), by_all(weight_decay=0.5, head_decay=True)),
    "overrides.head_input_dropout": ({}, by_all(head_input_dropout=False)),
    "overrides.in_turn": (POOL, POOL | by_all(in_turn=True)),
    "overrides.max_grad_norm": ({}, by_all(max_grad_norm=1e-3)),
    "overrides.max_length": ({}, by_all(max_length=12)),
    "overrides.stride": (SPANS, by_all(max_length=24, stride=4)),
    "overrides.adam_beta2": ({}, by_all(adam_beta2=0.5)),
    "overrides.adam_epsilon": ({}, by_all(adam_epsilon=1e-2)),
    "selections": (
        by_all(train_examples=200),
        by_all(train_examples=200) | {"selections": ["best-en-dev"]},
    ),
    "overrides.selection": (
        by_all(train_examples=200),
        by_all(train_examples=200, selection="best-en-dev"),
    ),
}
"""Key -> what both grids say, and what the second one says besides."""

SENTENCES = block(target="w-tatoeba") | {"languages": "all", "test_examples": 200}
SCORES: dict[str, tuple[dict, dict]] = {
    "numerics, of an encoder as it is": (SENTENCES, {"numerics": "bf16"}),
    "languages": ({}, {"languages": ["x-pivot", "x-sov"]}),
    "test_examples": ({}, {"test_examples": 7}),
    "perturbations": ({}, {"perturbations": ["drop(1)"]}),
    "data.tasks.test": (
        {"languages": ["x-pivot"]},
        {"data": {"tasks": {"*": {"test": "train"}}}},
    ),
    "data.tasks.untested": ({}, {"data": {"tasks": {"w-xnli": {"untested": ["x-agg"]}}}}),
    "retrieval.direction": (SENTENCES, {"retrieval": {"direction": "from-pivot"}}),
    "retrieval.special_tokens": (SENTENCES, {"retrieval": {"special_tokens": True}}),
    "retrieval.layer": (SENTENCES, {"retrieval": {"layer": 0}}),
    "retrieval.pooling": (SENTENCES, {"retrieval": {"pooling": "first"}}),
    "retrieval.centre": (SENTENCES, {"retrieval": {"centre": False}}),
    "retrieval.scoring": (SENTENCES, {"retrieval": {"scoring": "margin"}}),
    "retrieval.neighbours": (
        SENTENCES | {"retrieval": {"scoring": "margin"}},
        {"retrieval": {"scoring": "margin", "neighbours": 1}},
    ),
}

# The CPU computes equal bits anyway: being held to that changes ids and no number (test_determinism.py).
NEITHER: dict[str, tuple[dict, dict]] = {
    "description": ({}, {"description": "said otherwise"}),
    "study": ({}, {"study": "task-order"}),
    "margin": ({}, {"margin": 2.0}),
    "deterministic": ({}, {"deterministic": True}),
    "name": ({}, {"name": "other"}),
}

ELSEWHERE = {
    "blocks.no_pretraining_control": "test_seeds.py, test_plan.py",
    "data.folder": "sources/",
    "data.lexicons": "sources/test_perturb.py",
    "data.tasks.dev": "test_selection.py",
    "data.tasks.fields": "sources/test_parallel.py",
    "keep_checkpoints": "test_stages.py",
    "overrides.look_every": "training/test_recipes.py: which steps are looked at",
    "overrides.micro_batch_size": "test_loop.py, gradient by gradient: dropout falls otherwise",
    "task_embeddings": "test_fisher.py",
}
"""Keys that decide what is written, or whose data stand in files; and where they are tested."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, checkpoint):
    """Train the base grid with some keys changed; equal ones once."""
    other = write_xlmr_checkpoint(tmp_path_factory.mktemp("other") / "checkpoint", seed=1)
    done: dict[str, Trained] = {}

    def make(changes: dict[str, Any]) -> Trained:
        grid = BASE | {"encoders": [str(checkpoint)]} | block() | changes
        if grid["encoders"] == ["other"]:
            grid["encoders"] = [str(other)]
        text = json.dumps(grid, sort_keys=True)
        if text not in done:
            done[text] = train(tmp_path_factory.mktemp("grid"), grid)
        return done[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS, "heads-only", f"{__name__}:{HeadsOnly.__name__}")
        yield make


def scores(made: Trained) -> list:
    rows = made.results.drop(columns=["run", "checkpoint", "model", "stage"])
    return [rows.to_dict("records"), made.predictions().drop(columns="example_id").to_dict("records")]


@pytest.mark.parametrize("key", WEIGHTS)
def test_a_key_that_decides_weights(key, trained):
    shared, change = WEIGHTS[key]
    assert not same(trained(shared).weights(), trained(shared | change).weights())


@pytest.mark.parametrize("key", SCORES)
def test_a_key_that_decides_scores_alone(key, trained):
    shared, change = SCORES[key]
    one, two = trained(shared), trained(shared | change)
    assert one.cell().stage == two.cell().stage
    assert scores(one) != scores(two)


@pytest.mark.parametrize("key", NEITHER)
def test_a_key_that_decides_nothing_of_the_results(key, trained):
    shared, change = NEITHER[key]
    one, two = trained(shared), trained(shared | change)
    assert same(one.weights(), two.weights())
    assert scores(one) == scores(two)


def test_every_key_is_listed():
    parts = {"blocks": Block, "data": Data, "retrieval": Retrieval, "overrides": Override}
    parts["unlabelled"] = UnlabelledText
    known = {key for key in Grid.model_fields if key not in parts}
    known |= {f"{part}.{key}" for part, model in parts.items() for key in model.model_fields}
    known = known - {"data.tasks"} | {f"data.tasks.{key}" for key in DataChoice.model_fields}
    assert {key.split(",")[0] for table in (WEIGHTS, SCORES, NEITHER, ELSEWHERE) for key in table} == known


def test_the_method_that_leaves_the_encoder_alone_does_so(trained):
    """The grid's method is the one that trains, and the rows say which."""
    made = trained({"methods": ["full", "heads-only"]})
    stages = {method: made.plan.path(made.cell(method=method).stage)[-1] for method in ("full", "heads-only")}
    assert {row["method"] for row in made.results.to_dict("records")} == set(stages)
    encoders = [trained({"overrides": {"*": SHORT | {"steps": 0}}}).weights()]
    encoders += [made.weights(method=method) for method in stages]
    untouched, full, heads = ({k: v for k, v in e.items() if not k.startswith("w-xnli.")} for e in encoders)
    assert same(untouched, heads) and not same(untouched, full)


def test_every_language_is_answered_on_its_own_text(trained):
    made = trained(block(target="w-xqa") | {"languages": ["x-pivot", "x-agg", "x-cyrl"]})
    predictions = made.predictions()
    assert sorted(predictions["language"].unique()) == ["x-agg", "x-cyrl", "x-pivot"]
    for code, part in predictions.groupby("language"):
        found = read_examples(DataRequest("w-xqa", "test", str(code), limit=8))
        contexts = {example.id: example.context for example in found}
        answers = dict(zip(part["example_id"], map(json.loads, part["prediction"]), strict=True))
        assert answers.keys() == contexts.keys() and any(answers.values())
        assert all(answer in contexts[i] for i, answer in answers.items())


def test_every_checkpoint_has_rows_and_weights_of_its_own(trained, checkpoint):
    """Two encoders in one grid: nothing that is kept between stages is the first one's."""
    alone = [trained({}), trained({"encoders": ["other"]})]
    names = [made.cell().checkpoint for made in alone]
    both = trained({"encoders": names})
    for made, name in zip(alone, names, strict=True):
        assert same(made.weights(), both.weights(checkpoint=name))
        rows = [t[t["checkpoint"] == name].reset_index(drop=True) for t in (made.results, both.results)]
        assert rows[0].equals(rows[1]) and len(rows[0])


def test_a_control_of_another_checkpoint_in_the_same_run_is_its_own(trained):
    made = trained(
        {"blocks": [{"intermediates": ["none"], "targets": ["w-xnli"], "no_pretraining_control": True}]}
    )
    names = {cell.checkpoint for cell in made.plan.cells}
    assert len(names) == 2 and set(made.results["checkpoint"]) == names
    assert not same(*(made.weights(checkpoint=name) for name in names))


def test_samples_are_texts_of_the_world_of_each_encoder_and_of_the_draw_that_is_scored(trained):
    """Two worlds, a seed that is not 0: parallel test sets are draw 0 for every seed, drawn labels the seed's."""
    names = ["world/w0-s0", "world/w1-s0"]
    blocks = [{"intermediates": ["none"], "targets": ["w-xqa", "w-is-a"]}]
    made = trained({"encoders": names, "blocks": blocks, "seeds": [3], "languages": ["x-agg"]})
    write_samples(made.run, load_grid(made.run.grid_file), made.plan)
    samples = pd.read_parquet(made.run.samples)
    texts = set(zip(samples["task"], samples["example_id"], samples["text"], strict=True))
    for world, name in enumerate(names):
        rows = pd.read_parquet(made.run.representations(name).with_suffix(".parquet"))
        assert rows["example_id"].str.startswith(f"w{world}:").all()
        for target, draw in (("w-xqa", 0), ("w-is-a", 3)):
            found = read_examples(DataRequest(target, "test", "x-agg", world, draw))
            scored = {f"w{world}:{example.id}": " ".join(example.texts) for example in found}
            ids = rows[(rows["task"] == target) & (rows["split"] == "test")]["example_id"]
            assert len(ids) > 100 and all((target, i, scored[i]) in texts for i in ids)
        contexts = {e.id: e.context for e in read_examples(DataRequest("w-xqa", "test", "x-agg", world))}
        answers = made.predictions(checkpoint=name, target="w-xqa")
        found = zip(answers["example_id"], map(json.loads, answers["prediction"]), strict=True)
        assert all(answer in contexts[i] for i, answer in found)
