import numpy as np
import pytest

from simxfer.common.errors import InputError
from simxfer.world import LANGUAGES, WORLDS
from simxfer.world.lexicon import JOINER, gloss, lexicon
from simxfer.world.ontology import GROUP_OF, HOMONYMS, IS_LOAN, IS_NAME, N_CONCEPTS, SYNONYM

SHARED = IS_NAME | IS_LOAN | np.isin(GROUP_OF, ["digit", "mark"])


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_distinct_concepts_have_distinct_forms_but_for_the_declared_homonyms(world, code):
    words = lexicon(world, code)
    distinct = [form for concept, form in enumerate(words.forms) if concept not in HOMONYMS]
    assert len(set(distinct)) == len(distinct)
    for concept, person in HOMONYMS.items():
        assert words.forms[concept] == words.forms[person]
    assert len(set(words.suffixes)) == len(words.suffixes)
    assert not any(JOINER in text or " " in text for text in (*words.forms, *words.suffixes))


@pytest.mark.parametrize("code", LANGUAGES)
def test_names_loans_digits_and_marks_are_written_alike_everywhere_and_in_latin(code):
    pivot, words = lexicon(0, "x-pivot"), lexicon(0, code)
    for concept in np.flatnonzero(SHARED):
        assert words.forms[concept] == pivot.forms[concept]
        assert words.forms[concept].isascii()
    if LANGUAGES[code].script != "Latn":
        native = [form for concept, form in enumerate(words.forms) if not SHARED[concept]]
        assert not any(letter.isascii() for form in (*native, *words.suffixes) for letter in form)


@pytest.mark.parametrize(
    "code", [c for c in LANGUAGES if LANGUAGES[c].script == "Latn" and LANGUAGES[c].parent]
)
def test_exactly_the_declared_share_of_roots_is_inherited(code):
    language = LANGUAGES[code]
    child, parent = lexicon(0, code), lexicon(0, language.parent)
    own = [form for i, form in enumerate(child.forms) if not SHARED[i]] + list(child.suffixes)
    before = [form for i, form in enumerate(parent.forms) if not SHARED[i]] + list(parent.suffixes)
    kept = sum(a == b for a, b in zip(own, before, strict=True))
    assert kept == round(language.cognacy * len(own))
    coined = {a for a, b in zip(own, before, strict=True) if a != b}
    assert not coined & {*parent.forms, *parent.suffixes}  # no false friends


def test_cyrillic_is_the_pivot_letter_by_letter():
    pivot, cyrillic = lexicon(0, "x-pivot"), lexicon(0, "x-cyrl")
    letters = {}
    for concept in np.flatnonzero(~SHARED):
        for a, b in zip(pivot.forms[concept], cyrillic.forms[concept], strict=True):
            assert letters.setdefault(a, b) == b
    assert len(set(letters.values())) == len(letters)


def test_half_of_the_nouns_of_each_class_are_loans():
    assert IS_LOAN[:48].reshape(6, 8).sum(axis=1).tolist() == [4] * 6


def test_worlds_have_different_lexicons():
    a, b = lexicon(0, "x-pivot").forms, lexicon(1, "x-pivot").forms
    assert sum(x == y for x, y in zip(a, b, strict=True)) < 0.25 * N_CONCEPTS


def test_words_and_their_glosses():
    words = lexicon(0, "x-agg")
    assert words.words[3] == words.forms[3]
    assert words.words[N_CONCEPTS + 3] == words.forms[3] + JOINER + words.suffixes[0]
    assert (gloss(3), gloss(N_CONCEPTS + 3)) == ("animal3", "animal3-ACC")


def test_seven_verbs_have_a_synonym():
    assert (SYNONYM >= 0).sum() == 7
    assert {GROUP_OF[i] for i in SYNONYM[SYNONYM >= 0]} == {"synonym"}


@pytest.mark.parametrize("world", [-1, 1.0, True, "0"])
def test_a_world_is_an_integer_from_0(world):
    with pytest.raises(InputError, match="expected an integer from 0"):
        lexicon(world, "x-pivot")
