"""Perturbations of test inputs: one file each; a text -> another text, labels, tags and spans stay on their words.

A perturbation is written as its name and strength, `swap(0.2)`, `code-mix(0.2,de)`. Strength is the share of words
meant to change, 0 to 1; how many really changed stands beside it in the results' flags. What is drawn is named by the
perturbation, the example's id and the field alone, so that every model, worker and language sees the same draws;
`swap(0.2)#1` is a second draw, and of `worst(k=5,swap(0.2))` the first five are scored. Nothing is drawn in
`adversarial(code-mix(0.2,de))`: the model's loss decides, and the strength bounds the share of words. A word of a
script without blanks is a piece of it. Units inside a word are grapheme clusters, never code points.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

import numpy as np

from simxfer.common.errors import InputError, unknown
from simxfer.common.streams import stream
from simxfer.schema.tables import is_language
from simxfer.sources.request import DataRequest

CLEAN = "clean"
PERTURBATIONS: dict[str, str] = {
    "swap": "simxfer.sources.perturb.swap:swap",
    "drop": "simxfer.sources.perturb.drop:drop",
    "repeat": "simxfer.sources.perturb.repeat:repeat",
    "case": "simxfer.sources.perturb.case:change_case",
    "accents": "simxfer.sources.perturb.accents:strip_accents",
    "punctuation": "simxfer.sources.perturb.punctuation:drop_punctuation",
    "order": "simxfer.sources.perturb.order:shuffle",
    "local-order": "simxfer.sources.perturb.local_order:exchange",
    "word-drop": "simxfer.sources.perturb.word_drop:drop_words",
    "word-repeat": "simxfer.sources.perturb.word_repeat:repeat_words",
    "typos": "simxfer.sources.perturb.typos:mistype",
    "lookalikes": "simxfer.sources.perturb.lookalikes:disguise",
    "spacing": "simxfer.sources.perturb.spacing:respace",
    "code-mix": "simxfer.sources.perturb.code_mix:mix",
    "substitute": "simxfer.sources.perturb.code_mix:substitute",
}

MIXES = ("code-mix",)
"""Those that name a language that is mixed in."""

LEXICAL = (*MIXES, "substitute")
"""Those that read a lexicon."""

ATTACKS = ("pgd",)
"""Those of a model's word embeddings, not of words (`simxfer.scoring.attack`); their strength is the radius."""

WORST = "worst"
"""Stands before the number of draws of a perturbation of which each example keeps the one that it scores lowest on."""

ADVERSARIAL = "adversarial"
"""Stands before one of `LEXICAL` of which the model's loss decides which words change, and into what
(`simxfer.scoring.word_attack`)."""

Words = list[str]
_CALL = re.compile(r"\s*([a-z-]+)\s*(?:\(\s*([0-9.]+)\s*(?:,\s*([A-Za-z0-9-]+)\s*)?\)(?:#([0-9]+))?)?\s*")
_WORST = re.compile(rf"\s*{WORST}\s*\(\s*k\s*=\s*([0-9]+)\s*,(.*)\)\s*")
_ADVERSARIAL = re.compile(rf"\s*{ADVERSARIAL}\s*\((.*)\)\s*")


@dataclass(frozen=True)
class Perturbation:
    """A perturbation at a strength."""

    name: str
    strength: float
    mixed_in: str = ""
    """The language that is mixed in."""
    request: DataRequest | None = None
    """The data that are perturbed: their language decides keyboard and lexicon."""
    draw: int = 0
    """Which of its draws."""
    worst_of: int = 1
    """How many draws are scored, from the first on; each example keeps the one that it scores lowest on."""
    adversarial: bool = False
    """Whether a model's loss decides in place of draws; the strength is then the largest share of words that change."""

    def __str__(self) -> str:
        """Return its one spelling."""
        call = f"{self.name}({self.strength:g}{',' * bool(self.mixed_in)}{self.mixed_in})"
        call += f"#{self.draw}" * bool(self.draw)
        if self.adversarial:
            return f"{ADVERSARIAL}({call})"
        return f"{WORST}(k={self.worst_of},{call})" if self.worst_of > 1 else call

    @property
    def lexical(self) -> bool:
        """Whether it reads a lexicon."""
        return self.name in LEXICAL

    @property
    def is_plain(self) -> bool:
        """Whether it is the first draw of a perturbation, and nothing stands around it."""
        return self == replace(self, draw=0, worst_of=1, adversarial=False)

    @property
    def follows_loss(self) -> bool:
        """Whether a model's loss decides."""
        return self.adversarial or self.name in ATTACKS

    @property
    def draws(self) -> tuple["Perturbation", ...]:
        """All that are drawn: itself, as many draws as the worst is taken of, or what the loss decides drawn."""
        if self.worst_of == 1:
            return (replace(self, adversarial=False),)
        return tuple(replace(self, draw=i, worst_of=1) for i in range(self.worst_of))

    def apply(self, words: Words, *names: str) -> list[tuple[int, str]]:
        """Return the words of the new text, each with the place that it comes from; names name the draws."""
        if not words or self.strength == 0:
            return list(enumerate(words))
        draw = (f"draw {self.draw}",) if self.draw else ()
        return load(self.name)(words, self, stream("perturb", self.name, *draw, *names))


Change = Callable[[Words, Perturbation, np.random.Generator], list[tuple[int, str]]]
"""(words, perturbation, rng) -> the words of the new text, each with the place in the old one that it comes from."""


@cache
def load(name: str) -> Change:
    """Return the function of a perturbation's name in `PERTURBATIONS`."""
    module, attribute = PERTURBATIONS[name].split(":")
    return getattr(import_module(module), attribute)


def parse(text: str) -> Perturbation:
    """Return the perturbation that a text names; the worst of one draw is that draw.

    Raises:
        InputError: an unknown one, a strength that is missing or not in [0, 1], no number of draws, or a loss that
            should decide where there are no alternatives.
    """
    if worst := _WORST.fullmatch(text):
        one = parse(worst[2])
        if not one.is_plain or one.name in ATTACKS or not int(worst[1]):
            raise _unreadable(text, WORST)
        return replace(one, worst_of=int(worst[1]))
    if adversarial := _ADVERSARIAL.fullmatch(text):
        one = parse(adversarial[1])
        if not one.is_plain or not one.lexical:
            raise _unreadable(text, ADVERSARIAL)
        return replace(one, adversarial=True)
    call = _CALL.fullmatch(text)
    name = call[1] if call else ""
    around = (WORST, ADVERSARIAL)
    known = (*PERTURBATIONS, *ATTACKS, *around)
    if call and name not in known:
        raise InputError(unknown("perturbation", name, known))
    if not call or name in around or call[2] is None or (name in MIXES) != is_language(call[3] or ""):
        raise _unreadable(text, next((n for n in around if text.strip().startswith(n)), name))
    strength = float(call[2])
    if not 0 < strength <= 1:
        raise InputError(f"perturbation {text!r} has strength {strength:g}; expected more than 0, at most 1")
    if name in ATTACKS and call[4]:
        raise _unreadable(text, name)  # nothing is drawn
    return Perturbation(name, strength, call[3] or "", draw=int(call[4] or 0))


def _unreadable(text: str, name: str) -> InputError:
    form = "NAME(STRENGTH), such as swap(0.2)"
    if name in MIXES:
        form = f"{name}(STRENGTH,LANGUAGE), such as {name}(0.2,de)"
    elif name == WORST:
        form = f"{WORST}(k=NUMBER,PERTURBATION), such as {WORST}(k=5,swap(0.2))"
    elif name == ADVERSARIAL:
        form = f"{ADVERSARIAL}(code-mix(STRENGTH,LANGUAGE)) or {ADVERSARIAL}(substitute(STRENGTH))"
    return InputError(f"perturbation {text!r} cannot be read; write it as {form}")


def each_word(
    words: Words,
    how: Perturbation,
    rng: np.random.Generator,
    change: Callable[[str, np.random.Generator], str],
) -> list[tuple[int, str]]:
    """Change words in their places, each with the probability of the strength.

    One uniform number a word says whether, so that what changes at a strength changes at every greater one as well.
    """
    chosen = rng.random(len(words)) < how.strength
    draws = rng.integers(2**32, size=len(words))
    return [
        (i, change(word, np.random.default_rng(draw)) if hit else word)
        for i, (word, hit, draw) in enumerate(zip(words, chosen, draws, strict=True))
    ]


def clusters(word: str) -> list[str]:
    """Return the grapheme clusters of a word (Unicode's extended ones)."""
    import regex

    return regex.findall(r"\X", word)


def script_of(character: str) -> str:
    """Return the script that a character's name begins with: LATIN, ARABIC, CJK."""
    return unicodedata.name(character, " ").split(" ")[0]


def changed(words: Words, new: Iterable[tuple[int, str]]) -> int:
    """Return how many words were altered, left out, said again, or moved to another place."""
    given = list(new)
    places = [place for place, _ in given]
    if places != sorted(places):
        return sum(place != k or word != words[place] for k, (place, word) in enumerate(given))
    kept = {place for place, word in given if word == words[place]}
    return len(words) - len(kept) + len(places) - len(set(places))
