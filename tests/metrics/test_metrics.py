import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from simxfer.metrics import (
    METRICS,
    average_precision,
    best_thresholds,
    chunks,
    normalise,
    normalise_mlqa,
    pairs_above,
    reciprocal_rank,
    tag_runs,
    tune_threshold,
)

REFERENCE = Path(__file__).parents[1] / "reference" / "metrics"

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
    if METRICS[name].paired:
        with pytest.raises(ValueError, match="1 predictions for 2 gold answers"):
            METRICS[name]([["a"], ["a"]], [["a"]])
    with pytest.raises(ValueError, match="no examples"):
        METRICS[name]([], [])


def test_a_metric_that_needs_the_language_says_so():
    assert [name for name, metric in METRICS.items() if metric.needs_language] == [
        "mlqa_exact_match",
        "mlqa_f1",
    ]
    with pytest.raises(ValueError, match="needs the language of the answers"):
        METRICS["mlqa_f1"]([["a"]], ["a"])
    with pytest.raises(ValueError, match=r"no rules for language 'sw'; it has ar, de, en, es, hi, vi, zh"):
        METRICS["mlqa_f1"]([["a"]], ["a"], "sw")
    assert METRICS["squad_f1"]([["the car"]], ["car"], "de").value == 100.0  # SQuAD's rules in every language


@pytest.mark.parametrize("name", ["exact_match", "squad_f1", "mlqa_exact_match", "mlqa_f1"])
def test_an_unanswerable_question_is_no_silent_number(name):
    with pytest.raises(ValueError, match=r"example 2 has no gold answer; .* squad2_exact_match"):
        METRICS[name]([["a"], []], ["a", ""], "en")


def test_tags_must_be_as_many_as_words():
    for name in ("chunk_f1", "tag_f1", "token_accuracy"):
        with pytest.raises(ValueError):
            METRICS[name]([["O", "O"]], [["O"]])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("NOUN NOUN VERB", {("NOUN", 0, 2), ("VERB", 2, 3)}),  # equal neighbours are one run
        ("SYM SYM", {("SYM", 0, 1), ("SYM", 1, 2)}),  # S is taken for a single
        ("INTJ INTJ", {("INTJ", 0, 2)}),  # I is taken for inside
        ("CCONJ SCONJ", {("CCONJ", 0, 1), ("SCONJ", 1, 2)}),  # not one type, as in seqeval 1.x
        ("X O X", {("X", 0, 1), ("X", 2, 3)}),
    ],
)
def test_tag_runs_by_hand(tags, expected):
    assert tag_runs(tags.split()) == expected


def test_tag_f1_is_that_of_seqeval_0_0_12():
    """Random bare and odd tags; reference/metrics/seqeval_tag_runs.py made the numbers."""
    cases = json.loads((REFERENCE / "seqeval_tag_runs.json").read_text())["cases"]
    assert len(cases) == 40
    for case in cases:
        gold, predicted = ([text.split() for text in case[side]] for side in ("gold", "predicted"))
        scored = METRICS["tag_f1"](gold, predicted)
        assert scored.value == pytest.approx(100 * case["f1"], abs=EXACT)
        assert scored.counts is not None
        tp, fp, fn = scored.counts.sum(axis=0)
        assert tp / max(1, tp + fp) == pytest.approx(case["precision"])
        assert tp / max(1, tp + fn) == pytest.approx(case["recall"])
        assert tag_runs(gold[0]) == {tuple(chunk) for chunk in case["chunks_of_first"]}


@given(TAGS)
def test_tag_runs_of_bio_tags_are_chunks(tags):
    """On the tags it was made for the old scorer and conlleval agree."""
    assert tag_runs(tags) == chunks(tags)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The cat's  Hut", "en", "cats hut"),
        ("Die «Katze» und der Hut", "de", "katze und hut"),
        ("El gato, los gatos", "es", "gato gatos"),
        ("những con mèo", "vi", "con mèo"),
        ("البيت الكبير", "ar", "بيت كبير"),
        ("the cat।", "hi", "the cat"),
        ("北京,abc大", "zh", "北 京 abc 大"),
        ("The cat", "zh", "the cat"),
    ],
)
def test_mlqa_normalisation_by_hand(text, language, expected):
    assert normalise_mlqa(text, language) == expected


def test_chinese_f1_counts_characters():
    scored = METRICS["mlqa_f1"]([["北京大学"]], ["北京市"], "zh")
    assert scored.value == pytest.approx(100 * 2 * 2 / (4 + 3))
    assert METRICS["squad_f1"]([["北京大学"]], ["北京市"]).value == 0.0


def test_squad2_by_hand():
    gold = [["a red car"], [], [], ["the"]]
    predicted = ["red", "", "something", ""]
    # Right by half of the words; rightly none; wrongly some; an answer of articles alone is no answer.
    assert METRICS["squad2_f1"](gold, predicted).examples.tolist() == [pytest.approx(2 / 3), 1.0, 0.0, 1.0]
    assert METRICS["squad2_exact_match"](gold, predicted).examples.tolist() == [0.0, 1.0, 0.0, 1.0]


def test_best_thresholds_by_hand():
    gold = [["a1"], [], ["a2"], []]
    report = best_thresholds(gold, ["a1", "x", "a2", "y"], [0.1, 0.2, 0.3, 0.4])
    # Answering none: 2 of 4. Then +1 (0.1), -1 (0.2), +1 (0.3), -1 (0.4): the first maximum is 3 of 4 at 0.1.
    assert (report["best_exact"], report["best_exact_thresh"]) == (75.0, 0.1)
    assert (report["exact"], report["HasAns_exact"], report["NoAns_exact"]) == (50.0, 100.0, 0.0)
    assert best_thresholds(gold, ["", "x", "", "y"], [0.5] * 4)["best_f1_thresh"] == 0.0  # nothing is best
    assert "best_f1" not in best_thresholds(gold, [""] * 4)
    assert "NoAns_total" not in best_thresholds([["a"]], ["a"])
    odds = best_thresholds(
        gold, ["a1", "x", "a2", "y"], [-3.5, 0.0, 1.0, 7.0]
    )  # the same order, another unit
    assert odds == report | {"best_exact_thresh": -3.5, "best_f1_thresh": -3.5}
    with pytest.raises(ValueError, match="expected 4 finite numbers"):
        best_thresholds(gold, [""] * 4, [0.1, 0.2, 0.3, float("nan")])


@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from(["", "x", "y"]), st.floats(0, 1)),
        min_size=1,
        unique_by=lambda row: row[2],
    )
)
def test_the_best_threshold_is_the_best_of_all(rows):
    gold = [["x"] if has else [] for has, _, _ in rows]
    predicted, no_answer = [p for _, p, _ in rows], [n for _, _, n in rows]
    report = best_thresholds(gold, predicted, no_answer)

    def answering_up_to(threshold: float) -> float:
        """Unanswerable questions count right unless answered; those above the threshold are not answered."""
        right = [
            (p == "x" and n <= threshold) if g else not (p and n <= threshold)
            for g, p, n in zip(gold, predicted, no_answer, strict=True)
        ]
        return 100 * sum(right) / len(right)

    every = [answering_up_to(t) for t in (-1.0, *no_answer)]
    assert report["best_exact"] == pytest.approx(max(every), abs=EXACT)


def test_mining_f1_by_hand():
    gold = [("s1", "t1"), ("s2", "t2"), ("s3", "t3")]
    scored = METRICS["mining_f1"](gold, [("s1", "t1"), ("s2", "t9"), ("s1", "t1")])
    # One of two distinct pairs is right, of three: 2 * 1 / (2 + 3).
    assert scored.value == pytest.approx(40.0)
    assert scored.examples.tolist() == [1.0, 0.0, 0.0]
    assert METRICS["mining_f1"](gold, []).value == 0.0
    assert METRICS["mining_f1"]([["s1", "t1"]], [["s1", "t1"]]).value == 100.0  # as JSON gives them


def test_the_best_cut_may_be_the_last_candidate():
    """XTREME's and LASER's search reads past the end here."""
    candidates = [("s1", "t1", 0.9), ("s2", "t2", 0.4)]
    gold = [("s1", "t1"), ("s2", "t2")]
    assert tune_threshold(candidates, gold) == 0.4
    assert pairs_above(candidates, 0.4) == gold
    with pytest.raises(ValueError, match="got 0 candidates and 2 gold pairs"):
        tune_threshold([], gold)


def test_the_threshold_lies_between_candidates():
    candidates = [("s1", "t1", 0.8), ("s2", "t2", 0.6), ("s3", "t9", 0.2), ("s1", "t1", 0.5)]
    assert tune_threshold(candidates, [("s1", "t1"), ("s2", "t2")]) == pytest.approx(0.4)
    above = np.nextafter(0.5, 1.0)
    assert tune_threshold([("s1", "t1", above), ("s2", "t9", 0.5)], [("s1", "t1")]) == above


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.sampled_from([-0.5, 0.1, 0.2, 0.3, 0.7])),
        min_size=1,
    ),
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1),
)
def test_no_threshold_mines_better(candidates, gold):
    def f1(threshold: float) -> float:
        return METRICS["mining_f1"](list(gold), pairs_above(candidates, threshold)).value

    found = f1(tune_threshold(candidates, gold))
    assert found == pytest.approx(max(f1(score) for _, _, score in candidates), abs=EXACT)


def test_average_precision_is_lareqas(shared):
    cases = json.loads((shared / "oracles" / "average_precision_cases.json").read_text())
    assert len(cases) == 20
    for case in cases:
        for k in (1, 5, 20, None):
            found = average_precision(case["targets"], case["ranked"], k)
            assert found == pytest.approx(case[f"ap@{k}"], abs=1e-12)


def test_ranking_by_hand():
    assert average_precision(["a", "b"], ["x", "a", "b"]) == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert average_precision(["a"], ["a", "a", "a"]) == 1.0  # once, as in LAReQA's script
    gold, ranked = [["q1"], ["q2"], ["q3"]], [["q1"], ["x", "q2"], ["x"] * 20 + ["q3"]]
    assert METRICS["mrr_at_20"](gold, ranked).examples.tolist() == [1.0, 0.5, 0.0]
    assert METRICS["map_at_20"](gold, ranked).value == METRICS["mrr_at_20"](gold, ranked).value == 50.0
    for function in (average_precision, reciprocal_rank):
        with pytest.raises(ValueError, match="no id is relevant"):
            function([], ["a"])


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


def test_mlqa_scores_are_those_of_the_official_scorer(shared):
    oracles = json.loads((shared / "oracles" / "qa_expected.json").read_text())
    names = [name for name, entry in oracles.items() if "official_mlqa" in entry]
    assert len(names) == 6
    for name in names:
        gold = squad_answers(shared / "pack" / name)
        predictions = json.loads((shared / "oracles" / oracles[name]["pred"]).read_text())
        predicted = [predictions[key] for key in gold]
        language = name.split("-")[2]
        for metric, key in (("mlqa_f1", "f1"), ("mlqa_exact_match", "exact_match")):
            value = METRICS[metric](list(gold.values()), predicted, language).value
            assert value == pytest.approx(oracles[name]["official_mlqa"][key], abs=EXACT), name


def test_squad2_scores_are_those_of_the_official_scorer(shared):
    name = "squad_v2/dev-v2.0.json"
    entry = json.loads((shared / "oracles" / "qa_expected.json").read_text())[name]
    gold = squad_answers(shared / "pack" / name)
    predictions = json.loads((shared / "oracles" / entry["pred"]).read_text())
    no_answer = json.loads((shared / "oracles" / "qa_predictions" / "squad_v2_na_prob.json").read_text())
    ids = list(no_answer)
    answers, predicted = [gold[i] for i in ids], [predictions[i] for i in ids]
    found = best_thresholds(answers, predicted, [no_answer[i] for i in ids])
    assert found == pytest.approx(entry["official_v2_with_na_prob"], abs=EXACT)
    assert best_thresholds(answers, predicted) == pytest.approx(entry["official_v2"], abs=EXACT)
    for metric, key in (("squad2_f1", "f1"), ("squad2_exact_match", "exact")):
        value = METRICS[metric](answers, predicted).value
        assert value == pytest.approx(entry["official_v2"][key], abs=EXACT)


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


def test_tag_f1_and_token_accuracy_on_part_of_speech_tags(shared):
    """No CCONJ stands by a SCONJ in these two files, nor differ two neighbours in another first letter alone:
    seqeval 1.2.2, which drops it, still finds the right F1."""
    oracles = json.loads((shared / "oracles" / "tagging_expected_seqeval1.2.2.json").read_text())
    names = [name for name in oracles if name.startswith("udpos")]
    assert len(names) == 2
    for name in names:
        gold = sentences_of(shared / "pack" / name)
        predicted = sentences_of(shared / "oracles" / oracles[name]["pred"])
        accuracy = METRICS["token_accuracy"](gold, predicted).value
        assert accuracy == pytest.approx(100 * oracles[name]["token_acc"], abs=EXACT)
        assert METRICS["tag_f1"](gold, predicted).value == pytest.approx(100 * oracles[name]["f1"], abs=EXACT)


def test_example_scores_are_between_0_and_1():
    scored = METRICS["chunk_f1"]([["O"], ["B-X"]], [["O"], ["O"]])
    assert scored.examples.tolist() == [1.0, 0.0]  # nothing to find and nothing found is right
    assert np.isfinite(scored.value)
