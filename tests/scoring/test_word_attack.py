"""The attack on words: the same as greedy search by hand, inside its bound, labels and answers where they were."""

from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from simxfer.encoder.batching import collate
from simxfer.encoder.dataset import Dataset, make_dataset, read_gold
from simxfer.encoder.losses import loss_sum
from simxfer.encoder.network import TransferModel
from simxfer.metrics import METRICS
from simxfer.schema.tables import WORDS, WORDS_CHANGED
from simxfer.scoring import word_attack
from simxfer.scoring.evaluate import evaluate
from simxfer.scoring.predict import predict
from simxfer.scoring.protocol import VARIANTS, Evaluation
from simxfer.scoring.word_attack import HARM, Exchange, WordAttack, example_losses
from simxfer.sources import read_examples
from simxfer.sources.perturb import Perturbation
from simxfer.sources.perturb.code_mix import alternatives
from simxfer.sources.perturb.examples import rewritten
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.tasks.examples import AnyExample, Examples
from simxfer.world.lexicon import lexicon

KINDS = ("w-xnli", "w-pos", "w-xqa", "w-xcloze")
LANGUAGE = "x-agg"
LENGTHS = (64, 8)
WORDS_OF = lexicon(0, LANGUAGE).words
THREE = {
    word: tuple(WORDS_OF[(7 * i + k) % len(WORDS_OF)] for k in (1, 2, 3)) for i, word in enumerate(WORDS_OF)
}
"""Three words, whatever they mean, for every word of the language."""


@pytest.fixture(autouse=True)
def three(monkeypatch) -> None:
    monkeypatch.setattr(word_attack, "translations", lambda how: THREE)


def examples_of(name: str, n: int = 24) -> Examples:
    return read_examples(DataRequest(name, "test", LANGUAGE, limit=n))


def attack_of(name: str, strength: float, model: TransferModel, tokenizer) -> WordAttack:
    how = Perturbation("code-mix", strength, "x-d1", DataRequest(name, "test", LANGUAGE), adversarial=True)
    return WordAttack(model, get_task(name), how, tokenizer, *LENGTHS)


def dataset_of(name: str, examples, tokenizer) -> Dataset:
    return make_dataset(examples, get_task(name), tokenizer, *LENGTHS)


def loss_of(name: str, example: AnyExample, model: TransferModel, tokenizer) -> float:
    """Return the training loss of one example by itself; that of its windows is their mean."""
    features = dataset_of(name, [example], tokenizer).features
    batch = collate(features, np.arange(features.n_units), 1, torch.device("cpu"))
    with torch.no_grad():
        loss = float(loss_sum(model, get_task(name), batch))
    return loss / features.n_units if name == "w-xqa" else loss


def is_wrong(name: str, example: AnyExample, model: TransferModel, tokenizer) -> bool:
    task, dataset = get_task(name), dataset_of(name, [example], tokenizer)
    [gold] = read_gold(dataset)
    return METRICS[task.metric]([gold], predict(model, task, dataset, 1), LANGUAGE).value == 0


def by_hand(name: str, strength: float, example: AnyExample, model: TransferModel, tokenizer) -> AnyExample:
    """Greedy search, one forward pass after the other."""
    loss, wrong = (partial(how, name, model=model, tokenizer=tokenizer) for how in (loss_of, is_wrong))
    shown = Exchange()
    rewritten(example, shown, Counter())

    def put(new) -> AnyExample:
        return rewritten(example, Exchange(new), Counter())

    if wrong(example):
        return example
    new: dict = {}
    now, alone = loss(example), {}
    for place, word in shown.shown.items():
        tried = [loss(put({place: other})) for other in alternatives(word, THREE) if other != word]
        if tried and max(tried) > now + HARM:
            alone[place] = max(tried)
    for place in sorted(alone, key=lambda place: -alone[place]):
        if wrong(put(new)) or len(new) == int(strength * len(shown.shown)):
            break
        others = [other for other in alternatives(shown.shown[place], THREE) if other != shown.shown[place]]
        tried = [loss(put(new | {place: other})) for other in others]
        if max(tried) > now + HARM:
            now = max(tried)
            new[place] = others[tried.index(now)]
    return put(new)


@pytest.mark.parametrize("name", KINDS)
def test_it_is_greedy_search_by_hand(name, model, world_tokenizer, monkeypatch):
    monkeypatch.setattr(word_attack, "VARIANTS", 1000)  # all of them are tried
    examples = examples_of(name, 24 if name == "w-xqa" else 8)  # it seldom answers a question
    found = attack_of(name, 0.4, model, world_tokenizer)(examples)
    assert list(found) == [by_hand(name, 0.4, e, model, world_tokenizer) for e in examples]
    assert 0 < found.noted[WORDS_CHANGED] <= 0.4 * found.noted[WORDS] and list(found) != list(examples)


@pytest.mark.parametrize("name", KINDS)
def test_losses_of_examples_add_up_to_that_of_training(name, model, world_tokenizer):
    features = dataset_of(name, examples_of(name), world_tokenizer).features
    batch = collate(features, np.arange(features.n_units), 1, torch.device("cpu"))
    losses = example_losses(model, get_task(name), features, 1)
    windows = np.bincount(features.example[features.unit_starts[:-1]]) if name == "w-xqa" else 1
    with torch.no_grad():
        assert (losses * windows).sum() == pytest.approx(
            float(loss_sum(model, get_task(name), batch)), rel=1e-5
        )
    assert len(losses) == 24


@pytest.mark.parametrize("name", KINDS)
def test_what_is_wrong_anyway_stays_and_no_score_rises(name, model, world_tokenizer):
    examples = examples_of(name, 40)
    changed = attack_of(name, 1.0, model, world_tokenizer)(examples)
    clean, attacked = (dataset_of(name, some, world_tokenizer) for some in (examples, changed))
    evaluation = Evaluation(target=name, split="test", languages=(LANGUAGE,), revision="r", draw=0, world=0)
    before = evaluate(model, evaluation, lambda _: clean, 1)["examples"]["score"]
    after = evaluate(model, evaluation, lambda _: attacked, 1, more_draws=[lambda _: clean])["examples"][
        "score"
    ]
    assert (after <= before).all() and list(changed) != list(examples)
    assert all(a == b for a, b, score in zip(examples, changed, before, strict=True) if score == 0)


@pytest.mark.parametrize("name", KINDS)
def test_labels_tags_and_answers_stay_and_the_bound_holds_in_every_example(name, model, world_tokenizer):
    examples = examples_of(name)
    changed = attack_of(name, 0.3, model, world_tokenizer)(examples)
    for before, after in zip(examples, changed, strict=True):
        texts = [list(e.words) if name == "w-pos" else " ".join(e.texts).split() for e in (before, after)]
        assert len(texts[0]) == len(texts[1])
        assert sum(a != b for a, b in zip(*texts, strict=True)) <= 0.3 * len(texts[0])
        if name == "w-pos":
            assert after.tags == before.tags
        elif name == "w-xqa":
            [(start, text), *_] = after.answers
            assert text == before.answers[0][1] and after.context[start : start + len(text)] == text
        else:
            assert after.label == before.label


def test_strength_0_and_a_share_of_less_than_a_word_change_nothing(model, world_tokenizer):
    examples = examples_of("w-xnli")
    for strength in (0.0, 0.01):
        found = attack_of("w-xnli", strength, model, world_tokenizer)(examples)
        assert list(found) == list(examples) and not found.noted[WORDS_CHANGED]


def test_it_is_the_same_every_time_and_does_not_hang_on_other_examples(model, world_tokenizer, monkeypatch):
    examples = examples_of("w-pos")
    attack = attack_of("w-pos", 0.4, model, world_tokenizer)
    whole = list(attack(examples))
    assert list(attack(Examples(examples[::-1]))) == whole[::-1]
    monkeypatch.setattr(word_attack, "_TOGETHER", 5)
    assert list(attack(examples)) == whole


def test_it_does_more_harm_than_a_random_draw_at_the_same_strength(model, world_tokenizer, monkeypatch):
    examples = examples_of("w-pos", 60)
    attack = attack_of("w-pos", 0.5, model, world_tokenizer)
    monkeypatch.setattr("simxfer.sources.perturb.code_mix.translations", lambda how: THREE)
    drawn = [rewritten(e, replace(attack.how, adversarial=False), Counter()) for e in examples]
    means = [attack.losses(some).mean() for some in (list(examples), drawn, list(attack(examples)))]
    assert means[1] < means[2] and means[0] < means[2]


def test_forward_passes_are_bounded(model, world_tokenizer, monkeypatch):
    """Of an example with more alternatives than the bound only so many are tried, drawn by its id."""
    [example] = examples_of("w-pos", 1)
    long = replace(example, words=example.words * 12, tags=example.tags * 12)
    attack, tried = attack_of("w-pos", 1.0, model, world_tokenizer), []
    losses = attack.losses
    monkeypatch.setattr(attack, "losses", lambda some: tried.append(len(some)) or losses(some))
    assert 3 * len(long.words) > VARIANTS
    attack(Examples([long]))
    assert tried[:2] == [1, VARIANTS] and sum(tried[2:]) <= VARIANTS
    monkeypatch.setattr(word_attack, "ALTERNATIVES", 1)
    tried.clear()
    attack(Examples([example]))
    assert tried[1] <= len(example.words)
