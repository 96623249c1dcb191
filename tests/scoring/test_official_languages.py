"""The language of files: asked for, or read off their names."""

from pathlib import Path

import pytest
from official_files import write

from simxfer.common.errors import InputError
from simxfer.scoring.official import score_file
from simxfer.scoring.official.languages import language_of_name
from simxfer.tasks import get_task


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("xnli", "test-sw.tsv", "sw"),
        ("xnli", "test-sw-seed1.tsv", "sw"),
        ("xquad", "xquad.de.json", "de"),
        ("mlqa", "dev-context-ar-question-de.json", "ar"),
        ("mlqa", "mlqa_zh.json", "zh"),
        ("tydiqa", "arabic_tydiqa_dev.json", "ar"),
        ("tydiqa", "tydiqa.goldp.sw.dev.json", "sw"),
        ("bucc2018", "zh-en.dev.gold", "zh"),
        ("xcopa", "val.ht.jsonl", "ht"),
        ("lareqa", "de.json", "de"),
        ("panx", "dev-sq.tsv", "sq"),
        ("ud", "en_ewt-ud-test.conllu", "en"),
        ("udpos", "yo_ytb-ud-test.conllu", "yo"),
        ("tatoeba", "tatoeba.swh-eng.eng", "sw"),
        ("tydiqa", "tydiqa-goldp-dev-swahili.json", "sw"),
        ("masakhaner2", "ibo/test.txt", "ig"),
        ("pawsx", "zh/test_2k.tsv", "zh"),
        ("panx", "en/test", "en"),
        ("masakhaner2", "out/test.txt", ""),
        ("xnli", "XNLI-1.0/xnli.test.tsv", ""),
        ("mewslix", "wikinews_mentions-test.jsonl", ""),
        ("xnli", "predictions.txt", ""),
        ("panx", "my_predictions.txt", ""),
        ("squad_v1", "dev-v1.1.json", ""),
        ("xnli", "test-out.tsv", ""),
    ],
)
def test_the_language_is_read_off_the_files_name(task, name, expected):
    assert language_of_name(Path("some/test-fr") / name, get_task(task)) == expected


def test_files_of_two_languages_and_unknown_languages_are_refused(tmp_path):
    predictions, gold = (write(tmp_path / f"test-{code}.tsv", "neutral") for code in ("sw", "de"))
    neutral = write(tmp_path / "out.tsv", "neutral")
    with pytest.raises(
        InputError, match=r"of different languages: the predictions test-sw.tsv \(sw\), the gold"
    ):
        score_file("xnli", predictions, gold)
    with pytest.raises(InputError, match="of different languages: --language ur"):
        score_file("xnli", neutral, gold, "ur")
    with pytest.raises(InputError, match=r"unknown language 'swa' for xnli. Did you mean 'sw'\?"):
        score_file("xnli", neutral, neutral, "swa")
    with pytest.raises(InputError, match=r"neither out.tsv nor out.tsv states the language"):
        score_file("xnli", neutral, neutral)
    with pytest.raises(InputError, match=r"unknown language 'avg' for panx.* and more"):
        score_file("panx", neutral, neutral, "avg")
    assert score_file("xnli", neutral, gold)["language"].tolist() == ["de"]
