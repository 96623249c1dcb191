"""Words exchanged against a model: of what a lexicon has for a word, its loss takes what does most harm.

Greedy, word by word. Every alternative of every word is tried alone; the words are then taken one after another, that
of the most harmful alternative first (the order of Ren et al. 2019, PWWS, without their saliency), and each gets the
alternative with which, beside what has changed already, the loss of the example's gold answer is highest, or stays if
none raises it. An example is left alone once it is answered wrongly, so that what is wrong anyway stays as it is (Tan
and Joty 2021, PolyGloss). Strength bounds the share of an example's words that change, rounded down to whole words.
Answers of span QA are not touched. Nothing is drawn but which words are tried where there are too many.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simxfer.common.streams import stream
from simxfer.encoder.dataset import make_dataset, read_gold
from simxfer.encoder.features import FEATURES
from simxfer.encoder.losses import unit_losses
from simxfer.encoder.network import TransferModel
from simxfer.encoder.ragged import Features
from simxfer.metrics import METRICS
from simxfer.scoring.predict import batches, predict
from simxfer.scoring.protocol import VARIANTS
from simxfer.sources.perturb import ADVERSARIAL, Perturbation, Words
from simxfer.sources.perturb.code_mix import alternatives, translations
from simxfer.sources.perturb.examples import rewritten
from simxfer.tasks.examples import AnyExample, Examples
from simxfer.tasks.record import Task

ALTERNATIVES = 8
"""Most alternatives of a word that are tried, the lexicon's first: in MUSE's files the most frequent."""
HARM = 1e-5
"""What a loss has to rise by: a little less may come of other padding alone."""
_TOGETHER = 64
"""Examples whose variants are tokenised at once."""

Place = tuple[str, int]
"""A field of an example, and which of its words."""


@dataclass(frozen=True)
class Exchange:
    """Words in the place of others; keeps what it was shown."""

    new: Mapping[Place, str] = field(default_factory=dict)
    shown: dict[Place, str] = field(default_factory=dict)
    """The words that may be exchanged."""

    def apply(self, words: Words, *names: str) -> list[tuple[int, str]]:
        """Return the words of a text, new ones where they are; the last name is the field."""
        places = [(names[-1], i) for i in range(len(words))]
        if names[-1] != "answer":
            self.shown.update(zip(places, words, strict=True))
        return [
            (i, self.new.get(place, word)) for i, (place, word) in enumerate(zip(places, words, strict=True))
        ]


@dataclass
class _Attack:
    """One example, and how far the attack on it is."""

    example: AnyExample
    choices: dict[Place, tuple[str, ...]]
    """What is still to be tried, in this order."""
    left: int
    """How many words may still change."""
    new: dict[Place, str] = field(default_factory=dict)
    loss: float = 0.0

    def with_word(self, place: Place, word: str) -> AnyExample:
        return rewritten(self.example, Exchange({**self.new, place: word}), Counter())

    @property
    def changed(self) -> AnyExample:
        return rewritten(self.example, Exchange(self.new), Counter())


class WordAttack:
    """Exchanges words of examples against a model.

    Args:
        model: encoder and the task's head.
        task: one whose examples have labels, tags or answers of their own.
        how: an adversarial perturbation, with the request whose language decides the lexicon.
        tokenizer: the model's.
        max_length: as in `load_dataset`.
        stride: as in `load_dataset`.
    """

    def __init__(
        self,
        model: TransferModel,
        task: Task,
        how: Perturbation,
        tokenizer: Any,
        max_length: int,
        stride: int,
    ) -> None:
        self.model, self.task, self.how = model, task, how
        self.reading = (task, tokenizer, max_length, stride)
        self.pad, self.language = tokenizer.pad_token_id, how.request.language if how.request else ""
        self.known = translations(how)

    def __call__(self, examples: Examples) -> Examples:
        """Return the examples as they are after the attack; how many words changed is noted."""
        counts: Counter[str] = Counter()
        new = [
            rewritten(attack.example, Exchange(attack.new), counts)
            for first in range(0, len(examples), _TOGETHER)
            for attack in self._attacked(examples[first : first + _TOGETHER])
        ]
        return Examples(new, examples.without_gold, examples.noted + counts)

    def _attacked(self, examples: Sequence[AnyExample]) -> list[_Attack]:
        every = [self._begin(example) for example in examples]
        going = self._right([attack for attack in every if attack.choices and attack.left])
        self._rank(going)
        while going := [attack for attack in going if attack.choices and attack.left]:
            self._take_next(going)
            going = self._right(going)
        return every

    def _begin(self, example: AnyExample) -> _Attack:
        """Return the attack on an example with what may be tried, in the order of the text."""
        exchange = Exchange()
        rewritten(example, exchange, Counter())
        places, room = list(exchange.shown), VARIANTS
        found: dict[Place, tuple[str, ...]] = {}
        for k in stream("perturb", ADVERSARIAL, example.id).permutation(len(places)):
            word = exchange.shown[places[k]]
            others = dict.fromkeys(new for new in alternatives(word, self.known) if new != word)
            found[places[k]] = tuple(others)[: min(ALTERNATIVES, room)]
            room -= len(found[places[k]])
        # The small number is for shares such as .29, of which 100 words are 28.999999999999996 in floating point.
        most = int(self.how.strength * len(places) + 1e-9)
        return _Attack(example, {place: found[place] for place in places if found[place]}, most)

    def _right(self, attacks: list[_Attack]) -> list[_Attack]:
        """Return those whose examples are not answered wrongly as they now are: their score is more than 0."""
        if not attacks:
            return []
        dataset = make_dataset([attack.changed for attack in attacks], *self.reading)
        found = predict(self.model, self.task, dataset, self.pad)
        scores = METRICS[self.task.metric](read_gold(dataset), found, self.language).examples
        return [attack for attack, score in zip(attacks, scores, strict=True) if score > 0]

    def _rank(self, attacks: list[_Attack]) -> None:
        """Order what may be tried by the harm that it does alone; what does none is left out."""
        for attack, loss in zip(attacks, self.losses([attack.example for attack in attacks]), strict=True):
            attack.loss = float(loss)
        asked = [(attack, place) for attack in attacks for place in attack.choices]
        harms: dict[int, dict[Place, float]] = {id(attack): {} for attack in attacks}
        for (attack, place), losses in zip(asked, self._tried(asked), strict=True):
            if losses.max() > attack.loss + HARM:
                harms[id(attack)][place] = float(losses.max())
        for attack in attacks:
            harm = harms[id(attack)]
            attack.choices = {p: attack.choices[p] for p in sorted(harm, key=harm.__getitem__, reverse=True)}

    def _take_next(self, attacks: list[_Attack]) -> None:
        """Give the next word of each its most harmful alternative, the first of equal ones, if it does harm."""
        asked = [(attack, next(iter(attack.choices))) for attack in attacks]
        for (attack, place), losses in zip(asked, self._tried(asked), strict=True):
            words, best = attack.choices.pop(place), int(losses.argmax())
            if losses[best] > attack.loss + HARM:
                attack.new[place], attack.loss = words[best], float(losses[best])
                attack.left -= 1

    def _tried(self, asked: Sequence[tuple[_Attack, Place]]) -> list[np.ndarray]:
        """Return the losses of all alternatives at some places, each beside what has changed already."""
        variants = [
            attack.with_word(place, word) for attack, place in asked for word in attack.choices[place]
        ]
        ends = np.cumsum([len(attack.choices[place]) for attack, place in asked])
        return np.split(self.losses(variants), ends)[:-1]

    def losses(self, examples: Sequence[AnyExample]) -> np.ndarray:
        """Return the loss of each example, (examples,)."""
        if not examples:
            return np.zeros(0)
        return example_losses(
            self.model, self.task, FEATURES[self.task.kind](examples, *self.reading), self.pad
        )


def example_losses(model: TransferModel, task: Task, features: Features, pad: int) -> np.ndarray:
    """Return the loss of each example, (examples,) float64: what training sums, before it is summed.

    Tagging: of all its words together. Span QA: the mean over its windows, of which a variant may have more.
    """
    of_unit = features.example[features.unit_starts[:-1]]
    lost = np.zeros(features.n_units)
    for units, batch in batches(model, features, pad):
        lost[units] = unit_losses(model, task, batch).cpu().numpy()
    total = np.bincount(of_unit, weights=lost)
    return total / np.bincount(of_unit) if task.kind == "span" else total
