"""The forms of files: gold in a task's own; predictions as XTREME and Hugging Face's example scripts write them."""

import json

import pytest
from official_files import RIGHT, squad, value, write

from simxfer.common.errors import InputError
from simxfer.scoring.official import score_file


def test_rankings_by_hand(tmp_path):
    gold = write(tmp_path / "gold.json", '{"q1": ["a", "b"], "q2": ["c"]}')
    predictions = write(tmp_path / "test-de.json", '{"q2": ["x", "c"], "q1": ["a", "x", "b"]}')
    assert value(score_file("lareqa", predictions, gold), "map_at_20") == pytest.approx(
        100 * ((1 + 2 / 3) / 2 + 1 / 2) / 2
    )
    assert value(score_file("mewslix", predictions, gold), "mrr_at_20") == 75.0


def test_xnlis_spelling_of_its_translated_training_data(tmp_path):
    gold = write(tmp_path / "train-sw.tsv", "a\tb\tcontradictory\nc\td\tneutral\n")
    assert (
        value(score_file("xnli", write(tmp_path / "out.tsv", "contradiction\nneutral"), gold), "accuracy")
        == 100
    )


def test_quoted_fields_of_pawsx_are_read_as_csv(tmp_path):
    gold = write(tmp_path / "dev-de.tsv", '"He said ""a\tb"" twice"\tother\t1\nplain\tother\t0\n')
    found = score_file("pawsx", write(tmp_path / "test-de.tsv", "1\n1\n"), gold)
    assert (found["value"].tolist(), found["n_examples"].tolist()) == ([50.0], [2])
    unlabelled = write(tmp_path / "test-en.tsv", '"a\tb"\tother\n')
    with pytest.raises(InputError, match=r"line 1: label 'other' is none of .* A test file without labels"):
        score_file("pawsx", write(tmp_path / "out.tsv", "1"), unlabelled)
    lone = write(tmp_path / "dev-sw.tsv", '"so\tx\tneutral\ny\tz"\tneutral\n')  # XNLI is not quoted
    assert score_file("xnli", write(tmp_path / "out.tsv", "neutral\nneutral"), lone)["value"].tolist() == [
        100.0
    ]


# What the example scripts of Hugging Face write


def test_run_xnlis_table_of_predictions(tmp_path):
    gold = write(tmp_path / "dev-sw.tsv", "a\tb\tneutral\nc\td\tentailment\ne\tf\tcontradiction\n")
    rows = ["0\tneutral", "1\tneutral", "2\tcontradiction"]
    for ordered in (rows, rows[::-1]):
        out = write(tmp_path / "predictions.txt", "\n".join(["index\tprediction", *ordered]) + "\n")
        assert score_file("xnli", out, gold)["value"].tolist() == pytest.approx([200 / 3])
    for wrong in (["1\tneutral", "2\tneutral", "3\tneutral"], [*rows[:2], rows[0]]):
        out = write(tmp_path / "predictions.txt", "\n".join(["index\tprediction", *wrong]))
        with pytest.raises(InputError, match=r"no row has index [02], though there are 3; expected 0 to 2"):
            score_file("xnli", out, gold)
    with pytest.raises(InputError, match="has a header and no row"):
        score_file("xnli", write(tmp_path / "predictions.txt", "index\tprediction\n"), gold)
    numbers = write(tmp_path / "predict_results_None.txt", "index\tprediction\n0\t1\n1\t0\n2\t2\n")
    assert score_file("xnli", numbers, gold)["value"].tolist() == [100.0]
    choices = write(tmp_path / "val.ht.jsonl", '{"label": 1}\n{"label": 0}\n{"label": 1}')
    assert score_file("xcopa", write(tmp_path / "out.txt", "index\tprediction\n0\t1\n1\t0\n2\t1"), choices)[
        "value"
    ].tolist() == [100]


def test_run_ners_sentence_a_line(tmp_path):
    gold = write(tmp_path / "test-vi.tsv", "a\tB-PER\nb\tO\n\n\nc\tB-LOC\n\nd\tO\ne\tO\n")
    out = write(tmp_path / "predictions.txt", "B-PER O\nB-LOC\nO B-ORG\n")
    scores = score_file("panx", out, gold)
    assert [value(scores, "chunk_f1"), value(scores, "token_accuracy")] == [80, 80]
    cut = write(tmp_path / "predictions.txt", "B-PER O\nB-LOC\nO\n")
    with pytest.raises(InputError, match=r"sentence 3 has 1 tags .* too long for the encoder"):
        score_file("panx", cut, gold)
    with pytest.raises(InputError, match="line 3: label 'B-MISC' is none of"):
        score_file("panx", write(tmp_path / "predictions.txt", "B-PER O\nB-LOC\nO B-MISC\n"), gold)
    one = write(tmp_path / "test-th.tsv", "a\tB-PER\n")  # the last tag alone is not the answer
    with pytest.raises(InputError, match="sentence 1 has 2 tags"):
        score_file("panx", write(tmp_path / "predictions.txt", "O B-PER\n"), one)
    sentence = write(tmp_path / "test-my.tsv", "a\tB-PER\nb\tI-PER\nc\tO\n")
    assert (
        value(score_file("panx", write(tmp_path / "predictions.txt", "B-PER I-PER O"), sentence), "chunk_f1")
        == 100
    )


def test_run_qas_files(tmp_path):
    gold = write(tmp_path / "xquad.de.json", squad())
    best = {
        name: [{"text": text, "probability": 0.9}, {"text": "x", "probability": 0.1}]
        for name, text in RIGHT.items()
    }
    listed = [
        {"id": name, "prediction_text": text, "no_answer_probability": 0.0} for name, text in RIGHT.items()
    ]
    for form in (best, listed, RIGHT):
        out = write(tmp_path / "eval_predictions.json", json.dumps(form))
        assert score_file("xquad", out, gold)["value"].tolist() == [100.0, 100.0]
    with pytest.raises(InputError, match="the key 'q0' occurs 2 times"):
        score_file("xquad", write(tmp_path / "twice.json", json.dumps([*listed, listed[0]])), gold)
    with pytest.raises(InputError, match=r"the answer to 'q0' is \[\], expected a text"):
        score_file("xquad", write(tmp_path / "empty.json", json.dumps(RIGHT | {"q0": []})), gold)


def test_run_qas_odds_of_no_answer(tmp_path):
    """Odds order the questions as their logistic transforms do; thresholds are in the unit of the file."""
    gold = write(tmp_path / "gold.json", squad(q1={"answers": []}))
    out = write(tmp_path / "out.json", json.dumps(RIGHT))
    odds = write(tmp_path / "eval_null_odds.json", '{"q0": -12.5, "q1": 40.25, "q2": 40.0}')
    scores = score_file("squad_v2", out, gold, no_answer=odds)
    # None answered: 1 of 3; then q0 and q2 are right, and q1 loses its point.
    assert [value(scores, "best_f1"), value(scores, "best_f1_thresh")] == [100.0, 40.0]
    assert value(scores, "squad2_f1") == pytest.approx(200 / 3)
