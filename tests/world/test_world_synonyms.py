"""Synonyms of the world's nouns: what is taught of them, and the perturbation that puts them in."""

import numpy as np
import pytest

from simxfer.sources import read_examples
from simxfer.sources.perturb import Perturbation
from simxfer.sources.perturb.code_mix import translations
from simxfer.sources.request import DataRequest
from simxfer.world.attributes import attributes
from simxfer.world.examples import examples
from simxfer.world.languages import PIVOT
from simxfer.world.lexicon import SYNONYMS_FROM, WORLDS, lexicon, with_synonyms
from simxfer.world.ontology import IS_LOAN, N_NOUNS

NOUNS = np.arange(N_NOUNS)


@pytest.mark.parametrize("world", WORLDS)
def test_half_of_the_nouns_have_a_synonym_that_is_no_word_of_the_language(world):
    words = lexicon(world, PIVOT)
    synonyms = with_synonyms(words).forms
    other = np.array([synonyms[i] != words.forms[i] for i in range(len(synonyms))])
    assert other[:N_NOUNS].tolist() == (~IS_LOAN[:N_NOUNS]).tolist() and not other[N_NOUNS:].any()
    new = {synonyms[i] for i in np.flatnonzero(other)}
    assert len(new) == 24 and not new & set(words.forms) and new <= set(lexicon(world, SYNONYMS_FROM).forms)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("draw", [0, 1, 5])
def test_the_other_attribute_misleads_on_eight_of_the_unseen_nouns(world, draw):
    """What the task-order grid says of its planted effect: 8 of 24, a third of the test items."""
    planted = attributes(world, draw)
    misled = (planted.a != planted.a_star) & ~IS_LOAN[NOUNS] & ~planted.seen
    assert misled.sum() == 8 and (~planted.seen).sum() == 24


@pytest.mark.parametrize("task", ["w-tag-a-synonyms", "w-tag-a-star-synonyms"])
def test_sentences_are_those_of_the_plain_task_and_half_have_synonyms(task):
    words = lexicon(0, PIVOT)
    noun = {form: i for i, form in enumerate(words.forms[:N_NOUNS])}
    synonym = {form: i for i, form in enumerate(with_synonyms(words).forms[:N_NOUNS]) if not IS_LOAN[i]}
    planted = attributes(0, 3)
    told = planted.a_star if "star" in task else planted.a
    made = examples(0, task, "train", PIVOT, 400, draw=3)
    replaced = 0
    for example, plain in zip(made, examples(0, "w-tag-a", "train", PIVOT, 400, draw=3), strict=True):
        assert len(example.words) == len(plain.words)
        replaced += example.words != plain.words
        for word, tag, before in zip(example.words, example.tags, plain.words, strict=True):
            assert word == before or synonym[word] == noun[before]
            if word in synonym:
                assert tag == f"B-{told[synonym[word]]}"
            elif word in noun:
                assert tag == f"B-{planted.a[noun[word]]}"
    assert 120 < replaced < 200  # half of them, less those whose nouns are all loans


def test_substitution_puts_in_synonyms_in_the_languages_own_forms():
    request = DataRequest("w-is-a", "test", "x-agg", limit=60, draw=0)
    known = translations(Perturbation("substitute", 1.0, request=request))
    words, synonyms = lexicon(0, "x-agg"), with_synonyms(lexicon(0, "x-agg"))
    assert len({word for word in known if word in words.forms}) == 24
    changed = read_examples(
        DataRequest("w-is-a", "test", "x-agg", limit=60, draw=0, perturbation="substitute(1)")
    )
    clean = read_examples(request)
    moved = [(a.text, b.text) for a, b in zip(clean, changed, strict=True) if a.text != b.text]
    assert 8 < len(moved) < 30
    for before, after in moved:
        (pair,) = [(x, y) for x, y in zip(before.split(), after.split(), strict=True) if x != y]
        assert known[pair[0]] == (pair[1],) and pair[1] in set(synonyms.words)
