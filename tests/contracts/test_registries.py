"""One contract a registry, and the rules that hold for the whole tree."""

import ast
import json
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from trees import imported, modules

from simxfer.common.errors import InputError
from simxfer.encoder.features import FEATURES
from simxfer.encoder.losses import _OF_LOGITS, _OTHERS
from simxfer.grid.file import Grid
from simxfer.metrics import METRICS
from simxfer.schema.tables import PSEUDO_LANGUAGES, TABLES, is_language
from simxfer.scoring.predict import _PREDICT
from simxfer.sources import read_examples, revision
from simxfer.sources.origin import SOURCES
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS, get_task
from simxfer.training.methods import METHODS, canonical_method
from simxfer.training.methods.method import Method
from simxfer.training.recipes import RECIPES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TASKS)
def test_task_records(name):
    task = TASKS[name]
    assert task.name == name
    assert task.description.strip() == task.description and task.description.endswith(".")
    assert task.metrics and set(task.metrics) <= set(METRICS)
    assert len(set(task.labels)) == len(task.labels)
    assert all(map(is_language, (*task.languages, *task.train_languages)))
    assert len(set(task.languages)) == len(task.languages)
    assert bool(task.training_data) == bool(task.train_languages)
    assert task.roles and len(set(task.subsets)) == len(task.subsets)
    assert task.world or task.files or task.hub
    assert task.kind == "mlm" or (task.kind in FEATURES and task.kind in _PREDICT)
    assert not task.training_data or task.kind in {**_OF_LOGITS, **_OTHERS}
    assert task.licence and task.citation


def test_descriptions_are_distinct_and_names_are_no_grammar():
    descriptions = [task.description for task in TASKS.values()]
    assert len(set(descriptions)) == len(descriptions)
    for name in TASKS:
        assert name != "none" and not set(name) & set(">+@, .")  # `.` cannot stand in a head's name


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.world])
def test_a_tasks_source_reads_it_in_its_first_and_last_language(name):
    task = get_task(name)
    parts = (("train", task.train_languages), ("test", task.languages))
    for split, languages in parts:
        for language in {*languages[:1], *languages[-1:]}:
            request = DataRequest(name, split, language, limit=3)
            examples = read_examples(request)
            assert len(examples) == 3
            assert all(text.strip() for example in examples for text in example.texts)
            assert examples == read_examples(request)
    first = DataRequest(name, "test", task.languages[0])
    assert revision(first) == revision(first) != revision(replace(first, world=1))


def test_unknown_tasks_suggest_the_nearest():
    with pytest.raises(InputError, match=r"unknown task 'w-nlj'. Did you mean 'w-nli'\?"):
        get_task("w-nlj")


_OF_TEXTS = ("exact_match", "squad_f1", "mlqa_exact_match", "mlqa_f1", "squad2_f1", "squad2_exact_match")
_RIGHT: dict[str, list] = {
    "accuracy": ["a", "b"],
    "retrieval_accuracy": ["id1", "id2"],
    "token_accuracy": [["B-X", "O"], ["O"]],
    "chunk_f1": [["B-X", "O"], ["B-Y"]],
    "f1": [["B-X", "O"], ["B-Y"]],
    "tag_f1": [["NOUN", "SYM"], ["X"]],
    "mining_f1": [("s1", "t1"), ("s2", "t2")],
    "map_at_20": [["d1", "d2"], ["d3"]],
    "mrr_at_20": [["d1"], ["d3"]],
    **{name: [["some text", "text"], ["more"]] for name in _OF_TEXTS},
}


@pytest.mark.parametrize("name", METRICS)
def test_metrics_reach_both_ends_of_their_range(name):
    metric, gold = METRICS[name], _RIGHT[name]
    right = [answers[0] for answers in gold] if name in _OF_TEXTS else gold
    wrong = ["?" if isinstance(p, str) else ["?"] * len(p) for p in right]
    assert metric.name == name and metric.reference and metric.meaning
    assert metric(gold, right, "en").value == metric.high == 100.0
    assert metric(gold, wrong, "en").value == metric.low == 0.0
    scored = metric(gold, right, "en")
    assert scored.examples.shape == (2,) and (scored.examples == 1.0).all()
    assert scored.counts is None or scored.counts.shape == (2, 3)


@pytest.mark.parametrize(("name", "entry"), METHODS.items())
def test_methods_resolve_and_do_what_the_loop_asks_for(name, entry):
    module, attribute = entry.split(":")
    method = getattr(import_module(module), attribute)()
    assert isinstance(method, Method) and canonical_method(name) == canonical_method(canonical_method(name))


@pytest.mark.parametrize("entry", SOURCES.values())
def test_sources_answer_both_questions(entry):
    module = import_module(entry)
    assert callable(module.revision) and callable(module.read_examples)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_name_known_tasks_and_values(name):
    recipe = RECIPES[name]
    assert recipe.name == name and recipe.source
    assert set(recipe.tasks) <= set(TASKS)
    for task in TASKS:
        values = recipe.hyperparameters(task)
        assert bool(values.steps) != bool(values.epochs)
        assert 0 < abs(values.stride) < values.max_length


def test_every_key_of_a_grid_file_says_what_it_means():
    sources = [ast.parse((ROOT / "simxfer" / "grid" / name).read_text()) for name in ("file.py", "parts.py")]
    found = [n for source in sources for n in source.body if isinstance(n, ast.ClassDef)]
    for part in ("Grid", "Block", "Data", "DataChoice", "Retrieval", "UnlabelledText"):
        [body] = [n.body for n in found if n.name == part]
        for node, following in pairwise(body):
            if isinstance(node, ast.AnnAssign):
                assert isinstance(following, ast.Expr), f"{part}.{ast.unparse(node.target)} has no docstring"
    assert Grid.model_config["extra"] == "forbid"


def test_tables_have_their_keys_among_their_columns():
    for name, table in TABLES.items():
        assert table.name == name
        assert len(set(table.column_names)) == len(table.columns)
        assert set(table.key) <= set(table.column_names)
        assert all(column.meaning for column in table.columns)
    assert not any(map(is_language, PSEUDO_LANGUAGES))


@pytest.mark.parametrize("module", sorted(modules()))
def test_every_module_imports_and_has_a_docstring(module):
    assert import_module(module).__doc__


def test_nothing_unsafe_is_loaded_anywhere():
    for module, tree in modules().items():
        assert not {"pickle", "joblib", "dill"} & imported(tree), module
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.save", "eval", "exec", "yaml.load"), module
                assert not any(k.arg == "trust_remote_code" for k in node.keywords), module


def modules_after(code: str) -> set[str]:
    """The top-level modules that are loaded after some code ran in a fresh interpreter."""
    script = f"import sys, json\n{code}\nprint('\\n' + json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], timeout=120, capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"torch", "transformers", "sentence_transformers"}


def test_help_loads_neither_torch_nor_pandas():
    code = "import contextlib\nsys.argv = ['simxfer', '--help']\nfrom simxfer.cli.main import main\n"
    loaded = modules_after(code + "with contextlib.suppress(SystemExit): main()")
    assert "simxfer" in loaded
    assert not loaded & (HEAVY | {"pandas", "numpy", "pydantic"})


def test_planning_and_analyses_load_no_torch():
    assert not modules_after("import simxfer.grid.file, simxfer.grid.plan, simxfer.run.train") & HEAVY
    assert not modules_after("import analyses") & HEAVY
