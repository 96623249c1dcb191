"""Files as the official archives and XTREME's download script lay them out, written here by hand in their format.

The pack has other copies of most of these data sets; what stands here is what a user downloads.
"""

import csv
import io
import json
import logging

import pytest

from simxfer.common.errors import InputError
from simxfer.sources import files, read_examples, revision
from simxfer.sources.request import DataRequest
from simxfer.tasks.questions import TYDIQA_LANGUAGES

PAIR = {"sentence1": "A man sleeps.", "sentence2": "He rests.", "gold_label": "entailment", "pairID": "p1"}


def _read(folder, task, split, language="en"):
    return read_examples(DataRequest(task, split, language, folder=str(folder)))


def _squad(name, text="See", context="Zug liegt am See."):
    answers = [{"text": text, "answer_start": context.index(text)}]
    asked = {"id": name, "question": "Wo?", "answers": answers}
    return {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [asked]}]}], "version": "1.1"}


def _tsv(*rows):
    return "".join("\t".join(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("task", "split", "path"),
    [
        ("snli", "train", "snli_1.0/snli_1.0_train.jsonl"),
        ("snli", "test", "snli/test.jsonl"),
        ("mnli", "train", "multinli_1.0/multinli_1.0_train.jsonl"),
        ("mnli", "dev", "mnli/multinli_1.0_dev_matched.jsonl"),
    ],
)
def test_stanford_and_nyu_archives(write, tmp_path, task, split, path):
    write(path, PAIR)
    [example] = _read(tmp_path, task, split)
    assert (example.id, example.texts, example.label) == ("p1", ("A man sleeps.", "He rests."), "entailment")


def test_mnli_of_glue_has_no_quotes_and_an_unlabelled_test_set(write, tmp_path):
    columns = ("index", "pairID", "sentence1", "sentence2", "label1", "gold_label")
    write("MNLI/train.tsv", _tsv(columns, ("0", "31e", '"Yes', "no", "neutral", "neutral")))
    [example] = _read(tmp_path, "mnli", "train")
    assert (example.text, example.label, example.id) == ('"Yes', "neutral", "31e")
    write("MNLI/test_matched.tsv", _tsv(columns[:4], ("0", "31e", "a", "b")))
    with pytest.raises(InputError, match="none of the 1 rows has gold"):
        _read(tmp_path, "mnli", "test")


def test_qqp_of_glue_has_corrupt_rows_that_are_left_out_and_counted(write, tmp_path, caplog):
    header = ("id", "qid1", "qid2", "question1", "question2", "is_duplicate")
    write(
        "QQP/train.tsv", _tsv(header, ("1", "1", "2", "a", "b", "1"), ("2", "3", "4", "cut off"), header[:1])
    )
    with caplog.at_level(logging.WARNING):
        [example] = _read(tmp_path, "qqp", "train")
    assert example.label == "duplicate"
    assert "2 rows with too few columns left out" in caplog.text


def test_xnli_archive_has_all_languages_in_one_file_and_gold_in_its_test_set(write, tmp_path):
    columns = ("language", "gold_label", "sentence1_parse", "sentence1", "sentence2", "pairID", "label1")
    rows = [
        (code, label, "x", f"{code} premise", "h", "7", label)
        for code, label in (("sw", "neutral"), ("de", "-"))
    ]
    write("XNLI-1.0/xnli.test.tsv", _tsv(columns, *rows))
    [example] = _read(tmp_path, "xnli", "test", "sw")
    assert (example.text, example.label, example.id) == ("sw premise", "neutral", "7")
    with pytest.raises(InputError, match=r"no row in 'ur'; its column 'language' says de, sw"):
        _read(tmp_path, "xnli", "test", "ur")


def test_xnli_prefers_test_files_with_gold_to_xtremes_without(write, tmp_path):
    write("xnli/test-sw.tsv", _tsv(("p", "h")))
    with pytest.raises(InputError, match="score on the dev split"):
        _read(tmp_path, "xnli", "test", "sw")
    write(
        "xnli/XNLI-1.0/xnli.test.tsv",
        _tsv(("language", "gold_label", "sentence1", "sentence2"), ("sw", "neutral", "p", "h")),
    )
    assert len(_read(tmp_path, "xnli", "test", "sw")) == 1


def test_xnli_translated_training_data(write, tmp_path):
    path = "xnli/XNLI-MT-1.0/multinli/multinli.train.ur.tsv"
    write(path, _tsv(("premise", "hypo", "label"), ('p "x"', "h", "contradictory")))
    [example] = _read(tmp_path, "xnli", "train", "ur")
    assert (example.text, example.label) == ('p "x"', "contradiction")
    write("xnli/train-en.tsv", 'p\t"h ""quoted"""\tneutral\r\n')  # XTREME's, by csv.writer
    [example] = _read(tmp_path, "xnli", "train")
    assert (example.text_pair, example.label) == ('h "quoted"', "neutral")


def test_pawsx_archive_has_headers_and_no_quoting(write, tmp_path):
    header = ("id", "sentence1", "sentence2", "label")
    write("x-final/en/train.tsv", _tsv(header, ("1", '"A" b', "b a", "1")))
    write("x-final/ko/test_2k.tsv", _tsv(header, ("1", "a b", "b a", "0")))
    [example] = _read(tmp_path, "pawsx", "train")
    assert (example.text, example.label) == ('"A" b', "paraphrase")
    assert _read(tmp_path, "pawsx", "test", "ko")[0].label == "not_paraphrase"


@pytest.mark.parametrize(
    ("task", "split", "language", "path"),
    [
        ("squad_v1", "train", "en", "squad/train-v1.1.json"),
        ("squad_v2", "dev", "en", "squad/dev-v2.0.json"),
        ("xquad", "test", "th", "xquad/xquad.th.json"),
        ("mlqa", "test", "vi", "mlqa/MLQA_V1/test/test-context-vi-question-vi.json"),
        ("mlqa", "dev", "hi", "MLQA_V1/dev/dev-context-hi-question-hi.json"),
        ("mlqa_cross", "test", "vi", "mlqa/MLQA_V1/test/test-context-vi-question-hi.json"),
    ],
)
def test_squad_like_archives(write, tmp_path, task, split, language, path):
    write(path, _squad("q7"))
    [example] = _read(tmp_path, task, split, language)
    assert example.answers == ((13, "See"),)
    assert example.id == ("hi:q7" if task == "mlqa_cross" else "q7")
    assert example.subsets == (("question-hi",) if task == "mlqa_cross" else ())


def test_tydiqa_archive_has_all_training_languages_in_one_file(write, tmp_path):
    data = [_squad(f"{name}-{i}-0")["data"][0] for i, name in enumerate(TYDIQA_LANGUAGES.values())]
    write("tydiqa/tydiqa-goldp-v1.1-train.json", {"data": data, "version": "TyDiQA"})
    for number, (language, name) in enumerate(TYDIQA_LANGUAGES.items()):
        assert [e.id for e in _read(tmp_path, "tydiqa", "train", language)] == [f"{name}-{number}-0"]
    write("tydiqa/tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-telugu.json", _squad("telugu-1-0"))
    assert len(_read(tmp_path, "tydiqa", "dev", "te")) == 1


def test_swag_csv(write, tmp_path):
    columns = ["video-id", "fold-ind", "sent1", "sent2", "ending0", "ending1", "ending2", "ending3", "label"]
    text = io.StringIO()
    csv.writer(text).writerows([columns, ["v", "12", "She sits.", "She", "stands, up", "b", "c", "d", "0"]])
    write("swag/val.csv", text.getvalue())
    [example] = _read(tmp_path, "swag", "dev")
    assert (example.id, example.context, example.choices[0]) == ("v:12", "She sits. She", "stands, up")


def test_xcopa_of_xtreme_r(write, tmp_path):
    row = {
        "premise": "It rained.",
        "choice1": "a",
        "choice2": "b",
        "question": "effect",
        "label": 1,
        "idx": 3,
    }
    write("xcopa/val.et.jsonl", row)
    write("xcopa/train.en.jsonl", row)
    assert _read(tmp_path, "xcopa", "dev", "et")[0].context == "It rained. What was the effect?"
    assert _read(tmp_path, "copa", "train")[0].label == 1


def test_several_treebanks_of_a_language_are_one_test_set(write, tmp_path):
    row = "\t".join(["1", "Hus", "hus", "NOUN", *["_"] * 6])
    for name in ("UD_Swedish-LinES/sv_lines", "UD_Swedish-PUD/sv_pud"):
        write(f"ud_conllu/{name}-ud-test.conllu", f"# sent_id = s1\n{row}\n\n")
    ids = [e.id for e in _read(tmp_path, "ud", "test", "sv")]
    assert ids == [f"UD_Swedish-{a}-ud-test.conllu:s1" for a in ("LinES/sv_lines", "PUD/sv_pud")]


def test_ccg_tags_are_numbers_of_the_users_own_list(write, tmp_path):
    write("ccg/labels.txt", "N\nNP\n(S[dcl]\\NP)/NP\n")
    write("ccg/train.tsv", "Pat\tNP\nsees\t(S[dcl]\\NP)/NP\n\nit\tNP\n")
    first, second = _read(tmp_path, "ccg", "train")
    assert (first.words, first.tags) == (("Pat", "sees"), ("1", "2")) and second.tags == ("1",)
    request = DataRequest("ccg", "train", "en", folder=str(tmp_path))
    before = revision(request)
    write("ccg/labels.txt", "NP\nN\n(S[dcl]\\NP)/NP\n")  # another list is other data
    assert revision(request) != before
    write("ccg/train.tsv", "Pat\tPP\n")
    with pytest.raises(InputError, match=r"line 1: the tag 'PP' is not listed in"):
        _read(tmp_path, "ccg", "train")


def test_ccg_may_have_a_sentence_a_line_and_its_numbers_in_json(write, tmp_path):
    """jiant's layout: words, a tab, tags; `tags_to_id.json` beside it (jiant/tasks/lib/ccg.py)."""
    write("ccg/tags_to_id.json", '{"NP": "0", "S\\\\NP": 7}')
    write("ccg/ccg.train", "She sleeps\tNP S\\NP\n\nIt\tNP\n")
    first, second = _read(tmp_path, "ccg", "train")
    assert (first.words, first.tags) == (("She", "sleeps"), ("0", "7"))
    assert (second.words, second.tags) == (("It",), ("0",))
    write("ccg/ccg.train", "She sleeps\tNP S\\NP\nIt is\tNP\n")
    with pytest.raises(InputError, match=r"line 2: 2 words before the tab and 1 tags behind it"):
        _read(tmp_path, "ccg", "train")
    write("ccg/labels.txt", "S\\NP\nNP\n")  # comes before the JSON file
    write("ccg/ccg.train", "She sleeps\tNP S\\NP\n")
    assert _read(tmp_path, "ccg", "train")[0].tags == ("1", "0")


def test_plain_text_is_a_sentence_a_line(write, tmp_path):
    write("mlm/sw.txt", "Habari ya leo.\n\nKaribu\u2028sana.\n")
    assert [e.text for e in _read(tmp_path, "mlm", "train", "sw")] == ["Habari ya leo.", "Karibu\u2028sana."]


BUCC = {
    "de": "de-1\tEin Satz.\nde-2\tNoch einer.\n",
    "en": "en-1\tA.\nen-2\tA sentence.\n",
    "gold": "de-1\ten-2\n",
}


@pytest.mark.parametrize(
    "stem", ["bucc2018/de-en.test", "bucc2018/de-en.training", "bucc2018/de-en/de-en.training"]
)
def test_bucc_archive(write, tmp_path, stem):
    for ending, text in BUCC.items():
        write(f"{stem}.{ending}", text)
    examples = _read(tmp_path, "bucc2018", "test", "de")
    assert [(e.id, e.side, e.matches) for e in examples[:2]] == [
        ("de-1", "source", ("en-2",)),
        ("de-2", "source", ()),
    ]
    assert [e.side for e in examples[2:]] == ["target", "target"]
    (tmp_path / f"{stem}.gold").unlink()
    with pytest.raises(InputError, match=r"\.gold is missing"):
        _read(tmp_path, "bucc2018", "test", "de")


def test_bucc_gold_of_other_corpora_is_refused(write, tmp_path):
    for ending, text in BUCC.items():
        write(f"bucc2018/de-en.dev.{ending}", text.replace("de-1\ten-2", "de-1\ten-9"))
    with pytest.raises(InputError, match=r"de-en.dev.gold, line 1: 'de-1\\ten-9' is no pair of ids"):
        _read(tmp_path, "bucc2018", "dev", "de")


def test_tatoeba_sides_must_align(write, tmp_path):
    write("tatoeba/tatoeba.jav-eng.jav", "a\nb\n")
    write("tatoeba/tatoeba.jav-eng.eng", "A\nB\n")
    assert [(e.text, e.translation) for e in _read(tmp_path, "tatoeba", "test", "jv")] == [
        ("a", "A"),
        ("b", "B"),
    ]
    write("tatoeba/tatoeba.jav-eng.eng", "A\n")
    with pytest.raises(InputError, match="has 2 lines, its English side 1"):
        _read(tmp_path, "tatoeba", "test", "jv")


def test_blank_lines_at_the_end_are_no_sentences(write, tmp_path):
    write("tatoeba/tatoeba.tha-eng.tha", "ก\r\nข\u2028ค\r\n\r\n")
    write("tatoeba/tatoeba.tha-eng.eng", "A\nB")
    assert [e.text for e in _read(tmp_path, "tatoeba", "test", "th")] == ["ก", "ข\u2028ค"]
    for ending, text in BUCC.items():
        write(f"bucc2018/de-en.dev.{ending}", text + "\n \n")
    assert len(_read(tmp_path, "bucc2018", "dev", "de")) == 4


def test_lareqa_answers_that_begin_between_two_sentences_stand_in_the_second(write, tmp_path):
    file = _squad("q1", text=" c d", context="a b. c d.")
    file["data"][0]["paragraphs"][0]["sentence_breaks"] = [[0, 4], [5, 9]]
    write("lareqa/xquad-r/th.json", file)
    candidates = [e for e in _read(tmp_path, "lareqa", "test", "th") if e.side == "candidate"]
    assert [(c.text, c.keys) for c in candidates] == [("a b.", ()), ("c d.", ("q1",))]


def test_comments_that_stand_alone_in_conllu_are_no_sentence(write, tmp_path):
    word = "\t".join(["1", "bawo", "bawo", "ADV", *"______"])
    write(
        "ud/UD_Yoruba-YTB/yo_ytb-ud-test.conllu", f"# newdoc\r\n\r\n# sent_id = s\r\n{word}\r\n\r\n# end\r\n"
    )
    [example] = _read(tmp_path, "ud", "test", "yo")
    assert (example.id, example.words, example.tags) == ("s", ("bawo",), ("ADV",))


def _spans(*pairs):
    return [{"start": start, "end": end} for start, end in pairs]


def _mention(text, start, surface, name="m1"):
    span = {"start": start, "end": start + len(surface), "text": surface}
    return {"example_id": name, "mention_span": span, "entity_id": "Q5"}


def _entity(key, language):
    description = f"{key} in\n{language}."
    return {
        "entity_id": key,
        "description": description,
        "description_language": language,
        "sentence_spans": [],
    }


def test_mewslix_mentions_search_a_pool_of_all_languages(write, tmp_path):
    text = "Es regnet {heute}. Smith kam an. Ende."
    context = {"language": "de", "text": text, "sentence_spans": _spans((0, 18), (19, 32), (33, 38))}
    other = {"language": "ta", "text": "x", "sentence_spans": _spans((0, 1))}
    write(
        "mewslix/wikinews_mentions-test.jsonl",
        json.dumps({"context": context, "mentions": [_mention(text, 19, "Smith")]})
        + "\n"
        + json.dumps({"context": other, "mentions": [_mention("x", 0, "x", "m2")]}),
    )
    pool = [_entity("Q5", "sw"), _entity("Q6", "de"), _entity("Q7", "en")]
    write("mewslix/candidate_set_entities.jsonl", "\n".join(map(json.dumps, pool)))
    found = {code: _read(tmp_path, "mewslix", "test", code) for code in ("de", "ta")}
    query, candidate = found["de"]
    assert (query.id, query.text, query.keys) == ("m1", "Smith: { Smith } kam an.", ("Q5",))
    assert (candidate.id, candidate.text, candidate.side) == ("de:Q6", "Q6 in de.", "candidate")
    assert [e.id for e in found["ta"]] == ["m2"]
    # the pool is whole: Swahili has no mentions, so that its entity comes with English
    english = [e.id for e in files.read_examples(DataRequest("mewslix", "test", "en", folder=str(tmp_path)))]
    assert english == ["sw:Q5", "en:Q7"]


def test_mewslix_training_pairs_have_an_entity_once(write, tmp_path):
    context = {"language": "en", "text": "Ann met Bo.", "sentence_spans": _spans((0, 11))}
    rows = [
        {
            "contextual_mention": {"context": context, "mention": _mention("", 0, "Ann", f"m{i}")},
            "entity": _entity("Q5", "en"),
        }
        for i in range(2)
    ]
    write("mewslix/wikipedia_pairs-train.jsonl", "\n".join(map(json.dumps, rows)))
    examples = _read(tmp_path, "mewslix", "train")
    assert [(e.id, e.side, e.keys) for e in examples] == [
        ("m0", "query", ("Q5",)),
        ("en:Q5", "candidate", ("Q5",)),
        ("m1", "query", ("Q5",)),
    ]


def test_mewslix_without_its_text_is_refused(write, tmp_path):
    context = {"language": "de", "text": "", "sentence_spans": []}
    write(
        "mewslix/wikinews_mentions_no_text-test.jsonl",
        {"context": context, "mentions": [_mention("", 0, "Ann")]},
    )
    with pytest.raises(InputError, match=r"line 1: the article has no text; .*get-mewsli-x.sh"):
        _read(tmp_path, "mewslix", "test", "de")
