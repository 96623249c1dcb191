"""Every training method on every kind of task: what moves, what rests, what is stored, and that it can be taken up."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from simxfer.common.errors import InputError
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset, training_features
from simxfer.encoder.loading import load_encoder, load_tokenizer, load_weights, save_weights
from simxfer.encoder.losses import loss_sum
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED, Features, join_features
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import RankingExample, TextExample
from simxfer.training import loop
from simxfer.training.methods import METHODS, canonical_method, load_method, phases_of
from simxfer.training.methods.adapter import FusionCourse
from simxfer.training.methods.method import Course, Step
from simxfer.training.recipes import Hyperparameters, get_recipe
from simxfer.training.settings import Settings, Training, TrainingTask

SPELLED = (
    "full",
    "full(freeze=1)",
    "adapter(pfeiffer,r=8,invertible=true)",
    "adapter(houlsby,r=8)",
    "lora(r=2,alpha=4)",
    "robust(pgd,radius=0.5)",
    "robust(radius=0.5,passes=3)",
    "adversarial(strength=0.5)",
    "adversarial(tokens,strength=1,labels=permuted)",
    "smoothing(swap,strength=0.5,copies=2)",
    "adapter(pfeiffer,r=8,phases=stacked,init=normal)",
    "adapter(houlsby,r=8,phases=fused,init=normal)",
)
ON_TOP = [text for text in SPELLED if getattr(load_method(text), "phases", "continued") != "continued"]
"""What comes on top of an intermediate's adapter."""
BESIDE = [text for text in SPELLED if load_method(text).beside and text not in ON_TOP]
KINDS = {
    "classification": "w-xnli", "multiple_choice": "w-xcloze", "span": "w-xqa", "tagging": "w-pos", "mlm": "mlm",
    "ranking": "mewslix",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder(checkpoint):
    return resolve_encoder(str(checkpoint))


TEXTS: list[Features] = []
"""Unlabelled text of two languages; filled once."""


@pytest.fixture(scope="module", autouse=True)
def _texts(encoder) -> None:
    for language in ("x-agg", "x-cyrl"):
        examples = read_examples(DataRequest("w-xnli", "train", language, limit=7))
        dataset = make_dataset(examples, get_task("w-xnli"), load_tokenizer(encoder), 48, 8)
        TEXTS.append(dataset.features)


@pytest.fixture(scope="module")
def trainings(encoder) -> dict[str, TrainingTask]:
    tokenizer, found = load_tokenizer(encoder), {}
    for kind, name in KINDS.items():
        task = get_task(name)
        assert task.kind == kind
        if kind == "mlm":
            examples = [TextExample(id=str(i), text="be so ta " * (2 + i)) for i in range(12)]
        elif kind == "ranking":
            sides = (("query", "be so"), ("candidate", "ta be so ta"))
            examples = [
                RankingExample(id=f"{side}{i}", text=text * (1 + i % 3) + str(i), side=side, keys=(f"k{i}",))
                for side, text in sides
                for i in range(12)
            ]
        else:
            examples = read_examples(DataRequest(name, "train", "x-pivot", limit=12))
        features = training_features(task, make_dataset(examples, task, tokenizer, 48, 8))
        values = Hyperparameters(learning_rate=1e-2, batch_size=4, steps=4)
        found[kind] = TrainingTask(task=task, features=features, values=values)
    return found


def model_for(encoder, tasks: list[TrainingTask], method: str, seed: int = 0) -> TransferModel:
    model = TransferModel(load_encoder(encoder))
    for one in tasks:
        model.add_head(one.task, seed)
    if method in ON_TOP:
        load_method(method.replace("stacked", "continued").replace("fused", "continued")).prepare(model, 1)
    load_method(method).prepare(model, 2 if method in ON_TOP else seed)
    return model


def fit(model: TransferModel, tasks: list[TrainingTask], how: Settings, *more) -> int:
    """Train, beside unlabelled text of two languages where the method reads any."""
    texts = TEXTS if load_method(how.method).reads_text else ()
    return loop.fit(model, tasks, how, *more, texts=texts)


def settings(method: str, **more) -> Settings:
    return Settings(seed=0, phase="target", method=method, **more)


def weights(model: TransferModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def moved(before: dict, after: dict) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_all_methods_are_tried_here():
    assert {text.partition("(")[0] for text in SPELLED} == set(METHODS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", SPELLED)
def test_only_what_the_method_says_moves_and_only_that_is_stored(method, kind, encoder, trainings, tmp_path):
    model = model_for(encoder, [trainings[kind]], method)
    before = weights(model)
    assert fit(model, [trainings[kind]], settings(method)) == 4
    changed = moved(before, weights(model))
    assert kind == "ranking" or any(name.startswith("heads") for name in changed)  # it has no head
    kinds = {name.split(".")[0] for name in changed} - {"heads"}
    if load_method(method).beside:
        own = {id(p) for p in load_method(method).trained(model).parameters()}
        names = {name for name, p in model.named_parameters(remove_duplicate=False) if id(p) in own}
        assert changed & names and changed - names <= {n for n in before if n.startswith("heads")}
    else:
        assert kinds == {"encoder"}
    resting = [n for n in before if "embeddings" in n or ".layer.0." in n]
    if method == "full(freeze=1)":
        assert not changed & set(resting)
    save_weights(tmp_path / "w.safetensors", load_method(method).trained(model))
    again = model_for(encoder, [trainings[kind]], method, seed=5)
    again.heads.load_state_dict(model.heads.state_dict())
    load_weights(tmp_path / "w.safetensors", load_method(method).trained(again))
    assert not moved(weights(model), weights(again))


def test_masked_text_is_told_by_the_inverse_of_the_coupling_layers(encoder, trainings):
    one = trainings["mlm"]
    model = model_for(encoder, [one], "adapter(pfeiffer,r=2,invertible=true,init=normal)").eval()
    batch = dict(collate(one.features, np.arange(4), 1, torch.device("cpu")))
    masked = torch.zeros_like(batch["ids"], dtype=torch.bool)
    masked[:, 2] = True
    batch["labels"] = torch.where(masked, batch["ids"], IGNORED)
    head = model.heads["mlm"]
    hidden = head.layer_norm(torch.nn.functional.gelu(head.dense(model.states(batch)[masked])))
    logits = model.beside.coupling.inverse(hidden) @ model.encoder.get_input_embeddings().weight.T + head.bias
    expected = torch.nn.functional.cross_entropy(logits, batch["ids"][masked], reduction="sum")
    torch.testing.assert_close(loss_sum(model, one.task, batch), expected)


def test_the_values_of_a_fusion_are_held_near_the_identity(encoder, trainings):
    """Beside the gradient of the loss stands that of .01 |I - V|^2 (AdapterHub), once a batch however it is cut."""
    method, found = ON_TOP[-1], []
    for course_of in (Course, FusionCourse):
        one = trainings["classification"]
        model = model_for(encoder, [one], method).eval()
        [unit, *_] = [unit for layer in model.beside.fusion.values() for unit in layer.values()]
        with torch.no_grad():
            unit.value.weight += 0.1
        parts = [collate(one.features, np.arange(i, i + 2), 1, torch.device("cpu")) for i in (0, 2)]
        step = Step(0, one.task, np.arange(4), parts, 4, nullcontext)
        course_of(load_method(method), model).add_gradients(step)
        found.append(unit.value.weight.grad)
    torch.testing.assert_close(found[1] - found[0], torch.full_like(found[0], 2 * 0.01 * 0.1))


class Killed(Exception):
    pass


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
@pytest.mark.parametrize("method", SPELLED)
def test_a_mixture_that_is_killed_ends_bitwise_as_an_undisturbed_one(
    method, numerics, encoder, trainings, tmp_path
):
    tasks = [trainings["classification"], trainings["tagging"], trainings["mlm"]]
    undisturbed = model_for(encoder, tasks, method)
    fit(undisturbed, tasks, settings(method, numerics=numerics))

    def kill(row) -> None:
        if row["step"] == 6:
            raise Killed

    state = tmp_path / "state.safetensors"
    saving = settings(method, numerics=numerics, log_every=1, save_every_seconds=0.0)
    with pytest.raises(Killed):
        fit(model_for(encoder, tasks, method), tasks, saving, kill, state)
    whole = any("word_embeddings" in name for name in load_file(state))
    assert whole != load_method(method).beside  # what rests is not saved
    taken_up = model_for(encoder, tasks, method)
    rows: list = []
    fit(taken_up, tasks, saving, rows.append, state)
    assert rows[0]["step"] == 6
    assert not moved(weights(undisturbed), weights(taken_up))


@pytest.mark.parametrize("method", SPELLED)
def test_micro_batches_give_the_batchs_step(method, encoder, trainings):
    found = []
    for size in (0, 2):
        one = trainings["tagging"]
        values = Hyperparameters(learning_rate=1e-2, batch_size=4, steps=2, micro_batch_size=size)
        model = model_for(encoder, [one], method)
        load_method(method).train(model)
        rest = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
        for module in rest:
            module.p = 0.0
        fit(model, [TrainingTask(task=one.task, features=one.features, values=values)], settings(method))
        found.append(weights(model))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("method", BESIDE)
def test_what_stands_beside_begins_as_the_encoder_and_leaves_the_streams_of_others(
    method, encoder, trainings
):
    tasks = [trainings["classification"]]
    torch.manual_seed(7)
    plain = model_for(encoder, tasks, "full")
    expected = torch.rand(1)
    torch.manual_seed(7)
    model = model_for(encoder, tasks, method)
    assert torch.equal(torch.rand(1), expected)
    batch = {"ids": torch.full((2, 6), 50), "mask": torch.ones(2, 6, dtype=torch.long)}
    assert torch.equal(plain.eval().states(batch), model.eval().states(batch))
    assert load_method(method).changes_nothing(model, batch)
    fit(model, tasks, settings(method))
    assert not load_method(method).changes_nothing(model, batch)


@pytest.mark.parametrize("method", BESIDE)
def test_stored_bytes_are_a_small_part_of_the_encoders(method, tmp_path, trainings):
    shipped = resolve_encoder("world/w0-s0")
    model = model_for(
        shipped, [], method.replace("r=8", "r=16").replace("invertible=true", "invertible=false")
    )
    stored = sum(p.numel() for p in load_method(method).trained(model).parameters())
    assert stored < 0.02 * sum(p.numel() for p in load_encoder(shipped).parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attack", ["freelb", "pgd"])
def test_radius_0_is_full_fine_tuning_bit_for_bit(attack, kind, encoder, trainings):
    found = []
    for method in ("full", f"robust({attack},radius=0)"):
        model = model_for(encoder, [trainings[kind]], method)
        fit(model, [trainings[kind]], settings(method))
        found.append(weights(model))
    assert not moved(*found)


def test_embeddings_are_moved_against_the_model(encoder, trainings):
    """With equal dropout the mean loss of FreeLB's passes is above the plain one."""
    one = trainings["classification"]
    losses = {}
    for method in (
        "full",
        "robust(radius=2,size=1,passes=3,start=0)",
        "robust(pgd,radius=2,size=1,passes=3,start=0)",
    ):
        rows: list[dict] = []
        fit(model_for(encoder, [one], method), [one], settings(method, log_every=1), rows.append)
        losses[method] = rows[0]["loss"]
    plain, freelb, pgd = losses.values()
    assert plain < freelb < pgd


def test_resting_layers_run_without_dropout(encoder, trainings):
    model = model_for(encoder, [trainings["tagging"]], "full(freeze=1)")
    load_method("full(freeze=1)").train(model)
    layers = model.encoder.encoder.layer
    assert not model.encoder.embeddings.training and not layers[0].training and layers[1].training


@pytest.mark.parametrize("layers", [2, 7])
def test_a_method_that_would_train_no_layer_is_refused(layers, encoder):
    with pytest.raises(
        InputError, match=f"freeze={layers} leaves nothing to train in an encoder of 2 layers"
    ):
        model_for(encoder, [], f"full(freeze={layers})")


@pytest.mark.parametrize(
    ("text", "spelled", "phases"),
    [
        ("full(freeze=0)", "full", ("full", "full")),
        ("full(2)", "full(freeze=2)", ("full(freeze=2)", "full(freeze=2)")),
        (" adapter ( r=16, kind=pfeiffer ) ", "adapter(pfeiffer,r=16)", ("adapter(pfeiffer,r=16)",) * 2),
        ("full > lora", "full>lora(r=8,alpha=16)", ("full", "lora(r=8,alpha=16)")),
        ("full>full", "full", ("full", "full")),
        (
            "adapter(houlsby,invertible)",
            "adapter(houlsby,r=16,invertible=true)",
            ("adapter(houlsby,r=16,invertible=true)",) * 2,
        ),
        (
            "robust(radius=0.1234567)",
            "robust(freelb,radius=0.1234567)",
            ("robust(freelb,radius=0.1234567)",) * 2,
        ),
    ],
)
def test_a_method_has_one_spelling(text, spelled, phases):
    assert canonical_method(text) == spelled and phases_of(text) == phases
    assert canonical_method(spelled) == spelled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ful", "unknown method 'ful'. Did you mean 'full'"),
        ("adapter(pfeifer)", "method adapter: unknown kind 'pfeifer'. Did you mean 'pfeiffer'?"),
        ("smoothing(swp)", "unknown perturbation of words 'swp'. Did you mean 'swap'?"),
        ("adversarial(labels=permutd)", "unknown labels 'permutd'. Did you mean 'permuted'?"),
        ("adapter(red=2)", "method adapter: unknown parameter 'red'"),
        ("adapter(r=0)", "r = '0': Input should be greater than 0"),
        ("adapter(r=inf)", "r = 'inf': Input should be a finite number"),
        ("adapter(r=2,r=4)", "gives r twice"),
        ("lora>full", "in intermediate and target stages alike; write lora"),
        ("full>full>full", "has 3 phases"),
        ("full(", "cannot be read"),
    ],
)
def test_what_no_method_is_is_refused(text, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        canonical_method(text)


def test_methods_have_their_own_rows_in_the_recipes_of_real_encoders():
    for name in ("xtreme", "xstilts"):
        recipe = get_recipe(name)
        full, adapter = recipe.hyperparameters("panx"), recipe.hyperparameters("panx", "adapter")
        assert adapter.learning_rate == 1e-4 and adapter.epochs == 3 * full.epochs
        assert recipe.hyperparameters("panx", "lora").learning_rate == 3e-4


def test_adapter_weights_are_named_as_adapterhubs(encoder, tmp_path):
    model = model_for(encoder, [], "adapter(houlsby,r=4)")
    save_weights(tmp_path / "a.safetensors", load_method("adapter(houlsby,r=4)").trained(model))
    names = set(load_file(Path(tmp_path / "a.safetensors")))
    assert "layer0.attention.down.weight" in names and len(names) == 2 * 2 * 4
    assert np.isfinite([float(v.sum()) for v in load_file(tmp_path / "a.safetensors").values()]).all()


PARITY = (
    "adversarial(strength=0)",
    "adversarial(mean,gamma=0,strength=1)",
    "adversarial(first,gamma=0,strength=1)",
    "adversarial(tokens,gamma=0,strength=1)",
)
"""No adversary; and one that is trained beside the task but, its schedule being flat, never heard."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", PARITY)
def test_an_adversary_that_is_not_heard_changes_no_bit(method, kind, encoder, trainings):
    found, said = [], []
    for text in ("full", method):
        model = model_for(encoder, [trainings[kind]], text)
        fit(model, [trainings[kind]], settings(text, log_every=1), said.append)
        found.append(weights(model))
    assert not moved(*found)
    assert ("discriminator_accuracy" in said[-1]) == (method != PARITY[0])
    assert [row["loss"] for row in said[:4]] == [row["loss"] for row in said[4:]]


def test_a_discriminator_learns_to_tell_languages(encoder, trainings):
    """With the encoder nearly at rest, what can be told apart is; always naming one side would be half right."""
    one, rows = trainings["classification"], []
    values = Hyperparameters(learning_rate=1e-9, batch_size=12, steps=60)
    method = "adversarial(tokens,strength=1,rate=0.01)"
    training = TrainingTask(task=one.task, features=one.features, values=values)
    fit(model_for(encoder, [one], method), [training], settings(method, log_every=20), rows.append)
    assert rows[-1]["discriminator_accuracy"] > 0.6


def test_permuted_labels_are_drawn_once_in_the_shares_of_the_true_ones(encoder, trainings):
    one, method = trainings["classification"], load_method("adversarial(mean,strength=1,labels=permuted)")
    texts = [join_features([text] * 200) for text in TEXTS]
    model = model_for(encoder, [one], "full")
    begun = Training(tasks=[one], texts=texts, settings=settings("full"), steps=4)
    courses = [method.begin(model, begun) for _ in range(2)]
    labels, again = (course.labels[""] for course in courses)
    assert (labels == again).all() and (labels != courses[0].language).any()
    shares = np.bincount(labels) / len(labels)
    assert np.allclose(shares, [0.5, 0.25, 0.25], atol=0.05)


def test_an_encoder_that_is_heard_hides_its_language(encoder, trainings):
    """The discriminator loses what it had learned once its gradient reaches the encoder."""
    one, accuracy = trainings["classification"], {}
    values = Hyperparameters(learning_rate=3e-3, batch_size=12, steps=120, warmup_share=0.0)
    for gamma in (0, 10):
        method, rows = f"adversarial(mean,strength=2,gamma={gamma},rate=0.003)", []
        training = TrainingTask(task=one.task, features=one.features, values=values)
        fit(model_for(encoder, [one], method), [training], settings(method, log_every=30), rows.append)
        accuracy[gamma] = rows[-1]["discriminator_accuracy"]
    assert accuracy[10] < accuracy[0] - 0.1


@pytest.mark.parametrize(
    ("recipe", "longer", "task"), [("world", 1, "w-nli"), ("packaged", 1, "xnli"), ("packaged", 3, "xnli")]
)
def test_rows_for_methods_are_the_best_of_the_table_that_was_made_for_them(recipe, longer, task):
    """By the mean over targets, seeds and variants of the method."""
    table = pd.read_csv(Path(__file__).parents[2] / "docs" / "method-recipes.csv")
    table = table[table["checkpoint"].str.startswith(f"{recipe}/") & (table["longer"] == longer)]
    for name in ("adapter", "lora"):
        rows = table[table["method"].str.startswith(name)]
        best = rows.groupby("learning_rate")["value"].mean().idxmax()
        full, own = (get_recipe(recipe).hyperparameters(task, method) for method in ("full", name))
        assert best == own.learning_rate
        assert own.steps == full.steps * {"world": 1, "packaged": 3}[recipe]
