from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from simxfer.tasks.world import WORLD_TASKS
from simxfer.world import LANGUAGES, PIVOT, WORLDS, corpus, examples
from simxfer.world.attributes import attributes
from simxfer.world.lexicon import JOINER, lexicon
from simxfer.world.ontology import CLASS_SIZE, IS_LOAN, N_NOUNS


def concepts_of(text: str) -> list[int]:
    """The concept of each word of a text in the pivot; a homonym is the person."""
    forms = {form: concept for concept, form in reversed(list(enumerate(lexicon(0, PIVOT).forms)))}
    return [forms[word] for word in text.split()]


DRAWS = [(world, draw) for world in WORLDS for draw in range(20)]


@pytest.mark.parametrize(("world", "draw"), DRAWS)
def test_attributes_are_balanced(world, draw):
    planted = attributes(world, draw)
    a, b, star, seen = planted.a, planted.b, planted.a_star, planted.seen.astype(int)
    loan, flipped = IS_LOAN[:N_NOUNS].astype(int), a ^ star
    cells = np.stack([a, b, seen], axis=1).reshape(6, CLASS_SIZE, 3)
    for noun_class in cells:  # every class fills the 2 x 2 x 2 once
        assert len(np.unique(noun_class, axis=0)) == 8

    def even(*columns: np.ndarray) -> bool:
        _, counts = np.unique(np.stack(columns), axis=1, return_counts=True)
        return len(counts) == 2 ** len(columns) and len(set(counts)) == 1

    assert even(a, b, seen)
    assert even(loan, a, seen)
    assert even(loan, b, seen)
    assert even(loan, a, b)
    assert even(flipped, a)
    assert even(flipped, b)
    assert even(flipped, seen)
    assert even(flipped, loan)
    assert even(star, a, seen)
    assert even(star, b, seen)


def test_draws_assign_independently():
    """Agreement of A over 40 draws with the first: 24 of 48 on average, standard error about .5."""
    first = attributes(0, 0).a
    agreement = [(attributes(0, draw).a == first).mean() for draw in range(1, 201)]
    assert np.mean(agreement) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(48 * 200))


@pytest.mark.parametrize("task", ["w-is-a", "w-is-b", "w-share-a", "w-share-b", "w-which-a", "w-which-b"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_knowledge_labels_are_those_of_the_nouns_in_the_text(task, split):
    planted = attributes(0, 3)
    value = planted.of(task[-1])
    for example in examples(0, task, split, PIVOT, n=300, draw=3):
        nouns = [[c for c in concepts_of(text) if c < N_NOUNS] for text in example.texts]
        assert [len(n) for n in nouns] == [1] * len(example.texts)  # exactly one common noun a sentence
        (x, *rest) = [n[0] for n in nouns]
        if "is" in task:
            expected = ("no", "yes")[value[x]]
        elif "share" in task:
            expected = "same" if value[x] == value[rest[0]] else "different"
        else:
            expected = "first" if value[x] > value[rest[0]] else "second"
        assert example.label == expected
        if "which" not in task:
            seen = {planted.seen[n[0]] for n in nouns}
            assert seen == ({True} if split == "train" else {"seen" in example.subsets})


def test_half_of_the_questions_about_nouns_are_about_unseen_ones():
    for task in ("w-is-a", "w-share-b"):
        subsets = Counter(s for e in examples(0, task, "test", "x-d1") for s in e.subsets)
        assert subsets["seen"] == subsets["unseen"] == 240
        assert subsets["unseen+same-form"] + subsets["unseen+translated"] <= 240
        in_pivot = Counter(s for e in examples(0, task, "test", PIVOT) for s in e.subsets)
        assert in_pivot["unseen+same-form"] == 240
    is_a = Counter(s for e in examples(0, "w-is-a", "test", "x-d1") for s in e.subsets)
    assert is_a["unseen+same-form"] == is_a["unseen+translated"] == 120  # loans are half of the unseen nouns


def test_tags_of_attributes_are_those_of_the_nouns():
    planted = attributes(0, 2)
    for attribute in ("a", "b", "a-star"):
        for example in examples(0, f"w-tag-{attribute}", "train", PIVOT, n=500, draw=2):
            for concept, tag in zip(concepts_of(" ".join(example.words)), example.tags, strict=True):
                assert tag == (f"B-{planted.of(attribute)[concept]}" if concept < N_NOUNS else "O")


def test_the_placebo_says_the_same_and_knows_nothing():
    placebo, taught = (examples(0, f"w-tag-{x}", "train", PIVOT, draw=1) for x in ("0", "a"))
    assert [e.words for e in placebo] == [e.words for e in taught]
    value = attributes(0, 1).a
    agree = [
        int(tag[-1]) == value[concept]
        for e in placebo
        for concept, tag in zip(concepts_of(" ".join(e.words)), e.tags, strict=True)
        if tag != "O"
    ]
    assert np.mean(agree) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(len(agree)))


def test_attributes_are_told_in_no_text():
    """Texts do not depend on the attribute: both ask with the same sentences. And no label is a word."""
    for pair in (("w-tag-a", "w-tag-b"), ("w-is-a", "w-is-b"), ("w-tag-a", "w-tag-a-star")):
        a, b = (examples(0, task, "train", "x-fus") for task in pair)
        assert [e.texts for e in a] == [e.texts for e in b]
    labels = {label for task in WORLD_TASKS for label in task.labels} - {"O"}
    labels |= {"a", "b", "a0", "a1", "b0", "b1", "attribute"}
    for code in LANGUAGES:
        text = {word.split(JOINER)[0] for d in corpus(0, code, 2000) for t in d.texts for word in t.split()}
        text |= {form.lower() for form in lexicon(0, code).forms}
        assert not text & {label.lower() for label in labels}


def test_pretraining_text_knows_nothing_of_attributes():
    """The words beside a noun tell its attribute no better than chance (its nearest neighbour in usage).

    48 nouns x 40 draws; draws share the text, so the error of the mean is taken over nouns, about .02.
    """
    counts = np.zeros((N_NOUNS, len(lexicon(0, PIVOT).forms)))
    for document in corpus(0, PIVOT, 4000):
        for text in document.texts:
            concepts = concepts_of(text)
            for a, b in pairwise(concepts):
                for x, y in ((a, b), (b, a)):
                    if x < N_NOUNS:
                        counts[x, y] += 1
    profile = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    alike = profile @ profile.T - 2 * np.eye(N_NOUNS)
    nearest = alike.argmax(axis=1)
    right = [(attributes(0, d).a[nearest] == attributes(0, d).a).mean() for d in range(40)]
    # Within a class a noun agrees with 3 of the 7 others: chance is 3/7, not 1/2.
    assert np.mean(right) == pytest.approx(3 / 7, abs=0.06)
