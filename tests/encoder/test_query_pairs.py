"""Sentences, candidates of questions, and the pairs a bi-encoder is trained on."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.common.errors import InputError
from simxfer.encoder.dataset import Dataset, make_dataset, read_gold, training_features
from simxfer.encoder.pairs import _groups, relevant, training_pairs
from simxfer.encoder.ragged import join_features
from simxfer.sources.passages import from_questions
from simxfer.sources.sentences import sentence_spans
from simxfer.tasks import get_task
from simxfer.tasks.examples import RankingExample, SpanExample


@pytest.mark.parametrize(("text", "sentences"), [
    ("One. Two! Three?", ["One.", "Two!", "Three?"]),
    ("He said \"No.\" She left.", ["He said \"No.\"", "She left."]),
    ("It cost 3.5 million in the U.S. in 1990. Then more.", ["It cost 3.5 million in the U.S. in 1990.", "Then more."]),
    ("Dr. J. Smith, vs. Mr. X. Then e.g. The end.", ["Dr. J. Smith, vs. Mr. X. Then e.g. The end."]),
    ("End.[citation needed] Next (here.) Last", ["End.[citation needed]", "Next (here.)", "Last"]),
    ("它很大。它很小！好", ["它很大。", "它很小！", "好"]),
    ("यह बड़ा है। वह छोटा है।", ["यह बड़ा है।", "वह छोटा है।"]),
    ("هل هذا؟ نعم.", ["هل هذا؟", "نعم."]),
    ("  no end ", ["no end"]),
    (" ", []),
])  # fmt: skip
def test_sentences_by_hand(text, sentences):
    assert [text[a:b] for a, b in sentence_spans(text)] == sentences


@given(st.text("aB .!?。\"'([)]…\n1", max_size=60))
def test_sentences_lose_nothing_but_blanks(text):
    spans = sentence_spans(text)
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())
    assert all(a < b for a, b in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


# F1 of sentence beginnings against the breaks that LAReQA was annotated with (its own English breaker reaches .996 on
# SQuAD by its author's account).
@pytest.mark.parametrize(
    ("language", "least"),
    [("en", 0.99), ("de", 0.96), ("ru", 0.98), ("zh", 0.95), ("hi", 0.98), ("ar", 0.99)],
)
def test_sentences_begin_where_lareqas_do(language, least, shared):
    path = shared / "pack" / "lareqa" / "xquad-r" / f"{language}.json"
    both = ours = theirs = 0
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            found = {a for a, _ in sentence_spans(paragraph["context"])}
            gold = {a for a, _ in paragraph["sentence_breaks"]}
            both, ours, theirs = both + len(found & gold), ours + len(found), theirs + len(gold)
    assert 2 * both / (ours + theirs) >= least


CONTEXT = "The cat sat. It ate fish. Then it slept."


def question(name: str, answer: str, context: str = CONTEXT) -> SpanExample:
    return SpanExample(
        id=name, question=f"{name}?", context=context, answers=((context.index(answer), answer),)
    )


def test_questions_become_queries_and_sentences_candidates():
    asked = [question("q1", "fish"), question("q2", "It ate fish. Then"), question("q3", "cat")]
    asked.append(SpanExample(id="q4", question="?", context="No answer here.", answers=()))
    made = from_questions(asked)
    assert [(e.id, e.text, e.side, e.keys) for e in made[:3]] == [
        (name, f"{name}?", "query", (name,)) for name in ("q1", "q2", "q3")
    ]
    assert [(e.text, e.text_pair, e.keys) for e in made[3:]] == [
        ("The cat sat.", CONTEXT, ("q3",)),
        ("It ate fish.", CONTEXT, ("q1", "q2")),
        ("Then it slept.", CONTEXT, ()),
        ("No answer here.", "No answer here.", ()),
    ]
    assert all(e.side == "candidate" for e in made[3:]) and len({e.id for e in made}) == len(made)


def test_an_answer_in_the_blanks_before_the_first_sentence_belongs_to_it():
    made = from_questions([SpanExample(id="q", question="?", context="  One. Two.", answers=((0, "  One"),))])
    assert [e.keys for e in made if e.side == "candidate"] == [("q",), ()]


def test_relevance_is_a_shared_key():
    assert relevant([["a"], ["b", "c"], ["d"]], [["a", "b"], [], ["c"], ["b"]]) == [[0], [0, 2, 3], []]


def ranked(*rows: tuple[str, str, tuple[str, ...]]) -> list[RankingExample]:
    return [
        RankingExample(id=f"{side}{i}", text=text, text_pair=pair or None, side=side, keys=keys)  # type: ignore[arg-type]
        for i, (side, text, keys) in enumerate(rows)
        for text, _, pair in [text.partition("|")]
    ]


def test_features_are_the_tokenizers_own_for_single_texts_and_pairs(tokenizer):
    examples = ranked(("query", "be ri", ("a",)), ("candidate", "hehu|hehu fage", ("a",)))
    dataset = make_dataset(examples, get_task("lareqa"), tokenizer, 64, 0)
    features = dataset.features
    expected = tokenizer("be ri")["input_ids"] + tokenizer("hehu", "hehu fage")["input_ids"]
    assert features.ids.tolist() == expected
    assert features.unit_starts.tolist() == [0, 1, 2] and len(features.labels) == 0
    assert read_gold(dataset) == [{"side": "query", "keys": ["a"]}, {"side": "candidate", "keys": ["a"]}]


def test_training_pairs_hold_a_query_and_each_relevant_candidate(tokenizer):
    examples = ranked(
        ("query", "be", ("a",)),
        ("candidate", "hehu|hehu fage", ("b", "a")),
        ("query", "ri", ("b",)),
        ("candidate", "fage", ("c",)),
        ("candidate", "rakezi", ("b",)),
        ("query", "cifi be", ("c",)),
    )
    dataset = make_dataset(examples, get_task("lareqa"), tokenizer, 64, 0)
    pairs = training_features(get_task("lareqa"), dataset)
    assert pairs.example.reshape(-1, 2).tolist() == [[0, 1], [2, 1], [2, 4], [5, 3]]
    assert pairs.unit_starts.tolist() == [0, 2, 4, 6, 8]
    whole = dataset.features
    for row, example in enumerate(pairs.example):
        expected = whole.ids[whole.starts[example] : whole.starts[example + 1]]
        assert pairs.ids[pairs.starts[row] : pairs.starts[row + 1]].tolist() == expected.tolist()
    a, b, c, d = pairs.labels.tolist()
    assert a == b == c != d
    assert training_features(get_task("w-xnli"), Dataset(whole, dataset.gold)) is whole


def test_groups_mean_the_same_in_every_language_and_survive_joining(tokenizer):
    parts = []
    for words in (("be", "ri", "hehu", "fage"), ("fage", "be be", "ri", "cifi")):
        sides = [("query", ("q1",)), ("candidate", ("q1",)), ("query", ("q2",)), ("candidate", ("q2",))]
        examples = ranked(*((side, word, keys) for word, (side, keys) in zip(words, sides, strict=True)))
        dataset = make_dataset(examples, get_task("lareqa"), tokenizer, 64, 0)
        parts.append(training_features(get_task("lareqa"), dataset))
    joined = join_features(parts)
    assert joined.labels.tolist() == [*parts[0].labels, *parts[0].labels]
    assert len(set(joined.labels.tolist())) == 2
    assert joined.n_units == 4 and joined.n_rows == 8


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=8))
def test_groups_are_connected_components(keys):
    groups = list(range(len(keys)))
    for _ in keys:  # slowly, until nothing changes
        for i in range(len(keys)):
            for j in range(len(keys)):
                if keys[i] & keys[j]:
                    groups[i] = groups[j] = min(groups[i], groups[j])
    found = _groups(keys).tolist()
    assert [found.index(g) for g in found] == [groups.index(g) for g in groups]


def test_a_query_without_a_candidate_cannot_be_trained_on(tokenizer):
    examples = ranked(("query", "be", ("a",)), ("candidate", "ri", ("b",)))
    features = make_dataset(examples, get_task("lareqa"), tokenizer, 64, 0).features
    with pytest.raises(InputError, match=r"none of the 1 candidates has a key of the query with \('a',\)"):
        training_pairs(features, ["query", "candidate"], [("a",), ("b",)])
    with pytest.raises(InputError, match="no query"):
        training_pairs(features, ["candidate", "candidate"], [("a",), ("b",)])


def test_questions_train_a_ranking_task(tokenizer):
    asked = [question("q1", "fish"), question("q2", "cat"), question("q3", "It")]
    dataset = make_dataset(asked, get_task("lareqa"), tokenizer, 64, 0)
    pairs = training_features(get_task("lareqa"), dataset)
    assert list(dataset.gold["id"][:3]) == ["q1", "q2", "q3"]
    assert pairs.n_units == 3
    assert (pairs.labels == pairs.labels[0]).tolist() == [True, False, True]  # one sentence answers q1 and q3
    assert np.array_equal(np.diff(pairs.unit_starts), [2, 2, 2])
