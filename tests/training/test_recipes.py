"""The recipes of XTREME against its scripts, read in google-research/xtreme (838c13b): train_*.sh for XLM-R Large."""

import pytest
import torch
from torch.nn.functional import dropout

from simxfer.cli.show import task_text
from simxfer.encoder.loading import load_encoder
from simxfer.encoder.network import Head, TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.tasks import TASKS, get_task
from simxfer.training.loop import load_method, looks
from simxfer.training.recipes import RECIPES, Hyperparameters
from simxfer.training.settings import TrainingTask

XTREME = RECIPES["xtreme"]
SCRIPTS = {
    # learning rate, effective batch, epochs, longest input, warm-up steps, decay, steps between saved checkpoints
    "xnli": (3e-5, 32, 5, 128, 0, 0.0, 100),
    "pawsx": (2e-5, 32, 5, 128, 0, 0.0, 200),
    "panx": (2e-5, 32, 10, 128, 0, 0.0, 1000),
    "udpos": (2e-5, 32, 10, 128, 0, 0.0, 500),
    "xquad": (3e-5, 32, 3, 384, 500, 1e-4, 0),
    "tydiqa": (3e-5, 32, 3, 384, 500, 1e-4, 0),
    "xcopa": (3e-5, 32, 5, 128, 0, 0.0, 0),
    "lareqa": (2e-5, 16, 3, 256, 0, 0.0, 0),  # answers; queries have 96 in the script
    "mewslix": (1e-5, 32, 2, 64, 0, 0.0, 0),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_rows_are_those_of_the_scripts(name):
    v = XTREME.hyperparameters(name)
    found = (
        v.learning_rate,
        v.batch_size,
        v.epochs,
        v.max_length,
        v.warmup_steps,
        v.weight_decay,
        v.look_every,
    )
    assert found == SCRIPTS[name]
    assert v.warmup_share == 0.0 and v.head_decay
    assert v.selection == ("best-en-dev" if v.look_every else "last")
    assert v.in_turn == (name == "xcopa")
    assert v.stride == (-128 if name in ("xquad", "tydiqa") else 16)
    assert v.head_input_dropout == (name not in ("xquad", "tydiqa", "xcopa"))


def test_the_world_trains_as_always():
    """What is new decides nothing there: heads are not decayed, drop out their input; looks at dev are as before."""
    for name, task in TASKS.items():
        if task.world:
            v = RECIPES["world"].hyperparameters(name)
            assert (v.head_decay, v.head_input_dropout, v.look_every, v.in_turn) == (False, True, 0, False)
    assert RECIPES["world"].retrieval == {}


def test_what_differs_on_purpose_is_said_of_its_kinds():
    assert set(XTREME.differs) <= {task.kind for task in TASKS.values()}
    said = task_text(get_task("xquad"))
    assert "4.82 for 5.10" in said and "windows advance by 128" in said
    assert "padding" not in task_text(get_task("xnli"))
    assert "English dev data of xnli" in task_text(get_task("americasnli"))
    assert "best-en-dev of every 1000 steps" in task_text(get_task("panx"))
    assert (
        "hidden state 14 of 24, 8 of 12, mean of all tokens, not centred, direction: from-pivot"
        in task_text(get_task("tatoeba"))
    )
    assert "direction: both ways" in task_text(get_task("bucc2018"))


@pytest.mark.parametrize(("name", "n_matrices"), [("w-xnli", 2), ("w-pos", 1)])
def test_heads_are_decayed_where_the_recipe_says_so(name, n_matrices, checkpoint):
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
    model.add_head(get_task(name), seed=0)
    values = Hyperparameters(learning_rate=1.0, batch_size=1, steps=1, weight_decay=0.1, head_decay=True)
    decayed, spared = load_method("full").parameter_groups(model, values)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert all(p.ndim == 2 for p in decayed["params"]) and all(p.ndim == 1 for p in spared["params"])
    found = {id(p) for p in decayed["params"]}
    assert sum(id(p) in found for p in model.heads.parameters()) == n_matrices
    everything = [id(p) for group in (decayed, spared) for p in group["params"]]
    assert sorted(everything) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize("name", ["w-xqa", "w-xcloze", "w-xnli", "w-pos"])
def test_dropout_of_a_heads_input_can_be_left_out(name):
    """transformers: none before the outputs of span QA; multiple choice has one, behind its pooler."""
    task, states = get_task(name), torch.randn(3, 5, 8)
    head = Head(task, 8, std=0.5, dropout=0.5, input_dropout=False).train()
    torch.manual_seed(1)
    found = head(states)
    torch.manual_seed(1)
    hidden = dropout(torch.tanh(head.dense(states[:, 0])), 0.5) if head.dense is not None else states
    torch.testing.assert_close(found, head.out(hidden))
    with_it = Head(task, 8, std=0.5, dropout=0.5).train()
    with_it.load_state_dict(head.state_dict())
    torch.manual_seed(1)
    assert not torch.allclose(with_it(states), found)


def test_looks_come_every_so_many_steps_and_at_the_end():
    def marks(total: int, every: int) -> list[int]:
        values = Hyperparameters(learning_rate=1e-3, batch_size=4, steps=0, epochs=3.0, look_every=every)
        task = TrainingTask(task=get_task("w-xnli"), features=None, values=values)  # type: ignore[arg-type]
        return sorted(looks([task], total))

    assert marks(31, 0) == [10, 21, 31]
    assert marks(31, 10) == [10, 20, 30, 31]
    assert marks(30, 10) == [10, 20, 30]
    assert marks(5, 10) == [5]
