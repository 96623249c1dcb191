"""The training loop against a plain one: an example at a time, padded, eager attention, the dense AdamW, no tricks."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, pad

from simxfer.encoder.batching import BatchOrder, collate
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_encoder
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.unpadded import spares_padding
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.training import loop
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask

LENGTH, STEPS = 80, 8
SETTINGS = Settings(seed=3, phase="target", log_every=1)
VALUES = Hyperparameters(
    learning_rate=1e-3, batch_size=6, steps=STEPS, weight_decay=0.01, warmup_share=0.2, max_grad_norm=1.0
)


@pytest.fixture
def model(checkpoint):
    """Return an encoder without dropout."""
    model = TransferModel(load_encoder(resolve_encoder(str(checkpoint))))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def one(model, task, features, unit):
    """Return the summed loss of one unit and what it counts, padded to the maximum length."""
    batch = collate(features, np.array([unit]), 1, torch.device("cpu"))
    more = LENGTH - batch["ids"].shape[1]
    ids, mask = pad(batch["ids"], (0, more), value=1), pad(batch["mask"], (0, more))
    states = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    logits, labels = model.heads[task.name](states), batch["labels"]
    if task.kind == "multiple_choice":
        return cross_entropy(logits.T, labels), 1
    if task.kind == "tagging":
        labels = pad(labels, (0, more), value=-100)
        words = int((labels != -100).sum())
        return cross_entropy(logits[0], labels[0], ignore_index=-100, reduction="sum"), words
    if task.kind == "span":
        logits = logits.masked_fill(mask[..., None] == 0, -torch.inf)
        return sum(cross_entropy(logits[..., k], labels[:, k]) for k in (0, 1)) / 2, 1
    return cross_entropy(logits, labels), 1


def plain(model, task, features):
    """Return the losses of a plain loop."""
    matrices = [p for p in model.encoder.parameters() if p.ndim >= 2]
    matrices += [p for name, p in model.heads.named_parameters() if p.ndim >= 2 and VALUES.head_decay]
    known = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": VALUES.weight_decay}, {"params": rest, "weight_decay": 0.0}],
        betas=(0.9, VALUES.adam_beta2), eps=VALUES.adam_epsilon, fused=False, foreach=False,
    )  # fmt: skip
    order = BatchOrder(features.n_units, VALUES.batch_size, (SETTINGS.seed, task.name, SETTINGS.phase))
    losses = []
    for step in range(STEPS):
        found = [one(model.train(), task, features, unit) for unit in order.units(step)]
        loss = sum(value for value, _ in found) / sum(count for _, count in found)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), VALUES.max_grad_norm)
        for group in optimizer.param_groups:
            group["lr"] = VALUES.learning_rate * loop.schedule(step, STEPS, 0.2 * (STEPS + 1))
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("name", ["w-xnli", "w-xcloze", "w-pos", "w-xqa"])
def test_losses_and_weights_are_those_of_a_plain_loop(name, model, world_tokenizer, monkeypatch):
    monkeypatch.setattr(
        loop, "IDLE", 1
    )  # word embeddings that do not occur stand aside, as in a large vocabulary
    task = get_task(name)
    examples = read_examples(DataRequest(name, "train", "x-pivot", limit=24))
    features = make_dataset(examples, task, world_tokenizer, LENGTH, 16).features
    assert len(set(features.lengths)) > 3
    model.add_head(task, 0)
    for module in model.heads.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    reference = copy.deepcopy(model)
    reference.encoder.set_attn_implementation("eager")
    rows: list = []
    training = TrainingTask(task=task, features=features, values=VALUES)
    loop.fit(model, [training], SETTINGS, rows.append)
    assert spares_padding(model.encoder) and not spares_padding(reference.encoder)
    expected = plain(reference, task, features)
    np.testing.assert_allclose([row["loss"] for row in rows], expected, atol=1e-5)
    assert np.ptp(expected) > 1e-4
    theirs = reference.state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, theirs[key], atol=2e-4, rtol=1e-3, msg=key)
