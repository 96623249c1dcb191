from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_world_bytes import digest

from simxfer.common.errors import InputError
from simxfer.common.streams import stream
from simxfer.world import (
    LANGUAGES,
    attributes,
    corpus,
    corpus_tokens,
    corpus_words,
    save_tokenizer,
    train_tokenizer,
    word_pieces,
)
from simxfer.world.corpus import BLOCK
from simxfer.world.items import Request
from simxfer.world.lexicon import JOINER, lexicon
from simxfer.world.meanings import get_world
from simxfer.world.ontology import FULL_STOP, N_NOUNS, QUESTION_MARK

TOKENIZER = train_tokenizer(0)


@settings(max_examples=8, deadline=None)
@given(n=st.integers(0, 2 * BLOCK), more=st.integers(0, 500), code=st.sampled_from(list(LANGUAGES)))
def test_a_corpus_is_the_beginning_of_every_longer_one(n, more, code):
    short = list(corpus(0, code, n, seed=1))
    assert len(short) == n
    assert short == list(islice(corpus(0, code, n + more, seed=1), n))


def test_the_corpus_never_asks_for_an_attribute(monkeypatch):
    """Proof that no text can depend on A or B: documents come out alike where reading an attribute fails."""
    before = digest(0, "x-fus", 500)

    def refuse(*_):
        raise AssertionError("an attribute was read")

    monkeypatch.setattr(attributes, "attributes", refuse)
    with pytest.raises(AssertionError, match="was read"):
        attributes.tag_items("a")(Request(get_world(0), stream("any"), 8, False, 0))
    assert digest(0, "x-fus", 500) == before


def test_languages_worlds_and_seeds_have_their_own_documents():
    """Comparable, not parallel: the pivot and a language with its words begin differently."""
    a, b = (next(iter(corpus_words(0, code, 500))) for code in ("x-pivot", "x-cyrl"))
    assert not np.array_equal(a.sentences.words, b.sentences.words)
    assert digest(0, "x-pivot", 50) != digest(1, "x-pivot", 50)


def test_documents_have_the_declared_make_up():
    documents = next(iter(corpus_words(0, "x-pivot", BLOCK)))
    n_clauses = np.diff(documents.first)
    assert n_clauses.min() == 2
    assert n_clauses.max() == 4
    ends = documents.sentences.words[documents.sentences.offsets[1:] - 1]
    assert set(ends) == {FULL_STOP, QUESTION_MARK}
    # Binomial: 4096 documents, standard errors .007 and .008; five of them are allowed.
    assert (ends == QUESTION_MARK).sum() / BLOCK == pytest.approx(0.30, abs=0.036)
    assert documents.in_two.mean() == pytest.approx(0.5, abs=0.04)


def test_a_quarter_of_the_clauses_takes_a_random_order():
    """A third of the random orders is the language's own, so 1/6 of the clauses move; moving shows in events."""
    strict = next(iter(corpus_words(0, "x-sov", BLOCK, free_order=0.0))).sentences
    free = next(iter(corpus_words(0, "x-sov", BLOCK, free_order=0.25))).sentences
    pairs = zip(pairwise(strict.offsets), pairwise(free.offsets), strict=True)
    moved = [not np.array_equal(strict.words[a:b], free.words[c:d]) for (a, b), (c, d) in pairs]
    assert 0.10 < np.mean(moved) <= 1 / 6 + 0.02


@pytest.mark.parametrize("arguments", [{"n": -1}, {"n": 5, "free_order": 1.5}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InputError, match="expected n >= 0"):
        list(corpus(0, "x-pivot", **arguments))


def test_the_tokenizer_is_the_same_every_time():
    assert train_tokenizer(0).to_str() == TOKENIZER.to_str()


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_stem_is_one_piece_and_every_suffix_another(code):
    _, lengths = word_pieces(TOKENIZER, 0, code)
    assert (lengths[:N_NOUNS] == 1).all()
    words = lexicon(0, code).words
    documents = next(iter(corpus_words(0, code, 1000, seed=9)))
    used = np.unique(documents.sentences.words)
    assert (lengths[used] == [1 + (JOINER in word) for word in words[used]]).all()


def test_a_stem_keeps_its_piece_under_a_suffix():
    pieces, _ = word_pieces(TOKENIZER, 0, "x-agg")
    n = len(lexicon(0, "x-agg").forms)
    assert (pieces[n : 2 * n, 0][:N_NOUNS] == pieces[:N_NOUNS, 0]).all()


@pytest.mark.parametrize("code", ["x-agg", "x-c2", "x-d1"])
def test_looking_words_up_equals_tokenising_text(code):
    ids, offsets = next(corpus_tokens(TOKENIZER, 0, code, 300, seed=3))
    for document, (a, b) in zip(corpus(0, code, 300, seed=3), pairwise(offsets), strict=True):
        assert ids[a:b].tolist() == TOKENIZER.encode(*document.texts).ids
    assert offsets[-1] == len(ids)


def test_auto_tokenizer_reads_what_is_saved_and_gives_offsets(tmp_path):
    transformers = pytest.importorskip("transformers")
    save_tokenizer(TOKENIZER, tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert [loaded.bos_token_id, loaded.pad_token_id, loaded.eos_token_id, loaded.unk_token_id] == [
        0,
        1,
        2,
        3,
    ]
    assert loaded.mask_token_id == 4
    text = next(iter(corpus(0, "x-agg", 1))).text
    encoded = loaded(text, text, return_offsets_mapping=True)
    ids, once = encoded["input_ids"], TOKENIZER.encode(text, add_special_tokens=False).ids
    assert ids == [0, *once, 2, 2, *once, 2]
    spans = [text[a:b] for a, b in encoded["offset_mapping"]]
    assert "".join(spans) == 2 * text.replace(" ", "").replace(JOINER, "")
