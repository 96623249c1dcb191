"""The forms of files: gold in a task's own; predictions as XTREME and Hugging Face's example scripts write them."""

import pytest
from official_files import value, write

from simxfer.common.errors import InputError
from simxfer.scoring.official import score_file


def test_rankings_by_hand(tmp_path):
    gold = write(tmp_path / "gold.json", '{"q1": ["a", "b"], "q2": ["c"]}')
    predictions = write(tmp_path / "test-de.json", '{"q2": ["x", "c"], "q1": ["a", "x", "b"]}')
    assert value(score_file("lareqa", predictions, gold), "map_at_20") == pytest.approx(
        100 * ((1 + 2 / 3) / 2 + 1 / 2) / 2
    )
    assert value(score_file("mewslix", predictions, gold), "mrr_at_20") == 75.0


def test_labelled_files_outside_xtreme_are_gold(tmp_path):
    header = "id\tlanguage\tpremise\thypothesis\tlabel\n"
    rows = "".join(f"{i}\tquy\t{i}\tb\t{label}\n" for i, label in enumerate(("neutral", "entailment")))
    gold, out = write(tmp_path / "quy.tsv", header + rows), write(tmp_path / "out.tsv", "neutral\nneutral\n")
    assert value(score_file("americasnli", out, gold), "accuracy") == 50
    # MasakhaNER: a blank between word and tag, and dates, which are read as no entity
    gold = write(tmp_path / "test.txt", "Thandi B-PER\n2020 B-DATE\n\neGoli B-LOC\n")
    scores = score_file("masakhaner2", write(tmp_path / "out.txt", "B-PER\nO\n\nB-ORG\n"), gold, "zu")
    assert [value(scores, metric) for metric in ("chunk_f1", "token_accuracy")] == [
        50,
        pytest.approx(200 / 3),
    ]
    scores = score_file("ud", write(tmp_path / "out.txt", "NOUN\nVERB\n"), tmp_path / "out.txt", "gub")
    assert value(scores, "token_accuracy") == 100


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
