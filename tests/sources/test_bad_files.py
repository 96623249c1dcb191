"""Bad input: each an InputError that names the file and the line, and says what to do."""

import json
import re
import time

import pytest

from simxfer.common.errors import InputError
from simxfer.sources import files, read_examples, revision
from simxfer.sources.files import read_files
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS

ANLI_ROW = '{"uid": "1", "context": "c", "hypothesis": "h", "label": "e"}\n'
QQP = "id\tquestion1\tquestion2\tis_duplicate\n"
CONTEXT = "Zürich liegt am See. Ärzte \U0001f600 wohnen in Basel."


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _squad(*answers, ids=("q1",), context=CONTEXT):
    asked = [{"id": name, "question": "Wo?", "answers": list(answers)} for name in ids]
    return json.dumps({"version": "1.1", "data": [{"paragraphs": [{"context": context, "qas": asked}]}]})


def _answer(text, start):
    return {"text": text, "answer_start": start}


TABLE = [
    # an empty file
    ("xnli", "dev-en.tsv", "", r"dev-en.tsv is empty"),
    ("xnli", "dev-en.tsv", "\n\n", r"dev-en.tsv is empty"),
    ("panx", "dev-en.tsv", b"", r"dev-en.tsv is empty"),
    # a wrong number of columns
    (
        "xnli",
        "dev-en.tsv",
        "a\tb\tneutral\na\tb\n",
        r"line 2: 2 columns, expected 3 \(text, text_pair, label\)",
    ),
    ("xnli", "dev-en.tsv", "a\tb\tc\tneutral\n", r"line 1: 4 columns, expected 3"),
    ("mnli", "dev_matched.tsv", "sentence1\tsentence2\tgold_label\na\tb\n", r"line 2: 2 columns, expected 3"),
    (
        "mnli",
        "dev_matched.tsv",
        "premise;hypothesis\na;b\n",
        r"line 1: expected a header with one of sentence1",
    ),
    (
        "panx",
        "dev-en.tsv",
        "Ana\tB-PER\nwas\n\nhere\tO\n",
        r"line 2: 1 columns, expected word TAB tag; got 'was'",
    ),
    (
        "panx",
        "dev-en.tsv",
        "Ana\nwas\tO\n",
        r"line 2: 2 columns, expected a word \(no line above has a tag\)",
    ),
    ("ud", "en_x-ud-dev.conllu", "# sent_id = 1\n1\ta\ta\tDET\n\n", r"line 2: 4 columns, expected 10"),
    ("cosmosqa", "valid.csv", "id,context,question\n1,a\n", r"line 2: 2 columns, expected 3"),
    ("bucc2018", "de-en.dev.de", "de-1 Satz\n", r"dev.en is missing|line 1: expected id TAB sentence"),
    # a label outside the label space
    (
        "xnli",
        "dev-en.tsv",
        "a\tb\tneutral\na\tb\tmaybe\n",
        r"line 2: label 'maybe' is not in the label space of xnli",
    ),
    (
        "panx",
        "dev-en.tsv",
        "a\tO\n\nb\tO\nc\tB-EVENT\n",
        r"line 3: label 'B-EVENT' is not in the label space",
    ),
    ("udpos", "dev-en.tsv", "a\tNN\n", r"line 1: label 'NN' .* ADJ, ADP"),
    ("socialiqa", "socialIQa_v1.4_dev.jsonl", {"correct": "D"}, r"line 1: label 3: expected .* 0 to 2"),
    ("socialiqa", "socialIQa_v1.4_dev.jsonl", {"correct": "?"}, r"line 1: .*expected a letter A, B, C"),
    # duplicate ids
    (
        "qqp",
        "dev.tsv",
        "id\tquestion1\tquestion2\tis_duplicate\n7\ta\tb\t0\n7\tc\td\t1\n",
        r"line 3: the id '7' stands",
    ),
    (
        "squad_v1",
        "dev-v1.1.json",
        _squad(_answer("See", 16), ids=("q", "q")),
        r"row 2: the id 'q' stands in row 1",
    ),
    # JSON cut in the middle
    ("squad_v1", "dev-v1.1.json", _squad(_answer("See", 16))[:-30], r"line 1: the JSON ends in the middle"),
    ("squad_v1", "dev-v1.1.json", '{"data": [\n{"title": ]}', r"line 2: broken JSON"),
    ("anli", "R1/dev.jsonl", ANLI_ROW + '{"uid": "2", "conte', r"line 2: the JSON ends in the middle"),
    ("anli", "R1/dev.jsonl", "[1]\n", r"line 1: expected a JSON object"),
    ("squad_v1", "dev-v1.1.json", "[]", r"expected SQuAD's JSON, an object with a list `data`"),
    (
        "squad_v1",
        "dev-v1.1.json",
        '{"data": [{"title": "x"}]}',
        r"expected an object with a list `paragraphs`",
    ),
    # bytes that are not UTF-8
    (
        "xnli",
        "dev-en.tsv",
        "a\tb\tneutral\ncafé\tb\tneutral\n".encode("latin-1"),
        r"line 2: byte 0xe9 is not UTF-8",
    ),
    ("panx", "dev-en.tsv", "Zürich\tB-LOC\n".encode("latin-1"), r"line 1: byte 0xfc is not UTF-8 .*iconv"),
    # quoting
    ("pawsx", "dev-en.tsv", 'a\tb\t0\n"a\tb\t1\n', r"line 2: broken quoting"),
    # a quotation mark of the text opens a field, which then swallows a tab, or the line behind it
    ("xnli", "dev-en.tsv", 'a\tb\tneutral\n"c\td"\te\tneutral\n', r"line 2: a quotation mark opens a field"),
    (
        "xnli",
        "dev-en.tsv",
        '"a\tb\tneutral\nc"\td\tneutral\ne\tf\tneutral\n',
        r"line 1: .*over a tab or a line",
    ),
    ("pawsx", "dev-en.tsv", '"a\nc"\td\t0\n', r"line 1: .*over a tab or a line end, 'a\\nc'"),
    # no usable example
    ("xnli", "dev-en.tsv", "a\tb\n", r"none of the 1 rows has gold"),
    ("squad_v1", "dev-v1.1.json", '{"data": []}', r"no usable squad_v1 row"),
    ("squad_v1", "dev-v1.1.json", _squad(_answer("", 0)), r"none of the 1 rows has gold"),
    ("anli", "R1/dev.jsonl", {"hypothesis": "h", "label": "e"}, r"line 1: the column 'text' is missing"),
    # structures of one task only
    ("ccg", "dev.tsv", "a\tN\n", r"labels.txt is missing: the list of tags"),
    (
        "lareqa",
        "xquad-r/en.json",
        _squad(_answer("See", 16)),
        r"expected an object with a list `sentence_breaks`",
    ),
    (
        "xcopa",
        "test.en.jsonl",
        {"premise": "p", "choice1": "a", "choice2": "b", "question": "reason", "label": 0},
        r"line 1: .*the question is 'reason', expected cause or effect",
    ),
    ("copa", "copa-test.xml", "<corpus><item id='501'>", r"line 1: broken XML"),
]


@pytest.mark.parametrize(
    ("listed", "content", "message"),
    [
        ("labels.txt", "NP\n\nN\n", r"labels.txt, line 2: is blank"),
        ("labels.txt", "NP\nN\nNP\n", r"labels.txt, line 3: the tag 'NP' stands in line 1 as well"),
        ("labels.txt", "NP\nN\n NP\n", r"line 3: the tag 'NP' stands in line 1"),
        (
            "tags_to_id.json",
            '{"NP": 0, "N": 1, "NP": 2}',
            r"'NP': 2 is a blank tag, a tag or number that stands",
        ),
        ("tags_to_id.json", '{"NP": 0, "N": 0}', r"'N': 0 is a blank tag, a tag or number that stands"),
        ("tags_to_id.json", '{"NP": 0, "": 1}', r"'': 1 is a blank tag"),
        ("tags_to_id.json", '["NP", "N"]', r"expected a JSON object of tags and their numbers"),
    ],
)
def test_a_list_of_tags_with_doubles_or_blanks_is_refused(tmp_path, listed, content, message):
    _write(tmp_path / "ccg" / listed, content)
    path = _write(tmp_path / "ccg" / "train.tsv", "it\tNP\n")
    with pytest.raises(InputError, match=message):
        read_files([path], TASKS["ccg"], "en")


@pytest.mark.parametrize(("task", "name", "content", "message"), TABLE)
def test_a_bad_file_is_refused_with_file_and_line(tmp_path, task, name, content, message):
    base = {"context": "c", "question": "q", "answerA": "a", "answerB": "b", "answerC": "c"}
    if isinstance(content, dict):
        content = json.dumps((base if task == "socialiqa" else {}) | content)
    path = _write(tmp_path / task / name, content)
    language = path.stem.split("-")[0] if task == "bucc2018" else "en"
    with pytest.raises(InputError, match=message) as caught:
        read_files([path], TASKS[task], language)
    assert str(tmp_path / task) in str(caught.value)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (CONTEXT.encode().index(b"Basel"), r"the offset counts UTF-8 bytes, expected characters"),
        (
            CONTEXT.encode("utf-16-le").index("Basel".encode("utf-16-le")) // 2,
            r"the offset counts UTF-16 code units",
        ),
        (
            3,
            rf"at offset 3 stands 'ich l', not the answer 'Basel'; the answer stands at {CONTEXT.index('Basel')}",
        ),
        (-1, r"at offset -1 stands"),
        (10_000, r"at offset 10000 stands ''"),
    ],
)
def test_an_answer_that_is_not_at_its_offset_is_refused(tmp_path, start, message):
    path = _write(tmp_path / "dev-v1.1.json", _squad(_answer("Basel", start)))
    with pytest.raises(InputError, match=message):
        read_files([path], TASKS["squad_v1"], "en")
    right = _write(path, _squad(_answer("Basel", CONTEXT.index("Basel"))))
    [example] = read_files([right], TASKS["squad_v1"], "en")
    assert example.answers == ((CONTEXT.index("Basel"), "Basel"),)


def test_missing_files_name_what_was_looked_for_where_and_what_is_there(tmp_path):
    _write(tmp_path / "panx" / "dev-de.tsv", "a\tO\n")
    _write(tmp_path / "panx" / "train-en.tsv", "a\tO\n")
    request = DataRequest("panx", "dev", "sw", folder=str(tmp_path))
    for ask in (read_examples, revision):
        with pytest.raises(
            InputError, match=r"no dev files of panx in sw: looked for dev-sw.tsv, sw/dev"
        ) as caught:
            ask(request)
        assert "it has train: en; dev: de" in str(caught.value) and str(tmp_path / "panx") in str(
            caught.value
        )


def test_a_missing_language_among_many_folders_is_named_at_once(tmp_path):
    """One look at the folder a split, not one a language: 300 treebanks took 9 seconds."""
    for i, code in enumerate(TASKS["ud"].languages[1:] * 2):
        (tmp_path / "ud" / f"UD_{i}").mkdir(parents=True)
        for split in ("train", "dev", "test"):
            (tmp_path / "ud" / f"UD_{i}" / f"{code}_{i}-ud-{split}.conllu").touch()
    started = time.monotonic()
    with pytest.raises(InputError, match=r"no test files of ud in en: .*; test: abq, ab, af") as caught:
        revision(DataRequest("ud", "test", "en", folder=str(tmp_path)))
    assert str(caught.value) and time.monotonic() - started < 2.0  # .3 s on an idle machine


def test_a_missing_folder_names_the_names_it_may_have(tmp_path):
    (tmp_path / "xnli").mkdir()
    with pytest.raises(
        InputError, match=r"no folder of squad_v1 in .*: looked for squad_v1, squad, .* there is xnli"
    ):
        files.read_examples(DataRequest("squad_v1", "dev", "en", folder=str(tmp_path)))
    with pytest.raises(InputError, match=r"there is nothing"):
        files.revision(DataRequest("squad_v1", "dev", "en", folder=str(tmp_path / "nowhere")))


def test_the_folder_of_the_task_itself_is_told_from_the_one_that_holds_it(tmp_path):
    (tmp_path / "xnli").mkdir()
    with pytest.raises(InputError, match=f"it is that folder itself: give {re.escape(str(tmp_path))}$"):
        files.read_examples(DataRequest("xnli", "dev", "en", folder=str(tmp_path / "xnli")))


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00"])
def test_half_a_character_is_refused_with_its_row(tmp_path, half):
    """JSON can spell one half of a surrogate pair; tokenizers raise a TypeError at it."""
    whole = json.dumps({"uid": "1", "context": "\U0001f600", "hypothesis": "h", "label": "e"})
    path = _write(
        tmp_path / "anli" / "R1" / "dev.jsonl", whole + "\n" + ANLI_ROW.replace('"c"', f'"c{half}"')
    )
    said = rf"line 2: .* half a character, \{half} without its other half"
    with pytest.raises(InputError, match=said):
        read_files([path], TASKS["anli"], "en")


def test_a_whole_pair_of_surrogates_is_a_character(tmp_path):
    row = json.dumps({"uid": "1", "context": "\U0001f600", "hypothesis": "h", "label": "e"})
    [example] = read_files([_write(tmp_path / "anli" / "R1" / "dev.jsonl", row)], TASKS["anli"], "en")
    assert r"\ud83d\ude00" in row and example.text == "\U0001f600"


def test_an_unknown_language_suggests_the_nearest(tmp_path):
    (tmp_path / "tydiqa").mkdir()
    with pytest.raises(InputError, match=r"unknown language of tydiqa 'swa'. Did you mean 'sw'\?"):
        files.read_examples(DataRequest("tydiqa", "dev", "swa", folder=str(tmp_path)))


def test_the_file_of_another_language_is_refused_where_it_can_be_told(tmp_path):
    data = json.loads(_squad(_answer("See", 16), ids=("finnish-123-0",)))
    path = _write(tmp_path / "swahili_tydiqa_dev.json", json.dumps(data))
    with pytest.raises(InputError, match=r"no question in 'swahili'; its ids say finnish"):
        read_files([path], TASKS["tydiqa"], "sw")
    path = _write(tmp_path / "gn.tsv", "id\tlanguage\tpremise\thypothesis\tlabel\n1\tquy\ta\tb\tneutral\n")
    with pytest.raises(InputError, match=r"no row in 'gn'; its column 'language' says quy"):
        read_files([path], TASKS["americasnli"], "gn")
    path = _write(tmp_path / "dev-sw.tsv", "de:Haus\tO\nde:Ulm\tB-LOC\n")
    with pytest.raises(InputError, match=r"is in 'de' \(before every word\), asked for is 'sw'"):
        read_files([path], TASKS["panx"], "sw")


def test_training_data_stay_below_the_folder_of_their_task(tmp_path):
    _write(tmp_path / "mnli" / "train.tsv", "x")
    for pattern in ("/etc/*", "../xnli/dev-en.tsv"):
        with pytest.raises(InputError, match=r"expected a path pattern below the folder of mnli"):
            read_examples(DataRequest("mnli", pattern, "en", folder=str(tmp_path)))


def test_one_label_for_a_whole_test_set_is_a_placeholder(tmp_path):
    path = _write(tmp_path / "dev-en.tsv", "a\tb\tneutral\n" * 50)
    with pytest.raises(InputError, match="all 50 labels of xnli are 'neutral', which are placeholders"):
        read_files([path], TASKS["xnli"], "en")
    path = _write(path, "a\tb\tneutral\n" * 49)
    assert len(read_files([path], TASKS["xnli"], "en")) == 49  # a small sample may have one label
    path = _write(tmp_path / "test-en.tsv", "a\tO\nb\tO\n\n" * 50)  # XTREME's tokenised test files
    with pytest.raises(InputError, match="all 50 labels of panx are 'O', which are placeholders"):
        read_files([path], TASKS["panx"], "en")
