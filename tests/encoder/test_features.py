import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from simxfer.common.errors import InputError
from simxfer.encoder.dataset import as_digests, digest, load_dataset, make_dataset, read_gold, repeated
from simxfer.encoder.features import mlm_features, text_features
from simxfer.encoder.ragged import IGNORED, Features, join_features, select_rows
from simxfer.metrics import normalise
from simxfer.sources import read_examples
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.examples import (
    ChoiceExample,
    ClassificationExample,
    MiningExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
    TextExample,
)

POS, QA, NLI = get_task("w-pos"), get_task("w-xqa"), get_task("w-xnli")

# Letters of several scripts, combining marks, ligatures that NFKC takes apart, and characters it removes.
WORD = st.text("abzéøßжק한字ﬁⅫ²e\u0301\u200d\ufe0f", min_size=1, max_size=12)
INVISIBLE = "\u200d\ufe0f "
UNICODE = settings(max_examples=60)


def rows(features: Features) -> list[np.ndarray]:
    return [features.ids[a:b] for a, b in zip(features.starts[:-1], features.starts[1:], strict=True)]


def equal(a: Features, b: Features) -> bool:
    return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Features))


@pytest.mark.parametrize("name", ["w-xnli", "w-xqa", "w-pos", "w-xcloze", "w-tatoeba"])
def test_shapes_of_every_kind(name, tokenizer):
    task = get_task(name)
    examples = read_examples(DataRequest(name, "test", "x-agg", limit=12))
    features = make_dataset(examples, task, tokenizer, 64, 16).features
    units = {"multiple_choice": 12, "retrieval": 12}.get(task.kind, features.n_rows)
    shapes = {"tagging": (len(features.ids),), "span": (features.n_rows, 2), "retrieval": (0,)}
    assert features.n_units == units
    assert features.labels.shape == shapes.get(task.kind, (units,))
    assert features.starts[-1] == len(features.ids) and features.unit_starts[-1] == features.n_rows
    assert sorted(set(features.example.tolist())) == list(range(12))
    assert features.lengths.max() <= 64
    for row in rows(features):
        assert row[0] == tokenizer.bos_token_id and row[-1] == tokenizer.eos_token_id
    special = np.isin(features.ids, [tokenizer.bos_token_id, tokenizer.eos_token_id])
    assert features.counts[2] == (~special).sum()
    assert features.counts[1] == (features.ids == tokenizer.unk_token_id).sum()


def test_pairs_choices_and_translations_are_the_tokenizers_own(tokenizer):
    pair = ClassificationExample(id="1", text="be fage", text_pair="hehu", label="neutral")
    features = make_dataset([pair], NLI, tokenizer, 64, 0).features
    assert features.ids.tolist() == tokenizer("be fage", "hehu")["input_ids"]
    assert features.labels.tolist() == [NLI.labels.index("neutral")]
    choice = ChoiceExample(id="1", context="be", choices=("fage", "hehu rakezi", "ri"), label=2)
    features = make_dataset([choice], get_task("w-xcloze"), tokenizer, 64, 0).features
    assert [r.tolist() for r in rows(features)] == [tokenizer("be", c)["input_ids"] for c in choice.choices]
    assert (features.unit_starts.tolist(), features.labels.tolist()) == ([0, 3], [2])
    assert features.example.tolist() == [0, 0, 0]
    sentence = RetrievalExample(id="1", text="be", translation="fage ri")
    features = make_dataset([sentence], get_task("w-tatoeba"), tokenizer, 64, 0).features
    assert [r.tolist() for r in rows(features)] == [tokenizer(t)["input_ids"] for t in ("be", "fage ri")]


@UNICODE
@given(st.lists(st.lists(WORD, min_size=1, max_size=20), min_size=1, max_size=3))
def test_every_tag_stands_on_its_words_first_subword(tokenizer, sentences):
    rng = np.random.default_rng(len(sentences[0]))
    examples = [
        TaggingExample(id=str(i), words=tuple(words), tags=tuple(rng.choice(POS.labels, len(words))))
        for i, words in enumerate(sentences)
    ]
    features = make_dataset(examples, POS, tokenizer, 16, 0).features
    row = np.repeat(np.arange(features.n_rows), features.lengths)
    found: dict[tuple[int, int], int] = {}
    for at in np.flatnonzero(features.spans[:, 0] >= 0):
        key = (int(features.example[row[at]]), int(features.spans[at, 0]))
        assert key not in found, "a word stands in two windows"
        found[key] = int(features.labels[at])
    expected = {(i, k): POS.labels.index(tag) for i, e in enumerate(examples) for k, tag in enumerate(e.tags)}
    assert found == expected, "a word was lost, or has another's tag"
    assert (features.labels[features.spans[:, 0] < 0] == IGNORED).all()
    assert features.lengths.max() <= 16


def test_a_tags_subword_is_the_first_of_its_word(tokenizer):
    words = ("be", "fagekopfagekop", "hehu")
    features = make_dataset(
        [TaggingExample(id="1", words=words, tags=("DET", "NOUN", "VERB"))], POS, tokenizer, 64, 0
    ).features
    cut = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    assert features.ids.tolist()[1:-1] == np.concatenate(cut).tolist()
    starts = 1 + np.cumsum([0, len(cut[0]), len(cut[1])])
    assert np.flatnonzero(features.labels != IGNORED).tolist() == starts.tolist()


STORY = "be fage hehu rakezi ri " * 12


def _parts(features, unit, tokenizer):
    """The context and the choice of every row of a unit, as subwords."""
    found = []
    for row in rows(features)[features.unit_starts[unit] : features.unit_starts[unit + 1]]:
        tokens = row.tolist()[1:-1]
        middle = tokens.index(tokenizer.sep_token_id)
        found.append((tokens[:middle], tokens[middle + 2 :]))
    return found


def test_of_multiple_choice_the_text_is_cut_and_all_choices_see_the_same(tokenizer):
    """The question stands behind the text; the choices of HellaSwag differ in length."""
    plain = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
    choices = ("ri", "fage hehu ri", "be be be be fage hehu")
    examples = [
        ChoiceExample(id=question, context=f"{STORY}{question}", choices=choices, label=0)
        for question in ("hehu ri be ?", "rakezi fage ?")
    ]
    features = make_dataset(examples, get_task("w-xcloze"), tokenizer, 40, 0).features
    for unit, example in enumerate(examples):
        contexts, seen = zip(*_parts(features, unit, tokenizer), strict=True)
        assert len({tuple(context) for context in contexts}) == 1
        assert list(seen) == [plain(choice) for choice in choices]
        whole = plain(example.context)
        assert contexts[0][1:] == whole[1 - len(contexts[0]) :]  # the first may be cut inside a word
        assert len(plain(example.id)) < len(contexts[0]) < len(whole)
    assert max(features.lengths) == 40 and features.counts[0] == 6


def test_choices_too_long_leave_a_third_of_the_room_to_the_question(tokenizer):
    example = ChoiceExample(id="1", context=f"{STORY}hehu ri ?", choices=(STORY, "ri"), label=0)
    features = make_dataset([example], get_task("w-xcloze"), tokenizer, 40, 0).features
    (context, long), (same, short) = _parts(features, 0, tokenizer)
    assert context == same and len(context) == 12 and len(long) == 24  # of 36 that are left
    assert context[1:] == tokenizer(example.context, add_special_tokens=False)["input_ids"][-11:]
    assert short == tokenizer("ri", add_special_tokens=False)["input_ids"]
    bare = ChoiceExample(id="1", context="ri", choices=(STORY, "ri"), label=0)
    features = make_dataset([bare], get_task("w-xcloze"), tokenizer, 40, 0).features
    assert {tuple(c) for c, _ in _parts(features, 0, tokenizer)} == {
        tuple(tokenizer("ri", add_special_tokens=False)["input_ids"])
    }


def test_choices_that_fit_are_the_tokenizers_own_beside_one_that_does_not(tokenizer):
    fits = ChoiceExample(id="1", context="be", choices=("fage", "ri"), label=1)
    long = ChoiceExample(id="2", context=STORY, choices=("fage", "ri"), label=1)
    features = make_dataset([fits, long], get_task("w-xcloze"), tokenizer, 40, 0).features
    assert [r.tolist() for r in rows(features)[:2]] == [tokenizer("be", c)["input_ids"] for c in fits.choices]
    assert features.counts[0] == 2


def test_windows_cut_between_words_and_truncate_only_a_word_too_long_for_any(tokenizer):
    words = ("be",) * 10 + ("fagekop" * 10,) + ("be",) * 3
    example = TaggingExample(id="1", words=words, tags=("NOUN",) * 14)
    features = make_dataset([example], POS, tokenizer, 8, 0).features
    n = len(tokenizer("be", add_special_tokens=False)["input_ids"])
    fits = 6 // n
    lengths = [fits * n + 2] * (10 // fits) + [10 % fits * n + 2] * bool(10 % fits) + [8, 3 * n + 2]
    assert features.lengths.tolist() == lengths
    assert (features.labels != IGNORED).sum() == 14


def test_a_word_of_which_nothing_is_left_is_read_as_unknown(tokenizer):
    words = ("be", "\u200e", "hehu")  # a lone left-to-right mark, as in PAN-X's Arabic
    example = TaggingExample(id="1", words=words, tags=("DET", "NOUN", "VERB"))
    features = make_dataset([example], POS, tokenizer, 64, 0).features
    [at] = np.flatnonzero(features.spans[:, 0] == 1)
    assert features.labels[at] == POS.labels.index("NOUN")
    cut = tokenizer("be \u200e", add_special_tokens=False)["input_ids"]
    left = cut[len(tokenizer("be", add_special_tokens=False)["input_ids"]) :]
    assert features.ids[at] == (left or [tokenizer.unk_token_id])[0]


def covered(features: Features, example: SpanExample) -> list[str]:
    """The text that each window's label covers, where it has one."""
    texts = []
    for row, (first, last) in enumerate(features.labels):
        if (first, last) != (0, 0):
            spans = features.spans[features.starts[row] : features.starts[row + 1]]
            texts.append(example.context[spans[first, 0] : spans[last, 1]])
    return texts


@UNICODE
@given(st.lists(WORD, min_size=1, max_size=40), st.data())
def test_every_answer_survives_tokenisation(tokenizer, words, data):
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 1, len(words) - 1)))
    text = " ".join(words[first : last + 1])
    start = len(" ".join(words[:first])) + bool(first)
    example = SpanExample(id="1", question="be ri", context=context, answers=((start, text),))
    # Windows overlap by more than two words' subwords, so that one of them holds the answer whole.
    features = make_dataset([example], QA, tokenizer, 96, 64).features
    answers = covered(features, example)
    if tokenizer(text, add_special_tokens=False)["input_ids"]:
        assert answers, "no window holds the answer"
    for answer in answers:
        # What the normaliser removes may be left out or come along.
        assert answer.strip(INVISIBLE) == text.strip(INVISIBLE)


@pytest.mark.parametrize("text", ["cafe\u0301", "\u1112\u1161\u11ab", "n\u0303o\u0302\u0323"])
def test_an_answer_keeps_the_marks_that_the_normaliser_joins_to_its_letters(tokenizer, text):
    context = f"be {text} hehu {text}"
    for start in (3, context.rindex(text)):
        example = SpanExample(id="1", question="be", context=context, answers=((start, text),))
        assert covered(make_dataset([example], QA, tokenizer, 64, 16).features, example) == [text]


@pytest.mark.parametrize("padding", ["", " ", "  "])
def test_blanks_around_an_answer_do_not_lose_it(tokenizer, padding):
    context = f"be{padding or ' '}fagekop{padding or ' '}hehu"
    answer = f"{padding}fagekop{padding}"
    example = SpanExample(id="1", question="be", context=context, answers=((context.index(answer), answer),))
    features = make_dataset([example], QA, tokenizer, 64, 16).features
    assert [normalise(text) for text in covered(features, example)] == ["fagekop"]


def test_windows_of_a_context_overlap_by_the_stride_and_lose_nothing(tokenizer):
    context = " ".join(["be", "fagekop", "hehu", "rakezi"] * 15)
    start = context.rindex("rakezi")
    example = SpanExample(id="1", question="ri be", context=context, answers=((start, "rakezi"),))
    features = make_dataset([example], QA, tokenizer, 32, 8).features
    whole = tokenizer(context, add_special_tokens=False)["input_ids"]
    at = 0
    for row in range(features.n_rows):
        spans = features.spans[features.starts[row] : features.starts[row + 1]]
        inside = features.ids[features.starts[row] : features.starts[row + 1]][spans[:, 0] >= 0].tolist()
        assert whole[at : at + len(inside)] == inside
        at += len(inside) - 8
    assert at + 8 == len(whole)
    assert covered(features, example) == ["rakezi"]  # in the last window only
    assert (features.labels[:-1] == 0).all()


def test_windows_of_a_negative_stride_advance_by_it_whatever_the_question(tokenizer):
    """As run_squad.py of BERT and XTREME: a window starts every `doc_stride` subwords of the context."""
    words = ["be", "fagekop", "hehu", "rakezi"]
    examples = [
        SpanExample(id=str(i), question="be " * asked, context=" ".join(words * n), answers=((0, "be"),))
        for i, (asked, n) in enumerate([(3, 15), (1, 2), (7, 20), (3, 4), (12, 1)])
    ]
    features = make_dataset(examples, QA, tokenizer, 40, -8).features
    rows = iter(range(features.n_rows))
    for i, example in enumerate(examples):
        whole, question = (
            tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in (example.context, example.question)
        )
        room = 40 - tokenizer.num_special_tokens_to_add(pair=True) - len(question)
        start = 0
        while True:
            row = next(rows)
            places = slice(features.starts[row], features.starts[row + 1])
            inside = features.spans[places, 0] >= 0
            assert features.example[row] == i
            assert features.ids[places][inside].tolist() == whole[start : start + room]
            if start + room >= len(whole):
                break
            start += 8
    assert list(rows) == [] and features.counts[0] == 0


def test_a_question_that_leaves_no_room_is_cut_and_counted(tokenizer):
    long = SpanExample(id="q7", question="be " * 40, context="fagekop " * 60, answers=((0, "fagekop"),))
    features = make_dataset([long], QA, tokenizer, 64, 24).features
    assert features.counts[0] == 1 and features.lengths.max() <= 64
    first = features.ids[: features.starts[1]].tolist()
    [be] = tokenizer("be", add_special_tokens=False)["input_ids"]
    assert first.count(be) == (64 - tokenizer.num_special_tokens_to_add(pair=True) - 24) // 2
    assert set(covered(features, long)) == {"fagekop"}
    short = SpanExample(id="q8", question="be " * 40, context="hehu", answers=((0, "hehu"),))
    whole = make_dataset([short], QA, tokenizer, 64, 24).features
    assert covered(whole, short) == ["hehu"] and whole.counts[0] == 0
    with pytest.raises(InputError, match="leaves no room for questions; raise max_length or lower stride"):
        make_dataset([long], QA, tokenizer, 64, 62)


def test_refusals(tokenizer):
    def made(task, *examples):
        return make_dataset(list(examples), task, tokenizer, 64, 16)

    with pytest.raises(InputError, match="label 'maybe' of example 'a1' is not in the label space"):
        made(NLI, ClassificationExample(id="a1", text="be", label="maybe"))
    with pytest.raises(InputError, match="label 'X' of example 'a1'"):
        made(POS, TaggingExample(id="a1", words=("be",), tags=("X",)))
    with pytest.raises(InputError, match="answer of 'a1' does not stand at its offset: got 'fa' at 3"):
        made(QA, SpanExample(id="a1", question="be", context="be fa", answers=((3, "be"),)))
    twin = ClassificationExample(id="a1", text="be", label="neutral")
    with pytest.raises(InputError, match="example id 'a1' occurs twice"):
        made(NLI, twin, twin)


def test_truncation_is_counted(tokenizer):
    long = ClassificationExample(id="1", text="be " * 40, text_pair="ri", label="neutral")
    short = ClassificationExample(id="2", text="be", text_pair="ri", label="neutral")
    features = make_dataset([long, short], NLI, tokenizer, 16, 0).features
    assert features.counts[0] == 1
    assert features.lengths.tolist()[0] == 16
    n = len(tokenizer("ri", add_special_tokens=False)["input_ids"])
    assert rows(features)[0].tolist()[-n - 1 : -1] == tokenizer("ri", add_special_tokens=False)["input_ids"]


def test_words_and_answers_that_no_window_holds_are_counted(tokenizer):
    tags = [
        TaggingExample(id=str(n), words=("be", "fagekop" * n, "ri"), tags=("DET", "NOUN", "VERB"))
        for n in (9, 1)
    ]
    assert make_dataset(tags, POS, tokenizer, 10, 0).features.counts[0] == 1
    context = " ".join(["be", "fagekop", "hehu", "rakezi"] * 15)
    long, short = context[: len(context) // 2], context[:10]
    asked = [
        SpanExample(id=str(i), question="ri", context=context, answers=answers)
        for i, answers in enumerate((((0, long),), ((0, short),), ()))
    ]
    features = make_dataset(asked, get_task("squad_v2"), tokenizer, 32, 8).features
    assert features.counts[0] == 1  # the long answer; the context itself is in windows, nothing of it is cut
    assert [covered(make_dataset([e], QA, tokenizer, 32, 8).features, e) for e in asked] == [
        [],
        [short.strip()],
        [],
    ]


def test_unknown_subwords_are_the_tokenizers_own(tmp_path):
    vocabulary = {"[PAD]": 0, "<oov>": 1, "[CLS]": 2, "[SEP]": 3, "be": 4}
    plain = Tokenizer(WordLevel(vocabulary, unk_token="<oov>"))
    plain.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<oov>", pad_token="[PAD]")
    assert text_features(["be ri be", "ri"], tokenizer, 8).counts.tolist() == [0, 2, 4, 0]
    without = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="[PAD]")
    assert text_features(["be ri be"], without, 8).counts.tolist() == [0, 0, 3, 0]


def test_mining_has_a_row_a_sentence_and_its_gold_tells_the_side(tokenizer):
    examples = [
        MiningExample(id="s1", text="be ri", side="source", matches=("t2",)),
        MiningExample(id="s2", text="hehu", side="source"),
        MiningExample(id="t2", text="fagekop be", side="target"),
    ]
    dataset = make_dataset(examples, get_task("bucc2018"), tokenizer, 64, 0)
    assert [row.tolist() for row in rows(dataset.features)] == [
        tokenizer(e.text)["input_ids"] for e in examples
    ]
    assert read_gold(dataset) == [
        {"side": "source", "matches": ["t2"]},
        {"side": "source", "matches": []},
        {"side": "target", "matches": []},
    ]


@given(st.data())
def test_selected_rows_are_those_rows(world_tokenizer, data):
    features = text_features(["be", "fagekop hehu", "ri ri ri", "cifi"], world_tokenizer, 16)
    chosen = data.draw(st.lists(st.integers(0, 3), max_size=6))
    found = select_rows(features, np.array(chosen, dtype=np.int64))
    assert [row.tolist() for row in rows(found)] == [rows(features)[i].tolist() for i in chosen]
    assert found.example.tolist() == chosen and found.n_units == len(chosen)


@pytest.mark.parametrize("name", ["w-xnli", "w-xqa", "w-pos", "w-xcloze", "w-tatoeba"])
def test_joined_features_are_the_features_of_the_joined_examples(name, world_tokenizer):
    task = get_task(name)
    parts = [
        read_examples(DataRequest(name, "test", code, limit=n)) for code, n in (("x-sov", 5), ("x-agg", 3))
    ]
    parts[1] = [
        type(e)(**{**{k: getattr(e, k) for k in e.__dataclass_fields__}, "id": e.id + "'"}) for e in parts[1]
    ]
    made = [make_dataset(part, task, world_tokenizer, 24, 4).features for part in parts]
    together = make_dataset(parts[0] + parts[1], task, world_tokenizer, 24, 4).features
    assert equal(join_features(made), together)
    assert join_features(made[:1]) is made[0]


@pytest.mark.parametrize("name", ["w-xnli", "w-xqa", "w-pos", "w-xcloze", "w-tatoeba", "w-share-a"])
def test_the_cache_gives_back_what_was_made(name, world_tokenizer, tmp_path, monkeypatch):
    request = DataRequest(name, "test", "x-sov", limit=20)
    made = make_dataset(read_examples(request), get_task(name), world_tokenizer, 64, 16)
    first = load_dataset(request, get_task(name), world_tokenizer, "f", 64, 16, tmp_path)
    monkeypatch.setattr("simxfer.encoder.dataset.make_dataset", None)  # the second time nothing is tokenised
    again = load_dataset(request, get_task(name), world_tokenizer, "f", 64, 16, tmp_path)
    for found in (first, again):
        assert equal(found.features, made.features)
        assert found.gold.astype("object").equals(made.gold.astype("object"))


def test_the_cache_says_what_is_noted_in_one_order(world_tokenizer, tmp_path):
    request = DataRequest("w-xqa", "test", "x-agg", limit=12, perturbation="swap(0.2)")
    args = (request, get_task("w-xqa"), world_tokenizer, "f", 64, 16)
    read = [list(load_dataset(*args, tmp_path / str(i)).noted) for i in range(12)]
    assert len(read[0]) == 3 and read == [sorted(read[0])] * 12


def test_the_cache_tells_requests_lengths_and_tokenizers_apart(world_tokenizer, tmp_path):
    request = DataRequest("w-xqa", "test", "x-sov", limit=4)
    for change in (
        {},
        {"max_length": 48},
        {"stride": 8},
        {"fingerprint": "g"},
        {"request": DataRequest("w-xqa", "test", "x-sov", limit=5)},
        {"request": DataRequest("w-xqa", "test", "x-sov", world=1, limit=4)},
    ):
        arguments: dict[str, Any] = {
            "request": request,
            "fingerprint": "f",
            "max_length": 64,
            "stride": 16,
        } | change
        load_dataset(task=get_task("w-xqa"), tokenizer=world_tokenizer, cache=tmp_path, **arguments)
    assert len(list(tmp_path.glob("*.safetensors"))) == 6


def test_gold_answers_are_kept_as_json(world_tokenizer):
    example = SpanExample(
        id="1", question="q", context="é b", answers=((0, "é"), (2, "b")), subsets=("x", "y")
    )
    [row] = make_dataset([example], QA, world_tokenizer, 64, 16).gold.to_dict("records")
    assert row.pop("digest") == digest(["q", "é b"])
    assert row == {"id": "1", "subsets": "x y", "gold": '["é", "b"]', "context": "é b"}


def test_digests_tell_inputs_apart_but_not_case_and_blanks():
    assert digest(["A  b ", "c"]) == digest(["a b", "C"])
    assert len({digest(texts) for texts in (["a", "b"], ["b", "a"], ["a b"], ["ab"], ["a", "b", ""])}) == 5


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=20), max_size=3), st.lists(st.integers(0, 30), max_size=20)
)
def test_what_was_seen_is_what_stands_in_any_of_the_sets(seen, asked):
    names = [digest([str(n)]) for n in range(31)]
    arrays = [np.sort(as_digests(names[n] for n in part)) for part in seen]
    found = repeated(as_digests(names[n] for n in asked), arrays)
    assert found.tolist() == [any(n in part for part in seen) for n in asked]


def test_texts_for_masked_language_modelling(tokenizer):
    texts = [TextExample(id="1", text="be", text_pair="ri"), TextExample(id="2", text="hehu")]
    features = mlm_features(texts, tokenizer, 64)
    assert [r.tolist() for r in rows(features)] == [
        tokenizer("be", "ri")["input_ids"],
        tokenizer("hehu")["input_ids"],
    ]
    assert len(features.labels) == 0
    assert equal(mlm_features(texts[1:], tokenizer, 64), text_features(["hehu"], tokenizer, 64))


def test_world_text_has_no_unknown_subword(world_tokenizer):
    for name in ("w-xqa", "w-pos"):
        examples = read_examples(DataRequest(name, "test", "x-d1", limit=50))
        dataset = make_dataset(examples, TASKS[name], world_tokenizer, 64, 16)
        assert dataset.features.counts[1] == 0
        assert len(dataset.gold) == 50 and json.loads(dataset.gold["gold"][0])


@pytest.mark.parametrize("room", range(1, 9))
def test_windows_are_as_long_as_they_can_be(tokenizer, room):
    """From room for exactly one subword on: no window is empty, none could take the next word, and none is too long."""
    words = ("be", "ri", "fagekop", "be", "hehu", "be", "be", "ri", "rakezi", "be", "ri")
    example = TaggingExample(id="1", words=words, tags=("NOUN",) * len(words))
    features = make_dataset([example], POS, tokenizer, room + 2, 0).features
    sizes = [len(tokenizer(word, add_special_tokens=False)["input_ids"]) for word in words]
    assert min(sizes) == 1
    spans = [
        features.spans[features.starts[row] : features.starts[row + 1], 0] for row in range(features.n_rows)
    ]
    windows = [span[span >= 0].tolist() for span in spans]
    assert [word for window in windows for word in window] == list(range(len(words)))
    for window, following in zip(windows, [*windows[1:], [None]], strict=True):
        filled = sum(sizes[word] for word in window)
        assert filled <= room or len(window) == 1
        assert following[0] is None or filled + sizes[following[0]] > room
