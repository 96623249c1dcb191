"""Parallel test sets against their English: questions, labels, counts, and texts that only stand for one."""

import json
import logging

import huggingface_hub
import pytest
from hub_cache import write_cached
from hub_schemas import COPA, XCOPA

from simxfer.common.errors import InputError
from simxfer.common.hubcache import cached
from simxfer.encoder.dataset import load_dataset
from simxfer.grid.expand import expand
from simxfer.grid.file import parse_grid
from simxfer.grid.needs import needs_of, requests_of
from simxfer.sources import read_examples, revision
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS

ASKED = ["cause", "effect", "cause", "effect"]
"""What the English items ask, by idx."""
CAUSE, EFFECT = "What was the cause?", "What was the effect?"
ENGLISH = [
    ("The mill stands by the river .", "By the river stands the mill .", 1),
    ("Anna met Otto in Bonn .", "Otto met Anna in Bonn .", 1),
    ("The red door is old .", "The old door is red .", 0),
]


def _copa(language, asked, **changed):
    rows = [
        {
            "premise": f"{language} {i}.",
            "choice1": "a",
            "choice2": "b",
            "question": q,
            "label": i % 2,
            "idx": i,
        }
        for i, q in enumerate(asked)
    ]
    return [row | changed for row in rows]


def _write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row) if isinstance(row, dict) else "\t".join(map(str, row)) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def _asks(examples):
    return [CAUSE if e.context.endswith(CAUSE) else EFFECT for e in examples]


@pytest.mark.parametrize("english", ["xcopa/test.en.jsonl", "xcopa/copa_en/test-en.jsonl", "copa/test.jsonl"])
@pytest.mark.parametrize("gold", [{}, {"label": -1}], ids=["gold", "no gold"])
def test_xcopa_asks_what_the_english_item_asks(tmp_path, caplog, english, gold):
    """The published test files of COPA have no gold; what they ask is needed all the same."""
    _write(tmp_path / english, _copa("en", ASKED, **gold))
    _write(tmp_path / "xcopa/data/th/test.th.jsonl", _copa("th", ["effect"] * 4))
    with caplog.at_level(logging.WARNING):
        examples = read_examples(DataRequest("xcopa", "test", "th", folder=str(tmp_path)))
    assert _asks(examples) == [CAUSE, EFFECT, CAUSE, EFFECT]
    assert examples.noted == {"questions-from-english": 2}
    assert "xcopa, test, th, 4 examples: questions-from-english=2" in caplog.text
    assert [e.context for e in examples] == [f"th {i}. {q}" for i, q in enumerate(_asks(examples))]


def test_xcopa_as_it_is_keeps_its_questions_and_says_how_many_are_wrong(tmp_path):
    _write(tmp_path / "xcopa/test.en.jsonl", _copa("en", ASKED))
    _write(tmp_path / "xcopa/test.th.jsonl", _copa("th", ["effect"] * 4))
    english = DataRequest("xcopa", "test", "th", folder=str(tmp_path))
    as_is = DataRequest("xcopa", "test", "th", folder=str(tmp_path), fields="as-is")
    examples = read_examples(as_is)
    assert _asks(examples) == [EFFECT] * 4 and examples.noted == {"questions-not-as-english": 2}
    assert revision(english) != revision(as_is)
    assert _asks(read_examples(english)) == [CAUSE, EFFECT, CAUSE, EFFECT]


def test_xcopa_without_english_says_that_nothing_was_checked(tmp_path):
    _write(tmp_path / "xcopa/test.th.jsonl", _copa("th", ["effect"] * 4))
    request = DataRequest("xcopa", "test", "th", folder=str(tmp_path))
    examples = read_examples(request)
    assert _asks(examples) == [EFFECT] * 4 and examples.noted == {"questions-unchecked": 4}
    before = revision(request)
    _write(tmp_path / "xcopa/test.en.jsonl", _copa("en", ASKED))  # decides the prompts: other data
    assert revision(request) != before
    again = revision(request)
    _write(tmp_path / "xcopa/test.en.jsonl", _copa("en", ["effect"] * 4))
    assert revision(request) not in (before, again)
    assert read_examples(request).noted == {}


def test_xcopa_on_the_hub_is_asked_as_copa_there(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    thai = [{**row, "changed": False} for row in _copa("th", ["effect"] * 4)]
    request = DataRequest("xcopa", "test", "th")
    write_cached(tmp_path, "cambridgeltl/xcopa", {"th/test": thai}, XCOPA)
    cached.cache_clear()
    assert read_examples(request).noted == {"questions-unchecked": 4}
    write_cached(tmp_path, "aps/super_glue", {"copa/test": _copa("en", ASKED, label=-1)}, COPA)
    cached.cache_clear()
    assert _asks(read_examples(request)) == [CAUSE, EFFECT, CAUSE, EFFECT]


GRID = """
name: g
encoders: [world/w0-s0]
recipe: xtreme
seeds: [0]
languages: [th, zh]
overrides: {{"*": {{max_length: 64}}}}
blocks: [{{intermediates: [none], targets: [xcopa]}}]
data: {{folder: {folder}, tasks: {{xcopa: {{{options}}}}}}}
"""


def test_a_grid_says_whose_questions_it_takes_and_what_it_leaves_untested(tmp_path):
    for task in ("xcopa/data/th/test.th.jsonl", "xcopa/data/zh/test.zh.jsonl"):
        _write(tmp_path / task, _copa("th", ["effect"] * 4))
    _write(tmp_path / "xcopa/test.en.jsonl", _copa("en", ASKED))
    for name in ("socialiqa/socialIQa_v1.4_trn.jsonl", "copa/train.jsonl", "copa/val.jsonl"):
        _write(tmp_path / name, _copa("en", ASKED))

    def evaluation(options):
        plan = expand(parse_grid(GRID.format(folder=tmp_path, options=options)), revision)
        [[found]] = [found.values() for found in plan.evaluations.values()]
        return found

    default, as_is = evaluation(""), evaluation("fields: as-is")
    assert (default.fields, as_is.fields) == ("english", "as-is") and default.id != as_is.id
    assert default.id == evaluation("fields: english").id
    assert evaluation("untested: [zh]").languages == ("th",)
    with pytest.raises(InputError, match=r"no test data in any of the languages .* left untested"):
        evaluation("untested: [zh, th]")
    with pytest.raises(InputError, match=r"'english' or 'as-is'"):
        evaluation("fields: english-ish")
    plan = expand(parse_grid(GRID.format(folder=tmp_path, options="")), revision)
    assert tmp_path / "xcopa/test.en.jsonl" in needs_of(plan).files  # though English is not tested
    assert DataRequest("xcopa", "test", "en", folder=str(tmp_path)) in requests_of(plan)


def test_labels_placeholders_and_counts_are_held_against_the_english_items(tmp_path):
    _write(tmp_path / "pawsx/en/test_2k.tsv", [("id", "sentence1", "sentence2", "label")] + [
        (i, *row) for i, row in enumerate([*ENGLISH, ENGLISH[0]])
    ])  # fmt: skip
    german = [
        ("Die Mühle steht am Fluss .", "NS", 0),
        ("NS", "NS", 0),
        ("Die Tür ist alt .", "Die rote Tür .", 0),
    ]
    _write(tmp_path / "pawsx/de/test_2k.tsv", [("id", "sentence1", "sentence2", "label")] + [
        (i, *row) for i, row in enumerate(german)
    ])  # fmt: skip
    examples = read_examples(DataRequest("pawsx", "test", "de", folder=str(tmp_path)))
    assert len(examples) == 3  # kept: published scores include them
    assert examples.noted == {
        "placeholder-texts": 2,
        "labels-not-as-english": 2,
        "unmatched-with-english": 1,
    }
    assert read_examples(DataRequest("pawsx", "test", "en", folder=str(tmp_path))).noted == {}


def test_a_short_text_for_several_long_english_ones_is_a_placeholder(tmp_path):
    """Whatever word it is; short answers that are equal in translation are none."""
    english = [
        (f"Where does sentence number {i} come from ?", "Yes , it does .", "neutral") for i in range(3)
    ]
    english += [("a", "That is right .", "neutral")]
    _write(tmp_path / "xnli/dev-en.tsv", english)
    _write(tmp_path / "xnli/dev-zh.tsv", [("缺", "是的", "neutral")] * 2 + [("三", "是的", "neutral")] * 2)
    assert read_examples(DataRequest("xnli", "dev", "zh", folder=str(tmp_path))).noted == {
        "placeholder-texts": 2
    }


def test_placeholders_are_counted_in_training_data_as_well(tmp_path):
    _write(tmp_path / "pawsx/train-de.tsv", [("NS", "Ein Satz .", 0), ("Ein Satz .", "Noch einer .", 1)])
    assert read_examples(DataRequest("pawsx", "train", "de", folder=str(tmp_path))).noted == {
        "placeholder-texts": 1
    }


def test_what_is_noted_outlives_the_cache_of_features(tmp_path):
    from simxfer.encoder.loading import load_tokenizer
    from simxfer.encoder.pretrained import resolve_encoder

    _write(tmp_path / "pawsx/train-de.tsv", [("NS", "Ein Satz .", 0), ("Ein Satz .", "Noch einer .", 1)])
    request = DataRequest("pawsx", "train", "de", folder=str(tmp_path))
    tokenizer = load_tokenizer(resolve_encoder("world/w0-s0"))
    for _ in ("made", "read"):
        dataset = load_dataset(request, TASKS["pawsx"], tokenizer, "t", 32, 8, tmp_path / "cache")
        assert dataset.noted == {"placeholder-texts": 1}
