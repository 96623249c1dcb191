"""Keyboards, look-alikes and lexicons against the tables and the sample of other sources."""

import json
import unicodedata

import pytest
from oracle_folder import FOLDER

from simxfer.sources.perturb.code_mix import read_lexicon
from simxfer.sources.perturb.lookalikes import lookalikes
from simxfer.sources.perturb.typos import neighbours


def stored(name: str) -> dict:
    path = FOLDER / "perturb" / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


KEYBOARDS = {language: fact for language, fact in stored("keyboards.json").items() if "neighbours" in fact}


@pytest.mark.parametrize("language", KEYBOARDS)
def test_neighbours_of_every_letter(language, oracles):
    fact = KEYBOARDS[language]
    ours = {letter: sorted(set("".join(near))) for letter, near in neighbours(fact["layout"]).items()}
    theirs = {letter: sorted(near) for letter, near in fact["neighbours"].items()}
    assert {letter: ours.get(letter) for letter in theirs} == theirs


def test_lookalikes_of_every_letter(oracles):
    theirs: dict[str, set[str]] = {}
    for fact in (fact for fact in stored("lookalikes.json").values() if isinstance(fact, dict)):
        for letter, others in (*fact["same_script"].items(), *fact["other_script"].items()):
            theirs.setdefault(letter, set()).update(others)
    assert {letter: set(others) for letter, others in lookalikes().items() if letter in theirs} == theirs
    assert all(nfkc(other) == other for others in lookalikes().values() for other in others)


def test_a_lexicon_in_muses_format(oracles):
    """Ours are told apart after NFKC, as XLM-R's tokenizer reads them: other spellings of a word change nothing."""
    expected = {
        nfkc(word): kept
        for word, others in stored("muse_sample_expected.json")["usable_for_substitution"].items()
        if (kept := [nfkc(other) for other in others if nfkc(other) != nfkc(word)])
    }
    found = read_lexicon(FOLDER / "perturb" / "muse_sample.txt")
    assert expected and {word: list(others) for word, others in found.items()} == expected


def nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
