"""Losses of units that differ in size, of a bi-encoder, and masking with special tokens anywhere."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, log_softmax, normalize

from simxfer.common.errors import InputError
from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import make_dataset, training_features
from simxfer.encoder.loading import load_encoder, load_weights, save_weights
from simxfer.encoder.losses import RANKING_SCALE, loss_count, loss_sum
from simxfer.encoder.network import TransferModel
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED
from simxfer.run.representations import _choices
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import ChoiceExample, RankingExample
from simxfer.training.loop import fit
from simxfer.training.masking import mask_tokens
from simxfer.training.recipes import Hyperparameters
from simxfer.training.settings import Settings, TrainingTask

CPU = torch.device("cpu")
CLOZE, LAREQA = get_task("w-xcloze"), get_task("lareqa")


@pytest.fixture
def model(checkpoint):
    return TransferModel(load_encoder(resolve_encoder(str(checkpoint)))).eval()


def test_equal_numbers_of_choices_give_the_very_numbers_of_a_reshaped_softmax(model, world_tokenizer):
    model.add_head(CLOZE, seed=0)
    model.eval()
    examples = read_examples(DataRequest(CLOZE.name, "train", "x-pivot", limit=8))
    batch = collate(make_dataset(examples, CLOZE, world_tokenizer, 64, 0).features, np.arange(8), 1, CPU)
    gradients = []
    for loss in (
        lambda: loss_sum(model, CLOZE, batch),
        lambda: cross_entropy(model(CLOZE.name, batch).float().view(8, -1), batch["labels"], reduction="sum"),
    ):
        model.zero_grad()
        value = loss()
        value.backward()
        gradients.append([value.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(gradients[0]) > 20
    assert all(torch.equal(ours, plain) for ours, plain in zip(*gradients, strict=True))


def test_choices_that_differ_in_number_have_a_softmax_each(model, world_tokenizer):
    model.add_head(CLOZE, seed=0)
    model.eval()
    choices = (("fage", "hehu", "ri"), ("be", "rakezi"), ("hehu", "be", "ri", "fage"))
    examples = [
        ChoiceExample(id=str(i), context="be", choices=c, label=len(c) - 1) for i, c in enumerate(choices)
    ]
    features = make_dataset(examples, CLOZE, world_tokenizer, 32, 0).features
    batch = collate(features, np.array([2, 0, 1]), 1, CPU)
    scores = model(CLOZE.name, batch)[:, 0].split([4, 3, 2])
    expected = -sum(log_softmax(part, 0)[-1] for part in scores)
    torch.testing.assert_close(loss_sum(model, CLOZE, batch), expected)
    assert loss_count(CLOZE, batch) == 3
    alone = sum(loss_sum(model, CLOZE, collate(features, np.array([i]), 1, CPU)) for i in range(3))
    torch.testing.assert_close(loss_sum(model, CLOZE, batch), alone, atol=1e-5, rtol=0)
    states = model.states(batch)
    read, right = _choices(states, batch)
    assert torch.equal(read, states[:, 0])
    assert right.tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 1]


WORDS = ("be", "fage", "hehu", "ri", "rakezi", "cifi", "be fage", "ri ri")


def pairs(tokenizer, keys: str, candidates: tuple[str, ...] = WORDS):
    """One query and one candidate a key; the candidates stand beside a long context."""
    examples = []
    for i, key in enumerate(keys):
        examples.append(RankingExample(id=f"q{i}", text=WORDS[i], side="query", keys=(key + str(i),)))
        shared = (key, key + str(i))
        text = candidates[i]
        examples.append(
            RankingExample(id=f"c{i}", text=text, text_pair="hehu " * 9 + text, side="candidate", keys=shared)
        )
    return training_features(LAREQA, make_dataset(examples, LAREQA, tokenizer, 64, 0))


def vectors(model, features):
    rows = [features.ids[a:b] for a, b in zip(features.starts[:-1], features.starts[1:], strict=True)]
    states = [model.encoder(torch.tensor(row.astype(np.int64))[None]).last_hidden_state[0, 0] for row in rows]
    return normalize(torch.stack(states[0::2]), dim=1), normalize(torch.stack(states[1::2]), dim=1)


def test_the_loss_of_a_bi_encoder_by_hand(model, world_tokenizer):
    features = pairs(world_tokenizer, "abcde")
    batch = collate(features, np.arange(5), 1, CPU)
    queries, candidates = vectors(model, features)
    scores = torch.tensor([[float(q @ c) * 100 for c in candidates.detach()] for q in queries.detach()])
    expected = -sum(log_softmax(scores[i], 0)[i] for i in range(5))
    assert RANKING_SCALE == 100 and loss_count(LAREQA, batch) == 5
    # fp32 cosines differ in the 7th digit with the padding of a batch, and are multiplied by 100.
    torch.testing.assert_close(loss_sum(model, LAREQA, batch).detach(), expected, atol=1e-2, rtol=1e-3)


def test_a_candidate_of_the_same_group_is_no_negative(model, world_tokenizer):
    features = pairs(world_tokenizer, "abab")
    batch = collate(features, np.arange(4), 1, CPU)
    assert (batch["labels"][:, None] == batch["labels"]).long().tolist() == [
        [1, 0, 1, 0],
        [0, 1, 0, 1],
        [1, 0, 1, 0],
        [0, 1, 0, 1],
    ]
    queries, candidates = vectors(model, features)
    expected = torch.tensor(0.0)
    for i in range(4):
        kept = [i, *(j for j in range(4) if "abab"[j] != "abab"[i])]
        expected = expected - log_softmax(100 * queries[i] @ candidates[kept].T, 0)[0]
    torch.testing.assert_close(loss_sum(model, LAREQA, batch), expected, atol=1e-2, rtol=1e-3)


def test_a_batch_without_negatives_is_refused(model, world_tokenizer):
    features = pairs(world_tokenizer, "aab")
    for units in ([0], [0, 1]):
        with pytest.raises(InputError, match=r"no candidate that is not relevant.*micro_batch_size"):
            loss_sum(model, LAREQA, collate(features, np.array(units), 1, CPU))


def test_cosines_are_not_rounded_under_autocast(model, world_tokenizer):
    """The model is a table of vectors here, so that only the softmax could lose digits."""

    class Table(TransferModel):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self.table = nn.Parameter(torch.randn(3000, 16, generator=torch.Generator().manual_seed(0)))

        def states(self, batch):
            return (self.table[batch["ids"]] * batch["mask"][..., None]).sum(dim=1, keepdim=True)

    batch = collate(pairs(world_tokenizer, "abcdefgh"), np.arange(8), 1, CPU)
    table = Table()
    plain = loss_sum(table, LAREQA, batch)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss_sum(table, LAREQA, batch), plain)


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
def test_a_bi_encoder_learns(numerics, model, world_tokenizer):
    examples = []
    for i, (query, candidate) in enumerate(zip(WORDS, WORDS[::-1], strict=True)):
        examples.append(RankingExample(id=f"q{i}", text=query, side="query", keys=(str(i),)))
        examples.append(RankingExample(id=f"c{i}", text=candidate, side="candidate", keys=(str(i),)))
    features = training_features(LAREQA, make_dataset(examples, LAREQA, world_tokenizer, 64, 0))
    values = Hyperparameters(learning_rate=1e-2, batch_size=8, steps=120)
    losses: list[float] = []
    settings = Settings(seed=0, phase="target", numerics=numerics, log_every=1)
    training = TrainingTask(task=LAREQA, features=features, values=values)
    fit(model, [training], settings, lambda row: losses.append(row["loss"]))
    # Without knowing anything the loss is ln 8 = 2.08; dropout keeps it above 0.
    assert np.mean(losses[-10:]) < 1.0


def test_a_bi_encoder_has_no_head_and_its_heads_file_is_empty(model, tmp_path):
    model.add_head(LAREQA, seed=0)
    assert list(model.heads) == []
    save_weights(tmp_path / "heads.safetensors", model.heads)
    load_weights(tmp_path / "heads.safetensors", model.heads)


def test_special_tokens_may_stand_anywhere():
    special, vocabulary = [0, 1, 2, 3, 599], 600  # as XLM-R's, <mask> last
    ids = torch.arange(vocabulary).repeat(300, 1)
    batch = mask_tokens({"ids": ids}, 0.5, 599, vocabulary, torch.Generator().manual_seed(0), special)
    chosen = batch["labels"] != IGNORED
    assert not chosen[:, special].any()
    assert chosen[:, 4].any() and chosen[:, 598].any()
    drawn = batch["ids"][chosen & (batch["ids"] != 599) & (batch["ids"] != ids)]
    assert set(drawn.tolist()) == set(range(4, 599))


def test_masking_with_special_tokens_in_front_draws_as_ever():
    """The world's encoders were pretrained with these very draws."""
    ids = torch.randint(0, 600, (40, 50), generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(7)
    draw, what = (torch.rand(ids.shape, generator=generator) for _ in range(2))
    random_ids = torch.randint(5, 600, ids.shape, generator=generator)
    chosen = (draw < 0.25) & (ids > 4)
    expected = torch.where(chosen & (what < 0.8), 4, ids)
    expected = torch.where(chosen & (what >= 0.9), random_ids, expected)
    found = mask_tokens({"ids": ids}, 0.25, 4, 600, torch.Generator().manual_seed(7), range(5))
    assert torch.equal(found["ids"], expected)
    assert torch.equal(found["labels"], torch.where(chosen, ids, IGNORED))
