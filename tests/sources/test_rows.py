"""Rows become examples: what is built, what is refused, and that no token, character or row is lost on the way."""

import csv
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simxfer.encoders import resolve_encoder
from simxfer.errors import InputError
from simxfer.features import make_dataset
from simxfer.model import load_tokenizer
from simxfer.sources import DataRequest, read_examples
from simxfer.sources.files import read_files
from simxfer.sources.rows import LINE, examples_of
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


# What may stand in a token: anything but what separates tokens, tags and sentences; nothing at all, too.
WORDS = st.text(st.characters(exclude_characters="\t\n\r\ufeff", exclude_categories=["Cs"]))
SENTENCES = st.lists(
    st.lists(st.tuples(WORDS, st.sampled_from(TASKS["panx"].labels)), min_size=1, max_size=5),
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
