"""The words: the form of every concept in every language of a world.

Roots are open syllables. A language inherits exactly the declared share of its parent's roots and coins the
rest; no form is ever coined twice in a world, so there are no false friends. Between a stem and its suffix
stands a word joiner (U+2060), invisible and a boundary for the tokenizer.

A *word id* is `suffix * N_CONCEPTS + concept`, suffix 0 being none: the same number means the same word in
every language, and a table of strings turns ids into text.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np

from simxfer.common.errors import InputError
from simxfer.common.streams import stream
from simxfer.world.languages import LANGUAGES, Language, get_language
from simxfer.world.ontology import GLOSS, GROUP_OF, GROUPS, HOMONYMS, IS_LOAN, IS_NAME, N_CONCEPTS, N_NOUNS

WORLDS = (0, 1)
"""The worlds that encoders are made for; a world is a lexicon and a set of selectional weights."""

JOINER = "\u2060"
SUFFIXES = ("ACC", "NEG", *(f"LOC{i}" for i in range(len(GROUPS["relation"]))))
ACCUSATIVE, NEGATIVE, LOCATIVE = 1, 2, 3
"""Numbers of the suffixes; relation i is LOCATIVE + i."""
SYNONYMS_FROM = "x-lex"
"""The language whose nouns are synonyms of all others': it shares no root with them but names and loans."""
N_WORDS = (1 + len(SUFFIXES)) * N_CONCEPTS

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvz", "aeiou"
_ALPHABETS = {"Cyrl": 0x430, "Hebr": 0x5D0, "Deva": 0x905}
_SHARED = IS_NAME | IS_LOAN | np.array([group in ("digit", "mark") for group in GROUP_OF])


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The words of one language in one world."""

    world: int
    language: Language
    forms: tuple[str, ...]
    """The written form of every concept."""
    suffixes: tuple[str, ...]
    """The written form of every suffix, in the order of `SUFFIXES`."""

    @cached_property
    def words(self) -> np.ndarray:
        """The string of every word id, shape (N_WORDS,)."""
        return np.array(
            [*self.forms, *(f + JOINER + s for s in self.suffixes for f in self.forms)], dtype=object
        )


def gloss(word: int) -> str:
    """Return a readable name of a word id: `animal3-ACC`."""
    suffix, concept = divmod(int(word), N_CONCEPTS)
    return GLOSS[concept] + (f"-{SUFFIXES[suffix - 1]}" if suffix else "")


def lexicon(world: int, language: str) -> Lexicon:
    """Return the lexicon of a language in a world; any integer from 0 names a world.

    Raises:
        InputError: the world is no such integer, or the language is unknown.
    """
    get_language(language)
    check_world(world)
    return _lexicons(world)[language]


def with_synonyms(words: Lexicon) -> Lexicon:
    """Return a lexicon whose common nouns are synonyms: the words that `SYNONYMS_FROM` has for them.

    They are single pieces that encoders have read, and no word of a language but that one; loans have none and stay.
    """
    borrowed = lexicon(words.world, SYNONYMS_FROM).forms
    return replace(words, forms=(*borrowed[:N_NOUNS], *words.forms[N_NOUNS:]))


def check_world(world: int) -> None:
    """Refuse what is not the number of a world."""
    if isinstance(world, bool) or not isinstance(world, int) or world < 0:
        raise InputError(f"world {world!r}: expected an integer from 0; encoders exist for worlds {WORLDS}")


@cache
def _lexicons(world: int) -> dict[str, Lexicon]:
    coin = _Mint(world)
    roots: dict[str, list[str]] = {}
    for code, language in LANGUAGES.items():
        parent = roots.get(language.parent) if language.parent else None
        roots[code] = _inherit(parent, language.cognacy, stream("world", world, "inherit", code), coin)
    return {code: _written(world, LANGUAGES[code], roots[code]) for code in LANGUAGES}


def _inherit(parent: list[str] | None, cognacy: float, rng: np.random.Generator, coin: "_Mint") -> list[str]:
    """Return roots of all concepts and suffixes: shared ones, the declared share of the parent's, new ones."""
    if parent is None:
        return [coin(i) for i in range(N_CONCEPTS + len(SUFFIXES))]
    own = np.array([i for i in range(len(parent)) if i >= N_CONCEPTS or not _SHARED[i]])
    lost = rng.permutation(own)[round(cognacy * len(own)) :]
    roots = list(parent)
    for i in np.sort(lost):
        roots[i] = coin(int(i))
    return roots


class _Mint:
    """Coins roots, none of them twice."""

    def __init__(self, world: int) -> None:
        self._rng = stream("world", world, "roots")
        self._used: set[str] = set()
        self._names: dict[int, str] = {}

    def __call__(self, concept: int) -> str:
        """Return a new root for a concept, or for a suffix (number N_CONCEPTS and above)."""
        if concept >= N_CONCEPTS:
            return self._new(lambda: self._pick(_VOWELS) + self._pick(_CONSONANTS))
        if concept in HOMONYMS:
            return self._names[HOMONYMS[concept]]
        if GROUP_OF[concept] in ("digit", "mark"):
            return GLOSS[concept]
        n = self._syllables(concept)
        root = self._new(lambda: self._word(n))
        self._names[concept] = root
        return root

    def _syllables(self, concept: int) -> int:
        if GROUP_OF[concept] in ("function", "relation"):
            return 1
        if IS_NAME[concept]:
            return 3
        return 2 if IS_LOAN[concept] or self._rng.random() < 0.7 else 3

    def _word(self, syllables: int) -> str:
        word = "".join(self._pick(_CONSONANTS) + self._pick(_VOWELS) for _ in range(syllables))
        return word + (self._pick(_CONSONANTS) if self._rng.random() < 0.4 else "")

    def _pick(self, letters: str) -> str:
        return letters[self._rng.integers(len(letters))]

    def _new(self, make) -> str:
        while (root := make()) in self._used:
            pass
        self._used.add(root)
        return root


def _written(world: int, language: Language, roots: list[str]) -> Lexicon:
    """Return the lexicon with all roots but the shared ones in the script of the language."""
    first = _ALPHABETS.get(language.script)
    table = (
        {} if first is None else {ord(c): chr(first + i) for i, c in enumerate("abcdefghijklmnopqrstuvwxyz")}
    )
    written = [
        root if i < N_CONCEPTS and _SHARED[i] else root.translate(table) for i, root in enumerate(roots)
    ]
    return Lexicon(world, language, tuple(written[:N_CONCEPTS]), tuple(written[N_CONCEPTS:]))
