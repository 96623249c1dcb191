"""Nouns of some classes only: what is taught and asked is there by construction."""

import pytest
from test_world_attributes import concepts_of

from simxfer.tasks.planted import CLASS_MIX
from simxfer.tasks.world import NOUN_SUBSETS
from simxfer.world import PIVOT, examples
from simxfer.world.attributes import attributes
from simxfer.world.ontology import CLASS_SIZE, N_NOUNS


@pytest.mark.parametrize("n", [2, 4])
def test_only_the_first_classes_are_taught(n):
    taught = examples(0, f"w-tag-a-{n}", "train", PIVOT, draw=3)
    placebo = examples(0, f"w-tag-0-{n}", "train", PIVOT, draw=3)
    value, seen = attributes(0, 3).a, set()
    for example in taught:
        nouns = [c for c in concepts_of(" ".join(example.words)) if c < N_NOUNS]
        assert [t for t in example.tags if t != "O"] == [f"B-{value[c]}" for c in nouns] and len(nouns) == 1
        seen |= set(nouns)
    assert seen == set(range(n * CLASS_SIZE))
    assert [e.words for e in placebo] == [e.words for e in taught]


@pytest.mark.parametrize("code", CLASS_MIX)
def test_a_test_set_has_its_languages_classes(code):
    """Equal ids mean the same: the classes are read in the largest set of the pivot's words that has the item."""
    made = examples(0, "w-is-a-mix", "test", code, draw=1)
    unseen = [e for e in made if NOUN_SUBSETS[1] in e.subsets]
    assert len(made) == 240 and len(unseen) == 120 and all(NOUN_SUBSETS[2] in e.subsets for e in unseen)
    words = {form: i for i, form in enumerate(_forms())}
    nouns = [
        next(words[w] for w in e.text.replace("⁠", " ").split() if words.get(w, N_NOUNS) < N_NOUNS)
        for e in unseen
    ]
    for k, share in enumerate(CLASS_MIX[code]):
        assert sum(noun // (2 * CLASS_SIZE) == k for noun in nouns) == round(120 * share)


def test_items_that_two_languages_share_have_one_id():
    pivot = {e.id: e.label for e in examples(0, "w-is-b-mix", "test", PIVOT)}
    other = {e.id: e.label for e in examples(0, "w-is-b-mix", "test", "x-vso")}
    both = pivot.keys() & other.keys()
    assert both and all(pivot[i] == other[i] for i in both)


def _forms():
    from simxfer.world.lexicon import lexicon

    return lexicon(0, PIVOT).forms[:N_NOUNS]
