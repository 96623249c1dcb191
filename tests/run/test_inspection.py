"""What `simxfer data` shows: over native files of every kind and an encoder whose subwords are letters, by hand."""

import json
import logging
import shutil
from pathlib import Path
from typing import get_args

import huggingface_hub.constants
import pytest

from simxfer.common.errors import InputError
from simxfer.common.hubcache import cached
from simxfer.run.inspection import inspect
from simxfer.sources.rows import FEWEST_OF_ONE_LABEL
from simxfer.tasks.record import Kind

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CLS, SEP = "[CLS]", "[SEP]"


def _squad(context: str, **answers: str) -> str:
    asked = [
        {
            "id": f"q-{name}",
            "question": name,
            "answers": [{"text": text, "answer_start": context.index(text)}],
        }
        for name, text in answers.items()
    ]
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": asked}]}]})


FILES: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "classification": ("xnli", "test", "sw", {"xnli/test-sw.tsv": "a b\tc\tneutral\nd\te\tentailment\n"}),
    "multiple_choice": ("copa", "dev", "en", {
        "copa/val.jsonl": '{"premise": "a", "question": "cause", "choice1": "b", "choice2": "c", "label": 1, "idx": 0}'
    }),
    "span": ("xquad", "test", "en", {"xquad/xquad.en.json": _squad("a b c", x="c")}),
    "tagging": ("panx", "test", "en", {"panx/test-en.tsv": "en:a\tB-PER\nen:b\tO\n\nen:c\tO\n"}),
    "retrieval": ("tatoeba", "test", "de", {
        "tatoeba/tatoeba.deu-eng.deu": "a\nb\n", "tatoeba/tatoeba.deu-eng.eng": "c d\ne\n"
    }),
    "mining": ("bucc2018", "dev", "de", {
        "bucc2018/de-en.dev.de": "de-1\ta\nde-2\tb\n",
        "bucc2018/de-en.dev.en": "en-1\tc\nen-2\td\n",
        "bucc2018/de-en.dev.gold": "de-2\ten-1\n",
    }),
    "ranking": ("lareqa", "train", "en", {"squad_v1/train-v1.1.json": _squad("A b. C d.", x="d")}),
    "mlm": ("mlm", "train", "en", {"mlm/en.txt": "a b\nc\n"}),
}  # fmt: skip
"""Kind -> task, split, language, files."""


@pytest.fixture(autouse=True)
def hub(tmp_path_factory, monkeypatch, caplog) -> Path:
    """An empty cache of the hub, whatever this machine has; warnings are other tests'."""
    caplog.set_level(logging.ERROR)
    folder = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    cached.cache_clear()
    return folder


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> str:
    """A BERT of 160 positions whose words are the letters; its weights are never read."""
    folder = tmp_path_factory.mktemp("letters")
    pieces = ["[PAD]", "[UNK]", CLS, SEP, "[MASK]", ".", "?", *LETTERS]
    (folder / "vocab.txt").write_text("\n".join(pieces))
    (folder / "model.safetensors").touch()
    sizes = {"vocab_size": len(pieces), "max_position_embeddings": 160, "type_vocab_size": 2}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "pad_token_id": 0, **sizes}))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return str(folder)


def put(folder: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return str(folder)


def look(kind: str, tmp_path: Path, encoder: str):
    task, split, language, files = FILES[kind]
    [found] = inspect(task, split, language, put(tmp_path, files), encoder)
    assert (found.kind, found.source) == (kind, "files")
    assert set(found.places) == set(files)
    return found


def test_every_kind_has_files_here():
    assert FILES.keys() == {*get_args(Kind)}


EXPECTED = {
    "classification": (
        {"examples": 2},
        {"entailment": 1, "neutral": 1, "contradiction": 0},
        [f"{CLS} a b {SEP} c {SEP}", f"{CLS} d {SEP} e {SEP}"],
    ),
    "multiple_choice": (
        {"examples": 1},
        {"1": 1},
        [f"{CLS} a [UNK] [UNK] [UNK] [UNK] ? {SEP} {choice} {SEP}" for choice in "bc"],
    ),
    "span": ({"examples": 1}, {}, [f"{CLS} x {SEP} a b c {SEP}"]),
    "tagging": ({"examples": 2, "words": 3}, {"O": 2, "B-PER": 1}, [f"{CLS} a b {SEP}", f"{CLS} c {SEP}"]),
    "retrieval": (
        {"examples": 2},
        {},
        [f"{CLS} {text} {SEP}" for text in ("a", "c d", "b", "e")],
    ),
    "mining": (
        {"examples": 4, "source sentences": 2, "target sentences": 2, "gold pairs": 1},
        {},
        [f"{CLS} {text} {SEP}" for text in "bcd"],  # de-1 has no translation
    ),
    "ranking": (
        {"examples": 3, "queries": 1, "candidates": 2},
        {},
        [f"{CLS} x {SEP}", *(f"{CLS} {text} . {SEP} a b . c d . {SEP}" for text in ("a b", "c d"))],
    ),
    "mlm": ({"examples": 2}, {}, [f"{CLS} a b {SEP}", f"{CLS} c {SEP}"]),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_shows_counts_labels_and_the_subwords_of_its_examples(kind, tmp_path, letters):
    found = look(kind, tmp_path, letters)
    counts, labels, rows = EXPECTED[kind]
    assert (found.counts, found.labels) == (counts, labels)
    assert [" ".join(row.subwords) for shown in found.examples for row in shown.rows] == rows
    assert found.encoding.truncated == found.encoding.in_windows == 0
    assert not any(shown.cut for shown in found.examples)


@pytest.mark.parametrize("kind", FILES)
def test_without_an_encoder_the_same_examples_have_no_rows(kind, tmp_path, letters):
    bare, whole = look(kind, tmp_path, "none"), look(kind, tmp_path, letters)
    assert bare.encoding is None and not any(shown.rows for shown in bare.examples)
    assert [shown.fields for shown in bare.examples] == [shown.fields for shown in whole.examples]


def test_rows_are_as_long_as_the_recipe_has_them_and_no_longer_than_the_encoder_reads(tmp_path, letters):
    """Recipe xtreme: 128 subwords for XNLI, 384 for XQuAD, whose windows advance by 128."""
    made = {kind: look(kind, tmp_path, letters).encoding for kind in ("classification", "span")}
    assert (made["classification"].max_length, made["span"].max_length) == (128, 160)
    assert made["span"].stride == -128


def test_gold_that_names_other_texts_shows_them(tmp_path):
    source, *targets = look("mining", tmp_path, "none").examples
    assert source.named == {"en-1": "c"} and not any(target.named for target in targets)
    query, *candidates = look("ranking", tmp_path, "none").examples
    assert query.named == {"paragraph-0-sentence-1": "C d."} and not any(c.named for c in candidates)


def test_windows_of_a_context_say_what_they_hold_and_share(tmp_path, letters):
    """[CLS] x [SEP] ... [SEP] leaves 6 of 10 subwords: a to f, and with an overlap of 2 e to j."""
    folder = put(tmp_path, {"xquad/xquad.en.json": _squad("a b c d e f g h i j", x="i")})
    [found] = inspect("xquad", folder=folder, encoder=letters, lengths={"max_length": 10, "stride": 2})
    first, second = found.examples[0].rows
    assert " ".join(first.subwords) == f"{CLS} x {SEP} a b c d e f {SEP}"
    assert (first.covers, first.overlap, first.answer) == ((0, 11), 0, None)
    assert " ".join(second.subwords) == f"{CLS} x {SEP} e f g h i j {SEP}"
    assert (second.covers, second.overlap, second.answer) == ((8, 19), 2, (7, 7))
    assert first.segments == second.segments == (0, 0, 0, 1, 1, 1, 1, 1, 1, 1)
    assert (found.encoding.rows, found.encoding.in_windows, found.encoding.truncated) == (2, 1, 0)


def test_windows_of_a_sentence_to_tag_share_no_word(tmp_path, letters):
    words = "".join(f"en:{letter}\t{tag}\n" for letter, tag in zip("abcdefgh", "OOOOOOOO", strict=True))
    folder = put(
        tmp_path, {"panx/test-en.tsv": words.replace("f\tO", "f\tB-LOC").replace("g\tO", "g\tI-LOC")}
    )
    [found] = inspect("panx", folder=folder, encoder=letters, lengths={"max_length": 8})
    first, second = found.examples[0].rows
    assert (first.covers, second.covers, second.overlap) == ((0, 6), (6, 8), 0)
    assert first.tags == ("", "O", "O", "O", "O", "O", "B-LOC", "")
    assert second.tags == ("", "I-LOC", "O", "")


def test_what_is_cut_off_is_said_of_the_example_and_counted(tmp_path, letters):
    """Of 8 subwords 3 are special: the longer text keeps 3, the shorter its 2."""
    folder = put(tmp_path, {"xnli/test-en.tsv": "a b c d e f\tg h\tneutral\na\tb\tneutral\n"})
    [found] = inspect("xnli", folder=folder, encoder=letters, lengths={"max_length": 8})
    long, short = found.examples
    assert " ".join(long.rows[0].subwords) == f"{CLS} a b c {SEP} g h {SEP}"
    assert (long.cut, short.cut, found.encoding.truncated) == (True, False, 1)


def test_an_answer_that_no_window_holds_is_said(tmp_path, letters):
    folder = put(tmp_path, {"xquad/xquad.en.json": _squad("a b c d e f g h i j", x="b c d e f g h")})
    [found] = inspect("xquad", folder=folder, encoder=letters, lengths={"max_length": 10, "stride": 2})
    assert found.examples[0].cut and found.encoding.truncated == 1


def test_what_is_left_out_and_flagged(tmp_path, letters):
    rows = "a\tb\tneutral\n \tb\tneutral\nNS\tc\tentailment\na\tb\t-\n"
    [found] = inspect("xnli", folder=put(tmp_path, {"xnli/test-en.tsv": rows}), encoder=letters)
    assert (found.counts["examples"], found.without_gold) == (2, 1)
    assert found.noted == {"without-text": 1, "placeholder-texts": 1}
    # NS is one unknown subword of five
    assert found.flags == ("unknown-subwords", "without-gold=1", "without-text=1", "placeholder-texts=1")


def test_the_language_is_the_pivot_or_the_first_at_hand_and_the_split_the_scored_one(tmp_path):
    folder = put(tmp_path, {"pawsx/test-fr.tsv": "a\tb\t1\n", "squad_v1/dev-v1.1.json": _squad("a b", x="b")})
    [found] = inspect("pawsx", folder=folder)
    assert (found.split, found.language) == ("test", "fr")
    put(tmp_path, {"pawsx/test-en.tsv": "a\tb\t1\n"})
    assert inspect("pawsx", folder=folder)[0].language == "en"
    assert inspect("squad_v1", folder=folder)[0].split == "dev"


def test_training_data_are_those_of_the_tasks_that_a_task_is_trained_on(tmp_path):
    row = '{"premise": "a", "question": "cause", "choice1": "b", "choice2": "c", "label": 1, "idx": 0}'
    social = (
        '{"context": "a", "question": "b", "answerA": "c", "answerB": "d", "answerC": "e", "correct": "B"}'
    )
    folder = put(tmp_path, {"copa/train.jsonl": row, "socialiqa/socialIQa_v1.4_trn.jsonl": social})
    found = inspect("xcopa", "train", folder=folder)
    assert [(one.task, one.data_task, one.split) for one in found] == [
        ("xcopa", "socialiqa", "train"),
        ("xcopa", "copa", "train"),
    ]


def test_a_task_of_the_world_is_shown_with_a_shipped_encoder_of_its_world():
    [found] = inspect("w-pos", head=1)
    assert (found.source, found.language, found.encoding.encoder) == ("world", "x-pivot", "world/w0-s0")
    [other] = inspect("w-pos", encoder="world/w1-s0", head=1)
    assert (found.revision, other.revision) == ("world-1:0:0", "world-1:1:0")
    assert len(other.examples) == 1 and not other.encoding.segments


def test_a_real_task_is_shown_with_xlmr_where_the_cache_has_it(hub, tmp_path, letters):
    folder = put(tmp_path, FILES["classification"][3])
    assert inspect("xnli", folder=folder)[0].encoding is None
    repository = hub / "models--FacebookAI--xlm-roberta-large"
    shutil.copytree(letters, repository / "snapshots" / "c0ffee")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0ffee")
    cached.cache_clear()
    assert inspect("xnli", folder=folder)[0].encoding.encoder == "FacebookAI/xlm-roberta-large"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": "xnly"}, "Did you mean 'xnli'"),
        ({"name": "xnli", "split": "tset"}, "unknown split 'tset'. Did you mean 'test'"),
        ({"name": "xnli", "language": "swa"}, "Did you mean 'sw'"),
        ({"name": "xnli", "encoder": "world/w0-s9"}, "Did you mean 'world/w0-s"),
        ({"name": "tatoeba", "split": "train"}, "never trained .* ask for its test split"),
        ({"name": "w-nli", "split": "dev"}, "unknown split 'dev'"),
        ({"name": "w-nli", "lengths": {"max_length": 65}}, "more than the 64 subwords that encoder 'world/w0-s0'"),
        ({"name": "xnli", "split": "dev"}, "no dev files of xnli in en: .* it has test: sw"),
        ({"name": "qqp"}, "no folder of qqp .* there is xnli"),
        ({"name": "xnli", "folder": "/not/there"}, "/not/there is no folder"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_with_a_remedy(asked, said, tmp_path):
    folder = put(tmp_path, FILES["classification"][3])
    with pytest.raises(InputError, match=said):
        inspect(**{"folder": folder} | asked)


def test_data_that_are_refused_for_training_are_refused_here(tmp_path):
    rows = "a\tb\tneutral\n" * FEWEST_OF_ONE_LABEL
    with pytest.raises(InputError, match="which are placeholders and no gold"):
        inspect("xnli", folder=put(tmp_path, {"xnli/test-en.tsv": rows}))
