"""Rows become examples: what is built, what is refused, and that no token, character or row is lost on the way."""

import csv
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.common.errors import InputError
from simxfer.encoder.dataset import make_dataset
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.sources import read_examples
from simxfer.sources.files import read_files
from simxfer.sources.request import DataRequest
from simxfer.sources.rows import LINE, examples_of
from simxfer.sources.texts import has_text
from simxfer.tasks import TASKS
from simxfer.tasks.examples import ChoiceExample, ClassificationExample, SpanExample
from simxfer.tasks.record import Rows

PAIR = Rows(columns={"text": "premise", "text_pair": "hypothesis"})


def _examples(task, *rows, how=None):
    return examples_of(rows, TASKS[task], how or Rows(), "somewhere")


def test_columns_are_renamed_and_labels_spelled_as_in_the_label_space():
    row = {"premise": "p", "hypothesis": "h", "label": 2}
    [example] = _examples("xnli", row, how=PAIR)
    assert example == ClassificationExample(id="0", text="p", text_pair="h", label="contradiction")


def test_rows_without_gold_are_left_out_counted_and_keep_the_positions_of_others(caplog):
    rows = [{"text": f"t{i}", "label": label} for i, label in enumerate(["neutral", -1, None, "-", "c"])]
    with caplog.at_level(logging.WARNING):
        examples = _examples("xnli", *rows)
    assert [(e.id, e.label) for e in examples] == [("0", "neutral"), ("4", "contradiction")]
    assert "3 rows without gold" in caplog.text


@pytest.mark.parametrize(
    ("task", "row", "texts"),
    [
        ("xnli", {"text": "a", "text_pair": "b", "label": -1}, ("a", "b")),
        ("panx", {"words": ["a", "b"], "tags": None}, ("a b",)),
        ("xcopa", {"context": "a", "choices": ["b", "c"], "label": -1}, ("a", "b")),
        ("xquad", {"question": "a", "context": "b", "answers": []}, ("a", "b")),
    ],
)
def test_inputs_of_rows_without_gold_are_text_where_none_is_needed(task, row, texts):
    found = examples_of([row, row], TASKS[task], Rows(), "somewhere", labelled=False)
    assert [(e.id, e.texts) for e in found] == [("0", texts), ("1", texts)]
    with pytest.raises(InputError, match="none of the 2 rows has gold"):
        _examples(task, row, row)


def test_placeholders_of_labels_do_not_keep_text_from_being_read():
    rows = [{"context": f"c{i}", "choices": ["a", "b"], "label": 0} for i in range(60)]
    assert len(examples_of(rows, TASKS["xcopa"], Rows(), "somewhere", labelled=False)) == 60
    with pytest.raises(InputError, match="placeholders"):
        _examples("xcopa", *rows)


def test_text_without_gold_that_is_broken_is_refused_with_its_place():
    rows = [{"text": "a", "label": None}, {"label": None}]
    with pytest.raises(InputError, match="somewhere, row 2: the column 'text' is missing"):
        examples_of(rows, TASKS["xnli"], Rows(), "somewhere", labelled=False)


def test_rows_that_the_conversion_leaves_out_are_counted(caplog):
    how = Rows(convert=lambda row: None if row["text"] == "drop" else row)
    rows = [{"text": "keep", "label": "e"}, {"text": "drop", "label": "e"}]
    with caplog.at_level(logging.WARNING):
        assert len(_examples("xnli", *rows, how=how)) == 1
    assert "1 rows that are no xnli examples left out" in caplog.text
    with pytest.raises(InputError, match=r"somewhere: no usable xnli row \(1 left out\)"):
        _examples("xnli", rows[1], how=how)


@pytest.mark.parametrize(
    ("task", "row", "message"),
    [
        (
            "xnli",
            {"text": "t", "label": "x"},
            r"somewhere, row 2: label 'x' is not in the label space of xnli",
        ),
        ("xnli", {"text": "t", "label": "x", LINE: 9}, r"somewhere, line 9: label 'x'"),
        ("xnli", {"label": "e"}, r"row 2: the column 'text' is missing; it has \['label'\]"),
        ("xnli", {"text": 3, "label": "e"}, r"row 2: column 'text': got 3, expected a text"),
    ],
)
def test_faults_name_the_row_or_line(task, row, message):
    with pytest.raises(InputError, match=message):
        _examples(task, {"text": "t", "label": "e"}, row)


def test_tags_must_be_as_many_as_words():
    with pytest.raises(InputError, match="row 1: 2 words but 1 tags"):
        _examples("panx", {"words": ["a", "b"], "tags": ["O"]})
    with pytest.raises(InputError, match="row 1: a sentence without a word"):
        _examples("panx", {"words": [], "tags": []})


def test_answers_as_a_list_of_dicts_and_as_a_dict_of_lists():
    base = {"id": "q", "question": "?", "context": "a b"}
    nested = {**base, "answers": [{"text": "b", "answer_start": 2}]}
    flat = {**base, "answers": {"text": ["b"], "answer_start": [2]}}
    assert _examples("squad_v1", nested) == _examples("squad_v1", flat)
    assert _examples("squad_v1", nested) == [SpanExample(**base, answers=((2, "b"),))]
    with pytest.raises(InputError, match="expected a list of"):
        _examples("squad_v1", {**base, "answers": [{"start": 2}]})


def test_only_a_task_with_unanswerable_questions_keeps_them():
    rows = [
        {"id": "1", "question": "?", "context": "a b", "answers": [{"text": "b", "answer_start": 2}]},
        {"id": "2", "question": "?", "context": "a b", "answers": []},
    ]
    assert [e.answers for e in _examples("squad_v2", *rows)] == [((2, "b"),), ()]
    assert [e.id for e in _examples("squad_v1", *rows)] == ["1"]


def test_the_index_of_a_choice_is_within_the_choices():
    row = {"context": "c", "choices": ["a", "b"], "label": "1"}
    assert _examples("w-cloze", row) == [ChoiceExample(id="0", context="c", choices=("a", "b"), label=1)]
    for label in (2, "2", "b", 0.5):
        with pytest.raises(InputError, match="expected the index of a choice, 0 to 1"):
            _examples("w-cloze", {**row, "label": label})


# What may stand in a token: anything but what separates tokens, tags and sentences; nothing at all, too, though not in
# all tokens of a sentence.
WORDS = st.text(st.characters(exclude_characters="_\t\n\r\ufeff", exclude_categories=["Cs"]))
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(TASKS["panx"].labels)), min_size=1, max_size=5).filter(
        lambda sentence: any(has_text(word) for word, _ in sentence)
    ),
    min_size=1,
    max_size=5,
)


@given(sentences=SENTENCES, ends=st.sampled_from(["\n", "\r\n"]), gaps=st.integers(1, 3))
def test_conll_round_trip_loses_no_token(tmp_path_factory, sentences, ends, gaps):
    path = tmp_path_factory.mktemp("conll") / "dev-en.tsv"
    lines = [ends.join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences]
    path.write_bytes((ends * (gaps + 1)).join(lines).encode())
    examples = read_files([path], TASKS["panx"], "en")
    assert [list(zip(e.words, e.tags, strict=True)) for e in examples] == sentences


# What may stand in a field: csv.writer quotes tabs as well, but no text of these data has one.
TEXTS = st.text(st.characters(exclude_characters="\t\r\n\ufeff", exclude_categories=["Cs"]), min_size=1)
TEXTS = TEXTS.filter(has_text)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, st.sampled_from("01")), min_size=1, max_size=6))
def test_what_csv_writer_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("pawsx") / "dev-en.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    examples = read_files([path], TASKS["pawsx"], "en")
    task = TASKS["pawsx"]
    assert [(e.text, e.text_pair, e.label) for e in examples] == [(a, b, task.label(c)) for a, b, c in rows]


@given(before=TEXTS, answer=TEXTS, after=TEXTS)
def test_an_answer_is_found_at_its_offset_in_characters(before, answer, after):
    row = {"id": "q", "question": "?", "context": before + answer + after}
    good = {**row, "answers": [{"text": answer, "answer_start": len(before)}]}
    [example] = _examples("squad_v1", good)
    [(start, text)] = example.answers
    assert example.context[start : start + len(text)] == answer


def test_a_pair_without_its_second_column_is_refused():
    with pytest.raises(InputError, match="hypothesis"):
        examples_of([{"premise": "a", "label": "entailment"}], TASKS["mnli"], TASKS["mnli"].hub, "here")


def test_rows_without_gold_are_counted_up_to_the_flags(tmp_path):
    text = "a\tb\tentailment\nc\td\tneutral\ne\tf\t-\ng\th\t-\n"
    (tmp_path / "xnli").mkdir()
    (tmp_path / "xnli" / "dev-en.tsv").write_text(text, encoding="utf-8")
    request = DataRequest("xnli", "dev", "en", folder=str(tmp_path))
    examples = read_examples(request)
    assert (len(examples), examples.without_gold) == (2, 2)
    tokenizer = load_tokenizer(resolve_encoder("world/w0-s0"))
    features = make_dataset(examples, TASKS["xnli"], tokenizer, 64, 16).features
    assert features.counts[3] == 2


CLOZE = {"context": "c", "choices": ["a", "b"], "label": 0}


@pytest.mark.parametrize(
    ("task", "good", "bad"),
    [
        ("xnli", {"text": "a", "text_pair": "b", "label": "e"}, {"text": "a", "text_pair": " ", "label": "e"}),
        ("xnli", {"text": "a", "text_pair": "b", "label": "e"}, {"text": "\u200e", "text_pair": "b", "label": "e"}),
        ("w-cloze", CLOZE, {"context": "c", "choices": ["a", ""], "label": 0}),
        ("w-cloze", CLOZE, {"context": "", "choices": ["a", "b"], "label": 0}),
        (
            "squad_v2",
            {"question": "q", "context": "c", "answers": []},
            {"question": "  ", "context": "c", "answers": []},
        ),
        ("tatoeba", {"text": "a", "translation": "b"}, {"text": "", "translation": "b"}),
        ("tatoeba", {"text": "a", "translation": "b"}, {"text": "a", "translation": "\u3000"}),
        ("panx", {"words": ["a", ""], "tags": ["O", "O"]}, {"words": ["", " "], "tags": ["O", "O"]}),
        ("ud", {"words": ["a", "_", "c"], "tags": ["X"] * 3}, {"words": ["_", "_", "."], "tags": ["X"] * 3}),
        ("udpos", {"words": ["a", "_", "c", "d"], "tags": ["X"] * 4}, {"words": ["_"], "tags": ["X"]}),
        ("udpos", {"words": ["a", "b"], "tags": ["X"] * 2}, {"words": ["_", "."], "tags": ["X"] * 2}),
        ("mlm", {"text": "a"}, {"text": "\t"}),
    ],
)  # fmt: skip
def test_examples_without_text_are_left_out_and_counted(caplog, task, good, bad):
    with caplog.at_level(logging.WARNING):
        examples = _examples(task, bad, good, bad)
    assert len(examples) == 1 and examples[0].id == "1" and examples.noted == {"without-text": 2}
    assert "2 without text" in caplog.text


def test_what_gold_may_name_is_not_left_out_for_want_of_text():
    for task in ("bucc2018", "lareqa"):
        row = {"text": " ", "side": "target" if task == "bucc2018" else "candidate", "keys": ()}
        with pytest.raises(InputError, match=r"row 1: a text that is searched is empty"):
            _examples(task, row)


def test_a_treebank_without_text_stands_beside_others_and_is_refused_alone(tmp_path):
    def conllu(*forms):
        rows = (f"{i}\t{form}\t_\tNOUN\t_\t_\t0\troot\t_\t_" for i, form in enumerate(forms, start=1))
        return "\n".join(rows) + "\n\n"

    for name, text in (("a", conllu("_", "_", "_") * 2), ("b", conllu("file", "_", "name"))):
        folder = tmp_path / "ud" / f"UD_{name}"
        folder.mkdir(parents=True)
        (folder / f"en_{name}-ud-test.conllu").write_text(text, encoding="utf-8")
    request = DataRequest("ud", "test", "en", folder=str(tmp_path))
    examples = read_examples(request)
    assert [e.words for e in examples] == [("file", "_", "name")] and examples.noted == {"without-text": 2}
    (tmp_path / "ud/UD_b/en_b-ud-test.conllu").unlink()
    with pytest.raises(InputError, match=r"ud has no usable test examples in en \(without-text: 2\)"):
        read_examples(request)


def test_words_on_the_hub_are_those_of_the_files(tmp_path):
    """Multiword tokens and empty nodes have no head; an elided word has a part of speech all the same."""
    lines = [
        ("1", "Ann", "PROPN", "2"), ("2", "likes", "VERB", "0"), ("3-4", "dont", "_", "_"), ("3", "do", "AUX", "2"),
        ("4", "nt", "PART", "2"), ("4.1", "likes", "VERB", "_"),
    ]  # fmt: skip
    path = tmp_path / "en_x-ud-test.conllu"
    path.write_text(
        "".join(f"{n}\t{form}\t_\t{tag}\t_\t_\t{head}\t_\t_\t_\n" for n, form, tag, head in lines) + "\n",
        encoding="utf-8",
    )
    [native] = read_files([path], TASKS["ud"], "en")
    hub = TASKS["ud"].hub
    row = {
        "tokens": [form for _, form, _, _ in lines],
        "upos": [tag for _, _, tag, _ in lines],
        "head": ["None" if head == "_" else head for *_, head in lines],
    }
    [parquet] = examples_of([row], TASKS["ud"], hub, "hub")
    assert parquet.words == native.words == ("Ann", "likes", "do", "nt") and parquet.tags == native.tags
    for no_heads in (
        {"head": None},
        {"head": ["None"] * 6},
    ):  # a treebank of tags alone: `_` tells multiword tokens
        [tagged] = examples_of([{**row, **no_heads}], TASKS["ud"], hub, "hub")
        assert tagged.words == ("Ann", "likes", "do", "nt", "likes")
    with pytest.raises(InputError, match=r"label '_' is not in the label space"):  # a word that has no tag
        examples_of([{"tokens": ["a"], "upos": ["_"], "head": ["0"]}], TASKS["ud"], hub, "hub")


@pytest.mark.parametrize(
    ("sentences", "words", "noted"), [(1, 300, 1), (3, 120, 3), (1, 299, 0), (40, 30, 0)]
)
def test_a_file_to_tag_without_blank_lines_is_noted(caplog, sentences, words, noted):
    row = {"words": ["Budi"] * words, "tags": ["B-PER", "O"] * (words // 2) + ["O"] * (words % 2)}
    with caplog.at_level(logging.WARNING):
        examples = _examples("panx", *[row] * sentences)
    assert examples.noted["no-sentence-breaks"] == noted and len(examples) == sentences
    assert ("are the blank lines between sentences lost?" in caplog.text) == bool(noted)
