"""Which rows share an item, by kind of task; how many of the real files' training rows do."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.sources.items import bag_of_words, id_keys, item_keys, item_of
from simxfer.sources.leaks import ScoredItems
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.examples import (
    ChoiceExample,
    ClassificationExample,
    RankingExample,
    SpanExample,
    TaggingExample,
    TextExample,
)

MARKS = st.sampled_from(["", " ", "!", "、", " — ", "’", "$", "?"])
WORDS = st.lists(st.sampled_from(["ab", "Straße", "किताब", "कतब", "ﬁn", "７", "ÎLE"]), min_size=1)


def pair(text: str, other: str, name: str = "0") -> ClassificationExample:
    return ClassificationExample(id=name, text=text, text_pair=other, label="x")


def share(a, b, task: str, other: str = "") -> bool:
    return not item_keys(a, get_task(task)).isdisjoint(item_keys(b, get_task(other or task)))


@given(WORDS, st.randoms(), st.lists(MARKS, min_size=20, max_size=20))
def test_order_case_form_and_punctuation_make_no_other_text(words, random, marks):
    shuffled = random.sample(words, len(words))
    written = "".join(f" {word.upper()}{mark}" for word, mark in zip(shuffled, marks, strict=False))
    longer = shuffled[len(marks) :]
    assert bag_of_words(" ".join(words)) == bag_of_words(f"{written} {' '.join(longer)}")
    assert bag_of_words(" ".join(words)) == bag_of_words(unicodedata.normalize("NFD", " ".join(words)))


@given(WORDS, WORDS)
def test_other_bags_are_other_texts(one, two):
    plain = [sorted(unicodedata.normalize("NFKC", w).casefold() for w in words) for words in (one, two)]
    assert (bag_of_words(" ".join(one)) == bag_of_words(" ".join(two))) == (plain[0] == plain[1])


def test_inference_shares_premises_and_paraphrase_either_sentence():
    assert share(pair("A dog runs.", "It rests"), pair("a DOG runs", "It sleeps"), "mnli", "xnli")
    assert not share(pair("A dog runs", "It rests"), pair("A cat runs", "It rests"), "mnli", "xnli")
    assert not share(pair("It rests", "A dog runs"), pair("A cat runs", "It rests"), "xnli")
    assert share(pair("the cat saw the dog", "no"), pair("yes", "The dog saw the cat ."), "qqp", "pawsx")
    assert item_of(get_task("americasnli")).name == "premise"


def test_questions_share_paragraphs_and_articles():
    def asked(context, title="", question="who"):
        return SpanExample(id="0", question=question, context=context, answers=(), title=title)

    def candidate(paragraph):
        return RankingExample(id="en:0:0", text="A.", text_pair=paragraph, side="candidate", keys=())

    assert share(asked("A b."), asked("a b", question="why"), "squad_v1", "xquad")
    assert share(asked("A b.", "Super_Bowl_50"), asked("C d", "Super Bowl 50"), "squad_v2", "mlqa")
    assert not share(asked("A b."), asked("C d."), "squad_v1")  # no title is no title in common
    assert not share(asked("Warsaw", ""), asked("C d", "Warsaw"), "squad_v1")
    assert share(asked("A b."), candidate("a b."), "squad_v1", "lareqa")


def test_sentences_contexts_and_text():
    tagged = TaggingExample(id="0", words=("Yes", ",", "he", "did", "."), tags=("O",) * 5)
    assert share(tagged, TextExample(id="1", text="he did, yes"), "udpos", "mlm")
    choice = ChoiceExample(id="0", context="It rained. What was the cause?", choices=("a", "b"), label=0)
    other = ChoiceExample(id="9", context="It rained. What was the effect?", choices=("a", "b"), label=0)
    assert share(choice, choice, "copa", "xcopa") and not share(choice, other, "copa", "xcopa")


def test_inputs_that_were_read_without_gold_share_items_as_their_rows_would():
    question = SpanExample(id="0", question="who", context="the paragraph", answers=())
    context = ChoiceExample(id="0", context="the story", choices=("a", "b"), label=0)
    tagged = TaggingExample(id="0", words=("the", "sentence"), tags=("X", "X"))
    rows = {"squad_v1": question, "xcopa": context, "panx": tagged, "xnli": pair("the premise", "h")}
    for task, row in rows.items():
        texts = (*row.texts, None)
        text = TextExample(id="1", text=texts[0], text_pair=texts[1])
        assert share(text, row, task) and not share(TextExample(id="1", text="another"), row, task)


def test_texts_without_a_word_are_no_item_and_numbers_no_name():
    assert item_keys(pair("?!", "..."), get_task("pawsx")) == set()
    assert id_keys(pair("a", "b", "17")) == set() != id_keys(pair("a", "b", "56beb4343aeaaa14008c925b"))


def test_every_kind_has_an_item():
    assert all(item_of(task).name for task in TASKS.values())


@pytest.fixture
def pack(shared):
    def request(task: str, split: str, language: str) -> DataRequest:
        return DataRequest(task, split, language, folder=str(shared / "pack"))

    return request


XQUAD = "ar de el es hi ru tr vi zh"
"""The translated languages in the pack: 14 of XQuAD's 48 articles."""


@pytest.mark.parametrize(
    "train, language, target, split, languages, rows, left",
    [
        ("xnli", "en", "xnli", "dev", "de sw", 2490, 1890),
        ("xnli", "fr", "xnli", "dev", "de sw", 600, 0),
        ("pawsx", "en", "pawsx", "dev", "de es fr ko zh", 2000, 911),
        ("squad_v1", "en", "xquad", "test", XQUAD, 1501, 670),
        ("squad_v2", "en", "xquad", "test", XQUAD, 2001, 252),
        ("squad_v1", "en", "xquad", "test", f"en {XQUAD}", 1501, 0),
    ],
)
def test_what_remains_of_real_files(pack, train, language, target, split, languages, rows, left):
    """The numbers of the pack's OVERLAPS.md: English rows whose translations are scored, whole articles."""
    items = ScoredItems([pack(target, split, code) for code in languages.split()])
    leaks = items.leaks(pack(train, "dev", language))
    assert (leaks.rows, leaks.rows - len(leaks.ids)) == (rows, left)
    assert leaks.shared == {target: rows - left}


def test_unrelated_real_files_share_nothing(pack):
    items = ScoredItems([pack("xnli", "dev", "en"), pack("panx", "dev", "en"), pack("pawsx", "dev", "en")])
    assert not items.leaks(pack("mnli", "train", "en")).ids
    assert not items.leaks(pack("panx", "train", "en")).ids
    scored = items.leaks(pack("panx", "dev", "en"))
    assert scored.shared == {"panx": scored.rows}


def test_data_that_are_not_at_hand_or_made_are_not_read():
    items = ScoredItems([DataRequest("xnli", "test", "en"), DataRequest("w-xnli", "test", "x-agg")])
    assert not items.leaks(DataRequest("mnli", "train", "en")).ids
    assert items.leaks(DataRequest("w-nli", "train", "x-pivot")).rows == 0
