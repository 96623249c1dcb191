"""Words give way to what a lexicon has for them: translations into another language, neighbours in their own.

Real languages take them from lexicons in MUSE's format (Conneau et al. 2018), which users bring: the licence of
MUSE's own, CC BY-NC 4.0, keeps them out of here. The embedded world makes its own: translations, and synonyms of
the common nouns that are no loans.
"""

import unicodedata
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import regex

from simxfer.common.errors import InputError
from simxfer.common.identity import known_sha256
from simxfer.sources.perturb import CLEAN, Perturbation, Words, each_word, parse
from simxfer.sources.request import DataRequest
from simxfer.tasks import get_task
from simxfer.world.languages import LANGUAGES
from simxfer.world.lexicon import lexicon, with_synonyms

Translations = dict[str, tuple[str, ...]]
"""Word -> its translations, without those that are the word itself."""
_PARTS = regex.compile(r"([\p{P}\p{S}]*)(.*?)([\p{P}\p{S}]*)")


def mix(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Replace each chosen word that the lexicon has by one of its translations; punctuation and capitals stay."""
    known = translations(how)
    return each_word(words, how, rng, lambda word, draw: _translated(word, known, draw))


def substitute(words: Words, how: Perturbation, rng: np.random.Generator) -> list[tuple[int, str]]:
    """Replace each chosen word by one drawn from itself and its neighbours in a lexicon of its own language.

    As in randomised smoothing (Huang et al. 2021, arXiv 2104.08645, after Ye et al. 2020), whose lexicon is one of
    counter-fitted synonyms.
    """
    known = translations(how)

    def drawn(word: str, draw: np.random.Generator) -> str:
        neighbours = len(_found(word, known))
        return word if draw.integers(neighbours + 1) == neighbours else _translated(word, known, draw)

    return each_word(words, how, rng, drawn)


def _found(word: str, known: Translations) -> tuple[str, ...]:
    """Return what stands for a word without the punctuation around it."""
    parts = _PARTS.fullmatch(unicodedata.normalize("NFKC", word))
    core = parts[2] if parts else word
    return known.get(core) or known.get(core.lower()) or ()


def _translated(word: str, known: Translations, rng: np.random.Generator) -> str:
    found = alternatives(word, known)
    return found[rng.integers(len(found))] if found else word


def alternatives(word: str, known: Translations) -> tuple[str, ...]:
    """Return all that may stand in a word's place, in the lexicon's order; punctuation and capitals are the word's."""
    parts = _PARTS.fullmatch(unicodedata.normalize("NFKC", word))
    before, core, behind = parts.groups() if parts else ("", word, "")
    found = _found(word, known)
    if core.isupper() and len(core) > 1:
        found = tuple(new.upper() for new in found)
    elif core[:1].isupper():
        found = tuple(new[0].upper() + new[1:] for new in found)
    return tuple(before + new + behind for new in found)


def translations(how: Perturbation) -> Translations:
    """Return what stands for the words of the language of the data; nothing where there is no lexicon.

    In the embedded world a common noun that is no loan has one synonym, and other words have none.
    """
    request = how.request
    if request is None or request.language == how.mixed_in:
        return {}
    if get_task(request.task).world:
        known = how.mixed_in in LANGUAGES or not how.mixed_in
        return _of_world(request.world, request.language, how.mixed_in) if known else {}
    path = _path(request, how)
    return _of_file(path, known_sha256(path)) if path else {}


def lexicon_file(request: DataRequest) -> Path | None:
    """Return the lexicon that a request reads, or None."""
    if request.perturbation == CLEAN or get_task(request.task).world:
        return None
    how = parse(request.perturbation)
    return _path(request, how) if how.lexical else None


def mark_of(request: DataRequest) -> str:
    """Return what a lexicon adds to the revision of the data of a request."""
    path = lexicon_file(request)
    return f"+lexicon-{known_sha256(path)[:16]}" if path else ""


def _path(request: DataRequest, how: Perturbation) -> Path | None:
    path = Path(request.lexicons) / f"{request.language}-{how.mixed_in or request.language}.txt"
    return path if request.lexicons and path.is_file() else None


@lru_cache(maxsize=64)
def _of_file(path: Path, _content: str) -> Translations:
    return read_lexicon(path)


def read_lexicon(path: Path) -> Translations:
    """Read a lexicon in MUSE's format: a word and a translation a line, parted by one blank or tab.

    Several lines of a word are several translations. Pairs that NFKC makes equal would change nothing and are left
    out.

    Raises:
        InputError: a line is not a pair, or the file is not UTF-8.
    """
    found: dict[str, dict[str, None]] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error}); bring it anew") from None
    for number, line in enumerate(lines, start=1):
        pair = unicodedata.normalize("NFKC", line).split()
        if not pair:
            continue
        if len(pair) != 2:
            raise InputError(
                f"{path}, line {number}: got {line!r}, expected a word and its translation parted by one blank or tab"
            )
        word, translation = pair
        if word != translation:
            found.setdefault(word, {})[translation] = None
    return {word: tuple(others) for word, others in found.items()}


@cache
def _of_world(world: int, language: str, mixed_in: str) -> Translations:
    """Return the world's own lexicon, of synonyms without `mixed_in`; homonyms have several translations."""
    found: dict[str, dict[str, None]] = {}
    own = lexicon(world, language)
    other = lexicon(world, mixed_in) if mixed_in else with_synonyms(own)
    for word, translation in zip(own.words, other.words, strict=True):
        if word != translation:
            found.setdefault(word, {})[translation] = None
    return {word: tuple(others) for word, others in found.items()}
