"""Losses, gradients and the training loop, on a model of two layers."""

import copy
import math
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, log_softmax
from transformers import (
    XLMRobertaForMultipleChoice,
    XLMRobertaForQuestionAnswering,
    XLMRobertaForSequenceClassification,
    XLMRobertaForTokenClassification,
)

from simxfer.common.errors import StageFailed
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.features import text_features
from simxfer.encoder.loading import load_encoder
from simxfer.encoder.losses import loss_count, loss_sum
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import TextExample
from simxfer.tasks.record import Task
from simxfer.training import loop as train
from simxfer.training.loop import fit, schedule
from simxfer.training.masking import mask_tokens
from simxfer.training.methods.method import Course, Method
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Mark, Settings, TrainingTask

CPU = torch.device("cpu")
KINDS = ["w-xnli", "w-xcloze", "w-pos", "w-xqa"]
SETTINGS = Settings(seed=3, phase="target", log_every=1)


@pytest.fixture(scope="session")
def base(checkpoint):
    return load_encoder(resolve_encoder(str(checkpoint)))


@pytest.fixture
def model_of(base):
    def make(*names: str, seed: int = 0) -> TransferModel:
        model = TransferModel(copy.deepcopy(base))
        for name in names:
            model.add_head(get_task(name), seed)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def features_of(world_tokenizer):
    def make(name: str, n: int = 16):
        examples = read_examples(DataRequest(name, "train", "x-pivot", limit=n))
        return make_dataset(examples, get_task(name), world_tokenizer, 64, 16).features

    return make


@pytest.fixture(scope="session")
def training(features_of):
    def make(name: str, n: int = 16, **values) -> TrainingTask:
        defaults = {"learning_rate": 1e-3, "batch_size": 4, "steps": 6}
        return TrainingTask(
            task=get_task(name), features=features_of(name, n), values=Hyperparameters(**defaults | values)
        )

    return make


def weights(model) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def transformers_head(kind: type, model: TransferModel, name: str, **config):
    """Return transformers' own model for a kind, with the weights of ours."""
    settings = copy.deepcopy(model.config)
    for key, value in config.items():
        setattr(settings, key, value)
    theirs = kind(settings).eval()
    theirs.roberta.load_state_dict(model.encoder.state_dict(), strict=False)
    return theirs, model.heads[name]


def their_loss(model: TransferModel, name: str, batch) -> torch.Tensor:
    inputs = {"input_ids": batch["ids"], "attention_mask": batch["mask"]}
    if name == "w-xnli":
        theirs, head = transformers_head(XLMRobertaForSequenceClassification, model, name, num_labels=3)
        theirs.classifier.dense.load_state_dict(head.dense.state_dict())
        theirs.classifier.out_proj.load_state_dict(head.out.state_dict())
        return theirs(**inputs, labels=batch["labels"]).loss
    if name == "w-pos":
        theirs, head = transformers_head(XLMRobertaForTokenClassification, model, name, num_labels=10)
        theirs.classifier.load_state_dict(head.out.state_dict())
        return theirs(**inputs, labels=batch["labels"]).loss
    if name == "w-xqa":
        theirs, head = transformers_head(XLMRobertaForQuestionAnswering, model, name, num_labels=2)
        theirs.qa_outputs.load_state_dict(head.out.state_dict())
        first, last = batch["labels"].T
        return theirs(**inputs, start_positions=first, end_positions=last).loss
    theirs, head = transformers_head(XLMRobertaForMultipleChoice, model, name)
    theirs.roberta.pooler.dense.load_state_dict(head.dense.state_dict())  # its pooler is our dense layer
    theirs.classifier.load_state_dict(head.out.state_dict())
    shape = (len(batch["labels"]), -1, batch["ids"].shape[1])
    return theirs(**{key: value.view(shape) for key, value in inputs.items()}, labels=batch["labels"]).loss


@pytest.mark.parametrize("name", KINDS)
def test_losses_are_those_of_transformers_own_heads(name, model_of, features_of):
    model, task, features = model_of(name), get_task(name), features_of(name)
    batch = collate(features, np.arange(5), 1, CPU)
    ours = loss_sum(model, task, batch) / loss_count(task, batch)
    # Span QA: ours leaves padding out of the softmax, theirs does not; without padding they are the same.
    if name == "w-xqa":
        batch = collate(features, np.array([0]), 1, CPU)
        ours = loss_sum(model, task, batch) / loss_count(task, batch)
    torch.testing.assert_close(ours, their_loss(model, name, batch), atol=1e-6, rtol=1e-5)


def test_padding_has_no_part_in_the_loss_of_span_qa(model_of, features_of):
    model, task, features = model_of("w-xqa"), get_task("w-xqa"), features_of("w-xqa")
    together = loss_sum(model, task, collate(features, np.arange(6), 1, CPU))
    alone = sum(loss_sum(model, task, collate(features, np.array([i]), 1, CPU)) for i in range(6))
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_the_loss_of_span_qa_by_hand(model_of, features_of):
    model, task, features = model_of("w-xqa"), get_task("w-xqa"), features_of("w-xqa")
    batch = collate(features, np.array([2]), 1, CPU)
    logits = model("w-xqa", batch)[0]
    first, last = batch["labels"][0]
    expected = -(log_softmax(logits[:, 0], 0)[first] + log_softmax(logits[:, 1], 0)[last]) / 2
    torch.testing.assert_close(loss_sum(model, task, batch), expected)


@pytest.mark.parametrize("name", KINDS)
def test_micro_batches_give_the_gradients_of_the_batch(name, model_of, training):
    gradients = []
    for size in (0, 1, 3):
        model, task = model_of(name), training(name, micro_batch_size=size)
        units = np.arange(7)
        loss = train._step(model, Course(Method(), model), task, units, SETTINGS, CPU, step=0)
        gradients.append((loss, {n: p.grad for n, p in model.named_parameters()}))
    for loss, found in gradients[1:]:
        assert loss == pytest.approx(gradients[0][0], abs=1e-5)
        for key, value in found.items():
            torch.testing.assert_close(value, gradients[0][1][key], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_one_step_moves_every_weight(name, model_of, training):
    model = model_of(name)
    before = weights(model)
    fit(model, [training(name, batch_size=16, steps=1)], SETTINGS)
    after = weights(model)
    still = [key for key in before if torch.equal(before[key], after[key])]
    assert [key for key in still if "position_ids" not in key] == []
    assert not model.training


def test_fit_learns(model_of, training):
    """A task with two words to tell apart is learnt from 32 examples; a constant loss would mean no learning."""
    rows: list = []
    task = training("w-pos", n=32, steps=60, learning_rate=3e-3, batch_size=16)
    assert fit(model_of("w-pos"), [task], SETTINGS, rows.append) == 60
    assert [row["step"] for row in rows] == list(range(1, 61))
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]
    assert max(row["learning_rate"] for row in rows) <= 3e-3


@pytest.mark.parametrize("names", [["w-xnli"], ["w-pos", "w-xqa"]])
def test_fit_is_bitwise_repeatable(names, model_of, training):
    ends = []
    for disturbance in (1, 50):
        torch.manual_seed(disturbance)
        np.random.default_rng(disturbance).random(disturbance)
        model = model_of(*names)
        fit(model, [training(name) for name in names], SETTINGS)
        ends.append(weights(model))
    assert same(*ends)


def test_seed_and_phase_change_the_training(model_of, training):
    ends = []
    for settings in (SETTINGS, Settings(seed=4, phase="target"), Settings(seed=3, phase="intermediate-1")):
        model = model_of("w-xnli")
        fit(model, [training("w-xnli")], settings)
        ends.append(weights(model))
    assert not any(same(ends[0], other) for other in ends[1:])


class Killed(Exception):
    pass


@pytest.mark.parametrize("names", [["w-xnli"], ["w-pos", "w-xqa"]])
@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupted_fit_ends_bitwise_as_an_undisturbed_one(names, at, model_of, training, tmp_path):
    tasks = [training(name) for name in names]
    undisturbed = model_of(*names)
    steps = fit(undisturbed, tasks, SETTINGS)

    def kill(row) -> None:
        if row["step"] == at + 1:
            raise Killed

    state = tmp_path / "state.safetensors"
    settings = Settings(seed=3, phase="target", log_every=1, save_every_seconds=0.0)
    with pytest.raises(Killed):
        fit(model_of(*names), tasks, settings, kill, state)
    taken_up = model_of(*names, seed=99)
    rows: list = []
    assert fit(taken_up, tasks, settings, rows.append, state) == steps
    assert [row["step"] for row in rows] == list(range(at + 1, steps + 1))
    assert same(weights(taken_up), weights(undisturbed))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_training_the_embeddings_that_occur_is_training_all_of_them(decay, model_of, training, monkeypatch):
    """Also where the model is looked at on the way, which sees the whole matrix."""
    found, sizes = [], []
    for idle in (1, 10**9):
        monkeypatch.setattr(train, "IDLE", idle)
        model = model_of("w-xnli")
        embeddings = model.encoder.get_input_embeddings()
        look = lambda step, embeddings=embeddings: sizes.append(len(embeddings.weight))  # noqa: E731
        marks = [Mark(frozenset({1, 3}), look)]
        fit(model, [training("w-xnli", weight_decay=decay)], SETTINGS, marks=marks)
        found.append(weights(model))
    assert set(sizes) == {model.config.vocab_size}
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)


def test_narrowed_embeddings_end_bitwise_alike_after_an_interruption(
    model_of, training, tmp_path, monkeypatch
):
    monkeypatch.setattr(train, "IDLE", 1)
    task = training("w-xnli", weight_decay=0.1)
    undisturbed = model_of("w-xnli")
    fit(undisturbed, [task], SETTINGS)

    def kill(row) -> None:
        if row["step"] == 3:
            raise Killed

    state = tmp_path / "state.safetensors"
    settings = Settings(seed=3, phase="target", log_every=1, save_every_seconds=0.0)
    with pytest.raises(Killed):
        fit(model_of("w-xnli"), [task], settings, kill, state)
    taken_up = model_of("w-xnli")
    fit(taken_up, [task], settings, state=state)
    assert same(weights(taken_up), weights(undisturbed))


def test_a_finished_state_is_not_trained_further(model_of, training, tmp_path):
    state = tmp_path / "state.safetensors"
    settings = Settings(seed=3, phase="target", save_every_seconds=0.0)
    first, again = model_of("w-xnli"), model_of("w-xnli")
    fit(first, [training("w-xnli")], settings, state=state)
    rows: list = []
    fit(again, [training("w-xnli")], settings, rows.append, state)
    assert rows == []
    assert same(weights(first), weights(again))


def test_schedule_by_hand():
    # 9 steps, warm-up 0.2: the peak stands at 0.2 * 10 = 2, then 8 steps down to 0 at 10.
    expected = [1 / 2, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    assert [schedule(step, 9, 2.0) for step in range(9)] == pytest.approx(expected)
    assert [schedule(step, 3, 0.0) for step in range(3)] == pytest.approx([3 / 4, 2 / 4, 1 / 4])
    assert [schedule(step, 3, 4.0) for step in range(3)] == pytest.approx([1 / 4, 2 / 4, 3 / 4])
    assert schedule(0, 1, 0.2) > 0


def test_steps_or_epochs(training):
    assert training("w-xnli", n=16, steps=6).steps == 6
    assert training("w-xnli", n=16, steps=0, epochs=2.5).steps == 10  # 4 batches of 4 an epoch
    assert training("w-xnli", n=16, steps=0, epochs=1.0, batch_size=100).steps == 1
    assert training("w-xnli", n=16, steps=0, epochs=0.3, batch_size=5).steps == math.ceil(0.9)


@pytest.mark.parametrize("bad", [1, 6])
def test_a_gradient_that_is_not_finite_stops_the_stage_before_it_reaches_the_weights(
    model_of, training, bad, monkeypatch
):
    model, step = model_of("w-xnli"), train._step

    def spoilt(model, *rest):
        loss = step(model, *rest)
        if rest[-1] + 1 == bad:
            model.heads["w-xnli"].out.bias.grad[0] = math.nan
        return loss

    monkeypatch.setattr(train, "_step", spoilt)
    with pytest.raises(StageFailed, match=rf"the gradient norm is nan at step {bad} of 6 \(w-xnli\)"):
        fit(model, [training("w-xnli")], SETTINGS)
    assert all(torch.isfinite(weight).all() for weight in model.parameters())


def test_a_diverged_loss_stops_the_stage(model_of, training):
    model = model_of("w-xnli")
    with torch.no_grad():
        model.heads["w-xnli"].out.weight[0, 0] = float("nan")
    with pytest.raises(
        StageFailed, match=r"the loss is nan at step 1 of 6 \(w-xnli\); lower the learning rate"
    ):
        fit(model, [training("w-xnli")], SETTINGS)


def test_weight_decay_spares_biases_norms_and_heads(model_of):
    model = model_of("w-xnli")
    values = Hyperparameters(learning_rate=1.0, batch_size=1, steps=1, weight_decay=0.3)
    decayed, spared = train.load_method("full").parameter_groups(model, values)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    found = {names[id(p)] for p in decayed["params"]}
    assert found == {n for n, p in model.named_parameters() if n.startswith("encoder.") and p.ndim == 2}
    everything = [id(p) for group in (decayed, spared) for p in group["params"]]
    assert sorted(everything) == sorted(names)


def test_gradients_are_clipped(model_of, training):
    rows: list = []
    model = model_of("w-xnli")
    fit(model, [training("w-xnli", max_grad_norm=1e-12, learning_rate=1e-3, steps=2)], SETTINGS, rows.append)
    assert rows[0]["gradient_norm"] > 1e-3  # what is logged is the norm before clipping
    # Adam's step is at most about the rate times g / eps once g is far below eps = 1e-6.
    moved = max(
        float((a - b).detach().abs().max())
        for a, b in zip(model.heads.parameters(), model_of("w-xnli").heads.parameters(), strict=True)
    )
    assert moved < 1e-8


MASK, VOCABULARY = 4, 600


def masked(ids: torch.Tensor, seed: int = 0, share: float = 0.25) -> dict:
    generator = torch.Generator().manual_seed(seed)
    return mask_tokens(
        {"ids": ids, "mask": torch.ones_like(ids)}, share, MASK, VOCABULARY, generator, range(5)
    )


def within(count: int, n: int, p: float) -> bool:
    """Five standard deviations of a binomial: exceeded once in two million times."""
    return abs(count - n * p) <= 5 * math.sqrt(n * p * (1 - p))


def test_micro_batches_of_text_are_masked_as_the_whole_batch_is(world_tokenizer, model_of):
    """Texts of unequal length: each part has its own padding."""
    examples = [TextExample(id=str(i), text="be so ta " * (1 + 3 * i)) for i in range(6)]
    task = get_task("mlm")
    features = make_dataset(examples, task, world_tokenizer, 64, 16).features
    found = []
    for size in (0, 1, 4):
        rows: list[dict] = []
        values = Hyperparameters(learning_rate=1e-3, batch_size=6, micro_batch_size=size, steps=3)
        one = TrainingTask(task=task, features=features, values=values)
        model = model_of("mlm")
        model.train = lambda mode=True, model=model: model  # no dropout, which parts draw for themselves
        fit(model, [one], replace(SETTINGS, masked_share=0.5), rows.append)
        found.append([row[name] for row in rows for name in ("loss", "gradient_norm")])
    assert found[1] == pytest.approx(found[0], rel=1e-4) and found[2] == pytest.approx(found[0], rel=1e-4)


def test_no_two_steps_share_their_dropout(model_of, training, monkeypatch):
    """Torch takes the low 32 bits of a seed on the CPU."""
    seeds: list[int] = []
    generator = SimpleNamespace(manual_seed=lambda seed: seeds.append(seed % 2**32))
    monkeypatch.setattr(train, "dropout_generator", lambda device: generator)
    fit(model_of("w-xnli"), [training("w-xnli")], SETTINGS)
    assert len(set(seeds)) == len(seeds) == 6 and {(b - a) % 2**32 for a, b in pairwise(seeds)} == {1}


def test_shares_of_masking():
    ids = torch.full((200, 250), 50)
    batch = masked(ids)
    chosen = batch["labels"] != IGNORED
    n = int(chosen.sum())
    assert within(n, ids.numel(), 0.25)
    assert (batch["labels"][chosen] == 50).all()
    assert torch.equal(batch["ids"][~chosen], ids[~chosen])
    seen = batch["ids"][chosen]
    assert within(int((seen == MASK).sum()), n, 0.8)
    assert within(int((seen == 50).sum()), n, 0.1 + 0.1 / (VOCABULARY - 5))
    other = seen[(seen != MASK) & (seen != 50)]
    assert within(len(other), n, 0.1)
    assert other.min() >= 5 and other.max() < VOCABULARY
    assert len(other.unique()) > 0.7 * VOCABULARY


def test_special_tokens_are_never_masked_and_masking_is_the_generators():
    ids = torch.arange(5).repeat(100, 1)
    assert (masked(ids, share=1.0)["labels"] == IGNORED).all()
    text = torch.full((10, 10), 50)
    assert torch.equal(masked(text, 1)["ids"], masked(text, 1)["ids"])
    assert not torch.equal(masked(text, 1)["ids"], masked(text, 2)["ids"])


def test_the_loss_of_masked_subwords_by_hand(model_of):
    model = model_of()
    task = Task(
        name="mlm",
        kind="mlm",
        description="",
        metrics=(),
        training_data=(),
        languages=("en",),
        train_languages=(),
        world=True,
    )
    model.heads["mlm"] = torch.nn.Linear(32, VOCABULARY)
    batch = masked(torch.randint(5, VOCABULARY, (4, 12), generator=torch.Generator().manual_seed(1)))
    logits = model.heads["mlm"](model.states(batch))
    expected = cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=IGNORED)
    assert loss_count(task, batch) == int((batch["labels"] != IGNORED).sum()) > 0
    torch.testing.assert_close(loss_sum(model, task, batch) / loss_count(task, batch), expected)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 2 / 3), (2.0, math.sqrt(2) / (1 + math.sqrt(2)))])
def test_mixtures_are_by_size_to_the_power_of_one_over_the_temperature(temperature, share, training):
    tasks = [training("w-xnli", n=32, steps=1500), training("w-xcloze", n=16, steps=1500)]
    settings = Settings(seed=0, phase="intermediate-1", mixture_temperature=temperature)
    turns = train._turns(tasks, settings)
    assert len(turns) == 3000
    assert sum(name == "w-xnli" for name, _ in turns) == round(3000 * share)
    for task in ("w-xnli", "w-xcloze"):  # each task takes its own batches one after the other
        numbers = [number for name, number in turns if name == task]
        assert numbers == list(range(len(numbers)))
    assert train._turns(tasks, settings) == turns


def test_a_mixture_trains_all_its_heads(model_of, training):
    model = model_of("w-xnli", "w-pos")
    before = weights(model)
    rows: list = []
    assert fit(model, [training("w-xnli"), training("w-pos")], SETTINGS, rows.append) == 12
    assert {row["task"] for row in rows} == {"w-xnli", "w-pos"}
    assert not any(torch.equal(before[n], v) for n, v in weights(model).items() if n.startswith("heads."))


def without_dropout(model: TransferModel) -> TransferModel:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def text_of(tokenizer) -> TrainingTask:
    features = text_features(["be fagekop hehu rakezi be fagekop hehu"], tokenizer, 64)
    values = Hyperparameters(learning_rate=1e-3, batch_size=1, steps=3)
    return TrainingTask(task=get_task("mlm"), features=features, values=values)


@pytest.mark.parametrize("what", ["nothing", "dropout", "order", "order by length", "mixture", "masking"])
def test_every_random_stream_is_the_seeds_and_the_phases(what, model_of, training, world_tokenizer):
    """One thing is random at a time: one example has no order, one task no turns, dropout is off unless asked for."""
    tasks = {
        "order": [training("w-xnli", batch_size=1)],
        "order by length": [training("w-xnli", batch_tokens=60)],
        "mixture": [training(name, n=1, batch_size=1) for name in ("w-xnli", "w-pos")],
        "masking": [text_of(world_tokenizer)],
    }.get(what, [training("w-xnli", n=1, batch_size=1)])
    ends = []
    for seed, phase in ((3, "target"), (3, "target"), (4, "target"), (3, "intermediate-1")):
        model = model_of(*(training.task.name for training in tasks))
        fit(model if what == "dropout" else without_dropout(model), tasks, Settings(seed=seed, phase=phase))
        ends.append(weights(model))
    assert [same(ends[0], end) for end in ends] == [True, True] + [what == "nothing"] * 2
