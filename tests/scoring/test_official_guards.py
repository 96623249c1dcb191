"""What a score is flagged with, and files that are refused."""

import json

import pandas as pd
import pytest
from official_files import RIGHT, squad, write

from simxfer.cli.scores import score_warnings
from simxfer.common.errors import InputError
from simxfer.scoring.official import LAYOUTS, score_file


def test_ids_without_a_prediction_score_zero_and_others_nothing(tmp_path):
    """As evaluate-v1.1.py, which says so on stderr: "Unanswered question ... will receive score 0"."""
    gold = write(tmp_path / "gold.json", squad())
    whole = score_file("xquad", write(tmp_path / "all.json", json.dumps(RIGHT)), gold, "en")
    assert whole["value"].tolist() == [100.0, 100.0] and whole["flags"].tolist() == ["", ""]
    _, *others = RIGHT
    partial = {name: RIGHT[name] for name in others} | {"elsewhere": "one"}
    scores = score_file("xquad", write(tmp_path / "some.json", json.dumps(partial)), gold, "en")
    assert scores["value"].tolist() == pytest.approx([100 * len(others) / len(RIGHT)] * 2)
    assert set(scores["flags"]) == {"unanswered=1;unknown-ids=1"}
    assert set(scores["n_examples"]) == {len(RIGHT)}


def test_scores_at_chance_and_of_zero_are_flagged(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "entailment\nneutral\ncontradiction\n" * 100)
    constant = write(tmp_path / "constant.tsv", "entailment\n" * 300)
    assert score_file("xnli", constant, gold)["flags"].tolist() == ["chance-level"]
    wrong = write(tmp_path / "wrong.tsv", "neutral\ncontradiction\nentailment\n" * 100)
    scores = score_file("xnli", wrong, gold)
    assert scores["flags"].tolist() == ["all-zero"]
    assert score_warnings(scores) == ["warning: xnli accuracy 0.00 in sw: all-zero"]
    assert score_file("xnli", gold, gold)["flags"].tolist() == [""]
    both = pd.concat([scores, scores.assign(language="ur", value=1.5)])
    assert score_warnings(both) == ["warning: xnli accuracy 0.00 to 1.50 in sw, ur: all-zero"]


def test_labels_that_the_gold_lacks_are_named_as_in_a_run(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "entailment\nneutral\n" * 15)
    assert score_file("xnli", gold, gold)["flags"].tolist() == ["labels-without-gold=contradiction"]
    few = write(tmp_path / "dev-sw.tsv", "entailment\nneutral\n" * 14)
    assert score_file("xnli", few, few)["flags"].tolist() == [""]


def test_a_score_just_above_chance_is_not_flagged(tmp_path):
    """400 examples of two labels: 50 + 1.645 * 2.5 = 54.1 points."""
    gold = write(tmp_path / "test-de.tsv", "1\n0\n" * 200)
    for right, flags in ((216, "chance-level"), (217, "")):
        labels = ["1" if (i % 2 == 0) == (i < right) else "0" for i in range(400)]
        scores = score_file("pawsx", write(tmp_path / "out.tsv", "\n".join(labels)), gold)
        assert scores[["value", "flags"]].values.tolist() == [[right / 4, flags]]


def test_a_perfect_score_of_few_examples_is_not_flagged(tmp_path):
    gold = write(tmp_path / "test-de.tsv", "1\n0\n")
    assert score_file("pawsx", gold, gold)["flags"].tolist() == [""]


def test_a_few_sentences_without_an_entity_are_no_placeholders(tmp_path):
    sentence = "O\n" * 12 + "\n"
    gold = write(tmp_path / "test-th.tsv", sentence * 9)
    assert score_file("panx", gold, gold)["flags"].tolist() == ["all-zero", ""]
    with pytest.raises(InputError, match="all 120 gold labels are 'O': placeholders"):
        score_file("panx", gold, write(tmp_path / "test-th.tsv", sentence * 10))


# A user's mistakes

EMPTY = {"answers": [{"text": "", "answer_start": 0}]}

MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "unknown task": ("xnly", "neutral", "neutral", r"unknown task 'xnly'. Did you mean 'xnli'\?"),
    "empty file": ("xnli", "\n\n", "neutral", r"test-sw.tsv is empty"),
    "wrong number of lines": ("xnli", "neutral\n", "neutral\nneutral\n", "has 1 lines and .* has 2"),
    "blank line": ("xnli", "neutral\n\nneutral\n", "neutral", "line 2 is blank"),
    "label outside": ("xnli", "neutral\nneutrl", "neutral\nneutral", r"line 2: label 'neutrl'.*'neutral'\?"),
    "gold label outside": ("xnli", "neutral", "maybe", "gold/test-sw.tsv, line 1: label 'maybe' is none of"),
    "gold without labels": (
        "xnli",
        "neutral",
        "one\ttwo",
        "line 1: label 'two' .* A test file without labels",
    ),
    "placeholder labels": ("xnli", "neutral\n" * 10, "neutral\n" * 10, "all 10 gold labels are 'neutral'"),
    "gold without tags": ("panx", "O\nO", "Habari\nya", "label 'Habari' is none of .* without labels"),
    "fewer sentences": ("panx", "O\nO", "O\n\nB-PER", "has 1 sentences and .* has 2"),
    "shorter sentence": (
        "panx",
        "O\n\nO\nO",
        "O\n\nO\nO\nB-PER",
        r"sentence 2 has 2 tags \(.*, line 3\) and 3 in the gold file \(.*, line 3\)",
    ),
    "no index": ("tatoeba", "12\n-1", "12\n1", "line 2: got '-1', expected the index"),
    "one id": ("bucc2018", "de-1", "de-1\ten-1", "line 1: got 'de-1', expected two ids"),
    "pair twice": ("bucc2018", "de-1\ten-1\n" * 2, "de-1\ten-1", r"line 2: the pair .* stands in line 1"),
    "gold of another language": (
        "bucc2018",
        "de-1\ten-1",
        "fr-1\ten-1",
        "'fr-1' is of language 'fr', not 'de'",
    ),
    "JSON cut": ("xquad", '{"q0": "one", "q1', squad(), "line 1: the JSON ends in the middle"),
    "no object": ("xquad", '["one"]', squad(), "got a JSON list, expected an object"),
    "answers with probabilities": (
        "xquad",
        json.dumps(RIGHT | {"q1": ["one"]}),
        squad(),
        r"answer to 'q1' is \['one'\]",
    ),
    "missing ids": (
        "xquad",
        '{"q0": "one"}',
        squad(),
        "2 of 3 ids of the gold file are missing .first: 'q1'.",
    ),
    "no common id": ("xquad", '{"z": "one"}', squad(), r"Is the gold file of another language or data set\?"),
    "id twice in the predictions": (
        "xquad",
        '{"q0": "one", "q0": "two"}',
        squad(),
        "the key 'q0' occurs 2 times",
    ),
    "id twice in the gold": ("xquad", '{"q0": "one"}', squad(q1={"id": "q0"}), "'q0' belongs to 2 questions"),
    "another form": (
        "xquad",
        json.dumps(RIGHT),
        '{"data": [{"qas": []}]}',
        "an object with a list `paragraphs`",
    ),
    "placeholder answers": (
        "xquad",
        json.dumps(RIGHT),
        squad(q0=EMPTY, q1=EMPTY, q2=EMPTY),
        "all 3 gold answers are empty: placeholders",
    ),
    "unanswerable": ("xquad", json.dumps(RIGHT), squad(q1={"answers": []}), "'q1'.*scored as task squad_v2"),
    "id of another language": (
        "tydiqa",
        '{"arabic-1": "one"}',
        '{"data": [{"paragraphs": [{"qas": [{"id": "arabic-1", "answers": [{"text": "one"}]}]}]}]}',
        "no question in 'swahili'; its ids say arabic",
    ),
    "no ranking": ("mewslix", '{"m": "Q1"}', '{"m": ["Q1"]}', "'m' has 'Q1', expected a list of ids"),
    "no gold id": ("mewslix", '{"m": ["Q1"]}', '{"m": []}', "1 of 1 queries have no gold id"),
}
LANGUAGE = {"bucc2018": "de", "xquad": "de", "mewslix": "de"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(tmp_path, mistake):
    task, predictions, gold, said = MISTAKES[mistake]
    suffix = LAYOUTS[task].suffix if task in LAYOUTS else "tsv"
    name = f"test-{LANGUAGE.get(task, 'sw')}.{suffix}"
    with pytest.raises(InputError, match=rf"(?s){said}"):
        score_file(task, write(tmp_path / name, predictions), write(tmp_path / "gold" / name, gold))


def test_some_empty_gold_answers_are_flagged(tmp_path):
    predictions = write(tmp_path / "test-de.json", json.dumps(RIGHT))
    scores = score_file("xquad", predictions, write(tmp_path / "gold.json", squad(q0=EMPTY)))
    assert set(scores["flags"]) == {"placeholder-gold"}


def test_a_missing_file_a_folder_and_latin_1_are_named(tmp_path):
    gold = write(tmp_path / "test-sw.tsv", "neutral")
    with pytest.raises(InputError, match=r"does not exist. Did you mean 'test-sw.tsv'\?"):
        score_file("xnli", tmp_path / "test-sww.tsv", gold, "sw")
    with pytest.raises(InputError, match="is a folder; give a file"):
        score_file("xnli", tmp_path, gold, "sw")
    latin = tmp_path / "dev-de.tsv"
    latin.write_bytes("ja\tnein\tneutral\nschön\tja\tneutral\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"line 2: byte 0xf6 is not UTF-8.*iconv -f latin1"):
        score_file("xnli", gold.rename(tmp_path / "out.tsv"), latin)


def test_line_separators_of_unicode_and_windows_are_no_new_lines(tmp_path):
    gold = write(tmp_path / "dev-de.tsv", "eins\u2028zwei\tdrei\tneutral\r\nvier\tfünf\tneutral\r\n")
    assert score_file("xnli", write(tmp_path / "out.tsv", "neutral\nneutral"), gold)[
        "n_examples"
    ].tolist() == [2]


def test_probabilities_of_no_answer_must_fit(tmp_path):
    gold = write(tmp_path / "gold.json", squad(q2={"answers": []}))
    out = write(tmp_path / "out.json", json.dumps(RIGHT))
    missing = write(tmp_path / "missing.json", '{"q0": 0.5}')
    with pytest.raises(InputError, match=r"missing.json: 2 of 3 ids of the gold file are missing"):
        score_file("squad_v2", out, gold, no_answer=missing)
    words = write(tmp_path / "words.json", json.dumps(dict.fromkeys(RIGHT, "likely")))
    with pytest.raises(InputError, match=r"'q0' has 'likely', expected a number"):
        score_file("squad_v2", out, gold, no_answer=words)
    with pytest.raises(InputError, match="squad_v1 has no unanswerable questions"):
        score_file("squad_v1", out, gold, no_answer=missing)
