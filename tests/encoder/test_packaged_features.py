"""XLM-R's tokenizer on real files of every kind: words keep their tags and answers their places.

Texts are read as they stand and decomposed.
"""

import csv
import dataclasses
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from simxfer.common.errors import InputError
from simxfer.encoder.features import choice_features, span_features, tagging_features
from simxfer.encoder.loading import load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.encoder.ragged import IGNORED
from simxfer.sources.files import read_files
from simxfer.tasks import TASKS

PACK = Path(__file__).parents[2] / ".." / "shared" / "pack"
EXAMPLES = 3
"""Of each file."""
FORMS = {"as it stands": str, "decomposed": lambda text: unicodedata.normalize("NFD", text)}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(resolve_encoder("packaged/multilingual-e5-small"))


def read(task: str) -> Iterator[tuple[str, list]]:
    """Yield name and some examples of every file of a task that has gold."""
    codes = {TASKS[task].files.code(language): language for language in TASKS[task].languages}
    with (PACK / "FILES.tsv").open(encoding="utf-8") as file:
        listed = [row for row in csv.DictReader(file, delimiter="\t") if row["file"].startswith(f"{task}/")]
    for row in listed:
        code = row["lang"].split("-")[0]
        try:
            found = list(read_files([PACK / row["file"]], TASKS[task], codes.get(code, code)))
        except InputError:  # unlabelled, or another form of the task
            continue
        yield row["file"], found[:: max(1, len(found) // EXAMPLES)][:EXAMPLES]


@pytest.mark.parametrize("task", ["udpos", "panx"])
@pytest.mark.parametrize("form", FORMS)
def test_every_word_of_every_language_carries_its_tag_once(shared, tokenizer, task, form):
    files = list(read(task))
    assert len(files) >= 30
    for name, found in files:
        examples = [dataclasses.replace(e, words=tuple(map(FORMS[form], e.words))) for e in found]
        # So short that there are windows.
        features = tagging_features(examples, TASKS[task], tokenizer, 32, 8)
        for i, example in enumerate(examples):
            rows = np.flatnonzero(features.example == i)
            tokens = np.concatenate([np.arange(*features.starts[r : r + 2]) for r in rows])
            tokens = tokens[features.labels[tokens] != IGNORED]
            tags = [TASKS[task].labels[label] for label in features.labels[tokens]]
            assert tags == list(example.tags), (name, example.id)
            assert features.spans[tokens, 0].tolist() == list(range(len(example.words))), (name, example.id)


@pytest.mark.parametrize("task", ["xquad", "mlqa", "tydiqa"])
@pytest.mark.parametrize("form", FORMS)
def test_every_answer_of_every_language_is_found_where_it_stands(shared, tokenizer, task, form):
    files = list(read(task))
    assert len(files) >= 5
    for name, found in files:
        examples = [_in_form(e, FORMS[form]) for e in found]
        features = span_features(examples, TASKS[task], tokenizer, 128, 32)
        for i, example in enumerate(examples):
            start, answer = example.answers[0]
            assert example.context[start : start + len(answer)] == answer
            windows = [r for r in np.flatnonzero(features.example == i) if features.labels[r].any()]
            for row in windows:
                first, last = features.spans[features.starts[row] + features.labels[row]]
                covered = example.context[first[0] : last[1]]
                assert answer.strip() in covered, (name, example.id)
                assert len(covered) - len(answer) < sum(b - a for a, b in (first, last)), (name, example.id)
            assert windows or features.counts[0], (name, example.id)


def _in_form(example, form):
    start, answer = example.answers[0]
    parts = example.context[:start], answer, example.context[start + len(answer) :]
    before, answer, behind = map(form, parts)
    return dataclasses.replace(
        example,
        question=form(example.question),
        context=before + answer + behind,
        answers=((len(before), answer),),
    )


def test_choices_fit_whatever_the_script(shared, tokenizer):
    files = list(read("xcopa"))
    assert len(files) >= 5
    for name, examples in files:
        features = choice_features(examples, TASKS["xcopa"], tokenizer, 24, 8)
        assert np.diff(features.starts).max() <= 24 and len(features.labels) == len(examples), name
