"""Gold in the own form of each task."""

import json

import pytest
from official_files import RIGHT, squad, value, write

from simxfer.common.errors import InputError
from simxfer.scoring.official import score_file

XNLI = "language\tgold_label\tsentence1\tsentence2\tpairID\n" + "".join(
    f'{code}\t{label}\t"{code} says\tso\t{i}\n'
    for i, label in enumerate(("neutral", "entailment", "contradiction"))
    for code in ("ar", "sw", "ur")
)
WORDS = """# newdoc
# sent_id = a
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\t_\t_\t0\troot\t_\t_
2\tn't\tnot\tPART\t_\t_\t1\tadvmod\t_\t_
2.1\tgo\tgo\tVERB\t_\t_\t_\t_\t_\t_

# sent_id = b
1\t_\t_\tSYM\t_\t_\t0\troot\t_\t_
"""
TYDIQA = {"sw": "swahili", "en": "english", "fi": "finnish"}


def tydiqa(*languages: str) -> str:
    questions = [
        {"id": f"{TYDIQA[code]}-{i}-0", "answers": [{"text": code}]} for code in languages for i in (0, 1)
    ]
    return json.dumps({"data": [{"paragraphs": [{"context": "", "qas": [asked]}]} for asked in questions]})


def test_xnlis_own_file_holds_all_languages(tmp_path):
    out = write(tmp_path / "out.txt", "neutral\nneutral\ncontradiction\n")
    rows = [
        dict(zip(XNLI.split("\n")[0].split("\t"), r.split("\t"), strict=True)) for r in XNLI.split("\n")[1:-1]
    ]
    for name, text in (("xnli.test.tsv", XNLI), ("xnli.test.jsonl", "\n".join(map(json.dumps, rows)))):
        scores = score_file("xnli", out, write(tmp_path / name, text), "sw")
        assert scores[["language", "value", "n_examples"]].values.tolist() == [
            ["sw", pytest.approx(200 / 3), 3]
        ]
        with pytest.raises(InputError, match="no row in 'de'; its column 'language' says ar, sw, ur"):
            score_file("xnli", out, tmp_path / name, "de")


def test_own_files_with_a_header(tmp_path):
    gold = write(
        tmp_path / "de" / "test_2k.tsv", 'id\tsentence1\tsentence2\tlabel\n1\t"a\tb\t0\n2\tc\td"\t1\n'
    )
    out = write(tmp_path / "out.txt", "1\n1\n")
    scores = score_file("pawsx", out, gold)  # its folder states the language
    assert scores[["language", "value", "n_examples"]].values.tolist() == [["de", 50.0, 2]]
    table = write(tmp_path / "dev-fr.csv", 'sentence1,sentence2,label\n"a, b",c,0\n"c\nd",e,1\n')
    assert score_file("pawsx", out, table)["value"].tolist() == [50.0]


def test_copas_own_files(tmp_path):
    items = "".join(
        f'<item id="{i}" asks-for="cause" most-plausible-alternative="{right}"><p>p</p><a1>a</a1><a2>b</a2></item>'
        for i, right in ((501, 1), (502, 2), (503, 2))
    )
    gold = write(tmp_path / "copa-test.xml", f'<?xml version="1.0"?>\n<copa-corpus>{items}</copa-corpus>')
    out = write(
        tmp_path / "test-en.jsonl", '{"idx": 0, "label": 0}\n{"idx": 1, "label": 1}\n{"idx": 2, "label": 0}\n'
    )
    assert score_file("xcopa", out, gold)["value"].tolist() == pytest.approx([200 / 3])
    plain = write(tmp_path / "test-en.txt", "0\n1\n0\n")
    assert score_file("xcopa", plain, gold)["value"].tolist() == pytest.approx([200 / 3])


@pytest.mark.parametrize("task", ["ud", "udpos"])
def test_words_of_conllu_have_a_tag_and_nothing_else(tmp_path, task):
    gold = write(tmp_path / "en_made-ud-test.conllu", WORDS)
    tags = write(tmp_path / "test-en.tsv", "AUX\nVERB\n\nSYM\n")
    for out in (tags, write(tmp_path / "test-en.conllu", WORDS.replace("PART", "VERB"))):
        scores = score_file(task, out, gold)
        assert value(scores, "token_accuracy") == pytest.approx(200 / 3) and set(scores["n_examples"]) == {2}
    with pytest.raises(InputError, match=r"label '_' is none of .* A test file without labels"):
        score_file(task, tags, write(tmp_path / "en_blind-ud-test.conllu", WORDS.replace("PART", "_")))


def test_tydiqas_own_file_holds_all_languages(tmp_path):
    gold = write(tmp_path / "tydiqa-goldp-v1.1-dev.json", tydiqa("en", "sw", "fi"))
    swahili = {"swahili-0-0": "sw", "swahili-1-0": "en"}
    others = {"finnish-0-0": "fi", "english-1-0": "en"}
    for out in (swahili, others | swahili):
        scores = score_file("tydiqa", write(tmp_path / "swahili_predictions.json", json.dumps(out)), gold)
        assert (
            scores[["language", "value", "n_examples", "flags"]].values.tolist() == [["sw", 50.0, 2, ""]] * 2
        )
    with pytest.raises(InputError, match="2 of 2 ids of the gold file are missing"):
        score_file("tydiqa", write(tmp_path / "out.json", json.dumps(others)), gold, "sw")
    with pytest.raises(
        InputError, match=r"neither out.json nor tydiqa-goldp-v1.1-dev.json states the language"
    ):
        score_file("tydiqa", tmp_path / "out.json", gold)


@pytest.mark.parametrize(
    ("task", "name"), [("squad_v1", "ja_dev.json"), ("xquad", "xquad.tr.json"), ("mlqa", "mlqa_zh.json")]
)
def test_ids_that_look_like_a_language_are_names(tmp_path, task, name):
    asked = {"data": [{"paragraphs": [{"qas": [{"id": "de-17", "answers": [{"text": "Ankara"}]}]}]}]}
    out = write(tmp_path / "out.json", '{"de-17": "Ankara"}')
    assert score_file(task, out, write(tmp_path / name, json.dumps(asked)))["value"].tolist() == [
        100.0,
        100.0,
    ]


def test_flat_questions_of_the_hub(tmp_path):
    flat = [
        {"id": f"q{i}", "context": "one", "question": "?", "answers": answers}
        for i, answers in enumerate(
            [
                {"text": ["one"], "answer_start": [0]},
                {"text": ["two", "one"], "answer_start": [0, 0]},
                {"text": [], "answer_start": []},
            ]
        )
    ]
    gold = write(tmp_path / "gold.json", json.dumps({"data": flat}))
    scores = score_file("squad_v2", write(tmp_path / "out.json", json.dumps(RIGHT)), gold)
    assert value(scores, "squad2_exact_match") == pytest.approx(200 / 3) and value(scores, "NoAns_exact") == 0
    for answers in (None, {"text": "one"}, {"text": [1]}, [["one"]]):
        blind = write(tmp_path / "blind.json", json.dumps({"data": [flat[0] | {"answers": answers}]}))
        with pytest.raises(InputError, match=r"question 'q0' has the answers .* a test file without gold"):
            score_file("squad_v2", tmp_path / "out.json", blind)


def test_tatoebas_lines_are_each_others_translations(tmp_path):
    for ending in ("swh", "eng"):
        gold = write(tmp_path / f"tatoeba.swh-eng.{ending}", "moja\n2\ntatu\n")
        scores = score_file("tatoeba", write(tmp_path / "out.tsv", "0\n0\n2\n"), gold)
        assert scores[["language", "value"]].values.tolist() == [["sw", pytest.approx(200 / 3)]]


def test_mewslis_own_mentions_are_gold(tmp_path):
    documents = [
        {
            "context": {"language": code},
            "mentions": [{"example_id": f"{code}{i}", "entity_id": f"Q{i}"} for i in (1, 2)],
        }
        for code in ("de", "ta")
    ]
    gold = write(tmp_path / "wikinews_mentions_no_text-test.jsonl", "\n".join(map(json.dumps, documents)))
    out = write(tmp_path / "test-ta.json", '{"ta1": ["Q1", "Q7"], "ta2": ["Q7", "Q2"]}')
    scores = score_file("mewslix", out, gold)
    assert scores[["language", "value", "n_examples"]].values.tolist() == [["ta", 75.0, 2]]
    with pytest.raises(InputError, match="no mention in 'fa'"):
        score_file("mewslix", write(tmp_path / "test-fa.json", '{"fa1": ["Q1"]}'), gold)
    with pytest.raises(InputError, match="in SQuAD's form: it has the sentences of one language"):
        score_file("lareqa", out, write(tmp_path / "xquad-r" / "de.json", squad()), "de")


def dated(*tags: str) -> str:
    return "".join(f"w {tag}\n" if tag else "\n" for tag in tags)


def test_masakhaners_dates_are_scored_both_ways(tmp_path):
    gold = write(
        tmp_path / "ibo" / "test.txt", dated("B-PER", "O", "B-DATE", "", "B-LOC", "O", "B-DATE", "I-DATE")
    )
    out = write(tmp_path / "out.txt", dated("B-PER", "O", "O", "", "B-LOC", "O", "O", "B-DATE"))
    scores = score_file("masakhaner2", out, gold).set_index("metric")
    assert set(scores["language"]) == {"ig"}
    assert scores["value"].to_dict() == pytest.approx(
        # with dates two of three chunks are right and two of four found: 2 * 2 / (3 + 4)
        {
            "chunk_f1": 100,
            "token_accuracy": 100,
            "chunk_f1_with_dates": 400 / 7,
            "token_accuracy_with_dates": 400 / 7,
        }
    )
    assert scores["flags"].tolist() == ["dates-as-no-entity"] * 2 + [""] * 2
    invented = score_file(
        "masakhaner2", out, write(tmp_path / "ibo" / "dev.txt", dated("B-PER", "O", "O", "", *["O"] * 4))
    )
    assert "dates-as-no-entity" in invented["flags"][0] and value(invented, "chunk_f1_with_dates") == 50
    without = score_file(
        "masakhaner2", gold, write(tmp_path / "ibo" / "dev.txt", gold.read_text().replace("DATE", "ORG"))
    )
    assert len(without) == 4
    none = write(tmp_path / "none.txt", dated("B-PER", "O", "O", "", "B-LOC", "O", "O", "O"))
    scores = score_file("masakhaner2", none, none, "ig")
    assert scores[["metric", "flags"]].values.tolist() == [["chunk_f1", ""], ["token_accuracy", ""]]


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
