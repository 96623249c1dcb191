import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from simxfer.metrics import METRICS, chunks, normalise

EXACT = 1e-9
"""Points: the same sums in another order differ by rounding alone."""


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O B-PER I-PER O", {("PER", 1, 3)}),
        ("I-PER I-PER O I-LOC", {("PER", 0, 2), ("LOC", 3, 4)}),  # I- without B-
        ("B-PER B-PER I-PER", {("PER", 0, 1), ("PER", 1, 3)}),  # neighbours of one type
        ("B-PER I-LOC I-LOC", {("PER", 0, 1), ("LOC", 1, 3)}),  # another type begins in the middle
        ("O O", set()),
        ("B-A-B I-A-B", {("A-B", 0, 2)}),  # a type with a hyphen
        ("B-PER ? I-PER", {("PER", 0, 1), ("PER", 2, 3)}),  # a word without a prediction
    ],
)
def test_chunks_by_hand(tags, expected):
    assert chunks(tags.split()) == expected


def test_chunk_f1_by_hand():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O"], ["B-ORG", "I-ORG"]]
    predicted = [["B-PER", "I-PER", "O", "O"], ["B-LOC", "O"], ["B-ORG", "O"]]
    scored = METRICS["chunk_f1"](gold, predicted)
    # Right: PER. Too many: LOC, the short ORG. Missed: LOC, the long ORG. F1 = 2 / (2 + 2 + 2).
    assert scored.value == pytest.approx(100 / 3)
    assert scored.counts is not None
    assert scored.counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1]]
    assert scored.examples.tolist() == [pytest.approx(2 / 3), 0.0, 0.0]


def conlleval(tags: list[str]) -> list[str]:
    """Each word's chunk as conlleval.pl sees it, word by word: type and number of the chunk, or an empty text."""
    found, number, before = [], 0, "O"
    for tag in tags:
        kind, last = tag[2:], before[2:]
        starts = tag[0] == "B" or (tag[0] == "I" and (before[0] == "O" or kind != last))
        number += starts
        found.append(f"{kind} {number}" if tag != "O" else "")
        before = tag
    return found


TAGS = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=12)


@given(TAGS)
def test_chunks_are_conllevals(tags):
    words = [(name, i) for i, name in enumerate(conlleval(tags)) if name]
    spans = [list(group) for _, group in groupby(words, key=lambda pair: pair[0])]
    assert chunks(tags) == {(span[0][0].split()[0], span[0][1], span[-1][1] + 1) for span in spans}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1))
def test_accuracy_is_sklearns(pairs):
    gold, predicted = zip(*pairs, strict=True)
    scored = METRICS["accuracy"](gold, predicted)
    assert scored.value == pytest.approx(100 * accuracy_score(gold, predicted), abs=EXACT)
    assert scored.examples.mean() * 100 == pytest.approx(scored.value)


@given(st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1), min_size=1))
def test_token_accuracy_is_sklearns_micro_f1(sentences):
    gold = [[g for g, _ in sentence] for sentence in sentences]
    predicted = [[p for _, p in sentence] for sentence in sentences]
    scored = METRICS["token_accuracy"](gold, predicted)
    expected = f1_score(np.concatenate(gold), np.concatenate(predicted), average="micro")
    assert scored.value == pytest.approx(100 * expected, abs=EXACT)
    assert scored.counts is not None
    tp, fp, fn = scored.counts.sum(axis=0)
    assert 200 * tp / (2 * tp + fp + fn) == pytest.approx(scored.value)


def test_squad_normalisation_by_hand():
    assert normalise("  The U.S.  an  Army-base! ") == "us armybase"
    assert normalise("Theatre, a an the") == "theatre"
    assert normalise("Der Anfang") == "der anfang"
    assert normalise("«Ü»") == "«ü»"  # only ASCII punctuation goes


def test_squad_scores_by_hand():
    gold = [["the red car", "a car"], ["Paris"], ["42"]]
    scored = METRICS["squad_f1"](gold, ["red cars car", "paris.", "forty"])
    # 'red car' against 'red cars car': 2 words in common, 2 * 2 / (2 + 3); 'car': 2 * 1 / (1 + 3).
    assert scored.examples.tolist() == [pytest.approx(0.8), 1.0, 0.0]
    assert scored.value == pytest.approx(60.0)
    assert METRICS["exact_match"](gold, ["Car!", "paris.", "forty"]).examples.tolist() == [1.0, 1.0, 0.0]
    # The official scorer: two empty answers match exactly, and have no word in common.
    assert METRICS["exact_match"]([["the"]], [""]).value == 100.0
    assert METRICS["squad_f1"]([["the"]], [""]).value == 0.0


@pytest.mark.parametrize("name", METRICS)
def test_lengths_must_fit(name):
    with pytest.raises(ValueError, match="1 predictions for 2 gold answers"):
        METRICS[name]([["a"], ["a"]], [["a"]])
    with pytest.raises(ValueError, match="no examples"):
        METRICS[name]([], [])


def test_tags_must_be_as_many_as_words():
    for name in ("chunk_f1", "token_accuracy"):
        with pytest.raises(ValueError):
            METRICS[name]([["O", "O"]], [["O"]])


def squad_answers(path: Path) -> dict[str, list[str]]:
    paragraphs = [p for article in json.loads(path.read_text())["data"] for p in article["paragraphs"]]
    return {qa["id"]: [a["text"] for a in qa["answers"]] for p in paragraphs for qa in p["qas"]}


def test_squad_scores_are_those_of_the_official_scorer(shared):
    """XQuAD, TyDiQA and SQuAD in 16 files, and MLQA under the SQuAD scorer; see shared/oracles/README.md."""
    oracles = json.loads((shared / "oracles" / "qa_expected.json").read_text())
    compared = 0
    for name, entry in oracles.items():
        expected = entry.get("xtreme_squad") or entry.get("squad1.1_scorer_for_contrast")
        if expected is None:
            continue
        gold = squad_answers(shared / "pack" / name)
        predictions = json.loads((shared / "oracles" / entry["pred"]).read_text())
        predicted = [predictions.get(key, "") for key in gold]
        for metric, key in (("squad_f1", "f1"), ("exact_match", "exact_match")):
            value = METRICS[metric](list(gold.values()), predicted).value
            assert value == pytest.approx(expected[key], abs=EXACT), name
        compared += 1
    assert compared == 22


def sentences_of(path: Path) -> list[list[str]]:
    """The last column of each sentence."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [
        [line.split("\t")[-1] for line in group]
        for filled, group in groupby(lines, key=lambda line: bool(line.strip()))
        if filled
    ]


def test_chunk_f1_is_seqevals_on_panx(shared):
    oracles = json.loads((shared / "oracles" / "tagging_expected_seqeval1.2.2.json").read_text())
    names = [name for name in oracles if name.startswith("panx")]
    assert len(names) == 3
    for name in names:
        gold = sentences_of(shared / "pack" / name)
        predicted = sentences_of(shared / "oracles" / oracles[name]["pred"])
        found = METRICS["chunk_f1"](gold, predicted)
        assert found.value == pytest.approx(100 * oracles[name]["f1"], abs=EXACT)
        assert found.counts is not None
        tp, fp, fn = found.counts.sum(axis=0)
        assert tp / (tp + fp) == pytest.approx(oracles[name]["p"])
        assert tp / (tp + fn) == pytest.approx(oracles[name]["r"])
        accuracy = METRICS["token_accuracy"](gold, predicted).value
        assert accuracy == pytest.approx(100 * oracles[name]["token_acc"], abs=EXACT)


def test_example_scores_are_between_0_and_1():
    scored = METRICS["chunk_f1"]([["O"], ["B-X"]], [["O"], ["O"]])
    assert scored.examples.tolist() == [1.0, 0.0]  # nothing to find and nothing found is right
    assert np.isfinite(scored.value)
